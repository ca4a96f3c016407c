//! What a page passes to the engine: options, messages, prompts, ids. `serde_json` stands in for JavaScript's values.

use doran::Result;
use doran::embed::Pooling;
use doran::format::{GenerationConfig, TokenizerSource};
use doran::generate::{Generation, Input};
use doran::sampler::sample;
use doran::text::Text;
use doran::tokenizer::Tokenizer;
use doran::wasm::options::{
    Surroundings, WireAdapterOptions, WireAdapterUse, WireEmbedOptions, WireGenerateOptions, WireLoadOptions, hash_of,
};
use serde::Deserialize;
use serde_json::Value;

use crate::{Reach, seeds};

/// Tokens that fit.
const CAPACITY: usize = 512;

thread_local! {
    static TEXT: Text = text();
}

fn text() -> Text {
    let file = std::fs::read_to_string(seeds::fixtures().join("arch/llama3/tokenizer.json")).expect("a fixture");
    let source = TokenizerSource::Json { tokenizer: file, config: None };
    let template = "{% for m in messages %}<{{ m.role }}>{{ m['content'] }}{% if m.tool_calls %}{{ m.tool_calls|tojson }}{% endif %}\n{% endfor %}";
    let generation = GenerationConfig { bos_token_id: Some(0), eos_token_ids: vec![1], decoder_start_token_id: None };
    Text::new(Tokenizer::new(&source).expect("a tokenizer"), Some(template.to_owned()), generation)
}

/// The calls of a worker that bring values of the page, each where it is made.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Calls {
    load: Option<WireLoadOptions>,
    load_adapter: Option<WireAdapterOptions>,
    adapters: Option<Vec<WireAdapterUse>>,
    generate: Option<WireGenerateOptions>,
    embed: Option<WireEmbedOptions>,
    input: Option<Value>,
    detokenize: Option<Vec<u32>>,
}

/// Calls in JSON: `{"load": options, "generate": options, "input": …, …}`.
pub fn messages(input: &[u8]) -> Reach {
    let Ok(value) = serde_json::from_slice::<Value>(input) else { return Reach::Header };
    if !value.is_object() {
        return Reach::Header;
    }
    let Ok(calls) = Calls::deserialize(value) else { return Reach::Inside };
    if TEXT.with(|text| answer(text, calls)).is_ok() { Reach::Whole } else { Reach::Inside }
}

fn answer(text: &Text, calls: Calls) -> Result<()> {
    if let Some(options) = calls.load {
        options.engine()?;
        options.quantize()?;
        hash_of(options.sha256.as_deref())?;
    }
    if let Some(options) = calls.load_adapter {
        hash_of(options.sha256.as_deref())?;
    }
    drop(calls.adapters);
    if let Some(options) = calls.embed {
        let options = options.read(Some("mean"))?;
        assert!(matches!(options.pooling, Pooling::Mean | Pooling::Cls));
    }
    if let Some(ids) = calls.detokenize {
        text.tokenizer().decode(&ids, false)?;
    }
    let mut options = calls.generate.unwrap_or_default();
    let chat = std::mem::take(&mut options.chat);
    let options = options.read(Vec::new(), Surroundings { local_secs: 1_767_359_045, seed: 1.0 })?;
    let input = match calls.input {
        None => Input::Text("hi".to_owned()),
        Some(Value::String(text)) => Input::Text(text),
        Some(Value::Array(list)) if !list.is_empty() && list.iter().all(Value::is_u64) => {
            Input::Ids(list.iter().filter_map(|id| u32::try_from(id.as_u64()?).ok()).collect())
        }
        Some(value) => Input::Chat(chat.chat(match value {
            Value::Array(list) => list,
            other => vec![other],
        })),
    };
    let sampler = options.sampler.clone();
    Generation::new(text, CAPACITY, &input, options)?;
    let vocab_size = text.tokenizer().vocab_size();
    sampler.check_ids(vocab_size)?;
    let mut logits: Vec<f32> = (0..vocab_size).map(|id| (id % 17) as f32 / 4.0).collect();
    let drawn = sample(&mut logits, &sampler, &[1, 2, 1], 3)?;
    assert!((drawn.id as usize) < vocab_size);
    Ok(())
}
