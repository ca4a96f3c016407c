//! One sequence: which tokens the KV cache holds, and steps that bring it to where a call wants it.

mod adapters;
mod decode_at;

use std::rc::Rc;

use crate::backend::{Adapter, Backend, KernelTime, Kind, MAX_AHEAD, MAX_OUTPUTS, PREFILL_ROWS, non_finite};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::StepRow;
use crate::ops::sample::Drawn;
use crate::sampler::SamplerOptions;
use crate::weights::Cancel;

pub use adapters::AdapterUse;

/// A sequence on a backend. The truth is the list of tokens; the cache can be rebuilt from it.
pub struct Session {
    backend: Backend,
    /// Tokens whose keys and values are in the cache.
    cached: Vec<u32>,
    /// How the backend draws the tokens, if it does.
    draws: Option<SamplerOptions>,
    /// Whether the backend counts a token that was not taken.
    miscounted: bool,
    /// How many tokens it counts. What penalties are for is counted where it is drawn, and not all that comes is drawn.
    counted: usize,
    /// The fewest tokens that the sequence can go back to where layers have states, but for none and for `kept`.
    least: usize,
    /// How many tokens were cached when states were kept, if these are cached still.
    kept: Option<usize>,
    /// Whether no token of the answer was asked for yet.
    at_prompt: bool,
    /// Sequences of more tokens than this have other rotary angles, at all positions, and whether this one has.
    long_from: usize,
    is_long: bool,
    capacity: usize,
    vocab_size: usize,
    /// What the model is.
    kind: Kind,
    /// The text that is answered, where an encoder has read it.
    source: Vec<u32>,
    /// What it runs with besides the model, and how strongly.
    adapters: Vec<(Rc<Adapter>, f32)>,
}

/// What a text comes to, by an encoder. Each: `[hidden_size]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pooled {
    /// The mean of the rows of all its tokens.
    pub mean: Vec<f32>,
    /// The row of its first token.
    pub first: Vec<f32>,
}

/// How the next token comes.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Drawn, as [`Session::begin`] was told.
    Token(u32),
    /// To be drawn by the caller from all logits: `[vocab_size]`.
    Logits(Vec<f32>),
}

impl Session {
    /// An empty sequence with room for `capacity` tokens.
    pub fn new(backend: Backend, capacity: u32, vocab_size: u32) -> Self {
        let (capacity, vocab_size) = (capacity as usize, vocab_size as usize);
        let long_from = backend.long_from().map_or(usize::MAX, |n| n as usize);
        let (cached, draws, kind, source) = (Vec::new(), None, backend.kind(), Vec::new());
        Self {
            backend,
            cached,
            draws,
            miscounted: false,
            counted: 0,
            least: 0,
            kept: None,
            at_prompt: false,
            long_from,
            is_long: false,
            capacity,
            vocab_size,
            kind,
            source,
            adapters: Vec::new(),
        }
    }

    /// What the model is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Tokens that fit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The backend.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Times kernels one by one, as in a step behind `context` tokens, without adapters. Forgets what is cached.
    ///
    /// # Errors
    /// `context_overflow` if there is no room for so many; `device_lost`, `gpu`.
    pub async fn profile(&mut self, context: usize) -> Result<Vec<KernelTime>> {
        if context >= self.capacity {
            return Err(overflow(context + 1, self.capacity));
        }
        self.use_adapters(&[]).await?;
        self.reset();
        self.backend.profile(context as u32).await
    }

    /// Forgets what is cached.
    pub fn reset(&mut self) {
        self.cached.clear();
        (self.least, self.kept) = (0, None);
    }

    /// Notes that positions up to `len` are about to be computed: states of earlier ones may be lost, whether that ends well or
    /// not.
    fn reach(&mut self, len: usize) {
        if let Some(back) = self.backend.goes_back() {
            self.least = self.least.max(len.saturating_sub(back));
        }
    }

    /// Refuses models that [`Session::embed`] is not for.
    ///
    /// # Errors
    /// `unsupported`.
    pub fn check_embeds(&self) -> Result<()> {
        if self.kind == Kind::Encoder {
            return Ok(());
        }
        let message = "this model generates text and gives no embeddings; load an encoder such as BERT";
        Err(Error::unsupported("embeddings of a model that generates", message))
    }

    /// What a text comes to.
    ///
    /// # Errors
    /// `unsupported` if the model is no encoder; `context_overflow` if `ids` are more than it takes; `bad_argument` if there are
    /// none or an id is out of range; `aborted`; `non_finite`, `device_lost`, `gpu`.
    pub async fn embed(&mut self, ids: &[u32], cancel: &Cancel) -> Result<Pooled> {
        self.check_embeds()?;
        self.check(ids)?;
        let mut mean = self.backend.pooled(&rows_from(0, ids), cancel).await?;
        if !mean.iter().all(|value| value.is_finite()) {
            return Err(non_finite());
        }
        let first = mean.split_off(mean.len() / 2);
        Ok(Pooled { mean, first })
    }

    /// Reads the text that is to be answered, unless it is the one that was read last. Gives whether it was.
    ///
    /// # Errors
    /// `unsupported` if the model has no encoder apart from its decoder; else as [`Session::embed`].
    pub async fn read_source(&mut self, ids: &[u32], cancel: &Cancel) -> Result<bool> {
        if self.kind != Kind::EncoderDecoder {
            let message = "this model has no encoder apart from its decoder";
            return Err(Error::unsupported("a text apart from its continuation", message));
        }
        self.check(ids)?;
        if self.source == ids {
            return Ok(true);
        }
        self.source.clear();
        self.cached.clear();
        self.backend.read_source(&rows_from(0, ids), cancel).await?;
        self.source = ids.to_vec();
        Ok(false)
    }

    /// Begins an answer to `ids`: tokens are drawn by `options`, or, with `None`, by the caller. Gives how many of `ids` the
    /// cache holds already, as their longest common prefix.
    ///
    /// # Errors
    /// `context_overflow` if `ids` do not fit; `bad_argument` if there are none or an id is out of range.
    pub fn begin(&mut self, ids: &[u32], options: Option<&SamplerOptions>) -> Result<usize> {
        self.check_decodes()?;
        self.check(ids)?;
        if let Some(options) = options {
            options.check_ids(self.vocab_size)?;
        }
        self.take_length(ids.len());
        self.draws = options.filter(|options| self.backend.begin(options, ids)).cloned();
        (self.miscounted, self.counted) = (false, ids.len());
        self.at_prompt = true;
        let common = self.cached.iter().zip(ids).take_while(|(a, b)| a == b).count();
        // The last token always runs: its logits are what is asked for.
        self.cached.truncate(common.min(ids.len() - 1));
        self.kept = self.kept.filter(|kept| *kept <= self.cached.len());
        if self.cached.len() < self.least {
            match self.kept {
                Some(kept) => {
                    self.backend.restore_states();
                    self.cached.truncate(kept);
                    self.least = kept;
                }
                None => self.reset(),
            }
        }
        Ok(self.cached.len())
    }

    /// Entries of the vocabulary that logits are over.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Sets which tokens [`Session::next`] may draw, where the options say that draws are masked: `[mask_words]`.
    pub fn allow(&mut self, mask: &[u32]) {
        self.backend.allow(mask);
    }

    /// Runs some of `ids` that the cache does not hold yet, but never the last. Gives how many it holds then; once no more
    /// than a step is left it runs nothing, and [`Session::next`] is due.
    ///
    /// # Errors
    /// `aborted`, `device_lost`, `gpu`.
    pub async fn feed(&mut self, ids: &[u32], cancel: &Cancel) -> Result<usize> {
        let todo = &ids[self.cached.len()..];
        if todo.len() > PREFILL_ROWS {
            let rows = self.rows(&todo[..PREFILL_ROWS]);
            self.reach(self.cached.len() + PREFILL_ROWS);
            self.backend.feed(&rows, cancel).await?;
            self.cached.extend_from_slice(&todo[..PREFILL_ROWS]);
        }
        Ok(self.cached.len())
    }

    /// Whether [`Session::feed`] has something to run.
    pub fn has_to_feed(&self, ids: &[u32]) -> bool {
        ids.len() - self.cached.len() > PREFILL_ROWS
    }

    /// Runs what is left of `ids` and gives what follows the last one. Up to `ahead` further tokens will be asked for, unless
    /// this one ends the answer.
    ///
    /// # Errors
    /// `context_overflow` if `ids` do not fit; `aborted`; `non_finite`, `device_lost`, `gpu`.
    pub async fn next(&mut self, ids: &[u32], ahead: usize, cancel: &Cancel) -> Result<Next> {
        self.check(&ids[self.cached.len()..])?;
        if ids.len() > self.capacity {
            return Err(overflow(ids.len(), self.capacity));
        }
        if self.take_length(ids.len()) {
            self.miscounted = true;
            while self.has_to_feed(ids) {
                self.feed(ids, cancel).await?;
            }
        }
        if self.backend.goes_back().is_some() {
            self.run_up_to_last(ids, cancel).await?;
        }
        let rows = self.rows(&ids[self.cached.len()..]);
        // Past the last position there is no place to compute ahead, nor where angles become others.
        let end = if self.is_long { self.capacity } else { self.capacity.min(self.long_from) };
        let ahead = ahead.min(end - ids.len());
        self.reach(ids.len() + if self.draws.is_some() { ahead.min(MAX_AHEAD) } else { 0 });
        if let Some(options) = &self.draws {
            if self.miscounted || (options.has_penalties() && self.counted != ids.len()) {
                self.backend.begin(options, ids);
            }
            let drawn = self.backend.draw(&rows, ahead, cancel).await?;
            (self.miscounted, self.counted) = (drawn == Drawn::OnCpu, ids.len() + 1);
            if let Drawn::Token(id) = drawn {
                self.cached.extend_from_slice(&ids[self.cached.len()..]);
                return Ok(Next::Token(id));
            }
        }
        let logits = self.backend.logits(&rows, 1, cancel).await?;
        self.cached.extend_from_slice(&ids[self.cached.len()..]);
        Ok(Next::Logits(logits))
    }

    /// Where layers have states, the last row runs alone: it may have to run twice. And another answer to the same prompt begins
    /// there.
    async fn run_up_to_last(&mut self, ids: &[u32], cancel: &Cancel) -> Result<()> {
        let last = ids.len() - 1;
        if self.cached.len() < last {
            let rows = self.rows(&ids[self.cached.len()..last]);
            self.reach(last);
            self.backend.feed(&rows, cancel).await?;
            self.cached.extend_from_slice(&ids[self.cached.len()..last]);
        }
        if self.at_prompt && self.kept != Some(last) {
            self.backend.keep_states();
            self.kept = Some(last);
        }
        self.at_prompt = false;
        Ok(())
    }

    /// Runs `ids` from an empty cache and gives `visit` the logits after each position, in order.
    ///
    /// # Errors
    /// As [`Session::begin`] and [`Session::next`].
    pub async fn all_logits(&mut self, ids: &[u32], cancel: &Cancel, visit: impl FnMut(usize, &[f32])) -> Result<()> {
        if self.kind == Kind::EncoderDecoder {
            let message = "this model answers a text: it says nothing of how that text itself goes on";
            return Err(Error::unsupported("logits of a text that is answered", message));
        }
        self.run_all(ids, cancel, visit).await
    }

    /// Reads `source` and runs `ids` as its answer, likewise.
    ///
    /// # Errors
    /// As [`Session::read_source`] and [`Session::next`].
    pub async fn answer_logits(
        &mut self,
        source: &[u32],
        ids: &[u32],
        cancel: &Cancel,
        visit: impl FnMut(usize, &[f32]),
    ) -> Result<()> {
        self.read_source(source, cancel).await?;
        self.run_all(ids, cancel, visit).await
    }

    async fn run_all(&mut self, ids: &[u32], cancel: &Cancel, mut visit: impl FnMut(usize, &[f32])) -> Result<()> {
        self.check_decodes()?;
        self.check(ids)?;
        self.take_length(ids.len());
        self.reset();
        for chunk in ids.chunks(MAX_OUTPUTS) {
            let rows = self.rows(chunk);
            self.reach(self.cached.len() + chunk.len());
            let logits = self.backend.logits(&rows, chunk.len(), cancel).await?;
            for (i, row) in logits.chunks_exact(self.vocab_size).enumerate() {
                if !row.iter().all(|logit| logit.is_finite()) {
                    return Err(non_finite());
                }
                visit(self.cached.len() + i, row);
            }
            self.cached.extend_from_slice(chunk);
        }
        Ok(())
    }

    /// Sees to it that angles are those of a sequence of `len` tokens. Gives whether they were others: nothing is cached then.
    fn take_length(&mut self, len: usize) -> bool {
        let is_long = len > self.long_from;
        if is_long == self.is_long {
            return false;
        }
        self.is_long = is_long;
        self.backend.use_rope_tables(is_long);
        self.reset();
        true
    }

    fn rows(&self, ids: &[u32]) -> Vec<StepRow> {
        rows_from(self.cached.len(), ids)
    }

    /// Refuses models that do not go on with texts, and answers to nothing.
    fn check_decodes(&self) -> Result<()> {
        match self.kind {
            Kind::Encoder => {
                let message = "this model is an encoder: it gives embeddings (`embed`) and generates no text";
                Err(Error::unsupported("generation by an encoder", message))
            }
            Kind::EncoderDecoder if self.source.is_empty() => Err(Error::internal("no text was read to be answered")),
            _ => Ok(()),
        }
    }

    fn check(&self, ids: &[u32]) -> Result<()> {
        if ids.is_empty() {
            return Err(Error::bad_argument("input", "the input has no tokens"));
        }
        if ids.len() > self.capacity {
            return Err(overflow(ids.len(), self.capacity));
        }
        match ids.iter().find(|id| **id as usize >= self.vocab_size) {
            Some(id) => Err(Error::bad_argument(
                "input",
                format!("token id {id} is out of range: the vocabulary has {} entries", self.vocab_size),
            )),
            None => Ok(()),
        }
    }
}

fn rows_from(position: usize, ids: &[u32]) -> Vec<StepRow> {
    let row = |(i, token): (usize, &u32)| StepRow { token: *token, slot: 0, position: (position + i) as u32 };
    ids.iter().enumerate().map(row).collect()
}

fn overflow(needed: usize, capacity: usize) -> Error {
    Error::new(
        ErrorKind::ContextOverflow,
        format!(
            "{needed} tokens do not fit into a context of {capacity}; shorten the input or load with a larger context"
        ),
    )
    .with("needed", needed)
    .with("context", capacity)
}
