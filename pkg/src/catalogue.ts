/**
 * `doran/catalogue`: the models that are known to suit doran, and the shape of their entries. Only pages that offer a choice import it:
 * the other scripts of the package take its types alone, and hold no addresses. `tests/catalogue.mjs` checks the content.
 *
 * @packageDocumentation
 */
// eslint-disable-next-line @typescript-eslint/triple-slash-reference -- whoever reads this file from elsewhere, as tests and the demo do, needs the declaration too
/// <reference path="./models-json.d.ts" />
import models from "../models.json";

/** The content of `doran/models.json`, in its order. An entry is a source of `Engine.load`. */
export const catalogue: readonly CatalogueEntry[] = models;

/**
 * A value with the page that states it. A value that no page of the model's publisher was seen to state is `null`, with no
 * source, and not verified: nothing in the catalogue is there from memory.
 */
export type Fact<T> = KnownFact<T> | UnknownFact;

/** A value, seen on the page named. */
export interface KnownFact<T> {
  readonly value: T;
  /** The page, by https: the publisher's own, or the hub's of the publisher's repository. */
  readonly source: string;
  readonly verified: true;
  /**
   * The page gives a number rounded (`1.06 GB`, `32K`; thousands are decimal), or a longer list than is given here. A download's
   * true size comes with the download.
   */
  readonly approximate?: true;
}

/** Nothing is known. */
export interface UnknownFact {
  readonly value: null;
  readonly source: null;
  readonly verified: false;
}

/** A model of which no page of its publisher was seen to name the place; others name it so. */
export interface UnverifiedSource {
  readonly value: string;
  readonly source: null;
  readonly verified: false;
}

/** One model of the catalogue. */
export interface CatalogueEntry {
  /** Short and stable: lower case, such as `qwen3-0.6b`. */
  readonly id: string;
  /** For people. */
  readonly name: string;
  /** What to choose it for, in a sentence. A judgement, not a publisher's claim. */
  readonly goodFor: string;
  /** Why doran does not run it yet: it lacks the architecture, or the publisher's weights are neither GGUF nor safetensors. */
  readonly unsupported: "architecture" | "weights" | null;
  /** Seven billion parameters or more: more than most devices hold. */
  readonly large: boolean;
  /** Where it is on the hub: `hf:owner/name` for a folder, `hf:owner/name/file.gguf` for a file. It always has a value. */
  readonly source: KnownFact<string> | UnverifiedSource;
  /** The commit of that repository at which the other facts were seen, in full. Without one, the newest is meant. */
  readonly revision: Fact<string>;
  /** Hugging Face's `model_type`. */
  readonly architecture: Fact<string>;
  /** How many, embeddings included where the publisher counts them. */
  readonly parameters: Fact<number>;
  /** The weights' format, such as `Q4_K_M` or `F16`; a mix goes by its name. */
  readonly quantisation: Fact<string>;
  /** Of the files with weights. */
  readonly bytes: Fact<number>;
  /** What it was trained for, as BCP 47 tags. */
  readonly languages: Fact<readonly string[]>;
  /** Positions it was trained for. */
  readonly context: Fact<number>;
  readonly license: CatalogueLicense;
}

/** What a reader must agree to. Where a flag is `null`, take it as `true` until the licence has been read. */
export interface CatalogueLicense {
  /** The SPDX identifier where there is one, else the licence's title or the hub's name for it. */
  readonly name: Fact<string>;
  /** Its text, or the page that states it. */
  readonly url: Fact<string>;
  /** It forbids use in commerce. */
  readonly nonCommercial: Fact<boolean>;
  /** The hub gives the files only to those who have signed in and accepted the terms there: loading takes a token in `headers`. */
  readonly gated: Fact<boolean>;
}
