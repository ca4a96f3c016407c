//! One answer: prompt in, tokens out, one at a time. The only place that waits for the GPU while decoding.

mod guides;
mod window;

use std::collections::VecDeque;

use serde::Serialize;

use crate::detokenize::Detokenizer;
use crate::error::{Error, Result};
use crate::sampler::{SamplerOptions, likeliest, mask_of, mask_words, sample_masked};
use crate::session::{AdapterUse, Next, Session};
use crate::stop::StopStrings;
use crate::text::{Chat, ChatEnd, Text};
use crate::weights::Cancel;
pub use guides::{Constraint, Guides, LogitsHook};
pub use window::ContextPolicy;
use window::{Droppable, overflow, prompt_ids};

/// Tokens of an answer where the caller does not say.
const DEFAULT_MAX_TOKENS: usize = 1024;

/// What a caller passes as the prompt.
#[derive(Clone, Debug)]
pub enum Input {
    /// A conversation, for the chat template.
    Chat(Chat),
    /// Text to be continued.
    Text(String),
    /// Token ids, taken as they are.
    Ids(Vec<u32>),
}

/// How to answer.
#[derive(Clone, Debug, Default)]
pub struct GenerateOptions {
    /// How tokens are drawn.
    pub sampler: SamplerOptions,
    /// Texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
    /// Tokens of the answer at most.
    pub max_tokens: Option<usize>,
    /// Go on after the model's end tokens.
    pub ignore_eos: bool,
    /// Tell each token's log-probability.
    pub logprobs: bool,
    /// Tell the log-probabilities of so many of the likeliest tokens at each place.
    pub top_logprobs: usize,
    /// Show special tokens in the answer's text; end tokens are never shown.
    pub special_tokens: bool,
    /// What becomes of an answer for which the context has no room.
    pub context_policy: ContextPolicy,
    /// What the model runs with besides its own weights.
    pub adapters: Vec<AdapterUse>,
    /// Local time, for chat templates that state the date.
    pub now_secs: Option<i64>,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// The model ended it, or a stop string came.
    Stop,
    /// `max_tokens` were made, or the context is full.
    Length,
}

/// What an answer took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the answer, the end token included.
    pub completion_tokens: usize,
    /// Both.
    pub total_tokens: usize,
    /// Tokens of the prompt whose keys and values were still there from the turn before.
    pub cached_tokens: usize,
    /// Tokens of prompt and answer that had to leave the context ([`ContextPolicy::Slide`]). Those of the prompt that went before the
    /// answer began are not among `prompt_tokens`.
    pub dropped_tokens: usize,
}

/// What comes out: progress of the prompt where it is long, tokens, and an end.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// So many tokens of the prompt are in the cache.
    Prefill {
        /// Of the prompt, those included that were there before.
        done: usize,
        /// The prompt's; after a loss of the GPU, with the answer's so far.
        total: usize,
    },
    /// A token, with the text that is certain after it (which may be empty).
    Token {
        /// Its id.
        id: u32,
        /// Text.
        text: String,
        /// Natural logarithm of its probability, if asked for.
        logprob: Option<f32>,
        /// The likeliest tokens and their log-probabilities, if asked for.
        top: Vec<(u32, f32)>,
    },
    /// The end.
    End {
        /// What was held back.
        text: String,
        /// Why.
        finish_reason: FinishReason,
        /// Counts.
        usage: Usage,
    },
}

/// A token that comes next, and what was asked for of it.
struct Drawn {
    id: u32,
    logprob: Option<f32>,
    top: Vec<(u32, f32)>,
}

/// An answer in the making. It starts at the first [`Generation::next`].
pub struct Generation {
    /// What an encoder reads; empty where the answer goes on with the prompt.
    source: Vec<u32>,
    /// What is in the context: prompt and answer so far, or what answers start with and the answer.
    ids: Vec<u32>,
    /// How many of them were given when the answer began.
    given: usize,
    /// Tokens of the answer.
    answered: usize,
    /// What may leave the context.
    droppable: Droppable,
    dropped_tokens: usize,
    max_tokens: usize,
    options: GenerateOptions,
    guides: Guides,
    /// Tokens that must come, and were not given yet.
    forced: VecDeque<u32>,
    detokenizer: Detokenizer,
    stop: StopStrings,
    /// When it first began.
    cached_tokens: Option<usize>,
    /// Whether the session knows of this answer.
    begun: bool,
    finished: Option<FinishReason>,
    ended: bool,
}

impl Generation {
    /// An answer to `input` in a context of `capacity` tokens.
    ///
    /// # Errors
    /// `template`, `tokenizer`, `bad_argument`; `context_overflow` if the prompt leaves no room, and nothing of it may be dropped;
    /// `unsupported` for dropping where an encoder reads the input.
    pub fn new(text: &Text, capacity: usize, input: &Input, options: GenerateOptions) -> Result<Self> {
        Self::guided(text, capacity, input, options, Guides::default())
    }

    /// As [`Generation::new`], with others that have a say in the answer.
    ///
    /// # Errors
    /// As [`Generation::new`].
    pub fn guided(
        text: &Text,
        capacity: usize,
        input: &Input,
        mut options: GenerateOptions,
        guides: Guides,
    ) -> Result<Self> {
        options.sampler.masked = guides.constraint.is_some();
        options.sampler.validate()?;
        let ids = match input {
            Input::Chat(chat) => prompt_ids(text, chat, options.now_secs)?,
            Input::Text(prompt) => text.tokenizer().encode(prompt, true)?,
            Input::Ids(ids) => ids.clone(),
        };
        if ids.is_empty() {
            return Err(Error::bad_argument("input", "the input has no tokens"));
        }
        let start = text.generation_config().decoder_start_token_id;
        let mut droppable = match (options.context_policy, input) {
            (ContextPolicy::Error, _) => Droppable::Nothing,
            (ContextPolicy::Slide, _) if start.is_some() => {
                let message = "this model reads a text as a whole before it answers: nothing of it can slide away";
                return Err(Error::unsupported("contextPolicy slide of an encoder's text", message));
            }
            (ContextPolicy::Slide, Input::Chat(chat)) => Droppable::Turns(chat.clone(), options.now_secs),
            (ContextPolicy::Slide, _) => Droppable::Tokens,
        };
        // An encoder's text may fill its context; what a decoder goes on with must leave room.
        let (n_tokens, needed) = (ids.len(), ids.len() + usize::from(start.is_none()));
        let ids = match needed > capacity {
            true => {
                droppable.drop_oldest(text, capacity, &ids, 0)?.ok_or_else(|| overflow(n_tokens, needed, capacity))?
            }
            false => ids,
        };
        let dropped_tokens = n_tokens - ids.len();
        let (source, ids) = match start {
            Some(start) => (ids, vec![start]),
            None => (Vec::new(), ids),
        };
        let goes_on = source.is_empty() && !matches!(input, Input::Chat(chat) if chat.end == ChatEnd::Answer);
        let skip_special = !options.special_tokens;
        let detokenizer = if goes_on { Detokenizer::continuing(skip_special) } else { Detokenizer::new(skip_special) };
        Ok(Self {
            given: ids.len(),
            answered: 0,
            droppable,
            dropped_tokens,
            source,
            max_tokens: options.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
            stop: StopStrings::new(options.stop.clone())?,
            ids,
            options,
            guides,
            forced: VecDeque::new(),
            detokenizer,
            cached_tokens: None,
            begun: false,
            finished: None,
            ended: false,
        })
    }

    /// Begins anew on a session that knows nothing of this answer: what was said stands. `adapters` are those of the options, as
    /// that session has them.
    pub fn begin_again(&mut self, adapters: Vec<AdapterUse>) {
        self.options.adapters = adapters;
        self.begun = false;
    }

    /// The next item; `None` after the end.
    ///
    /// # Errors
    /// `aborted` if `cancel` fired; what [`Session::use_adapters`] gives; `non_finite`, `device_lost`, `gpu`. The engine can be used again after any but the last two.
    pub async fn next(&mut self, text: &Text, session: &mut Session, cancel: &Cancel) -> Result<Option<Item>> {
        cancel.check()?;
        if self.ended {
            return Ok(None);
        }
        if self.finished.is_none() && self.forced.is_empty() && self.is_whole()? {
            self.finished = Some(FinishReason::Stop);
        }
        if self.finished.is_none() && (self.answered >= self.max_tokens || !self.has_room(text, session)?) {
            self.finished = Some(FinishReason::Length);
        }
        if let Some(finish_reason) = self.finished {
            return Ok(Some(self.end(finish_reason)));
        }
        if !self.begun {
            session.use_adapters(&std::mem::take(&mut self.options.adapters)).await?;
            let cached_tokens = if self.source.is_empty() {
                session.begin(&self.ids, self.draws())?
            } else {
                let was_read = session.read_source(&self.source, cancel).await?;
                session.begin(&self.ids, self.draws())?;
                if was_read { self.source.len() } else { 0 }
            };
            self.cached_tokens.get_or_insert(cached_tokens);
            self.begun = true;
        }
        if session.has_to_feed(&self.ids) {
            let done = session.feed(&self.ids, cancel).await?;
            return Ok(Some(Item::Prefill { done, total: self.ids.len() }));
        }
        let drawn = match self.next_forced()? {
            Some(id) => Drawn { id, logprob: None, top: Vec::new() },
            None => match self.draw(session, cancel).await? {
                Some(drawn) => drawn,
                None => return Ok(Some(self.end(FinishReason::Stop))),
            },
        };
        if let Some(constraint) = &mut self.guides.constraint {
            constraint.take(drawn.id)?;
        }
        self.ids.push(drawn.id);
        self.answered += 1;
        Ok(Some(self.take(text, drawn)?))
    }

    /// Whether the answer is all that the constraint lets it be.
    fn is_whole(&mut self) -> Result<bool> {
        self.guides.constraint.as_mut().map_or(Ok(false), |constraint| constraint.is_over())
    }

    /// A token that must come. It costs no step of its own: the next one that is drawn runs it too.
    fn next_forced(&mut self) -> Result<Option<u32>> {
        // Who wants to see or change probabilities is shown every token's, and what must come may be what the options do not allow.
        let is_seen = self.options.logprobs || self.guides.hook.is_some();
        if is_seen || !self.options.sampler.allowed_token_ids.is_empty() {
            return Ok(None);
        }
        if self.forced.is_empty()
            && let Some(constraint) = &mut self.guides.constraint
        {
            self.forced.extend(constraint.forced()?);
        }
        Ok(self.forced.pop_front())
    }

    /// Draws a token; `None` if the constraint lets none through.
    async fn draw(&mut self, session: &mut Session, cancel: &Cancel) -> Result<Option<Drawn>> {
        let mask = self.mask(session.vocab_size())?;
        if let Some(mask) = &mask {
            if mask.iter().all(|word| *word == 0) {
                return Ok(None);
            }
            session.allow(mask);
        }
        let ahead = if self.guides.are_none() { self.max_tokens - self.answered - 1 } else { 0 };
        Ok(Some(match session.next(&self.ids, ahead, cancel).await? {
            Next::Token(id) => Drawn { id, logprob: None, top: Vec::new() },
            Next::Logits(mut logits) => {
                if let Some(hook) = &mut self.guides.hook {
                    hook.change(&mut logits, &self.ids)?;
                }
                let top = likeliest(&logits, self.options.top_logprobs);
                let position = self.ids.len() as u32;
                let drawn = sample_masked(&mut logits, &self.options.sampler, mask.as_deref(), &self.ids, position)?;
                Drawn { id: drawn.id, logprob: self.options.logprobs.then_some(drawn.logprob), top }
            }
        }))
    }

    /// What the constraint lets through, of the tokens that options allow.
    fn mask(&mut self, vocab_size: usize) -> Result<Option<Vec<u32>>> {
        let Some(constraint) = &mut self.guides.constraint else { return Ok(None) };
        let mut mask = constraint.mask()?;
        mask.resize(mask_words(vocab_size), 0);
        // The session checks ids only where it draws itself.
        self.options.sampler.check_ids(vocab_size)?;
        let allowed = &self.options.sampler.allowed_token_ids;
        if !allowed.is_empty() {
            mask.iter_mut().zip(mask_of(allowed, vocab_size)).for_each(|(word, allowed)| *word &= allowed);
        }
        Ok(Some(mask))
    }

    /// How the backend draws, if it does.
    fn draws(&self) -> Option<&SamplerOptions> {
        let is_seen = self.options.logprobs || self.options.top_logprobs > 0 || self.guides.hook.is_some();
        (!is_seen).then_some(&self.options.sampler)
    }

    /// Whether the context has room for another token; makes room where it may.
    fn has_room(&mut self, text: &Text, session: &mut Session) -> Result<bool> {
        if self.answered == 0 || self.ids.len() < session.capacity() {
            return Ok(true);
        }
        let Some(ids) = self.droppable.drop_oldest(text, session.capacity(), &self.ids, self.answered)? else {
            return Ok(false);
        };
        // Keys and values know their positions: what stays is read anew, from where it differs on.
        session.begin(&ids, self.draws())?;
        self.dropped_tokens += self.ids.len() - ids.len();
        self.ids = ids;
        Ok(true)
    }

    /// A new token: what text it brings, and whether the answer is over.
    fn take(&mut self, text: &Text, Drawn { id, logprob, top }: Drawn) -> Result<Item> {
        let is_end = text.generation_config().eos_token_ids.contains(&id) && !self.options.ignore_eos;
        if is_end {
            self.finished = Some(FinishReason::Stop);
            return Ok(Item::Token { id, text: String::new(), logprob, top });
        }
        // A model may have more rows than its tokenizer has tokens; the rest has no text.
        let known = (id as usize) < text.tokenizer().vocab_size();
        let piece = if known { self.detokenizer.push(text.tokenizer(), id)? } else { String::new() };
        let emit = self.stop.push(&piece);
        if emit.stopped {
            self.finished = Some(FinishReason::Stop);
        }
        Ok(Item::Token { id, text: emit.text, logprob, top })
    }

    fn end(&mut self, finish_reason: FinishReason) -> Item {
        self.ended = true;
        let rest = self.detokenizer.finish();
        let mut text = self.stop.push(&rest).text;
        text.push_str(&self.stop.finish());
        let completion_tokens = self.answered;
        let prompt_tokens = if self.source.is_empty() { self.given } else { self.source.len() };
        let usage = Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
            cached_tokens: self.cached_tokens.unwrap_or(0),
            dropped_tokens: self.dropped_tokens,
        };
        Item::End { text, finish_reason, usage }
    }
}
