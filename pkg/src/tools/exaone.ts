/** EXAONE 4's syntax: Hermes' without line breaks inside the tags. Results come back in `<tool_result>`. */
import { inTags, tagged } from "./hermes.js";

export const exaone = inTags("exaone", "", (template) => tagged(template) && template.includes("<tool_result>"));
