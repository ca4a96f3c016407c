//! A model's text side: tokenizer, chat template, end tokens. Shared by everything that does not need the GPU.

use serde_json::{Map, Value};

use crate::chat_template::{ChatInput, ChatTemplate};
use crate::error::{Error, ErrorKind, Result};
use crate::format::GenerationConfig;
use crate::tokenizer::Tokenizer;

/// A conversation, as a chat template takes it.
#[derive(Clone, Debug, Default)]
pub struct Chat {
    /// Turns, as the OpenAI API writes them.
    pub messages: Vec<Value>,
    /// Functions that the model may call, as JSON schemas.
    pub tools: Option<Vec<Value>>,
    /// More variables for the template, such as `enable_thinking`.
    pub template_args: Map<String, Value>,
    /// Where its text ends.
    pub end: ChatEnd,
}

/// Where the text of a conversation ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChatEnd {
    /// Where an answer begins.
    #[default]
    Answer,
    /// After the last message.
    Message,
    /// In the last message, which is to be gone on with.
    InMessage,
}

impl Chat {
    /// A conversation of these turns, to be answered.
    pub fn new(messages: Vec<Value>) -> Self {
        Self { messages, ..Self::default() }
    }
}

/// Text in, ids out, and back.
pub struct Text {
    tokenizer: Tokenizer,
    chat_template: Option<String>,
    generation: GenerationConfig,
}

impl Text {
    /// The text side of a model.
    pub fn new(tokenizer: Tokenizer, chat_template: Option<String>, generation: GenerationConfig) -> Self {
        Self { tokenizer, chat_template, generation }
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Ids that start and end a text.
    pub fn generation_config(&self) -> &GenerationConfig {
        &self.generation
    }

    /// The model's chat template, in Jinja.
    pub fn chat_template(&self) -> Option<&str> {
        self.chat_template.as_deref()
    }

    /// The text that the model's chat template makes of a conversation. `now_secs` is the local time, for templates that state
    /// the date (see [`ChatInput`]).
    ///
    /// # Errors
    /// `template` if there is none or it fails; `bad_argument` if the last message is to be gone on with, and the template does not
    /// show its text.
    pub fn apply_chat_template(&self, chat: &Chat, now_secs: Option<i64>) -> Result<String> {
        let source = self.chat_template.as_deref().ok_or_else(|| {
            Error::new(
                ErrorKind::Template,
                "the model has no chat template; pass `chatTemplate` to load, or a string instead of messages",
            )
        })?;
        // Parsed at each use: a bad template must not keep a model from completing plain text.
        let template = ChatTemplate::new(source)?;
        let text_of = |id: Option<u32>| {
            id.map(|id| String::from_utf8_lossy(self.tokenizer.token_bytes(id)).into_owned()).filter(|t| !t.is_empty())
        };
        let bos = text_of(self.generation.bos_token_id);
        let eos = text_of(self.generation.eos_token_ids.first().copied());
        let rendered = template.render(&ChatInput {
            messages: &chat.messages,
            tools: chat.tools.as_deref(),
            add_generation_prompt: chat.end == ChatEnd::Answer,
            extra: chat.template_args.clone(),
            now_secs,
            bos_token: bos.as_deref(),
            eos_token: eos.as_deref(),
        })?;
        if chat.end == ChatEnd::InMessage { cut_in_last_message(rendered, &chat.messages) } else { Ok(rendered) }
    }
}

/// A rendered conversation up to the end of its last message's text, without what the template puts after it. Some templates trim
/// messages: where the text stands there as it is, its spaces are kept.
fn cut_in_last_message(mut rendered: String, messages: &[Value]) -> Result<String> {
    let content =
        messages.last().and_then(|message| message.get("content")).and_then(Value::as_str).unwrap_or_default();
    let trimmed = content.trim();
    let at = rendered.rfind(trimmed).filter(|_| !trimmed.is_empty()).ok_or_else(|| {
        let message = "the last message cannot be gone on with: it is empty, or the chat template does not show it";
        Error::bad_argument("continueFinalMessage", message)
    })?;
    let after = &content[content.len() - content.trim_start().len()..];
    let len = if rendered[at..].starts_with(after) { after.len() } else { trimmed.len() };
    rendered.truncate(at + len);
    Ok(rendered)
}
