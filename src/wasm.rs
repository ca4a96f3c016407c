//! The boundary: what JavaScript sees. Everything takes `&self` and answers with a promise; calls on one engine take
//! turns in order; no borrow crosses an await. Errors are thrown as `{ code, message, data }`.

#![cfg(target_arch = "wasm32")]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use js_sys::{Array, Float32Array, Function, Object, Promise, Reflect, Uint32Array};
use serde::{Deserialize, Serialize};
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::{AbortSignal, Blob, File};

use crate::engine::{Engine, EngineOptions, ModelInfo, Stage};
use crate::error::{Error, ErrorKind, Result};
use crate::generate::{GenerateOptions, Generation, Input, Item};
use crate::gpu::device::GpuOptions;
use crate::gpu::{Capabilities, Counts, Gpu};
use crate::ops::KvFormat;
use crate::sampler::SamplerOptions;
use crate::session::Session;
use crate::text::Text;
use crate::turn::{Turn, Turns};
use crate::weights::http::{HttpSource, WebSource};
use crate::weights::indexed_db::{DATABASE, WebStore};
use crate::weights::manifest::unhex;
use crate::weights::plan::DEFAULT_CHUNK_BYTES;
use crate::weights::{Cancel, ChunkStore, LoadOptions, ModelFiles, Phase, Progress, delete_model};

/// Seconds over which the download speed is averaged.
const SPEED_SECS: f64 = 5.0;

#[wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}

impl From<Error> for JsValue {
    fn from(error: Error) -> Self {
        let thrown = Object::new();
        let put = |key: &str, value: JsValue| Reflect::set(&thrown, &key.into(), &value).is_ok();
        put("code", error.code().into());
        put("message", error.message().into());
        put("data", to_js(error.data()).unwrap_or_else(|_| Object::new().into()));
        thrown.into()
    }
}

fn to_js<T: Serialize>(value: &T) -> Result<JsValue> {
    let serializer = Serializer::json_compatible();
    value.serialize(&serializer).map_err(|error| Error::internal(error.to_string()))
}

fn from_js<T: for<'de> Deserialize<'de>>(argument: &str, value: JsValue) -> Result<T> {
    serde_wasm_bindgen::from_value(value).map_err(|error| Error::bad_argument(argument, error.to_string()))
}

fn field(object: &JsValue, key: &str) -> Option<JsValue> {
    Reflect::get(object, &key.into()).ok().filter(|value| !value.is_undefined() && !value.is_null())
}

/// Milliseconds of a clock that never goes back.
fn now_ms() -> f64 {
    field(&js_sys::global(), "performance")
        .and_then(|performance| {
            let now: Function = field(&performance, "now")?.dyn_into().ok()?;
            now.call0(&performance).ok()?.as_f64()
        })
        .unwrap_or_else(js_sys::Date::now)
}

/// Seconds since 1 January 1970, local midnight.
fn local_secs() -> i64 {
    let now = js_sys::Date::new_0();
    (now.get_time() / 1000.0 - now.get_timezone_offset() * 60.0) as i64
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireLoadOptions {
    name: Option<String>,
    sha256: Option<String>,
    context: Option<u32>,
    chat_template: Option<String>,
    backend: Option<String>,
    kv_cache: Option<String>,
    store: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireGenerateOptions {
    temperature: Option<f32>,
    top_k: Option<u32>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    presence_penalty: Option<f32>,
    logit_bias: HashMap<String, f32>,
    seed: Option<f64>,
    stop: Vec<String>,
    max_tokens: Option<f64>,
    ignore_eos: bool,
    logprobs: bool,
}

impl WireGenerateOptions {
    fn read(self) -> Result<GenerateOptions> {
        let plain = SamplerOptions::default();
        let bias = |(id, bias): (&String, &f32)| {
            let id = id.parse().map_err(|_| Error::bad_argument("logitBias", format!("{id:?} is no token id")))?;
            Ok((id, *bias))
        };
        let whole = |name: &str, value: f64| {
            if value >= 0.0 && value.fract() == 0.0 && value <= 9_007_199_254_740_991.0 {
                return Ok(value as u64);
            }
            Err(Error::bad_argument(name, format!("{name} is {value}, but must be a whole number from 0 on")))
        };
        // Without a seed each answer draws anew.
        let seed = self.seed.unwrap_or_else(|| (js_sys::Math::random() * 9_007_199_254_740_992.0).floor());
        let sampler = SamplerOptions {
            temperature: self.temperature.unwrap_or(plain.temperature),
            top_k: self.top_k.unwrap_or(plain.top_k),
            top_p: self.top_p.unwrap_or(plain.top_p),
            min_p: self.min_p.unwrap_or(plain.min_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(plain.repetition_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(plain.frequency_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(plain.presence_penalty),
            logit_bias: self.logit_bias.iter().map(bias).collect::<Result<_>>()?,
            seed: whole("seed", seed)?,
        };
        Ok(GenerateOptions {
            sampler,
            stop: self.stop,
            max_tokens: self.max_tokens.map(|n| whole("maxTokens", n)).transpose()?.map(|n| n as usize),
            ignore_eos: self.ignore_eos,
            logprobs: self.logprobs,
            now_secs: Some(local_secs()),
        })
    }
}

/// What `load` opens: where from, and under which name it is stored.
struct Opened {
    source: Option<WebSource>,
    name: String,
    paths: Vec<String>,
}

/// A file of a Hugging Face folder.
#[derive(Deserialize)]
struct WireFile {
    path: String,
    url: Option<String>,
    #[serde(default, with = "serde_wasm_bindgen::preserve")]
    file: JsValue,
}

/// The files of a folder, all by address or all picked.
fn open_folder(source: &JsValue, files: JsValue, name: Option<String>) -> Result<Opened> {
    let files: Vec<WireFile> = from_js("source", files)?;
    let paths = files.iter().map(|file| file.path.clone()).collect();
    let urls: Option<Vec<String>> = files.iter().map(|file| file.url.clone()).collect();
    let blobs: Option<Vec<Blob>> = files.iter().map(|file| file.file.clone().dyn_into().ok()).collect();
    let (source, plain) = match (urls, blobs) {
        (Some(urls), _) if !urls.is_empty() => {
            let folder = urls[0].split(['?', '#']).next().and_then(|url| url.rsplit_once('/'));
            let plain = folder.map_or("folder", |(folder, _)| folder).to_owned();
            (http_source(source, urls)?, plain)
        }
        (_, Some(blobs)) if !blobs.is_empty() => (blobs.into(), "folder".to_owned()),
        _ => return Err(Error::bad_argument("source", "each of the files needs a `url`, or each a `file`")),
    };
    Ok(Opened { source: Some(source), name: name.unwrap_or(plain), paths })
}

fn http_source(source: &JsValue, urls: Vec<String>) -> Result<WebSource> {
    let headers = field(source, "headers").map(|headers| from_js("headers", headers)).transpose()?;
    let fetch = field(source, "fetch").and_then(|fetch| fetch.dyn_into().ok());
    Ok(HttpSource::new(urls, headers.unwrap_or_default(), fetch).into())
}

fn open_source(source: &JsValue, name: Option<String>) -> Result<Opened> {
    if let Some(stored) = field(source, "stored").and_then(|name| name.as_string()) {
        return Ok(Opened { source: None, name: stored, paths: Vec::new() });
    }
    if let Some(file) = field(source, "file") {
        let blob: Blob = file.dyn_into().map_err(|_| Error::bad_argument("source", "the source is no File or Blob"))?;
        let given = field(source, "name").and_then(|name| name.as_string());
        let own = blob.dyn_ref::<File>().map(File::name);
        let name = name.or(given).or(own).unwrap_or_else(|| "file".to_owned());
        return Ok(Opened { source: Some(WebSource::from(vec![blob])), name, paths: Vec::new() });
    }
    if let Some(url) = field(source, "url").and_then(|url| url.as_string()) {
        // Stored under the address without its query, which may hold a signature or a token.
        let plain = url.split(['?', '#']).next().unwrap_or(&url).to_owned();
        let source = http_source(source, vec![url])?;
        return Ok(Opened { source: Some(source), name: name.unwrap_or(plain), paths: Vec::new() });
    }
    if let Some(files) = field(source, "files") {
        return open_folder(source, files, name);
    }
    Err(Error::bad_argument("source", "the source must be a URL, a File or Blob, or the name of a stored model"))
}

/// Turns what a load reports into what the page sees, with a speed.
struct Speed {
    on_progress: Function,
    last: Cell<Option<Progress>>,
    started_ms: f64,
    bytes_per_second: Cell<f64>,
    seen: Cell<(f64, u64)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireProgress {
    phase: &'static str,
    loaded_bytes: u64,
    total_bytes: u64,
    from_store_bytes: u64,
    bytes_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_left: Option<f64>,
}

impl Speed {
    fn new(on_progress: Function) -> Self {
        let started_ms = now_ms();
        let (last, bytes_per_second) = (Cell::new(None), Cell::new(0.0));
        Self { on_progress, last, started_ms, bytes_per_second, seen: Cell::new((started_ms, 0)) }
    }

    fn bytes(&self, progress: Progress) {
        self.last.set(Some(progress));
        let (at_ms, at_bytes) = self.seen.get();
        let now = now_ms();
        let secs = (now - at_ms) / 1000.0;
        if secs > 0.1 && progress.loaded_bytes >= at_bytes {
            let speed = (progress.loaded_bytes - at_bytes) as f64 / secs;
            let old = self.bytes_per_second.get();
            let weight = if old == 0.0 { 1.0 } else { 1.0 - (-secs / SPEED_SECS).exp() };
            self.bytes_per_second.set(old + (speed - old) * weight);
            self.seen.set((now, progress.loaded_bytes));
        }
        self.tell(match progress.phase {
            Phase::Waiting => "header",
            Phase::Loading if progress.downloaded_bytes > 0 => "download",
            Phase::Loading => "store",
            Phase::Verifying => "upload",
        });
    }

    fn tell(&self, phase: &'static str) {
        let last = self.last.get();
        let (loaded_bytes, total_bytes) = last.map_or((0, 0), |p| (p.loaded_bytes, p.total_bytes));
        let speed = self.bytes_per_second.get();
        let left = (speed > 0.0).then(|| total_bytes.saturating_sub(loaded_bytes) as f64 / speed);
        let progress = WireProgress {
            phase,
            loaded_bytes,
            total_bytes,
            from_store_bytes: last.map_or(0, |p| p.from_store_bytes),
            bytes_per_second: speed,
            seconds_left: left,
        };
        if let Ok(progress) = to_js(&progress) {
            // What the page's callback throws is the page's business.
            let _ = self.on_progress.call1(&JsValue::UNDEFINED, &progress);
        }
    }
}

/// Fires `cancel` when `signal` does, for as long as it lives.
struct AbortLink {
    signal: AbortSignal,
    listener: Closure<dyn FnMut()>,
}

impl AbortLink {
    fn new(signal: Option<AbortSignal>, cancel: &Cancel) -> Option<Self> {
        let signal = signal?;
        if signal.aborted() {
            cancel.cancel();
        }
        let cancel = cancel.clone();
        let listener = Closure::<dyn FnMut()>::new(move || cancel.cancel());
        signal.add_event_listener_with_callback("abort", listener.as_ref().unchecked_ref()).ok()?;
        Some(Self { signal, listener })
    }
}

impl Drop for AbortLink {
    fn drop(&mut self) {
        let listener = self.listener.as_ref().unchecked_ref();
        // It can fail only for a listener that is none.
        let _ = self.signal.remove_event_listener_with_callback("abort", listener);
    }
}

/// What `info()` tells.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireInfo<'a> {
    #[serde(flatten)]
    model: &'a ModelInfo,
    name: &'a str,
    /// The CPU references name themselves.
    adapter: Capabilities,
}

/// Speeds of the last answer, and totals.
#[derive(Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Speeds {
    prefill_tps: f64,
    decode_tps: f64,
    tokens_prefilled: usize,
    tokens_decoded: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireStats {
    counters: Counts,
    #[serde(flatten)]
    speeds: Speeds,
    decode_dispatches: Vec<String>,
}

struct Inner {
    name: String,
    info: ModelInfo,
    load_ms: f64,
    text: Rc<Text>,
    capacity: usize,
    gpu: Option<Rc<Gpu>>,
    decode_labels: Vec<String>,
    /// Taken by whoever has the turn while it works.
    session: RefCell<Option<Session>>,
    turns: Turns,
    running: RefCell<Vec<Weak<Answer>>>,
    speeds: Cell<Speeds>,
}

fn unloaded() -> Error {
    Error::new(ErrorKind::Unloaded, "the engine was unloaded; load the model again")
}

impl Inner {
    /// Runs `work` on the session, which must be this turn's.
    async fn with_session<R>(&self, work: impl AsyncFnOnce(&mut Session) -> Result<R>) -> Result<R> {
        let mut session = self.session.borrow_mut().take().ok_or_else(unloaded)?;
        let result = work(&mut session).await;
        self.session.replace(Some(session));
        result
    }
}

/// A loaded model.
#[wasm_bindgen]
pub struct WasmEngine(Rc<Inner>);

#[wasm_bindgen]
impl WasmEngine {
    /// Loads a model. See `pkg/src/wasm.d.ts` for the shapes of the arguments.
    pub fn load(source: JsValue, options: JsValue, on_progress: Function, signal: Option<AbortSignal>) -> Promise {
        future_to_promise(async move {
            let speed = Speed::new(on_progress);
            let cancel = Cancel::new();
            let link = AbortLink::new(signal, &cancel);
            let inner = load(&source, options, &speed, &cancel).await;
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
        let info = to_js(&WireInfo { model: &inner.info, name: &inner.name, adapter })?;
        if let Some(load) = field(&info, "load") {
            Reflect::set(&load, &"ms".into(), &inner.load_ms.into())?;
        }
        Ok(info)
    }

    /// What the GPU was asked for, and how fast answers were.
    pub fn stats(&self) -> Result<JsValue, JsValue> {
        let counters = self.0.gpu.as_ref().map(|gpu| gpu.counts()).unwrap_or_default();
        let decode_dispatches = self.0.decode_labels.clone();
        Ok(to_js(&WireStats { counters, speeds: self.0.speeds.get(), decode_dispatches })?)
    }

    /// Text → ids.
    pub fn tokenize(&self, text: &str, add_special_tokens: bool) -> Result<Uint32Array, JsValue> {
        Ok(Uint32Array::from(self.0.text.tokenizer().encode(text, add_special_tokens)?.as_slice()))
    }

    /// Ids → text, special tokens as the vocabulary spells them.
    pub fn detokenize(&self, ids: &[u32]) -> Result<String, JsValue> {
        Ok(self.0.text.tokenizer().decode(ids, false)?)
    }

    /// Messages → text, by the model's chat template.
    #[wasm_bindgen(js_name = applyChatTemplate)]
    pub fn apply_chat_template(&self, messages: JsValue, options: JsValue) -> Result<String, JsValue> {
        let messages: Vec<serde_json::Value> = from_js("messages", messages)?;
        let prompt = field(&options, "addGenerationPrompt").is_none_or(|value| value.is_truthy());
        Ok(self.0.text.apply_chat_template(&messages, prompt, Some(local_secs()))?)
    }

    /// An answer; it starts at the first `next()`.
    pub fn generate(
        &self,
        input: JsValue,
        options: JsValue,
        signal: Option<AbortSignal>,
    ) -> Result<WasmGeneration, JsValue> {
        let input = if let Some(text) = input.as_string() {
            Input::Text(text)
        } else if let Some(ids) = input.dyn_ref::<Uint32Array>() {
            Input::Ids(ids.to_vec())
        } else {
            Input::Messages(from_js("input", input)?)
        };
        let options =
            if options.is_undefined() { WireGenerateOptions::default() } else { from_js("options", options)? };
        let generation = Generation::new(&self.0.text, self.0.capacity, &input, options.read()?)?;
        let cancel = Cancel::new();
        let answer = Rc::new(Answer {
            inner: Rc::clone(&self.0),
            generation: RefCell::new(Some(generation)),
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

    /// Logits after the last id, and the largest one's id at each position.
    pub fn logits(&self, ids: Vec<u32>) -> Promise {
        let inner = Rc::clone(&self.0);
        future_to_promise(async move {
            let _turn = inner.turns.take().await;
            let (mut top1, mut last) = (Vec::new(), Vec::new());
            let visit = |_: usize, logits: &[f32]| {
                let best = (0..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best });
                top1.push(best as u32);
                last.clear();
                last.extend_from_slice(logits);
            };
            inner.with_session(async |session| session.all_logits(&ids, visit).await).await?;
            let result = Object::new();
            Reflect::set(&result, &"lastLogits".into(), &Float32Array::from(last.as_slice()))?;
            Reflect::set(&result, &"top1".into(), &Uint32Array::from(top1.as_slice()))?;
            Ok(result.into())
        })
    }

    /// Negative log-likelihood of each id after the first.
    pub fn nll(&self, ids: Vec<u32>) -> Promise {
        let inner = Rc::clone(&self.0);
        future_to_promise(async move {
            let _turn = inner.turns.take().await;
            let mut nll = Vec::new();
            let visit = |position: usize, logits: &[f32]| {
                if let Some(id) = ids.get(position + 1) {
                    let maximum = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let sum: f64 = logits.iter().map(|logit| f64::from(logit - maximum).exp()).sum();
                    nll.push((f64::from(maximum - logits[*id as usize]) + sum.ln()) as f32);
                }
            };
            inner.with_session(async |session| session.all_logits(&ids, visit).await).await?;
            Ok(Float32Array::from(nll.as_slice()).into())
        })
    }

    /// Ends running answers and frees the GPU.
    pub fn unload(&self) -> Promise {
        let inner = Rc::clone(&self.0);
        future_to_promise(async move {
            let running: Vec<_> = inner.running.borrow().iter().filter_map(Weak::upgrade).collect();
            running.iter().for_each(|answer| answer.cancel());
            let _turn = inner.turns.take().await;
            drop(inner.session.borrow_mut().take());
            Ok(JsValue::UNDEFINED)
        })
    }
}

/// The lasting store, opened once; or, where the browser gives none, one that lasts as long as a load.
async fn web_store() -> WebStore {
    thread_local! {
        static OPENED: RefCell<Option<WebStore>> = const { RefCell::new(None) };
    }
    if let Some(store) = OPENED.with_borrow(Clone::clone) {
        return store;
    }
    let store = WebStore::open(DATABASE).await;
    if matches!(store, WebStore::Indexed(_)) {
        OPENED.set(Some(store.clone()));
    }
    store
}

/// The names of a stored model's files: the ends of their addresses.
async fn stored_paths(store: &WebStore, name: &str) -> Result<Vec<String>> {
    let files = store.manifest(name).await?.map(|manifest| manifest.files).unwrap_or_default();
    let path = |url: &str| {
        let plain = url.split(['?', '#']).next().unwrap_or(url);
        plain.rsplit(['/', ':']).next().unwrap_or(plain).to_owned()
    };
    Ok(files.iter().map(|file| path(&file.url)).collect())
}

async fn load(source: &JsValue, options: JsValue, speed: &Speed, cancel: &Cancel) -> Result<Inner> {
    speed.tell("header");
    let options: WireLoadOptions =
        if options.is_undefined() { WireLoadOptions::default() } else { from_js("options", options)? };
    let Opened { source, name, paths } = open_source(source, options.name)?;
    let sha256 = match &options.sha256 {
        Some(text) => {
            let hash = unhex(text);
            let hash = hash.ok_or_else(|| Error::bad_argument("sha256", "sha256 must be 64 hexadecimal digits"))?;
            vec![Some(hash)]
        }
        None => Vec::new(),
    };
    let gpu = match options.backend.as_deref() {
        None | Some("webgpu") => Some(Rc::new(Gpu::open(GpuOptions::default()).await?)),
        Some("reference") => None,
        Some(other) => return Err(Error::bad_argument("backend", format!("there is no backend {other:?}"))),
    };
    let kv = match options.kv_cache.as_deref() {
        None | Some("auto") => None,
        Some("f32") => Some(KvFormat::F32),
        Some("f16") => Some(KvFormat::F16),
        Some(other) => return Err(Error::bad_argument("kvCache", format!("there is no KV cache in {other:?}"))),
    };
    let store = if options.store == Some(false) {
        WebStore::memory("the model is not kept, as the caller asked")
    } else {
        web_store().await
    };
    let paths = if source.is_none() { stored_paths(&store, &name).await? } else { paths };
    let on_bytes = |progress| speed.bytes(progress);
    let load_options = LoadOptions { sha256, chunk_bytes: DEFAULT_CHUNK_BYTES };
    let files = ModelFiles::open(source, store, &name, load_options, &on_bytes, cancel).await?;
    let on_stage = |stage| match stage {
        Stage::Bytes(progress) => speed.bytes(progress),
        Stage::Preparing => speed.tell("compile"),
    };
    let engine_options = EngineOptions {
        paths,
        context: options.context,
        chat_template: options.chat_template,
        kv,
        chunk_bytes: DEFAULT_CHUNK_BYTES,
    };
    let Engine { info, text, session } = Engine::load(files, gpu.clone(), engine_options, &on_stage, cancel).await?;
    speed.tell("ready");
    Ok(Inner {
        name,
        info,
        load_ms: now_ms() - speed.started_ms,
        text,
        capacity: session.capacity(),
        gpu,
        decode_labels: session.backend().decode_labels(),
        session: RefCell::new(Some(session)),
        turns: Turns::default(),
        running: RefCell::default(),
        speeds: Cell::default(),
    })
}

/// An answer in the making, shared by JavaScript and the engine that may end it.
struct Answer {
    inner: Rc<Inner>,
    /// Taken while a `next` works on it.
    generation: RefCell<Option<Generation>>,
    /// Held from the first `next` to the end.
    turn: RefCell<Option<Turn>>,
    link: RefCell<Option<AbortLink>>,
    cancel: Cancel,
    prefill_ms: Cell<f64>,
    decode_ms: Cell<f64>,
    n_tokens: Cell<usize>,
}

impl Answer {
    fn cancel(&self) {
        self.cancel.cancel();
        // A `next` that is under way gives the turn back itself.
        if self.generation.borrow().is_some() {
            self.finish();
        }
    }

    fn finish(&self) {
        self.turn.replace(None);
        self.link.replace(None);
    }

    async fn next(&self) -> Result<JsValue> {
        let taken = self.generation.borrow_mut().take();
        let mut generation = taken.ok_or_else(|| Error::internal("next() was called before the last one answered"))?;
        let result = self.step(&mut generation).await;
        self.generation.replace(Some(generation));
        if !matches!(&result, Ok(Some(Item::Token { .. }))) {
            self.finish();
        }
        self.to_item(result?)
    }

    async fn step(&self, generation: &mut Generation) -> Result<Option<Item>> {
        self.cancel.check()?;
        if self.turn.borrow().is_none() {
            let turn = self.cancel.race(async { Ok(self.inner.turns.take().await) }).await?;
            self.turn.replace(Some(turn));
        }
        let started_ms = now_ms();
        let text = Rc::clone(&self.inner.text);
        let work = async |session: &mut Session| generation.next(&text, session, &self.cancel).await;
        let result = self.inner.with_session(work).await;
        let time = if self.n_tokens.get() == 0 { &self.prefill_ms } else { &self.decode_ms };
        time.set(time.get() + now_ms() - started_ms);
        if matches!(&result, Ok(Some(Item::Token { .. }))) {
            self.n_tokens.set(self.n_tokens.get() + 1);
        }
        result
    }

    fn to_item(&self, item: Option<Item>) -> Result<JsValue> {
        let object = Object::new();
        let put = |key: &str, value: JsValue| {
            let done = Reflect::set(&object, &key.into(), &value);
            done.map(drop).map_err(|_| Error::internal("an item cannot be built"))
        };
        match item {
            Some(Item::Token { id, text, logprob }) => {
                put("id", id.into())?;
                put("text", text.into())?;
                if let Some(logprob) = logprob {
                    put("logprob", logprob.into())?;
                }
            }
            Some(Item::End { text, finish_reason, usage }) => {
                let (prefill_ms, decode_ms) = (self.prefill_ms.get(), self.decode_ms.get());
                let computed = usage.prompt_tokens - usage.cached_tokens;
                let after_first = usage.completion_tokens.saturating_sub(1);
                let per_second = |n: usize, ms: f64| if ms > 0.0 { n as f64 * 1000.0 / ms } else { 0.0 };
                let old = self.inner.speeds.get();
                self.inner.speeds.set(Speeds {
                    prefill_tps: per_second(computed, prefill_ms),
                    decode_tps: per_second(after_first, decode_ms),
                    tokens_prefilled: old.tokens_prefilled + computed,
                    tokens_decoded: old.tokens_decoded + usage.completion_tokens,
                });
                let usage = to_js(&usage)?;
                for (key, value) in [("prefillMs", prefill_ms), ("decodeMs", decode_ms)] {
                    Reflect::set(&usage, &key.into(), &value.into()).map_err(|_| Error::internal("usage"))?;
                }
                put("text", text.into())?;
                put("finishReason", to_js(&finish_reason)?)?;
                put("usage", usage)?;
            }
            None => return Err(Error::internal("the answer has ended already")),
        }
        Ok(object.into())
    }
}

/// An answer in the making.
#[wasm_bindgen]
pub struct WasmGeneration(Rc<Answer>);

#[wasm_bindgen]
impl WasmGeneration {
    /// The next token, or the end.
    pub fn next(&self) -> Promise {
        let answer = Rc::clone(&self.0);
        future_to_promise(async move { Ok(answer.next().await?) })
    }

    /// Ends the answer; a `next()` under way rejects with `aborted`.
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireStored {
    name: String,
    total_bytes: u64,
    stored_bytes: u64,
    complete: bool,
    url: Option<String>,
    last_used: f64,
}

/// The models in the store, complete or not.
#[wasm_bindgen(js_name = listModels)]
pub fn list_models() -> Promise {
    future_to_promise(async {
        let manifests = web_store().await.list().await?;
        let models = Array::new();
        for manifest in manifests {
            models.push(&to_js(&WireStored {
                total_bytes: manifest.total_bytes(),
                stored_bytes: manifest.stored_bytes(),
                complete: manifest.complete,
                url: manifest.files.first().map(|file| file.url.clone()),
                last_used: manifest.last_used_ms,
                name: manifest.model,
            })?);
        }
        Ok(models.into())
    })
}

/// Removes a stored model.
#[wasm_bindgen(js_name = deleteModel)]
pub fn delete_stored_model(name: String) -> Promise {
    future_to_promise(async move {
        let store = web_store().await;
        if store.manifest(&name).await?.is_none() {
            let message = format!("no stored model is called {name:?}");
            return Err(Error::new(ErrorKind::NotFound, message).with("name", name).into());
        }
        delete_model(&store, &name, &Cancel::new()).await?;
        Ok(JsValue::UNDEFINED)
    })
}

/// Bytes in use and allowed, as the browser tells.
#[wasm_bindgen(js_name = storageEstimate)]
pub fn storage_estimate() -> Promise {
    future_to_promise(async {
        let usage = web_store().await.usage().await?;
        let estimate = Object::new();
        let bytes = |n: Option<u64>| JsValue::from(n.unwrap_or(0) as f64);
        Reflect::set(&estimate, &"usageBytes".into(), &bytes(usage.used_bytes))?;
        Reflect::set(&estimate, &"quotaBytes".into(), &bytes(usage.quota_bytes))?;
        Ok(estimate.into())
    })
}
