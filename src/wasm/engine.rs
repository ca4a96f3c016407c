//! A loaded model as JavaScript sees it.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use js_sys::{Float32Array, Function, Object, Promise, Reflect, Uint32Array};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::AbortSignal;

use super::adapters::{Adapters, wire_uses};
use super::answer::{Answer, WasmGeneration};
use super::guides::{JsConstraint, guides};
use super::js::{AbortLink, field, from_js, local_secs, now_ms, to_js};
use super::load::load;
use super::options::{Surroundings, WireChatOptions, WireEmbedOptions, WireGenerateOptions};
use super::progress::Speed;
use super::recovery::{Losses, Origin};
use crate::embed::{Source, embed};
use crate::engine::ModelInfo;
use crate::error::{Error, ErrorKind, Result};
use crate::generate::{Generation, Input};
use crate::gpu::{Capabilities, Counts, Gpu};
use crate::session::Session;
use crate::text::Text;
use crate::tune::Tuning;
use crate::turn::Turns;
use crate::weights::{Cancel, Pause};

/// What `info()` tells.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireInfo<'a> {
    #[serde(flatten)]
    model: &'a ModelInfo,
    name: &'a str,
    /// In Jinja.
    chat_template: Option<&'a str>,
    /// The CPU references name themselves.
    adapter: Capabilities,
}

/// Speeds of the last answer, and totals.
#[derive(Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Speeds {
    pub(super) prefill_tps: f64,
    pub(super) decode_tps: f64,
    pub(super) tokens_prefilled: usize,
    pub(super) tokens_decoded: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireStats {
    counters: Counts,
    #[serde(flatten)]
    speeds: Speeds,
    decode_dispatches: Vec<String>,
    tuning: Option<Tuning>,
    recoveries: u32,
}

/// What `decodeAt` tells.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireDecoded {
    tokens: usize,
    ms: f64,
    tps: f64,
    counters: Counts,
}

pub(super) struct Inner {
    pub(super) name: String,
    pub(super) info: ModelInfo,
    pub(super) load_ms: f64,
    pub(super) text: Rc<Text>,
    pub(super) capacity: usize,
    pub(super) gpu: RefCell<Option<Rc<Gpu>>>,
    pub(super) decode_labels: Vec<String>,
    pub(super) tuning: Option<Tuning>,
    pub(super) origin: Origin,
    pub(super) losses: Losses,
    /// Taken by whoever has the turn while it works; none where the GPU was lost, until there is another.
    pub(super) session: RefCell<Option<Session>>,
    pub(super) turns: Turns,
    pub(super) running: RefCell<Vec<Weak<Answer>>>,
    pub(super) speeds: Cell<Speeds>,
    pub(super) adapters: Adapters,
    pub(super) is_unloaded: Cell<bool>,
}

impl Inner {
    /// What the device has counted; nothing on the CPU.
    fn counts(&self) -> Counts {
        self.gpu.borrow().as_ref().map(|gpu| gpu.counts()).unwrap_or_default()
    }
}

pub(super) fn unloaded() -> Error {
    Error::new(ErrorKind::Unloaded, "the engine was unloaded; load the model again")
}

/// Pauses a load's download.
#[wasm_bindgen]
#[derive(Default)]
pub struct WasmPause(Pause);

#[wasm_bindgen]
impl WasmPause {
    /// Not paused.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Pauses, or goes on.
    pub fn set(&self, paused: bool) {
        self.0.set(paused);
    }
}

/// A loaded model.
#[wasm_bindgen]
pub struct WasmEngine(pub(super) Rc<Inner>);

#[wasm_bindgen]
impl WasmEngine {
    /// Loads a model. See `pkg/src/wasm.d.ts` for the shapes of the arguments.
    pub fn load(
        source: JsValue,
        options: JsValue,
        on_progress: Function,
        signal: Option<AbortSignal>,
        pause: &WasmPause,
    ) -> Promise {
        let pause = pause.0.clone();
        future_to_promise(async move {
            let speed = Speed::new(on_progress);
            let cancel = Cancel::new();
            let link = AbortLink::new(signal, &cancel);
            let inner = load(source, options, speed, pause, &cancel).await;
            drop(link);
            Ok(WasmEngine(Rc::new(inner?)).into())
        })
    }

    /// What the model is.
    pub fn info(&self) -> Result<JsValue, JsValue> {
        let inner = &self.0;
        let reference = || Capabilities {
            architecture: "cpu".to_owned(),
            description: "CPU references".to_owned(),
            is_fallback: true,
            ..Capabilities::default()
        };
        let adapter = inner.info.adapter.clone().unwrap_or_else(reference);
        let chat_template = inner.text.chat_template();
        let info = to_js(&WireInfo { model: &inner.info, name: &inner.name, chat_template, adapter })?;
        if let Some(load) = field(&info, "load") {
            Reflect::set(&load, &"ms".into(), &inner.load_ms.into())?;
        }
        Ok(info)
    }

    /// What the GPU was asked for, and how fast answers were.
    pub fn stats(&self) -> Result<JsValue, JsValue> {
        let counters = self.0.counts();
        let decode_dispatches = self.0.decode_labels.clone();
        Ok(to_js(&WireStats {
            counters,
            speeds: self.0.speeds.get(),
            decode_dispatches,
            tuning: self.0.tuning.clone(),
            recoveries: self.0.losses.recoveries(),
        })?)
    }

    /// Text → ids.
    pub fn tokenize(&self, text: &str, add_special_tokens: bool) -> Result<Uint32Array, JsValue> {
        Ok(Uint32Array::from(self.0.text.tokenizer().encode(text, add_special_tokens)?.as_slice()))
    }

    /// Ids → text, special tokens as the vocabulary spells them, or left out.
    pub fn detokenize(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String, JsValue> {
        Ok(self.0.text.tokenizer().decode(ids, skip_special_tokens)?)
    }

    /// The vocabulary, for constraints: the bytes of all tokens, where each ends, which are special and which end texts.
    pub fn vocabulary(&self) -> Result<JsValue, JsValue> {
        let tokenizer = self.0.text.tokenizer();
        let (mut bytes, mut ends, mut special) = (Vec::new(), Vec::new(), Vec::new());
        for id in 0..tokenizer.vocab_size() as u32 {
            bytes.extend_from_slice(tokenizer.token_bytes(id));
            ends.push(bytes.len() as u32);
            special.extend(Some(id).filter(|id| tokenizer.is_special(*id)));
        }
        let vocabulary = Object::new();
        let put = |key: &str, value: &JsValue| Reflect::set(&vocabulary, &key.into(), value);
        put("bytes", &js_sys::Uint8Array::from(bytes.as_slice()))?;
        put("ends", &Uint32Array::from(ends.as_slice()))?;
        put("special", &Uint32Array::from(special.as_slice()))?;
        let eos = &self.0.text.generation_config().eos_token_ids;
        put("eos", &Uint32Array::from(eos.as_slice()))?;
        Ok(vocabulary.into())
    }

    /// Bytes → ids; none where the bytes are no text.
    #[wasm_bindgen(js_name = tokenizeBytes)]
    pub fn tokenize_bytes(&self, bytes: &[u8]) -> Result<Uint32Array, JsValue> {
        let Ok(text) = std::str::from_utf8(bytes) else { return Ok(Uint32Array::new_with_length(0)) };
        self.tokenize(text, false)
    }

    /// Messages → text, by the model's chat template.
    #[wasm_bindgen(js_name = applyChatTemplate)]
    pub fn apply_chat_template(&self, messages: JsValue, options: JsValue) -> Result<String, JsValue> {
        let messages: Vec<serde_json::Value> = from_js("messages", messages)?;
        let options: WireChatOptions =
            if options.is_undefined() { WireChatOptions::default() } else { from_js("options", options)? };
        Ok(self.0.text.apply_chat_template(&options.chat(messages), Some(local_secs()))?)
    }

    /// An answer; it starts at the first `next()`. `constraint` and `hook` have a say in it.
    pub fn generate(
        &self,
        input: JsValue,
        options: JsValue,
        signal: Option<AbortSignal>,
        constraint: Option<JsConstraint>,
        hook: Option<Function>,
    ) -> Result<WasmGeneration, JsValue> {
        let mut options =
            if options.is_undefined() { WireGenerateOptions::default() } else { from_js("options", options)? };
        let input = if let Some(text) = input.as_string() {
            Input::Text(text)
        } else if let Some(ids) = input.dyn_ref::<Uint32Array>() {
            Input::Ids(ids.to_vec())
        } else {
            Input::Chat(std::mem::take(&mut options.chat).chat(from_js("input", input)?))
        };
        let uses = std::mem::take(&mut options.adapters);
        let adapters = self.0.adapters.named(&uses)?;
        let options = options.read(adapters, Surroundings::now())?;
        let guides = guides(constraint, hook);
        let generation = Generation::guided(&self.0.text, self.0.capacity, &input, options, guides)?;
        let cancel = Cancel::new();
        let answer = Rc::new(Answer {
            inner: Rc::clone(&self.0),
            generation: RefCell::new(Some(generation)),
            adapters: uses,
            recoveries: Cell::new(self.0.losses.recoveries()),
            turn: RefCell::new(None),
            link: RefCell::new(AbortLink::new(signal, &cancel)),
            cancel,
            prefill_ms: Cell::new(0.0),
            decode_ms: Cell::new(0.0),
            n_tokens: Cell::new(0),
        });
        let mut running = self.0.running.borrow_mut();
        running.retain(|other| other.strong_count() > 0);
        running.push(Rc::downgrade(&answer));
        Ok(WasmGeneration(answer))
    }

    /// Logits after the last id, and the largest one's id at each position. Where an encoder reads `ids`, those of an answer that
    /// begins with `answer`. `adapters` as in the options of `generate`.
    pub fn logits(&self, ids: Vec<u32>, answer: Option<Vec<u32>>, adapters: JsValue) -> Promise {
        let inner = Rc::clone(&self.0);
        future_to_promise(async move {
            let uses = wire_uses(adapters)?;
            inner.adapters.named(&uses)?;
            let _turn = inner.turns.take().await;
            let (mut top1, mut last) = (Vec::new(), Vec::new());
            let mut visit = |position: usize, logits: &[f32]| {
                top1.truncate(position);
                let best = (0..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best });
                top1.push(best as u32);
                last.clear();
                last.extend_from_slice(logits);
            };
            let start = inner.text.generation_config().decoder_start_token_id;
            let answer = answer.or(start.map(|start| vec![start]));
            let work = async |session: &mut Session| {
                session.use_adapters(&inner.adapters.named(&uses)?).await?;
                match &answer {
                    Some(answer) => session.answer_logits(&ids, answer, &Cancel::new(), &mut visit).await,
                    None => session.all_logits(&ids, &Cancel::new(), &mut visit).await,
                }
            };
            inner.with_session(&Cancel::new(), work).await?;
            let result = Object::new();
            Reflect::set(&result, &"lastLogits".into(), &Float32Array::from(last.as_slice()))?;
            Reflect::set(&result, &"top1".into(), &Uint32Array::from(top1.as_slice()))?;
            Ok(result.into())
        })
    }

    /// Negative log-likelihood of each id after the first.
    pub fn nll(&self, ids: Vec<u32>, adapters: JsValue) -> Promise {
        let inner = Rc::clone(&self.0);
        future_to_promise(async move {
            let uses = wire_uses(adapters)?;
            inner.adapters.named(&uses)?;
            let _turn = inner.turns.take().await;
            let mut nll = Vec::new();
            let mut visit = |position: usize, logits: &[f32]| {
                nll.truncate(position);
                if let Some(id) = ids.get(position + 1) {
                    let maximum = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let sum: f64 = logits.iter().map(|logit| f64::from(logit - maximum).exp()).sum();
                    nll.push((f64::from(maximum - logits[*id as usize]) + sum.ln()) as f32);
                }
            };
            let work = async |session: &mut Session| {
                session.use_adapters(&inner.adapters.named(&uses)?).await?;
                session.all_logits(&ids, &Cancel::new(), &mut visit).await
            };
            inner.with_session(&Cancel::new(), work).await?;
            Ok(Float32Array::from(nll.as_slice()).into())
        })
    }

    /// Times kernels one by one, as in a step behind so many tokens.
    pub fn profile(&self, context: usize) -> Promise {
        let inner = Rc::clone(&self.0);
        future_to_promise(async move {
            let _turn = inner.turns.take().await;
            let profile = async |session: &mut Session| session.profile(context).await;
            Ok(to_js(&inner.with_session(&Cancel::new(), profile).await?)?)
        })
    }

    /// Decodes so many tokens behind so many positions that nobody computed, and tells what that took.
    #[wasm_bindgen(js_name = decodeAt)]
    pub fn decode_at(&self, context: usize, tokens: usize) -> Promise {
        let inner = Rc::clone(&self.0);
        future_to_promise(async move {
            let _turn = inner.turns.take().await;
            let now = || (now_ms(), inner.counts());
            let begun = Cell::new(now());
            let work = async |session: &mut Session| {
                session.decode_at(context, tokens, &mut || begun.set(now()), &Cancel::new()).await
            };
            let tokens = inner.with_session(&Cancel::new(), work).await?.len();
            let ((ended_ms, counts), (begun_ms, before)) = (now(), begun.get());
            // Clocks of browsers are coarse: a few tokens of a tiny model may take no time by them.
            let ms = (ended_ms - begun_ms).max(f64::EPSILON);
            let counters = counts.since(before);
            Ok(to_js(&WireDecoded { tokens, ms, tps: tokens as f64 / ms * 1000.0, counters })?)
        })
    }

    /// Texts → vectors, each a `Float32Array`, by an encoder.
    pub fn embed(&self, inputs: js_sys::Array, options: JsValue, signal: Option<AbortSignal>) -> Promise {
        let inner = Rc::clone(&self.0);
        future_to_promise(async move {
            let options =
                if options.is_undefined() { WireEmbedOptions::default() } else { from_js("options", options)? };
            let options = options.read(inner.info.pooling.as_deref())?;
            let source = |input: JsValue| match (input.as_string(), input.dyn_ref::<Uint32Array>()) {
                (Some(text), _) => Ok(Source::Text(text)),
                (None, Some(ids)) => Ok(Source::Ids(ids.to_vec())),
                (None, None) => Err(Error::bad_argument("texts", "embed takes strings or Uint32Arrays of token ids")),
            };
            let sources = inputs.iter().map(source).collect::<Result<Vec<_>>>()?;
            let cancel = Cancel::new();
            let link = AbortLink::new(signal, &cancel);
            let _turn = cancel.race(async { Ok(inner.turns.take().await) }).await?;
            let text = Rc::clone(&inner.text);
            let work = async |session: &mut Session| embed(&text, session, &sources, options, &cancel).await;
            let rows = inner.with_session(&cancel, work).await?;
            drop(link);
            let rows: js_sys::Array = rows.iter().map(|row| Float32Array::from(row.as_slice())).collect();
            Ok(rows.into())
        })
    }

    /// Ends running answers and frees the GPU.
    pub fn unload(&self) -> Promise {
        let inner = Rc::clone(&self.0);
        future_to_promise(async move {
            let running: Vec<_> = inner.running.borrow().iter().filter_map(Weak::upgrade).collect();
            running.iter().for_each(|answer| answer.cancel());
            inner.is_unloaded.set(true);
            let _turn = inner.turns.take().await;
            drop(inner.session.borrow_mut().take());
            inner.adapters.unload();
            Ok(JsValue::UNDEFINED)
        })
    }
}
