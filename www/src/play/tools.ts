/** Tools that the playground can run in the page itself, so that a call can be seen to its end. */
import type { Tool } from "doran";

/** The definitions, as the model sees them. */
export const TOOLS: readonly Tool[] = [
  {
    type: "function",
    function: {
      name: "calculate", description: "Computes with two numbers",
      parameters: {
        type: "object", required: ["left", "operation", "right"], additionalProperties: false,
        properties: { left: { type: "number" }, operation: { type: "string", enum: ["+", "-", "*", "/"] }, right: { type: "number" } },
      },
    },
  },
  { type: "function", function: { name: "now", description: "The date and the time", parameters: { type: "object", properties: {}, additionalProperties: false } } },
];

/** Runs a tool of ours; `undefined` for others, whose result the reader writes. */
export function runTool(name: string, json: string): string | undefined {
  if (name === "now") return new Date().toISOString();
  if (name !== "calculate") return undefined;
  const given: unknown = JSON.parse(json);
  if (typeof given !== "object" || given === null || !("left" in given) || !("right" in given) || !("operation" in given)) return undefined;
  const { left, right, operation } = given;
  if (typeof left !== "number" || typeof right !== "number") return undefined;
  switch (operation) {
    case "+": return String(left + right);
    case "-": return String(left - right);
    case "*": return String(left * right);
    case "/": return String(left / right);
    default: return undefined;
  }
}
