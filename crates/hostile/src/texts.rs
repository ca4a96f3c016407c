//! Tokenizers and chat templates.

use doran::chat_template::{ChatInput, ChatTemplate};
use doran::format::TokenizerSource;
use doran::tokenizer::Tokenizer;
use serde_json::{Value, json};

use crate::{Reach, is_json};

/// A tokenizer of three words, where a folder's own is not what is looked at.
pub const PLAIN_TOKENIZER: &str =
    r#"{"decoder":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}"#;

/// What is cut into tokens.
const TEXTS: [&str; 4] = [
    "",
    "  the ha\n대 é<unk><|im_end|>",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
    "1,234.5 Don't \u{301}\u{0}\u{fffd}",
];

/// A `tokenizer.json`.
pub fn tokenizer(input: &[u8]) -> Reach {
    let Ok(text) = std::str::from_utf8(input) else { return Reach::Header };
    let refused = if is_json(input) { Reach::Inside } else { Reach::Header };
    let source = TokenizerSource::Json { tokenizer: text.to_owned(), config: None };
    match Tokenizer::new(&source) {
        Ok(tokenizer) => {
            use_tokenizer(&tokenizer);
            Reach::Whole
        }
        Err(_) => refused,
    }
}

/// Encodes and decodes.
pub fn use_tokenizer(tokenizer: &Tokenizer) {
    for text in TEXTS {
        if let Ok(ids) = tokenizer.encode(text, true) {
            tokenizer.decode(&ids, false).expect("a tokenizer's own ids");
        }
    }
}

/// A chat as callers write it.
pub fn messages() -> Vec<Value> {
    vec![
        json!({"role": "system", "content": "Be brief."}),
        json!({"role": "user", "content": "What is the weather in Seoul?"}),
        json!({"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Seoul"}}}]}),
        json!({"role": "tool", "name": "weather", "content": "{\"celsius\": 21}"}),
        json!({"role": "user", "content": "And now? 대"}),
    ]
}

/// A chat template.
pub fn template(input: &[u8]) -> Reach {
    let Ok(source) = std::str::from_utf8(input) else { return Reach::Header };
    let Ok(template) = ChatTemplate::new(source) else { return Reach::Header };
    let messages = messages();
    let tools = [
        json!({"type": "function", "function": {"name": "weather", "description": "d", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}),
    ];
    let plain = ChatInput {
        messages: &messages[..2],
        add_generation_prompt: true,
        bos_token: Some("<s>"),
        eos_token: Some("</s>"),
        now_secs: Some(1_767_359_045),
        ..ChatInput::default()
    };
    let long = template.render(&ChatInput { messages: &messages, tools: Some(&tools), ..plain.clone() });
    let plain = template.render(&plain);
    if plain.is_ok() || long.is_ok() { Reach::Whole } else { Reach::Inside }
}
