/**
 * The shapes of the Prompt API (https://webmachinelearning.github.io/prompt-api), as pages know them from browsers that have it, and what
 * doran adds: which model answers.
 */
import type { Engine } from "../engine.js";
import type { GenerateOptions, LoadOptions, ModelSource } from "../types.js";

/** Which model answers, and how. `model` or `engine` is needed. */
export interface LanguageModelConfig {
  /** The model to load at the first `create()`. */
  readonly model?: ModelSource;
  /** An engine that the page has loaded, or is loading. It stays the page's own: nothing here unloads it. */
  readonly engine?: Engine | PromiseLike<Engine>;
  /** How `model` is loaded. */
  readonly loadOptions?: Omit<LoadOptions, "signal">;
  /** What holds for every answer, such as `maxTokens`, `seed` or `adapters`. Sampling is a session's own. */
  readonly generate?: Omit<GenerateOptions, "signal" | "format" | "temperature" | "topK" | "contextPolicy">;
  /** Variables for the chat template, such as `enable_thinking`. */
  readonly templateArgs?: Readonly<Record<string, unknown>>;
  /** Milliseconds after the last session was destroyed until a model that was loaded here is unloaded; the default is a minute. */
  readonly idleMs?: number;
}

/** Options of `installLanguageModel`. */
export interface InstallOptions extends LanguageModelConfig {
  /** Where to put the class; the default is `globalThis`. */
  readonly global?: object;
  /** Put it there also where the browser has one of its own. */
  readonly force?: boolean;
}

/** Whether a session can be made, and whether something must be downloaded first. */
export type Availability = "unavailable" | "downloadable" | "downloading" | "available";
/** Who says something. */
export type LanguageModelMessageRole = "system" | "user" | "assistant";
/** What is said. Only text is supported. */
export type LanguageModelMessageType = "text" | "image" | "audio";
/** How much chance there is in answers. */
export type LanguageModelSamplingMode = "most-predictable" | "predictable" | "balanced" | "creative" | "most-creative";

/** A part of a message. */
export interface LanguageModelMessageContent {
  readonly type: LanguageModelMessageType;
  /** A string where `type` is `"text"`. */
  readonly value: unknown;
}

/** One turn. */
export interface LanguageModelMessage {
  readonly role: LanguageModelMessageRole;
  readonly content: string | readonly LanguageModelMessageContent[];
  /** Of the last message, where it is the assistant's: the answer goes on with it. */
  readonly prefix?: boolean;
}

/** A string is a message of the user. */
export type LanguageModelPrompt = string | readonly LanguageModelMessage[];

/** What a session will read or write. */
export interface LanguageModelExpected {
  readonly type: LanguageModelMessageType;
  /** BCP 47 tags. Any language may be named: which ones a model knows, its files do not say. */
  readonly languages?: readonly string[];
}

/** A function of the page that the model may call. */
export interface LanguageModelTool {
  readonly name: string;
  readonly description: string;
  /** A JSON Schema of the arguments. */
  readonly inputSchema: object;
  /** Called with the arguments as an object; gives what the model reads. Where it rejects, the prompt rejects with the same. */
  // Method syntax: a tool's own parameter type is narrower than `unknown`.
  execute(input: unknown): string | Promise<string>;
}

/** What `availability` asks about. */
export interface LanguageModelCreateCoreOptions {
  readonly expectedInputs?: readonly LanguageModelExpected[];
  readonly expectedOutputs?: readonly LanguageModelExpected[];
  readonly tools?: readonly LanguageModelTool[];
  /** Not together with `topK` and `temperature`. */
  readonly samplingMode?: LanguageModelSamplingMode;
  readonly topK?: number;
  readonly temperature?: number;
}

/** Hears how far a download is, from 0 to 1. */
export interface CreateMonitor extends EventTarget {
  /** Called with each `downloadprogress` event. */
  ondownloadprogress: ((event: ProgressEvent) => void) | null;
}

/** Options of `LanguageModel.create`. */
export interface LanguageModelCreateOptions extends LanguageModelCreateCoreOptions {
  /** Ends the load, and later destroys the session. */
  readonly signal?: AbortSignal;
  /** Called at once, with what will hear of the download. */
  readonly monitor?: (monitor: CreateMonitor) => void;
  /** What stands before every conversation, and never leaves it. */
  readonly initialPrompts?: readonly LanguageModelMessage[];
}

/** Options of `append`, `clone` and the like. */
export interface LanguageModelSignalOptions {
  readonly signal?: AbortSignal;
}

/** Options of `prompt` and `promptStreaming`. */
export interface LanguageModelPromptOptions extends LanguageModelSignalOptions {
  /** What the answer must look like: a JSON Schema, or a `RegExp` for the whole answer. */
  readonly responseConstraint?: object;
  /** Do not tell the model of the constraint. */
  readonly omitResponseConstraintInput?: boolean;
}

/** Sampling: what a session has unless told otherwise, and the most it takes. */
export interface LanguageModelParams {
  readonly defaultTopK: number;
  readonly maxTopK: number;
  readonly defaultTemperature: number;
  readonly maxTemperature: number;
}
