//! A model's text side: tokenizer, chat template, end tokens. Shared by everything that does not need the GPU.

use serde_json::Value;

use crate::chat_template::{ChatInput, ChatTemplate};
use crate::error::{Error, ErrorKind, Result};
use crate::format::GenerationConfig;
use crate::tokenizer::Tokenizer;

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

    /// The text that the model's chat template makes of `messages`. `now_secs` is the local time, for templates that state
    /// the date (see [`ChatInput`]).
    ///
    /// # Errors
    /// `template` if there is none or it fails.
    pub fn apply_chat_template(
        &self,
        messages: &[Value],
        add_generation_prompt: bool,
        now_secs: Option<i64>,
    ) -> Result<String> {
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
        template.render(&ChatInput {
            messages,
            add_generation_prompt,
            now_secs,
            bos_token: bos.as_deref(),
            eos_token: eos.as_deref(),
            ..ChatInput::default()
        })
    }
}
