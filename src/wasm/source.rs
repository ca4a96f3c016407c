//! Where a model comes from, as JavaScript says it.

use serde::Deserialize;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, File};

use super::js::{field, from_js};
use crate::engine::roles;
use crate::error::{Error, Result};
use crate::quantize::{Quantize, QuantizedSource};
use crate::weights::http::{HttpSource, WebSource};
use crate::weights::secrets::plain_url;

/// What `load` opens: where from, and under which name it is stored.
pub(super) struct Opened {
    pub(super) source: Option<QuantizedSource<WebSource>>,
    pub(super) name: String,
    pub(super) paths: Vec<String>,
}

/// A file of a Hugging Face folder.
#[derive(Deserialize)]
pub(super) struct WireFile {
    path: String,
    url: Option<String>,
    #[serde(default, with = "serde_wasm_bindgen::preserve")]
    file: JsValue,
}

/// The files of a folder, all by address or all picked.
fn open_folder(source: &JsValue, files: JsValue, name: Option<String>, quantize: Option<Quantize>) -> Result<Opened> {
    let files: Vec<WireFile> = from_js("source", files)?;
    let paths: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
    let urls: Option<Vec<String>> = files.iter().map(|file| file.url.clone()).collect();
    let blobs: Option<Vec<Blob>> = files.iter().map(|file| file.file.clone().dyn_into().ok()).collect();
    let (source, plain) = match (urls, blobs) {
        (Some(urls), _) if !urls.is_empty() => {
            let plain = plain_url(&urls[0]).rsplit_once('/').map_or("folder", |(folder, _)| folder).to_owned();
            (http_source(source, urls)?, plain)
        }
        (_, Some(blobs)) if !blobs.is_empty() => (blobs.into(), "folder".to_owned()),
        _ => return Err(Error::bad_argument("source", "each of the files needs a `url`, or each a `file`")),
    };
    let (source, plain) = match quantize {
        // Beside the same folder as it is, and quantised otherwise.
        Some(quantize) => {
            (QuantizedSource::new(source, &paths, quantize, roles)?, format!("{plain}#{}", quantize.name()))
        }
        None => (QuantizedSource::plain(source), plain),
    };
    Ok(Opened { source: Some(source), name: name.unwrap_or(plain), paths })
}

fn http_source(source: &JsValue, urls: Vec<String>) -> Result<WebSource> {
    let headers = field(source, "headers").map(|headers| from_js("headers", headers)).transpose()?;
    let fetch = field(source, "fetch").and_then(|fetch| fetch.dyn_into().ok());
    Ok(HttpSource::new(urls, headers.unwrap_or_default(), fetch).into())
}

/// What a source of JavaScript's is, read as `quantize` says.
///
/// # Errors
/// `bad_argument` where it is none, or where it cannot be quantised.
pub(super) fn open_source(source: &JsValue, name: Option<String>, quantize: Option<Quantize>) -> Result<Opened> {
    if let Some(files) = field(source, "files") {
        return open_folder(source, files, name, quantize);
    }
    if let Some(stored) = field(source, "stored").and_then(|name| name.as_string()) {
        return Ok(Opened { source: None, name: stored, paths: Vec::new() });
    }
    if quantize.is_some() {
        let message = "only the files of a safetensors folder can be quantised: a GGUF file has its formats; leave `quantize` out";
        return Err(Error::bad_argument("quantize", message));
    }
    if let Some(file) = field(source, "file") {
        let blob: Blob = file.dyn_into().map_err(|_| Error::bad_argument("source", "the source is no File or Blob"))?;
        let given = field(source, "name").and_then(|name| name.as_string());
        let own = blob.dyn_ref::<File>().map(File::name);
        let name = name.or(given).or(own).unwrap_or_else(|| "file".to_owned());
        return Ok(Opened { source: Some(QuantizedSource::plain(vec![blob].into())), name, paths: Vec::new() });
    }
    if let Some(url) = field(source, "url").and_then(|url| url.as_string()) {
        // Stored under the address without what may be a signature, a token or a password.
        let plain = plain_url(&url);
        let source = QuantizedSource::plain(http_source(source, vec![url])?);
        return Ok(Opened { source: Some(source), name: name.unwrap_or(plain), paths: Vec::new() });
    }
    Err(Error::bad_argument("source", "the source must be a URL, a File or Blob, or the name of a stored model"))
}
