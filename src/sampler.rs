//! Logits become a token: mask, bias, penalties, temperature, top-k, top-p, min-p, draw, in this order.
//!
//! Order and definitions are those of Hugging Face's `generation/logits_process.py` (each step works on what the last one
//! left); frequency and presence penalties are those of the OpenAI API. The randomness is a hash of seed and position and
//! never a state, so that the same prefix draws the same token again after a crash or when run ahead.

use crate::error::{Error, ErrorKind, Result};

/// How a token is chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplerOptions {
    /// Logits are divided by this; 0 takes the most likely token.
    pub temperature: f32,
    /// Keeps so many of the most likely tokens; 0 keeps all.
    pub top_k: u32,
    /// Keeps the fewest most likely tokens whose probabilities sum to at least this (Holtzman et al. 2019); 1 keeps all.
    pub top_p: f32,
    /// Keeps tokens of at least this fraction of the largest probability (arXiv 2407.01082); 0 keeps all.
    pub min_p: f32,
    /// Positive logits of tokens in the history are divided by this, negative ones multiplied (arXiv 1909.05858, §4.1).
    pub repetition_penalty: f32,
    /// Subtracted from a token's logit once for each time that it stands in the history.
    pub frequency_penalty: f32,
    /// Subtracted from the logit of each token that stands in the history.
    pub presence_penalty: f32,
    /// Added to the logits of single tokens.
    pub logit_bias: Vec<(u32, f32)>,
    /// Only these may be drawn; none means all.
    pub allowed_token_ids: Vec<u32>,
    /// Each draw has a mask of its own beside that (see [`sample_masked`]).
    pub masked: bool,
    /// Chooses the sequence of random numbers.
    pub seed: u64,
}

impl Default for SamplerOptions {
    /// The model's own distribution: temperature 1, nothing filtered, nothing penalised.
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            logit_bias: Vec::new(),
            allowed_token_ids: Vec::new(),
            masked: false,
            seed: 0,
        }
    }
}

impl SamplerOptions {
    /// Checks the ranges of all options.
    ///
    /// # Errors
    /// [`ErrorKind::BadArgument`], naming the first option that is out of range.
    pub fn validate(&self) -> Result<()> {
        let within = |name: &str, value: f32, least: f32, most: f32| {
            // Written so that NaN is outside.
            if value >= least && value <= most {
                return Ok(());
            }
            Err(Error::bad_argument(name, format!("{name} is {value}, but must be between {least} and {most}")))
        };
        within("temperature", self.temperature, 0.0, f32::MAX)?;
        within("top_p", self.top_p, 0.0, 1.0)?;
        within("min_p", self.min_p, 0.0, 1.0)?;
        within("repetition_penalty", self.repetition_penalty, f32::MIN_POSITIVE, f32::MAX)?;
        within("frequency_penalty", self.frequency_penalty, f32::MIN, f32::MAX)?;
        within("presence_penalty", self.presence_penalty, f32::MIN, f32::MAX)?;
        self.logit_bias.iter().try_for_each(|(_, bias)| within("logit_bias", *bias, f32::MIN, f32::MAX))
    }

    /// Whether tokens that stand in the history are treated otherwise.
    pub fn has_penalties(&self) -> bool {
        self.repetition_penalty != 1.0 || self.frequency_penalty != 0.0 || self.presence_penalty != 0.0
    }

    fn changes_logits(&self) -> bool {
        self.has_penalties() || !self.logit_bias.is_empty() || !self.allowed_token_ids.is_empty()
    }

    /// Checks that the options speak of tokens of a vocabulary of `vocab_size`.
    ///
    /// # Errors
    /// [`ErrorKind::BadArgument`].
    pub fn check_ids(&self, vocab_size: usize) -> Result<()> {
        if let Some((id, _)) = self.logit_bias.iter().find(|(id, _)| *id as usize >= vocab_size) {
            return Err(outside("logit_bias", *id, vocab_size));
        }
        match self.allowed_token_ids.iter().find(|id| **id as usize >= vocab_size) {
            Some(id) => Err(outside("allowed_token_ids", *id, vocab_size)),
            None => Ok(()),
        }
    }
}

/// Words of a mask over a vocabulary: a bit a token, the lowest first.
pub fn mask_words(vocab_size: usize) -> usize {
    vocab_size.div_ceil(32)
}

/// The mask that lets these tokens through: `[mask_words]`. Ids are within the vocabulary.
pub fn mask_of(ids: &[u32], vocab_size: usize) -> Vec<u32> {
    let mut mask = vec![0u32; mask_words(vocab_size)];
    ids.iter().for_each(|id| mask[*id as usize / 32] |= 1 << (id % 32));
    mask
}

/// A drawn token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampled {
    /// Its id.
    pub id: u32,
    /// The natural logarithm of its probability as the model gave it: before bias, penalties, temperature and filters.
    pub logprob: f32,
}

/// Draws the token for `position` from `logits: [vocab_size]`, which are changed on the way.
///
/// `history` is the text so far, prompt included: the penalties count in it. A logit of −∞ forbids its token.
///
/// # Errors
/// [`ErrorKind::BadArgument`] for options out of range or ids outside the vocabulary; [`ErrorKind::NonFinite`] if a logit
/// is NaN or +∞, or none is left to draw.
pub fn sample(logits: &mut [f32], options: &SamplerOptions, history: &[u32], position: u32) -> Result<Sampled> {
    sample_masked(logits, options, None, history, position)
}

/// As [`sample`], from the tokens only whose bits in `mask: [mask_words]` are set.
///
/// # Errors
/// As [`sample`]; [`ErrorKind::BadArgument`] for a mask of another length.
pub fn sample_masked(
    logits: &mut [f32],
    options: &SamplerOptions,
    mask: Option<&[u32]>,
    history: &[u32],
    position: u32,
) -> Result<Sampled> {
    options.validate()?;
    if logits.iter().any(|logit| logit.is_nan() || *logit == f32::INFINITY) {
        return Err(Error::new(ErrorKind::NonFinite, "the model's logits hold NaN or infinity"));
    }
    let normaliser = log_sum_exp(logits);
    let raw = (options.changes_logits() || mask.is_some()).then(|| logits.to_vec());
    if let Some(mask) = mask {
        if mask.len() != mask_words(logits.len()) {
            return Err(Error::bad_argument("mask", "a mask has a bit for each token"));
        }
        let forbidden = |(id, _): &(usize, &mut f32)| mask[id / 32] >> (id % 32) & 1 == 0;
        logits.iter_mut().enumerate().filter(forbidden).for_each(|(_, logit)| *logit = f32::NEG_INFINITY);
    }
    penalise(logits, options, history)?;
    let (best, best_logit) = argmax(logits)
        .ok_or_else(|| Error::new(ErrorKind::NonFinite, "no token can be drawn: every logit is minus infinity"))?;
    let id = if options.temperature == 0.0 { best } else { draw(logits, best_logit, options, position) };
    let logit = raw.as_deref().unwrap_or(logits)[id as usize];
    Ok(Sampled { id, logprob: (f64::from(logit) - normaliser) as f32 })
}

/// The `n` likeliest tokens of `logits` and their log-probabilities, likeliest first.
pub fn likeliest(logits: &[f32], n: usize) -> Vec<(u32, f32)> {
    if n == 0 {
        return Vec::new();
    }
    let normaliser = log_sum_exp(logits);
    let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
    let order = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
    let n = n.min(ids.len());
    if n < ids.len() {
        ids.select_nth_unstable_by(n, order);
        ids.truncate(n);
    }
    ids.sort_unstable_by(order);
    ids.into_iter().map(|id| (id, (f64::from(logits[id as usize]) - normaliser) as f32)).collect()
}

/// Applies bias and penalties.
fn penalise(logits: &mut [f32], options: &SamplerOptions, history: &[u32]) -> Result<()> {
    options.check_ids(logits.len())?;
    if let Some(id) = history.iter().find(|id| **id as usize >= logits.len()) {
        return Err(outside("history", *id, logits.len()));
    }
    if !options.allowed_token_ids.is_empty() {
        let mut allowed = vec![false; logits.len()];
        options.allowed_token_ids.iter().for_each(|id| allowed[*id as usize] = true);
        let forbidden = logits.iter_mut().zip(&allowed).filter(|(_, allowed)| !**allowed);
        forbidden.for_each(|(logit, _)| *logit = f32::NEG_INFINITY);
    }
    for (id, bias) in &options.logit_bias {
        logits[*id as usize] += bias;
    }
    if !options.has_penalties() {
        return Ok(());
    }
    let SamplerOptions { repetition_penalty, frequency_penalty, presence_penalty, .. } = *options;
    let mut sorted = history.to_vec();
    sorted.sort_unstable();
    for same in sorted.chunk_by(|a, b| a == b) {
        let logit = &mut logits[same[0] as usize];
        *logit = if *logit > 0.0 { *logit / repetition_penalty } else { *logit * repetition_penalty };
        *logit -= frequency_penalty * same.len() as f32 + presence_penalty;
    }
    // Options that are each in range can still overflow together.
    if logits.iter().any(|logit| logit.is_nan() || *logit == f32::INFINITY) {
        return Err(Error::bad_argument("logit_bias", "bias and penalties are so large that logits become infinite"));
    }
    Ok(())
}

fn outside(name: &str, id: u32, vocab_size: usize) -> Error {
    Error::bad_argument(name, format!("token id {id} in {name} is outside the vocabulary of {vocab_size}"))
}

/// Draws from the tokens that the filters keep.
fn draw(logits: &[f32], best_logit: f32, options: &SamplerOptions, position: u32) -> u32 {
    // Relative to the best before dividing, so that a tiny temperature gives zeros and not NaN.
    let weight = |logit: f32| (f64::from(logit - best_logit) / f64::from(options.temperature)).exp();
    let mut kept: Vec<(f64, u32)> = (0..).zip(logits).map(|(id, logit)| (weight(*logit), id)).collect();
    // Most likely first, of equals the lower id.
    let order = |a: &(f64, u32), b: &(f64, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    let top_k = options.top_k as usize;
    if top_k > 0 && top_k < kept.len() {
        kept.select_nth_unstable_by(top_k - 1, order);
        kept.truncate(top_k);
    }
    if options.top_p < 1.0 {
        kept.sort_unstable_by(order);
        let needed = f64::from(options.top_p) * kept.iter().map(|(w, _)| w).sum::<f64>();
        let mut sum = 0.0;
        let n_before = kept.iter().take_while(|(w, _)| {
            sum += w;
            sum < needed
        });
        let n_kept = n_before.count() + 1;
        kept.truncate(n_kept);
    }
    // The best token has weight 1.
    kept.retain(|(w, _)| *w >= f64::from(options.min_p) && *w > 0.0);
    let key = noise_key(options.seed, position);
    // The largest of logit / temperature + Gumbel noise is a draw from the softmax of what is kept (Gumbel 1954; Maddison et
    // al. 2014), in whatever order it is looked at, and a filter that removes nothing changes nothing.
    let value =
        |id: u32| f64::from(logits[id as usize] - best_logit) / f64::from(options.temperature) + gumbel(key, id);
    let larger = |a: (f64, u32), (_, id): (f64, u32)| {
        let b = (value(id), id);
        if b.0 > a.0 || b.0 == a.0 && b.1 < a.1 { b } else { a }
    };
    kept.into_iter().fold((f64::NEG_INFINITY, u32::MAX), larger).1
}

/// The first of the largest logits, unless all are −∞.
fn argmax(logits: &[f32]) -> Option<(u32, f32)> {
    let mut best: Option<(u32, f32)> = None;
    for (id, logit) in (0..).zip(logits) {
        if *logit > best.map_or(f32::NEG_INFINITY, |(_, logit)| logit) {
            best = Some((id, *logit));
        }
    }
    best
}

/// ln Σ exp(logit).
fn log_sum_exp(logits: &[f32]) -> f64 {
    let max = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    max + logits.iter().map(|logit| (f64::from(*logit) - max).exp()).sum::<f64>().ln()
}

/// The key of all noise at one position. The GPU computes the same (`shaders/lib/sampling.wgsl`).
fn noise_key(seed: u64, position: u32) -> u32 {
    mix(mix(mix(position) ^ (seed >> 32) as u32) ^ seed as u32)
}

/// A number of (0, 1) that depends on key and id only, in 2²³ steps.
fn uniform(key: u32, id: u32) -> f64 {
    (f64::from(mix(key ^ id.wrapping_mul(0x9e37_79b9)) >> 9) + 0.5) / f64::from(1u32 << 23)
}

/// Gumbel noise of token `id`.
fn gumbel(key: u32, id: u32) -> f64 {
    -(-(-uniform(key, id)).ln_1p()).ln()
}

/// Mixes the bits of a word (C. Wellons, "Hash Function Prospector", lowbias32).
fn mix(mut z: u32) -> u32 {
    z = (z ^ (z >> 16)).wrapping_mul(0x7feb_352d);
    z = (z ^ (z >> 15)).wrapping_mul(0x846c_a68b);
    z ^ (z >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_numbers_are_uniform() {
        // Over ids at one position, and over positions and seeds at one id: sixteen bins of 4096 each, χ² of 15 degrees of
        // freedom within five deviations (√30 each) of its mean; and each half of a pair independent of the other.
        type Number = fn(u32) -> f64;
        let streams: [Number; 3] = [
            |i| uniform(noise_key(7, 100), i),
            |i| uniform(noise_key(7, i), 3),
            |i| uniform(noise_key(u64::from(i) << 32, 5), 3),
        ];
        for number in streams {
            let mut bins = [[0u32; 16]; 2];
            for i in 0..65_536 {
                let (a, b) = (number(i), number(i + 1));
                bins[0][(a * 16.0) as usize] += 1;
                bins[1][(a * 4.0) as usize * 4 + (b * 4.0) as usize] += 1;
            }
            for bins in bins {
                let chi_squared: f64 = bins.iter().map(|n| (f64::from(*n) - 4096.0).powi(2) / 4096.0).sum();
                assert!(chi_squared < 15.0 + 5.0 * 30f64.sqrt(), "χ² = {chi_squared}");
            }
        }
    }

    #[test]
    fn noise_is_finite_at_both_ends() {
        for v in [0.5 / 8_388_608.0, 8_388_607.5 / 8_388_608.0f64] {
            let noise = -(-(-v).ln_1p()).ln();
            assert!(noise.is_finite() && noise.abs() < 17.0, "{noise}");
        }
    }
}
