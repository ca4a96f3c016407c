//! What configurations have in common: reading them, and rotary frequencies with their scalings.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Reads an architecture's configuration out of `config.json`'s keys.
///
/// # Errors
/// `bad_file` naming what is missing or of the wrong type.
pub fn parse<T: DeserializeOwned>(config: &Map<String, Value>) -> Result<T> {
    serde_json::from_value(Value::Object(config.clone()))
        .map_err(|error| Error::bad_file(format!("the model's configuration: {error}")))
}

/// Hugging Face's `rope_scaling`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct RopeScaling {
    /// Which scaling; old files say `type`.
    #[serde(alias = "type")]
    pub rope_type: String,
    /// Every other key, read by the scaling that needs it.
    #[serde(flatten)]
    pub parameters: Map<String, Value>,
}

impl RopeScaling {
    fn number(&self, key: &str) -> Result<f64> {
        self.parameters
            .get(key)
            .and_then(Value::as_f64)
            .filter(|value| value.is_finite() && *value > 0.0)
            .ok_or_else(|| Error::bad_file(format!("rope_scaling {:?} needs a positive {key}", self.rope_type)))
    }
}

/// Radians a position for each of `rotary_dim / 2` pairs (Su et al. 2021, § 3.2.2), scaled as the configuration says.
///
/// # Errors
/// `unsupported` for a scaling that doran does not know; `bad_file` for one without its numbers.
pub fn rope_inv_freq(rotary_dim: u32, rope_theta: f64, scaling: Option<&RopeScaling>) -> Result<Vec<f64>> {
    let plain: Vec<f64> =
        (0..rotary_dim / 2).map(|i| rope_theta.powf(-2.0 * f64::from(i) / f64::from(rotary_dim))).collect();
    let Some(scaling) = scaling else { return Ok(plain) };
    match scaling.rope_type.as_str() {
        "default" => Ok(plain),
        "linear" => {
            let factor = scaling.number("factor")?;
            Ok(plain.into_iter().map(|inv_freq| inv_freq / factor).collect())
        }
        "llama3" => {
            // Long wavelengths are stretched by `factor`, short ones kept, those between blended
            // (Hugging Face `modeling_rope_utils.py`, `_compute_llama3_parameters`).
            let factor = scaling.number("factor")?;
            let (low, high) = (scaling.number("low_freq_factor")?, scaling.number("high_freq_factor")?);
            let original = scaling.number("original_max_position_embeddings")?;
            if low >= high {
                return Err(Error::bad_file("rope_scaling \"llama3\" needs a low_freq_factor below high_freq_factor"));
            }
            let stretch = |inv_freq: f64| {
                let wavelength = 2.0 * std::f64::consts::PI / inv_freq;
                if wavelength < original / high {
                    inv_freq
                } else if wavelength > original / low {
                    inv_freq / factor
                } else {
                    let smooth = (original / wavelength - low) / (high - low);
                    (1.0 - smooth) * inv_freq / factor + smooth * inv_freq
                }
            };
            Ok(plain.into_iter().map(stretch).collect())
        }
        other => Err(Error::unsupported(
            format!("rope_scaling {other}"),
            format!("doran does not know the rope scaling {other:?}"),
        )),
    }
}
