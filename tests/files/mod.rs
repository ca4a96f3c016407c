//! Where tests find their files.
use std::path::{Path, PathBuf};

use doran::format::Checkpoint;
use doran::format::gguf::{self, Parsed};
use serde_json::Value;

/// A file under `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The bytes of a file under `tests/fixtures`.
pub fn bytes(name: &str) -> Vec<u8> {
    let path = fixture(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The text of a file under `tests/fixtures`.
pub fn text(name: &str) -> String {
    String::from_utf8(bytes(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A JSON file under `tests/fixtures`.
pub fn json(name: &str) -> Value {
    serde_json::from_slice(&bytes(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A published model file. It is looked for in the folder `$DORAN_MODELS`, then in `.cache/models`.
pub fn model(name: &str) -> PathBuf {
    let folders = [
        std::env::var_os("DORAN_MODELS").map(PathBuf::from),
        Some(Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/models")),
    ];
    folders.iter().flatten().map(|folder| folder.join(name)).find(|path| path.exists()).unwrap_or_else(|| {
        panic!(
            "this test needs the model file {name} (tests/fixtures/README.md has its SHA-256): put it into .cache/models, \
             or into the folder that the environment variable DORAN_MODELS names"
        )
    })
}

/// Parses a whole GGUF file.
pub fn parse_gguf(file: &[u8]) -> doran::Result<Checkpoint> {
    match gguf::parse(file, file.len() as u64)? {
        Parsed::Done { checkpoint, .. } => Ok(checkpoint),
        Parsed::NeedBytes(n) => panic!("the whole file is there, but {n} bytes are asked for"),
    }
}

/// Parses the header of a published GGUF file, reading no more than the parser asks for. Also says how much it read.
pub fn parse_gguf_model(name: &str) -> (Checkpoint, usize) {
    use std::io::Read;
    let mut file = std::fs::File::open(model(name)).expect("the model file opens");
    let file_bytes = file.metadata().expect("the model file has a length").len();
    let mut prefix = Vec::new();
    loop {
        match gguf::parse(&prefix, file_bytes).expect("the header is read") {
            Parsed::Done { checkpoint, .. } => return (checkpoint, prefix.len()),
            Parsed::NeedBytes(n) => {
                let more = n as usize - prefix.len();
                assert!(more > 0, "a prefix of {} bytes was refused, but {n} are asked for", prefix.len());
                (&mut file).take(more as u64).read_to_end(&mut prefix).expect("the model file reads");
            }
        }
    }
}
