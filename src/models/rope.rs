//! Rotary frequencies (Su et al. 2021, § 3.2.2) and their scalings, as `rope_scaling` and transformers 5's
//! `rope_parameters` state them (Hugging Face `modeling_rope_utils.py`).

use std::f64::consts::PI;

use super::config::{Config, Dims, unsupported};
use crate::error::{Error, Result};
use crate::graph::record::Recorder;

/// Declares the rotary table of `rotary_dim` values a head. `kind` is the kind of layers that it is for, where the
/// configuration has parameters for each; `rope_theta` stands where none says its own.
///
/// # Errors
/// `unsupported` for a scaling that doran does not know; `bad_file` for one without its numbers.
pub(super) fn table(
    g: &mut Recorder<'_>,
    config: Config<'_>,
    dims: &Dims,
    rotary_dim: u32,
    (kind, rope_theta): (&str, f64),
) -> Result<usize> {
    let own = config.object("rope_parameters").and_then(|kinds| kinds.object(kind));
    let (scaling, theta) = match own {
        Some(own) => (Some(own), own.f64_or("rope_theta", rope_theta)?),
        None => (config.object("rope_scaling"), config.f64_or("rope_theta", rope_theta)?),
    };
    plain_or_scaled(g, config, dims, rotary_dim, theta, scaling)
}

/// The same with what scales it.
pub(super) fn plain_or_scaled(
    g: &mut Recorder<'_>,
    config: Config<'_>,
    dims: &Dims,
    rotary_dim: u32,
    theta: f64,
    scaling: Option<Config<'_>>,
) -> Result<usize> {
    if theta <= 0.0 {
        return Err(Error::bad_file(format!("rotary frequencies need a positive base, not {theta}")));
    }
    let plain: Vec<f64> =
        (0..rotary_dim / 2).map(|i| theta.powf(-2.0 * f64::from(i) / f64::from(rotary_dim))).collect();
    let kind = scaling.map_or(Ok("default"), |scaling| scaling.str_or("rope_type", "default"))?;
    // GGUF files carry the divisors of `longrope` as tensors, and of `llama3` one tensor.
    if kind == "longrope" || g.has("rope_factors_short.weight") {
        return longrope(g, config, dims, plain, scaling);
    }
    let divisors = Some("rope_freqs.weight").filter(|name| g.has(name));
    let Some(scaling) = scaling else { return g.rope_table(plain, 1.0, divisors) };
    let number = |key: &str| {
        let value = scaling.optional_f64(key)?.filter(|value| *value > 0.0);
        value.ok_or_else(|| Error::bad_file(format!("rope_scaling {kind:?} needs a positive {key}")))
    };
    let max_position_embeddings = f64::from(dims.max_position_embeddings);
    let (inv_freq, attention_factor) = match kind {
        // `dynamic` is plain as long as a text is no longer than the model was trained for, and doran's never are.
        "default" | "dynamic" => (plain, 1.0),
        "linear" => {
            let factor = number("factor")?;
            (plain.into_iter().map(|inv_freq| inv_freq / factor).collect(), 1.0)
        }
        "llama3" => {
            // Long wavelengths are stretched by `factor`, short ones kept, those between blended.
            let factor = number("factor")?;
            let (low, high) = (number("low_freq_factor")?, number("high_freq_factor")?);
            let original = number("original_max_position_embeddings")?;
            if low >= high {
                return Err(Error::bad_file("rope_scaling \"llama3\" needs a low_freq_factor below high_freq_factor"));
            }
            let stretch = |inv_freq: f64| {
                let wavelength = 2.0 * PI / inv_freq;
                if wavelength < original / high {
                    inv_freq
                } else if wavelength > original / low {
                    inv_freq / factor
                } else {
                    let smooth = (original / wavelength - low) / (high - low);
                    (1.0 - smooth) * inv_freq / factor + smooth * inv_freq
                }
            };
            (plain.into_iter().map(stretch).collect(), 1.0)
        }
        "yarn" => {
            // Peng et al. 2023, § 3.2 and eq. 22: fast rotations are kept, slow ones stretched, a ramp between them.
            let factor = number("factor")?;
            let original = scaling.f64_or("original_max_position_embeddings", max_position_embeddings)?;
            let dim = f64::from(rotary_dim);
            let turns_at = |turns: f64| dim * (original / (turns * 2.0 * PI)).ln() / (2.0 * theta.ln());
            let low = turns_at(scaling.f64_or("beta_fast", 32.0)?);
            let high = turns_at(scaling.f64_or("beta_slow", 1.0)?);
            let whole = scaling.bool_or("truncate", true)?;
            let low = if whole { low.floor() } else { low }.max(0.0);
            let high = if whole { high.ceil() } else { high }.min(dim - 1.0);
            let width = if high == low { 0.001 } else { high - low };
            let blend = |(i, inv_freq): (usize, f64)| {
                let stretched = ((i as f64 - low) / width).clamp(0.0, 1.0);
                inv_freq / factor * stretched + inv_freq * (1.0 - stretched)
            };
            let mscale = |m: f64| if factor <= 1.0 { 1.0 } else { 0.1 * m * factor.ln() + 1.0 };
            let by_mscale = match (scaling.f64_or("mscale", 0.0)?, scaling.f64_or("mscale_all_dim", 0.0)?) {
                (m, all) if m != 0.0 && all != 0.0 => mscale(m) / mscale(all),
                _ => mscale(1.0),
            };
            let attention_factor = scaling.f64_or("attention_factor", by_mscale)?;
            (plain.into_iter().enumerate().map(blend).collect(), attention_factor)
        }
        other => return Err(unsupported(format!("rope_scaling {other}"))),
    };
    g.rope_table(inv_freq, attention_factor, divisors)
}

/// LongRoPE (Ding et al. 2024): frequencies have divisors of their own, others for texts of more tokens than the model was
/// first trained for.
fn longrope(
    g: &mut Recorder<'_>,
    config: Config<'_>,
    dims: &Dims,
    plain: Vec<f64>,
    scaling: Option<Config<'_>>,
) -> Result<usize> {
    let of_scaling = |key: &str| scaling.map_or(Ok(None), |scaling| scaling.optional(key));
    let original = match config.optional("original_max_position_embeddings")? {
        Some(original) => original,
        None => of_scaling("original_max_position_embeddings")?.unwrap_or(dims.max_position_embeddings),
    };
    let max = f64::from(dims.max_position_embeddings);
    let factor = match scaling.map_or(Ok(None), |scaling| scaling.optional_f64("factor"))? {
        Some(factor) if config.get("original_max_position_embeddings").is_none() => factor,
        _ => max / f64::from(original.max(1)),
    };
    let by_factor = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / f64::from(original).ln()).sqrt() };
    let stated = scaling.map_or(Ok(None), |scaling| scaling.optional_f64("attention_factor"))?;
    let stated = stated.or(config.optional_f64("rope_attention_factor")?);
    let attention_factor = stated.unwrap_or(by_factor);
    let mut one = |key: &str, tensor: &str| {
        if g.has(tensor) {
            return g.rope_table(plain.clone(), attention_factor, Some(tensor));
        }
        let divisors = scaling.map_or(Ok(Vec::new()), |scaling| scaling.numbers(key))?;
        if divisors.len() != plain.len() {
            let message = format!("rope_scaling has {} numbers in {key} for {} pairs", divisors.len(), plain.len());
            return Err(Error::bad_file(message).with("key", key));
        }
        let inv_freq = plain.iter().zip(divisors).map(|(inv_freq, divisor)| inv_freq / divisor).collect();
        g.rope_table(inv_freq, attention_factor, None)
    };
    let short = one("short_factor", "rope_factors_short.weight")?;
    let long = one("long_factor", "rope_factors_long.weight")?;
    g.rope_table_for_long(short, original, long);
    Ok(short)
}
