//! One sequence: which tokens the KV cache holds, and steps that bring it to where a call wants it.

use crate::backend::{Backend, MAX_OUTPUTS, PREFILL_ROWS, non_finite};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::StepRow;
use crate::weights::Cancel;

/// A sequence on a backend. The truth is the list of tokens; the cache can be rebuilt from it.
pub struct Session {
    backend: Backend,
    /// Tokens whose keys and values are in the cache.
    cached: Vec<u32>,
    capacity: usize,
    vocab_size: usize,
}

/// What a step tells about the token after its last row.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// The id of the largest logit.
    Greedy(u32),
    /// All logits: `[vocab_size]`.
    Logits(Vec<f32>),
}

impl Session {
    /// An empty sequence with room for `capacity` tokens.
    pub fn new(backend: Backend, capacity: u32, vocab_size: u32) -> Self {
        Self { backend, cached: Vec::new(), capacity: capacity as usize, vocab_size: vocab_size as usize }
    }

    /// Tokens that fit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The backend.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Forgets what is cached.
    pub fn reset(&mut self) {
        self.cached.clear();
    }

    /// Makes `ids` the sequence, re-using the cache of the longest common prefix, and returns what follows the last one
    /// and how many tokens were re-used.
    ///
    /// # Errors
    /// `context_overflow` if `ids` do not fit; `bad_argument` if there are none or an id is out of range; `aborted`;
    /// `non_finite`, `device_lost`, `gpu`.
    pub async fn prefill(&mut self, ids: &[u32], greedy: bool, cancel: &Cancel) -> Result<(Next, usize)> {
        self.check(ids)?;
        let common = self.cached.iter().zip(ids).take_while(|(a, b)| a == b).count();
        // The last token always runs: its logits are what is asked for.
        let reused = common.min(ids.len() - 1);
        self.cached.truncate(reused);
        let todo = &ids[reused..];
        let n_fed = (todo.len() - 1) / PREFILL_ROWS * PREFILL_ROWS;
        for chunk in todo[..n_fed].chunks(PREFILL_ROWS) {
            cancel.check()?;
            let rows = self.rows(chunk);
            self.backend.feed(&rows).await?;
            self.cached.extend_from_slice(chunk);
        }
        cancel.check()?;
        Ok((self.advance(&todo[n_fed..], greedy).await?, reused))
    }

    /// Appends one token and returns what follows it.
    ///
    /// # Errors
    /// As [`Session::prefill`].
    pub async fn decode(&mut self, id: u32, greedy: bool) -> Result<Next> {
        if self.cached.len() >= self.capacity {
            return Err(overflow(self.cached.len() + 1, self.capacity));
        }
        self.check(&[id])?;
        self.advance(&[id], greedy).await
    }

    /// Runs `ids` from an empty cache and gives `visit` the logits after each position, in order.
    ///
    /// # Errors
    /// As [`Session::prefill`].
    pub async fn all_logits(&mut self, ids: &[u32], mut visit: impl FnMut(usize, &[f32])) -> Result<()> {
        self.check(ids)?;
        self.reset();
        for chunk in ids.chunks(MAX_OUTPUTS) {
            let rows = self.rows(chunk);
            let logits = self.backend.logits(&rows, chunk.len()).await?;
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

    async fn advance(&mut self, ids: &[u32], greedy: bool) -> Result<Next> {
        let rows = self.rows(ids);
        let next = if greedy {
            Next::Greedy(self.backend.greedy(&rows).await?)
        } else {
            Next::Logits(self.backend.logits(&rows, 1).await?)
        };
        self.cached.extend_from_slice(ids);
        Ok(next)
    }

    fn rows(&self, ids: &[u32]) -> Vec<StepRow> {
        let row =
            |(i, token): (usize, &u32)| StepRow { token: *token, slot: 0, position: (self.cached.len() + i) as u32 };
        ids.iter().enumerate().map(row).collect()
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
