//! What of a conversation stays where it does not fit into the context: the newest of it.

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::text::{Chat, Text};

/// What becomes of an answer for which the context has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContextPolicy {
    /// A prompt that leaves no room is refused, and an answer ends where the context does.
    #[default]
    Error,
    /// The oldest goes. Of messages the oldest turn as a whole, which is a message of the user and all that follow until the next;
    /// system messages and the last turn stay. Of a text, tokens: the newest three quarters of a context stay, and the token
    /// that begins texts. What stays is read anew, so that positions are those of a shorter prompt.
    Slide,
}

impl ContextPolicy {
    /// By name, as options spell it.
    ///
    /// # Errors
    /// `bad_argument` for another name.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "error" => Ok(Self::Error),
            "slide" => Ok(Self::Slide),
            other => {
                let message = format!("contextPolicy is \"error\" or \"slide\", not {other:?}");
                Err(Error::bad_argument("contextPolicy", message))
            }
        }
    }
}

/// What can be dropped of a prompt.
#[derive(Clone, Debug)]
pub(super) enum Droppable {
    /// Nothing.
    Nothing,
    /// Turns of this conversation; local time for its template.
    Turns(Chat, Option<i64>),
    /// Tokens.
    Tokens,
}

impl Droppable {
    /// What stays of `ids`, the last `answered` of which are an answer so far, once the oldest is dropped: fewer than `capacity`.
    /// `None` if nothing more can go.
    ///
    /// # Errors
    /// `template`, `tokenizer`.
    pub(super) fn drop_oldest(
        &mut self,
        text: &Text,
        capacity: usize,
        ids: &[u32],
        answered: usize,
    ) -> Result<Option<Vec<u32>>> {
        match self {
            Self::Nothing => Ok(None),
            Self::Turns(chat, now_secs) => {
                let answer = &ids[ids.len() - answered..];
                while let Some(fewer) = without_oldest_turn(&chat.messages) {
                    chat.messages = fewer;
                    let mut prompt = prompt_ids(text, chat, *now_secs)?;
                    prompt.extend_from_slice(answer);
                    if prompt.len() < capacity {
                        return Ok(Some(prompt));
                    }
                }
                Ok(None)
            }
            Self::Tokens => Ok(newest(text, capacity, ids)),
        }
    }
}

/// The newest three quarters of a context, behind the token that begins texts.
fn newest(text: &Text, capacity: usize, ids: &[u32]) -> Option<Vec<u32>> {
    let kept = (capacity - capacity / 4).min(capacity.saturating_sub(1));
    let bos = text.generation_config().bos_token_id.filter(|bos| ids.first() == Some(bos) && kept > 1);
    let rest = ids.get(ids.len().checked_sub(kept - usize::from(bos.is_some()))?..)?;
    (kept > 0 && kept < ids.len()).then(|| bos.into_iter().chain(rest.iter().copied()).collect())
}

/// The tokens of a chat, up to where its answer begins.
pub(super) fn prompt_ids(text: &Text, chat: &Chat, now_secs: Option<i64>) -> Result<Vec<u32>> {
    let prompt = text.apply_chat_template(chat, now_secs)?;
    text.tokenizer().encode(&prompt, false)
}

/// Messages without their oldest turn; `None` if there is but one.
fn without_oldest_turn(messages: &[Value]) -> Option<Vec<Value>> {
    let role = |message: &Value| message.get("role").and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_system = |message: &&Value| matches!(role(message).as_str(), "system" | "developer");
    let first = messages.iter().position(|message| !is_system(&message))?;
    let next = first + 1 + messages[first + 1..].iter().position(|message| role(message) == "user")?;
    let kept = messages[..next].iter().filter(is_system).chain(&messages[next..]);
    Some(kept.cloned().collect())
}

/// The prompt leaves no room.
pub(super) fn overflow(n_tokens: usize, needed: usize, capacity: usize) -> Error {
    let message = format!(
        "the input has {n_tokens} tokens and the context is {capacity}: no room is left for an answer; shorten it, load with a \
         larger context, or let `contextPolicy: \"slide\"` drop the oldest turns"
    );
    Error::new(ErrorKind::ContextOverflow, message).with("needed", needed).with("context", capacity)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_turn_goes_with_all_that_answers_it() {
        let message = |role: &str, content: &str| json!({"role": role, "content": content});
        let mut messages = vec![
            message("system", "s"),
            message("user", "1"),
            message("assistant", "call"),
            message("tool", "2"),
            message("system", "late"),
            message("assistant", "3"),
            message("user", "4"),
            message("assistant", "5"),
            message("user", "6"),
        ];
        let mut left = Vec::new();
        while let Some(fewer) = without_oldest_turn(&messages) {
            messages = fewer;
            left.push(messages.iter().map(|m| m["content"].as_str().unwrap_or_default()).collect::<Vec<_>>().join(" "));
        }
        assert_eq!(left, ["s late 4 5 6", "s late 6"]);
        assert_eq!(without_oldest_turn(&[message("system", "s")]), None);
        assert_eq!(without_oldest_turn(&[json!(1), message("user", "2")]), Some(vec![message("user", "2")]));
        assert_eq!(without_oldest_turn(&[]), None);
    }
}
