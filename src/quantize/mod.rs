//! Quantise while streaming: a folder's safetensors files, as they would be if their matrices had been quantised.
//!
//! [`QuantizedSource`] is a source over a source. Its safetensors files have a header of their own (`layout.rs`), which gives
//! quantised matrices the dtypes that `format::safetensors` knows, and data that is made as it is read (`body.rs`): a range of it
//! is a range of the real file, of which a window at a time passes through the heap. What reads a source (chunks, hashes, the
//! store, resuming, other tabs) sees files as any other, so the store keeps quantised chunks, and a stored model needs neither
//! the real files nor this room.
//!
//! Which tensors are matrices that kernels read by rows only the model's graph knows. Whoever makes a source brings a function
//! that says it ([`Roles`]); norms, biases, routers, convolutions and matrices stored by columns stay as they are.

mod body;
mod layout;

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::format::{TensorInfo, safetensors};
use crate::quant::Format;
use crate::weights::{Body, ByteSource, Bytes, Facts, Reply, Tap, Upstream};
use body::Quantizing;
use layout::FileLayout;

/// Goes up when the same weights are quantised to other bytes, so that they never join older ones in the store.
const VERSION: u32 = 1;

/// The longest `config.json`, in bytes.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// What a model can be quantised to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantize {
    /// Q8_0.
    Q8_0,
    /// Q4_0; what gives the logits in Q6_K or Q8_0.
    Q4_0,
    /// Q4_K; what gives the logits in Q6_K or Q8_0.
    Q4K,
    /// Q6_K.
    Q6K,
}

impl Quantize {
    /// By the name that callers give.
    ///
    /// # Errors
    /// `bad_argument` for another name.
    pub fn named(name: &str) -> Result<Self> {
        let all = [Self::Q8_0, Self::Q4_0, Self::Q4K, Self::Q6K];
        all.into_iter().find(|quantize| quantize.name() == name).ok_or_else(|| {
            let names = all.map(Self::name).join(", ");
            Error::bad_argument("quantize", format!("a model can be quantised to {names}, not to {name:?}"))
        })
    }

    /// The name that callers give.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
            Self::Q4K => "q4_k",
            Self::Q6K => "q6_k",
        }
    }

    /// Whether a stored file with this address was quantised at all.
    pub fn is_in_any(url: &str) -> bool {
        url.contains("#quantize=")
    }

    /// Whether a stored file with this address was quantised to this.
    pub fn is_in(self, url: &str) -> bool {
        url.contains(&format!("#quantize={}.", self.name()))
    }

    /// The format of a tensor with rows of `cols` weights: the first that divides a row into whole blocks, as llama.cpp falls
    /// back too; `None` where it stays as it is.
    pub fn format(self, role: Role, cols: u64) -> Option<Format> {
        let wanted: &[Format] = match (self, role) {
            (_, Role::Floats) => &[],
            (Self::Q8_0, _) => &[Format::Q8_0],
            (Self::Q6K, _) | (Self::Q4_0 | Self::Q4K, Role::Head) => &[Format::Q6_K, Format::Q8_0],
            (Self::Q4_0, Role::Matrix) => &[Format::Q4_0],
            (Self::Q4K, Role::Matrix) => &[Format::Q4_K, Format::Q5_0],
        };
        wanted.iter().copied().find(|format| cols > 0 && cols.is_multiple_of(format.block_weights()))
    }
}

/// What a model does with a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Something that needs floats, or nothing.
    Floats,
    /// Rows of it are multiplied with, or looked up.
    Matrix,
    /// The same, and it gives the logits: few bits cost more there than elsewhere.
    Head,
}

/// Says what a model does with each of its tensors, by the text of `config.json`.
pub type Roles = fn(config: &str, tensors: &[TensorInfo]) -> Result<Vec<Role>>;

/// What is to be quantised, and how.
struct Plan {
    quantize: Quantize,
    paths: Vec<String>,
    roles: Roles,
    /// By file; `None` for those that are passed on as they are.
    layouts: RefCell<Option<Vec<Option<Rc<FileLayout>>>>>,
}

/// A source's files, the safetensors ones quantised if that is asked for.
pub struct QuantizedSource<S: ByteSource> {
    upstream: Rc<Upstream<S>>,
    plan: Option<Plan>,
    /// Bytes of files that are passed on.
    passed_bytes: Rc<Cell<u64>>,
}

impl<S: ByteSource> QuantizedSource<S> {
    /// The files as they are.
    pub fn plain(source: S) -> Self {
        Self { upstream: Rc::new(Upstream::new(source)), plan: None, passed_bytes: Rc::default() }
    }

    /// The files of a Hugging Face folder, quantised. `paths` names them in the source's order.
    ///
    /// # Errors
    /// `bad_argument` where they are no such folder: a GGUF file has its formats already.
    pub fn new(source: S, paths: &[String], quantize: Quantize, roles: Roles) -> Result<Self> {
        if !paths.iter().any(|path| path == "config.json") || !paths.iter().any(|path| is_weights(path)) {
            let message =
                "only the safetensors files of a folder with a config.json can be quantised; leave `quantize` out";
            return Err(Error::bad_argument("quantize", message));
        }
        let plan = Plan { quantize, paths: paths.to_vec(), roles, layouts: RefCell::default() };
        Ok(Self { plan: Some(plan), ..Self::plain(source) })
    }

    /// How a file is laid out; `None` for one that is passed on.
    async fn layout(&self, file: usize) -> Result<Option<Rc<FileLayout>>> {
        let Some(plan) = self.plan.as_ref().filter(|plan| plan.paths.get(file).is_some_and(|path| is_weights(path)))
        else {
            return Ok(None);
        };
        if let Some(layouts) = &*plan.layouts.borrow() {
            return Ok(layouts[file].clone());
        }
        let layouts = self.lay_out(plan).await?;
        let layout = layouts[file].clone();
        plan.layouts.replace(Some(layouts));
        Ok(layout)
    }

    /// Reads the configuration and all headers.
    async fn lay_out(&self, plan: &Plan) -> Result<Vec<Option<Rc<FileLayout>>>> {
        let (mut config, mut headers, mut tensors) = (String::new(), Vec::new(), Vec::new());
        for (file, path) in plan.paths.iter().enumerate() {
            if path == "config.json" {
                let mut bytes = Vec::new();
                extend(&mut Tap::new(&self.upstream, file), &mut bytes, CONFIG_BYTES_MAX).await?;
                config = String::from_utf8(bytes).map_err(|_| Error::bad_file("config.json is no UTF-8 text"))?;
            }
            if is_weights(path) {
                let (header, of_file) = self.header(file).await.map_err(|error| error.during(path))?;
                headers.push((file, header, tensors.len()..tensors.len() + of_file.len()));
                tensors.extend(of_file);
            }
        }
        let roles = (plan.roles)(&config, &tensors)?;
        let mut layouts = vec![None; plan.paths.len()];
        for (file, header, range) in headers {
            let formats: Vec<_> = tensors[range.clone()]
                .iter()
                .zip(&roles[range.clone()])
                .map(|(tensor, role)| {
                    let floats = matches!(tensor.format, Format::F32 | Format::F16 | Format::BF16);
                    let cols = tensor.shape.last().copied().unwrap_or(0);
                    plan.quantize.format(*role, cols).filter(|_| floats && tensor.shape.len() > 1)
                })
                .collect();
            layouts[file] = Some(Rc::new(FileLayout::new(&header, &tensors[range], &formats)?));
        }
        Ok(layouts)
    }

    /// A safetensors file's header with its length field, and its tensors.
    async fn header(&self, file: usize) -> Result<(Vec<u8>, Vec<TensorInfo>)> {
        let (mut tap, mut prefix, mut wanted) = (Tap::new(&self.upstream, file), Vec::new(), 8);
        loop {
            extend(&mut tap, &mut prefix, wanted).await?;
            let size = self.upstream.size(file).unwrap_or(0);
            match safetensors::parse(&prefix, size, file)? {
                safetensors::Parsed::Done(tensors) => return Ok((prefix, tensors)),
                safetensors::Parsed::NeedBytes(n) if prefix.len() as u64 == wanted && n > wanted => wanted = n,
                safetensors::Parsed::NeedBytes(_) => return Err(Error::bad_file("the file ends inside its header")),
            }
        }
    }
}

/// Reads a file's first bytes until there are `n_bytes`, or all.
async fn extend<S: ByteSource>(tap: &mut Tap<S>, prefix: &mut Vec<u8>, n_bytes: u64) -> Result<()> {
    let mut trusted = true;
    loop {
        match tap.next(prefix.len() as u64, n_bytes, n_bytes).await {
            Ok(Some(piece)) => prefix.extend(piece.to_vec()),
            Ok(None) => return Ok(()),
            // Ranges were answered falsely: from now on the file is read from its first byte.
            Err(error) if trusted && error.data().contains_key("lie") => {
                trusted = false;
                prefix.clear();
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_weights(path: &str) -> bool {
    path.ends_with(".safetensors")
}

/// A body of a [`QuantizedSource`].
pub enum QuantizedBody<S: ByteSource> {
    /// As it is; its bytes are counted.
    Plain(S::Body, Rc<Cell<u64>>),
    /// Of a file that is quantised.
    Quantized(Box<Quantizing<S>>),
}

impl<S: ByteSource> Body for QuantizedBody<S> {
    type Bytes = S::Bytes;

    async fn next(&mut self) -> Result<Option<S::Bytes>> {
        match self {
            Self::Plain(body, passed_bytes) => {
                let piece = body.next().await?;
                passed_bytes.set(passed_bytes.get() + piece.as_ref().map_or(0, Bytes::len));
                Ok(piece)
            }
            Self::Quantized(body) => body.next().await,
        }
    }
}

impl<S: ByteSource> ByteSource for QuantizedSource<S> {
    type Bytes = S::Bytes;
    type Body = QuantizedBody<S>;

    fn n_files(&self) -> usize {
        self.upstream.source().n_files()
    }

    fn url(&self, file: usize) -> String {
        let url = self.upstream.source().url(file);
        match &self.plan {
            Some(plan) if plan.paths.get(file).is_some_and(|path| is_weights(path)) => {
                format!("{url}#quantize={}.{VERSION}", plan.quantize.name())
            }
            _ => url,
        }
    }

    async fn read(&self, file: usize, range: Option<Range<u64>>) -> Result<Reply<Self::Body>> {
        let Some(layout) = self.layout(file).await? else {
            let reply = self.upstream.source().read(file, range).await?;
            return Ok(reply.map(|body| QuantizedBody::Plain(body, Rc::clone(&self.passed_bytes))));
        };
        let size = layout.size();
        // Where the server gives whole files only, so does this: then one connection is made, and kept.
        let (status, range) = match range.filter(|_| !self.upstream.ignores_ranges(file)) {
            Some(range) if range.start < size => (206, range.start..range.end.min(size)),
            Some(_) => (416, size..size),
            None => (200, 0..size),
        };
        let (etag, last_modified) = self.upstream.validators(file);
        Ok(Reply {
            status,
            content_range: (status == 206).then(|| format!("bytes {}-{}/{size}", range.start, range.end - 1)),
            content_length: Some(range.end - range.start),
            content_encoding: None,
            etag,
            last_modified,
            retry_after: None,
            resolved: false,
            body: QuantizedBody::Quantized(Box::new(Quantizing::new(Tap::new(&self.upstream, file), layout, range))),
        })
    }

    /// Of a file that is quantised: those of the real one, but for its size, which is another.
    async fn facts(&self, file: usize) -> Result<Facts> {
        let facts = self.upstream.source().facts(file).await?;
        let is_virtual = self.plan.as_ref().and_then(|plan| plan.paths.get(file)).is_some_and(|path| is_weights(path));
        Ok(Facts { size: facts.size.filter(|_| !is_virtual), ..facts })
    }

    fn has_network(&self) -> bool {
        self.upstream.source().has_network()
    }

    async fn network(&self) {
        self.upstream.source().network().await;
    }

    fn downloaded_bytes(&self) -> Option<u64> {
        self.plan.as_ref().map(|_| self.upstream.downloaded_bytes() + self.passed_bytes.get())
    }

    async fn sleep(&self, millis: u64) {
        self.upstream.source().sleep(millis).await;
    }

    fn random(&self) -> f64 {
        self.upstream.source().random()
    }
}
