//! The one error type: a kind with a stable code, what was being done, and data that a caller can act on.

use std::fmt;

use serde_json::{Map, Value};

/// What `Result` means in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kinds of failure that callers can tell apart. [`ErrorKind::code`] is the stable name that crosses to JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The browser has no WebGPU, or the page is not a secure context.
    WebgpuMissing,
    /// WebGPU is there but gives no adapter (blocklisted or disabled GPU).
    AdapterMissing,
    /// The GPU device was lost while in use.
    DeviceLost,
    /// The GPU or the wasm heap has no room. Data: `needed_bytes` where known.
    OutOfMemory,
    /// The model file is malformed: what it says of itself cannot be true.
    BadFile,
    /// A chunk of bytes does not have the hash it should have, even when fetched again. Data: `chunk`.
    BadChunk,
    /// The whole file does not have the hash that the caller or the hub stated.
    BadHash,
    /// The browser's storage is full. Data: `needed_bytes`, `available_bytes` where known.
    Quota,
    /// Storage failed for another reason than room.
    Storage,
    /// The network failed after all retries, or the server answered with an error. Data: `status`, `url`.
    Network,
    /// The caller's `AbortSignal` fired.
    Aborted,
    /// Prompt and answer do not fit into the context. Data: `context`, `needed`.
    ContextOverflow,
    /// The file is well-formed but asks for something that doran does not do. Data: `what`.
    Unsupported,
    /// An argument is out of range or of the wrong type. Data: `argument`.
    BadArgument,
    /// The chat template does not render: syntax, unknown name, or too much work.
    Template,
    /// An adapter does not fit the model: another architecture, other shapes, or tensors that the model has not. Data: `tensor` or
    /// `what`.
    LoraMismatch,
    /// The tokenizer cannot be built or fails on a text.
    Tokenizer,
    /// Activations or logits hold NaN or infinity.
    NonFinite,
    /// Weights hold NaN or infinity, or would where they are quantised. Data: `tensor`.
    NonFiniteWeights,
    /// No stored model has this name. Data: `name`.
    NotFound,
    /// The engine was unloaded, or its worker is gone.
    Unloaded,
    /// A shader does not compile or a GPU call was refused: a fault of doran or of the driver.
    Gpu,
    /// A fault of doran itself.
    Internal,
}

impl ErrorKind {
    /// The stable code, as JavaScript sees it.
    pub fn code(self) -> &'static str {
        match self {
            Self::WebgpuMissing => "webgpu_missing",
            Self::AdapterMissing => "adapter_missing",
            Self::DeviceLost => "device_lost",
            Self::OutOfMemory => "out_of_memory",
            Self::BadFile => "bad_file",
            Self::BadChunk => "bad_chunk",
            Self::BadHash => "bad_hash",
            Self::Quota => "quota",
            Self::Storage => "storage",
            Self::Network => "network",
            Self::Aborted => "aborted",
            Self::ContextOverflow => "context_overflow",
            Self::Unsupported => "unsupported",
            Self::BadArgument => "bad_argument",
            Self::Template => "template",
            Self::LoraMismatch => "lora_mismatch",
            Self::Tokenizer => "tokenizer",
            Self::NonFinite => "non_finite",
            Self::NonFiniteWeights => "non_finite_weights",
            Self::NotFound => "not_found",
            Self::Unloaded => "unloaded",
            Self::Gpu => "gpu",
            Self::Internal => "internal",
        }
    }
}

/// A failure: kind, a sentence that says what happened and what to do, and data.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    data: Map<String, Value>,
}

impl Error {
    /// An error of `kind`; `message` says what happened and, where something can be done, what.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), data: Map::new() }
    }

    /// A malformed file.
    pub fn bad_file(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadFile, message)
    }

    /// Something well-formed that doran does not do; `what` names it.
    pub fn unsupported(what: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message).with("what", what.into())
    }

    /// An argument that is out of range; `argument` names it.
    pub fn bad_argument(argument: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadArgument, message).with("argument", argument)
    }

    /// A tensor whose weights are no numbers.
    pub fn non_finite_weights(tensor: &str) -> Self {
        let message = format!(
            "the weights of {tensor} hold NaN or infinity: the file is damaged or was converted wrongly; use another one"
        );
        Self::new(ErrorKind::NonFiniteWeights, message).with("tensor", tensor)
    }

    /// The caller aborted.
    pub fn aborted() -> Self {
        Self::new(ErrorKind::Aborted, "the caller aborted this call")
    }

    /// A fault of doran itself.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// The same error with one more fact.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.data.insert(key.to_owned(), value.into());
        self
    }

    /// The same error, saying first what was being done.
    #[must_use]
    pub fn during(mut self, doing: &str) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// The same error in other words.
    #[must_use]
    pub fn retold(mut self, words: impl FnOnce(&str) -> String) -> Self {
        self.message = words(&self.message);
        self
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The stable code, e.g. `context_overflow`.
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Facts that a caller can act on, e.g. `needed_bytes`.
    pub fn data(&self) -> &Map<String, Value> {
        &self.data
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.code(), self.message)
    }
}

impl std::error::Error for Error {}
