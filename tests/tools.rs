//! Conversations with tools against what transformers renders, one template for each syntax of `pkg/src/tools`.

use crate::files::{json, text};
use doran::chat_template::{ChatInput, ChatTemplate};

const SYNTAXES: [&str; 11] = [
    "command",
    "exaone",
    "functiongemma",
    "gemma4",
    "granite",
    "hermes",
    "llama3",
    "mistral",
    "mistral-args",
    "mistral-call-id",
    "qwen-xml",
];

#[test]
fn tool_conversations_are_exact() {
    for syntax in SYNTAXES {
        let template = ChatTemplate::new(&text(&format!("tools/{syntax}.jinja"))).unwrap();
        let golden = json(&format!("tools/{syntax}.json"));
        let tools = golden["tools"].as_array().unwrap();
        let cases = golden["cases"].as_array().unwrap();
        assert!(cases.len() >= 11, "{syntax}");
        for case in cases {
            let rendered = template.render(&ChatInput {
                messages: case["messages"].as_array().unwrap(),
                tools: case["tools"].as_bool().unwrap().then_some(tools),
                add_generation_prompt: case["add_generation_prompt"].as_bool().unwrap(),
                bos_token: golden["bos_token"].as_str(),
                eos_token: golden["eos_token"].as_str(),
                ..ChatInput::default()
            });
            let name = &case["name"];
            let rendered = rendered.unwrap_or_else(|error| panic!("{syntax}, {name}: {error}"));
            assert_eq!(rendered, case["rendered"].as_str().unwrap(), "{syntax}, {name}");
        }
    }
}
