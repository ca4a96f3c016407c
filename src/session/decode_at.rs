//! Decoding behind a context that nobody computed, for benchmarks: what a token costs there, without reading a prompt of that length.

use super::{Next, Session, overflow};
use crate::backend::Kind;
use crate::error::{Error, Result};
use crate::sampler::{SamplerOptions, sample};
use crate::weights::Cancel;

impl Session {
    /// Decodes `tokens` tokens greedily, without adapters, behind `context` positions that are counted as cached: their keys, values and
    /// states are whatever the buffers hold. Only the last of these positions runs, so that what follows it is drawn on the GPU as in any
    /// answer; then `begun` is called, and nothing is in flight. Gives the drawn ids. Forgets what is cached, before and after.
    ///
    /// # Errors
    /// `context_overflow` if there is no room for `context + tokens`; `bad_argument` for no tokens; `unsupported` if the model reads a text;
    /// `non_finite` where what the buffers hold leads to that; `aborted`, `device_lost`, `gpu`.
    pub async fn decode_at(
        &mut self,
        context: usize,
        tokens: usize,
        begun: &mut dyn FnMut(),
        cancel: &Cancel,
    ) -> Result<Vec<u32>> {
        if self.kind != Kind::Decoder {
            let message = "this model reads a text: only models that go on with one decode behind a context";
            return Err(Error::unsupported("decoding behind a context by a model that reads", message));
        }
        if tokens == 0 {
            return Err(Error::bad_argument("tokens", "there is nothing to decode: ask for at least one token"));
        }
        let needed = context.saturating_add(tokens);
        if needed > self.capacity {
            return Err(overflow(needed, self.capacity));
        }
        self.use_adapters(&[]).await?;
        self.reset();
        let drawn = self.decode_behind(context, tokens, begun, cancel).await;
        self.reset();
        drawn
    }

    async fn decode_behind(
        &mut self,
        context: usize,
        tokens: usize,
        begun: &mut dyn FnMut(),
        cancel: &Cancel,
    ) -> Result<Vec<u32>> {
        let greedy = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
        // Which token stands where does not matter: all cost the same.
        let mut ids = vec![0; context.max(1)];
        self.begin(&ids, Some(&greedy))?;
        self.cached = ids[..ids.len() - 1].to_vec();
        if context > 0 {
            ids.push(self.greedy(&ids, 0, &greedy, cancel).await?);
        }
        begun();
        let mut drawn = Vec::with_capacity(tokens);
        while drawn.len() < tokens {
            let id = self.greedy(&ids, tokens - drawn.len() - 1, &greedy, cancel).await?;
            ids.push(id);
            drawn.push(id);
        }
        Ok(drawn)
    }

    /// The likeliest token after `ids`.
    async fn greedy(&mut self, ids: &[u32], ahead: usize, greedy: &SamplerOptions, cancel: &Cancel) -> Result<u32> {
        // A step of one row looks at nothing else.
        cancel.check()?;
        match self.next(ids, ahead, cancel).await? {
            Next::Token(id) => Ok(id),
            Next::Logits(mut logits) => Ok(sample(&mut logits, greedy, ids, ids.len() as u32)?.id),
        }
    }
}
