/** Whether an answer follows its constraint, by others' reckoning. */
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

/** Fractions of ten are no exact doubles: a multiple is one within a millionth. */
const MULTIPLE_DIGITS = 6;

/** A validator; each schema has its own, for some have the same `$id`. */
function validator(schema) {
  const ajv = new Ajv2020.default({ allErrors: false, strict: false, unicodeRegExp: true, validateFormats: true, multipleOfPrecision: MULTIPLE_DIGITS });
  addFormats.default(ajv, { mode: "full" });
  return ajv.compile(schema);
}

const validators = new Map();

/** What is wrong with an answer; `undefined` where nothing is. */
export function judge(one, answer) {
  try {
    if (one.kind !== "json_schema") return one.is(answer) ? undefined : "it does not match";
    if (!validators.has(one.text)) validators.set(one.text, validator(one.schema));
    const validate = validators.get(one.text);
    return validate(JSON.parse(answer)) ? undefined : validate.errors.map(({ instancePath, message }) => `${instancePath} ${message}`).join("; ");
  } catch (thrown) {
    return String(thrown);
  }
}
