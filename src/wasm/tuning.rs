//! The kernels that were chosen on this device, and those that models took, kept from load to load: one document a device, browser
//! and version of doran, in the browser's cache storage. Where there is none, each load chooses anew.

use std::hash::{DefaultHasher, Hash, Hasher};

use js_sys::{Function, JSON, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::js::{field, to_js};
use crate::gpu::{Capabilities, KernelSpec};
use crate::ops::Tile;
use crate::ops::linear::activations::Activations;
use crate::tune::{Kernels, Tuning};

const CACHE: &str = "doran.tuning";
/// What a document says: another number for other fields, so that older ones are not read.
const DOCUMENT: u32 = 3;
/// Models whose kernels are kept: those that were loaded first are forgotten first.
const MODELS_MAX: u32 = 16;

/// Choices by the formats of a model's matrices, and the precision; kernels by the model.
pub(super) struct Tunings {
    address: String,
    /// `{ choices: { [formats and precision]: Tuning }, kernels: { [key of a model's name]: lines of KernelSpec::written } }`
    document: JsValue,
}

impl Tunings {
    /// What was chosen on this device before; nothing where it cannot be read.
    pub(super) async fn read(adapter: &Capabilities) -> Self {
        Self::at(address(adapter)).await
    }

    async fn at(address: String) -> Self {
        let text = async {
            let response = call(&open().await?, "match", &[address.as_str().into()]).await?;
            call(&response, "text", &[]).await?.as_string()
        };
        let document = text.await.and_then(|text| JSON::parse(&text).ok()).filter(JsValue::is_object);
        Self { document: document.unwrap_or_else(|| Object::new().into()), address }
    }

    /// What the model took when it was last loaded; nothing where that is not known.
    pub(super) fn kernels(&self, model: &str) -> Vec<KernelSpec> {
        let stored = field(&self.document, "kernels").and_then(|kernels| field(&kernels, &key_of(model))?.as_string());
        stored.and_then(|lines| lines.split('\n').map(KernelSpec::read).collect()).unwrap_or_default()
    }

    /// The choice for these formats.
    pub(super) fn get(&self, formats: &str) -> Option<Tuning> {
        let stored = field(&field(&self.document, "choices")?, formats)?;
        let kernels = Kernels::named(&field(&stored, "kernels")?.as_string()?)?;
        let workgroup = field(&stored, "workgroup")?.as_f64()? as u32;
        let broadcast = field(&stored, "broadcast")?.as_bool()?;
        let activations = Activations::named(&field(&stored, "activations")?.as_string()?)?;
        let matmul = Tile::named(&field(&stored, "matmul")?.as_string()?)?;
        let number = |name: &str| Some(field(&stored, name)?.as_f64()? as u32);
        let (splits, queries, norm_workgroup) = (number("splits")?, number("queries")?, number("normWorkgroup")?);
        let norm = Kernels::named(&field(&stored, "norm")?.as_string()?)?;
        // No other sizes are ever chosen.
        let few = |n| [8, 16, 32].contains(&n);
        let known = [16, 32, 64, 128].contains(&workgroup) && few(splits) && few(queries);
        let known = known && [64, 256].contains(&norm_workgroup);
        known.then_some(Tuning {
            kernels,
            workgroup,
            broadcast,
            activations,
            matmul,
            splits,
            queries,
            norm,
            norm_workgroup,
            tried: Vec::new(),
            ms: 0.0,
        })
    }

    /// Keeps a choice, and what a model takes. A browser that refuses costs the next load the time to choose and to wait again, and
    /// nothing else.
    pub(super) async fn keep(&self, choice: Option<(&str, &Tuning)>, takes: Option<(&str, &[KernelSpec])>) {
        let choice = choice.and_then(|(formats, tuning)| Some(("choices", formats.to_owned(), to_js(tuning).ok()?)));
        let lines =
            |kernels: &[KernelSpec]| kernels.iter().map(KernelSpec::written).collect::<Vec<_>>().join("\n").into();
        let takes = takes.map(|(model, kernels)| ("kernels", key_of(model), lines(kernels)));
        if choice.is_none() && takes.is_none() {
            return;
        }
        // Others may have kept theirs since this was read.
        let Self { document, address } = Self::at(self.address.clone()).await;
        for (part, name, value) in choice.into_iter().chain(takes) {
            let entries = field(&document, part).unwrap_or_else(|| Object::new().into());
            let entries: Object = entries.unchecked_into();
            // An entry that is set anew is the youngest.
            let name = JsValue::from(name);
            let _ = Reflect::delete_property(&entries, &name);
            let names = Object::keys(&entries);
            if part == "kernels" && names.length() >= MODELS_MAX {
                let _ = Reflect::delete_property(&entries, &names.get(0));
            }
            let _ = Reflect::set(&entries, &name, &value);
            let _ = Reflect::set(&document, &part.into(), &entries);
        }
        Self { document, address }.write().await;
    }

    async fn write(&self) {
        let (Ok(text), Some(cache)) = (JSON::stringify(&self.document), open().await) else { return };
        if let Ok(response) = web_sys::Response::new_with_opt_str(text.as_string().as_deref()) {
            call(&cache, "put", &[self.address.as_str().into(), response.into()]).await;
        }
    }
}

/// What stands for a model's name, which may say more than should stay: it is not to be read from this.
fn key_of(model: &str) -> String {
    let mut hasher = DefaultHasher::new();
    model.hash(&mut hasher);
    format!("{:x}", hasher.finish())
}

/// What the choice depends on, as an address: it is never fetched.
fn address(adapter: &Capabilities) -> String {
    let browser = field(&js_sys::global(), "navigator").and_then(|navigator| field(&navigator, "userAgent"));
    let browser = browser.and_then(|agent| agent.as_string()).unwrap_or_default();
    let Capabilities { vendor, architecture, device, description, .. } = adapter;
    let mut address = format!("https://tuning.doran.invalid/{DOCUMENT}");
    for part in [env!("CARGO_PKG_VERSION"), vendor, architecture, device, description, &browser] {
        address.push('/');
        address.push_str(&String::from(js_sys::encode_uri_component(part)));
    }
    address
}

async fn call(object: &JsValue, method: &str, arguments: &[JsValue]) -> Option<JsValue> {
    let function: Function = Reflect::get(object, &method.into()).ok()?.dyn_into().ok()?;
    let promise = function.apply(object, &arguments.iter().cloned().collect()).ok()?;
    JsFuture::from(promise.dyn_into::<Promise>().ok()?).await.ok()
}

async fn open() -> Option<JsValue> {
    let caches = field(&js_sys::global(), "caches")?;
    call(&caches, "open", &[CACHE.into()]).await
}
