/**
 * Errors that the AI SDK knows as its own. Its packages know each other's errors by global symbols, so that nothing of them is needed
 * here at run time.
 */
const SDK = Symbol.for("vercel.ai.error");

function sdkError(name: string, message: string, facts: Readonly<Record<string, unknown>>): Error {
  return Object.assign(new Error(message), { name, [SDK]: true, [Symbol.for(`vercel.ai.error.${name}`)]: true, ...facts });
}

/** Something in a prompt that a model of text cannot read. */
export function unsupported(functionality: string, message: string): Error {
  return sdkError("AI_UnsupportedFunctionalityError", message, { functionality });
}

/** A kind of model that there is none of here. */
export function noSuchModel(modelId: string, modelType: string): Error {
  return sdkError("AI_NoSuchModelError", `doran has no ${modelType}`, { modelId, modelType });
}
