//! Renders templates that publishers wrote, which are not ours to copy: `DORAN_TEMPLATES` names a file of them with what transformers
//! renders (`{"templates": [{"name", "template", "chats": [{"messages", "rendered" | "error"}]}]}`, bos `<bos>`, eos `<eos>`,
//! 2 January 2026). `npm run test:long -- templates` runs this.

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    use doran::chat_template::{ChatInput, ChatTemplate};
    use serde_json::Value;

    let path = std::env::var("DORAN_TEMPLATES").expect("DORAN_TEMPLATES names a file");
    let file: Value = serde_json::from_slice(&std::fs::read(path).expect("it can be read")).expect("it is JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (mut exact, mut refused, mut wrong) = (0, 0, 0);
    for case in list(&file["templates"]) {
        let template = case["template"].as_str().unwrap_or_default();
        for (i, chat) in list(&case["chats"]).iter().enumerate() {
            let input = ChatInput {
                messages: &list(&chat["messages"]),
                add_generation_prompt: true,
                bos_token: Some("<bos>"),
                eos_token: Some("<eos>"),
                now_secs: Some(1_767_359_045),
                ..ChatInput::default()
            };
            let rendered = ChatTemplate::new(template).and_then(|template| template.render(&input));
            match (&rendered, chat["rendered"].as_str()) {
                (Ok(text), Some(wanted)) if text == wanted => exact += 1,
                (Err(_), None) => refused += 1,
                _ => {
                    wrong += 1;
                    eprintln!("{}, chat {i}: {rendered:?} for {chat}", case["name"]);
                }
            }
        }
    }
    println!("{}", serde_json::json!({ "exact": exact, "refused": refused, "wrong": wrong }));
}

#[cfg(target_arch = "wasm32")]
fn main() {}
