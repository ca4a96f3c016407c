//! Texts to vectors, by an encoder (Reimers & Gurevych 2019): texts of like meaning have a large cosine.

use crate::error::{Error, Result};
use crate::session::Session;
use crate::text::Text;
use crate::weights::Cancel;

/// What is embedded.
#[derive(Clone, Debug)]
pub enum Source {
    /// Text; the tokens that the model wants around it are added.
    Text(String),
    /// Token ids, taken as they are.
    Ids(Vec<u32>),
}

/// Which row stands for a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooling {
    /// The mean of the rows of all its tokens.
    #[default]
    Mean,
    /// The row of its first token, which is BERT's `[CLS]`.
    Cls,
}

impl Pooling {
    /// By name, as options and models spell it.
    ///
    /// # Errors
    /// `unsupported` for a way that is not known.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "mean" => Ok(Self::Mean),
            "cls" => Ok(Self::Cls),
            other => {
                let message = format!("pooling by {other:?} is not known; `mean` and `cls` are");
                Err(Error::unsupported(format!("pooling {other}"), message))
            }
        }
    }
}

/// How to embed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbedOptions {
    /// Which row stands for a text.
    pub pooling: Pooling,
    /// Divide rows by their length, so that a product of two is their cosine.
    pub normalize: bool,
}

impl Default for EmbedOptions {
    fn default() -> Self {
        Self { pooling: Pooling::Mean, normalize: true }
    }
}

/// Embeds texts, each `[hidden_size]`, in order.
///
/// # Errors
/// `unsupported` if the model is no encoder; `context_overflow` for a text of more tokens than it takes, `bad_argument` for one
/// of none or of ids that it has not (data: `index`, which); `tokenizer`; `aborted`; `non_finite`, `device_lost`, `gpu`.
pub async fn embed(
    text: &Text,
    session: &mut Session,
    sources: &[Source],
    options: EmbedOptions,
    cancel: &Cancel,
) -> Result<Vec<Vec<f32>>> {
    session.check_embeds()?;
    let mut rows = Vec::with_capacity(sources.len());
    for (index, source) in sources.iter().enumerate() {
        cancel.check()?;
        let ids = match source {
            Source::Text(source) => text.tokenizer().encode(source, true),
            Source::Ids(ids) => Ok(ids.clone()),
        };
        let pooled = match ids {
            Ok(ids) => session.embed(&ids, cancel).await,
            Err(error) => Err(error),
        };
        let pooled = pooled.map_err(|error| error.with("index", index))?;
        let mut row = match options.pooling {
            Pooling::Mean => pooled.mean,
            Pooling::Cls => pooled.first,
        };
        if options.normalize {
            normalize(&mut row);
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Divides a row by its length, unless that is 0.
fn normalize(row: &mut [f32]) {
    let length = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
    }
}
