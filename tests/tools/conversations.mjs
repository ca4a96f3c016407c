/** Conversations in the OpenAI API's form that are rendered by every syntax's template. */

const tool = (name, description, parameters) => ({ type: "function", function: { name, description, parameters } });

const WEATHER = tool("get_weather", "The weather of a place", {
  type: "object",
  properties: {
    city: { type: "string", description: "Its name" },
    days: { type: "integer", description: "How many days" },
    unit: { type: "string", enum: ["celsius", "fahrenheit"] },
  },
  required: ["city"],
});
const NOW = tool("now", "The time", { type: "object", properties: {} });
const BOOK = tool("book-table", "예약을 합니다", {
  type: "object",
  properties: {
    guest: { type: "object", description: "Who comes", properties: { name: { type: "string" }, phone: { type: "string" } }, required: ["name"] },
    dishes: { type: "array", items: { type: "string" } },
    price: { type: "number" },
    outside: { type: "boolean" },
    note: { type: "string" },
  },
  required: ["guest"],
});

/** What the model is offered. */
export const TOOLS = [WEATHER, NOW, BOOK];

const system = (content) => ({ role: "system", content });
const user = (content) => ({ role: "user", content });
const call = (id, name, args) => ({ id, type: "function", function: { name, arguments: args } });
const calls = (content, ...tool_calls) => ({ role: "assistant", content, tool_calls });
const result = (tool_call_id, content) => ({ role: "tool", tool_call_id, content });

const SEOUL = call("call_1", "get_weather", '{"city":"Seoul","days":3}');
const PARIS = call("call_2", "get_weather", '{"city": "Paris", "unit": "celsius"}');

/** By name: messages, and whether there are tools. Those that end with an assistant's calls are what a model has to write. */
export const CONVERSATIONS = {
  "no tools": { messages: [system("Be brief."), user("Hi!"), { role: "assistant", content: "Hello." }, user("Bye.")], tools: false },
  tools: { messages: [system("Be brief."), user("Hi!")], tools: true },
  call: { messages: [user("How is Seoul?"), calls(null, SEOUL)], tools: true },
  "text and call": { messages: [system("Be brief."), user("How is Seoul?"), calls("Let me look.", SEOUL)], tools: true },
  "parallel calls": { messages: [user("Seoul or Paris?"), calls(null, SEOUL, PARIS)], tools: true },
  "no arguments": { messages: [user("What time is it?"), calls("", call("call_3", "now", "{}"))], tools: true },
  korean: {
    messages: [user("서울 날씨는 어때요?"), calls(null, call("call_4", "get_weather", '{"city":"서울특별시 \\"강남\\"","unit":"celsius"}'))],
    tools: true,
  },
  nested: {
    messages: [
      user("Book it."),
      calls(null, call("abcDEF123", "book-table", JSON.stringify({
        guest: { name: "O'Neil \"Kim\"", phone: "C:\\1\n2" }, dishes: ["비빔밥", "<b>김치</b> & 'more'", ""], price: 12.5, outside: true, note: "{}[]</x>",
      }))),
    ],
    tools: true,
  },
  result: { messages: [user("How is Seoul?"), calls(null, SEOUL), result("call_1", '{"sky": "맑음", "degrees": 21}')], tools: true },
  results: {
    messages: [
      system("Be brief."), user("Seoul or Paris?"), calls(null, SEOUL, PARIS), result("call_1", "clear"), result("call_2", 'rain, "heavy"'),
      { role: "assistant", content: "Seoul." }, user([{ type: "text", text: "And " }, { type: "text", text: "now?" }]),
    ],
    tools: true,
  },
  "call after call": {
    messages: [user("Time, then Paris."), calls(null, call("call_5", "now", "")), result("call_5", "12:00"), calls(null, PARIS)],
    tools: true,
  },
};

/** What stands around an assistant's turn in each template. */
export const TURNS = {
  hermes: ["<|im_start|>assistant\n", "<|im_end|>\n"],
  exaone: ["[|assistant|]\n<think>\n\n</think>\n\n", "[|endofturn|]\n"],
  llama3: ["<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"],
  mistral: [/\[\/INST\]|\[\/TOOL_RESULTS\]/, "</s>"],
  "mistral-args": [/\[\/INST\]|\[\/TOOL_RESULTS\]/, "</s>"],
  "mistral-call-id": [/\[\/INST\]|\[\/TOOL_RESULTS\]/, "</s>"],
  granite: ["<|start_of_role|>assistant<|end_of_role|>", "<|end_of_text|>\n"],
  command: ["<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|><|START_THINKING|><|END_THINKING|>", "<|END_OF_TURN_TOKEN|>"],
  functiongemma: [/<start_of_turn>model\n|<end_function_response>/, "<start_function_response>"],
  gemma4: [/<\|turn>model\n|<tool_response\|>/, "<|tool_response>"],
  "qwen-xml": ["<|im_start|>assistant\n", "<|im_end|>\n"],
};
