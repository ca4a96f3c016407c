//! The store's manifest of a model, as it comes back from a disk that something else may have written to.

use std::ops::Range;

use doran::weights::manifest::ChunkEntry;
use doran::weights::plan::cut;
use doran::weights::{
    Body, ByteSource, Cancel, ChunkStore, Facts, LoadOptions, Manifest, MemoryStore, ModelFiles, Reply, Sink,
    TensorSpan, VecBytes, delete_model,
};
use doran::{ErrorKind, Result};
use pollster::block_on;

use crate::{Reach, is_json};

/// The name that the manifest is stored by.
pub const MODEL: &str = "model";
/// Bytes of a chunk: the least that may be.
pub const CHUNK_BYTES: u64 = 256;
/// The model's two files.
pub const FILES: [usize; 2] = [1400, 300];

/// A file without patterns.
pub fn file(file: usize) -> Vec<u8> {
    let mut rng = crate::mutate::Rng::new(file as u64);
    (0..FILES[file]).map(|_| rng.next() as u8).collect()
}

/// The model's tensors.
pub fn spans() -> [TensorSpan; 2] {
    [
        TensorSpan { file: 0, offset: 300, n_bytes: 1088, block_bytes: 34 },
        TensorSpan { file: 1, offset: 20, n_bytes: 280, block_bytes: 4 },
    ]
}

/// The chunks of a file.
pub fn chunks(file: usize) -> Vec<ChunkEntry> {
    cut(FILES[file] as u64, file, &spans(), CHUNK_BYTES).expect("tensors that can be cut")
}

/// A server that has them.
#[derive(Clone)]
pub struct Files(pub [Vec<u8>; 2]);

/// What is left of an answer.
pub struct Rest(Option<VecBytes>);

impl Body for Rest {
    type Bytes = VecBytes;

    async fn next(&mut self) -> Result<Option<VecBytes>> {
        Ok(self.0.take())
    }
}

impl ByteSource for Files {
    type Bytes = VecBytes;
    type Body = Rest;

    fn n_files(&self) -> usize {
        self.0.len()
    }

    fn url(&self, file: usize) -> String {
        format!("https://example.com/{file}")
    }

    async fn read(&self, file: usize, range: Option<Range<u64>>) -> Result<Reply<Rest>> {
        let all = &self.0[file];
        let size = all.len() as u64;
        let range = range.unwrap_or(0..size);
        let range = range.start.min(size)..range.end.min(size);
        let bytes = all[range.start as usize..range.end.max(range.start) as usize].to_vec();
        Ok(Reply {
            status: 206,
            content_range: Some(format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1))),
            content_length: Some(bytes.len() as u64),
            content_encoding: None,
            etag: Some("\"1\"".to_owned()),
            last_modified: None,
            retry_after: None,
            resolved: false,
            body: Rest(Some(bytes.into())),
        })
    }

    async fn facts(&self, file: usize) -> Result<Facts> {
        Ok(Facts { size: Some(self.0[file].len() as u64), ..Facts::default() })
    }

    async fn sleep(&self, _millis: u64) {}

    fn random(&self) -> f64 {
        0.5
    }
}

/// Takes chunks, and looks that they are the files'.
pub struct Check(pub [Vec<u8>; 2]);

impl Sink<VecBytes> for Check {
    async fn accept(&mut self, file: usize, offset: u64, bytes: VecBytes) -> Result<()> {
        let bytes = bytes.as_slice();
        assert_eq!(&self.0[file][offset as usize..][..bytes.len()], bytes, "bytes of file {file} at {offset}");
        Ok(())
    }
}

/// Loads the model by what the store has, with the network or without.
async fn load(store: &MemoryStore<VecBytes>, source: Option<Files>) -> Result<()> {
    let cancel = Cancel::new();
    let options = LoadOptions { sha256: Vec::new(), chunk_bytes: CHUNK_BYTES, ..LoadOptions::default() };
    let mut model = ModelFiles::open(source, store.clone(), MODEL, options, &|_| {}, &cancel).await?;
    model.prefix(0, 64).await?;
    model.learn_sizes().await?;
    model.stream(&spans(), &mut Check([file(0), file(1)]), &|_| {}, &cancel).await?;
    Ok(())
}

/// A manifest in JSON. The store has all chunks as they were stored, whatever the manifest says of them.
pub fn manifest(input: &[u8]) -> Reach {
    let refused = if is_json(input) { Reach::Inside } else { Reach::Header };
    let Ok(manifest) = serde_json::from_slice::<Manifest>(input) else { return refused };
    let store = MemoryStore::new(None);
    let name = manifest.model.clone();
    let was_sound = manifest.is_sound();
    let without_network = block_on(async {
        // A store gives a manifest by the name that it was stored by.
        let given = Manifest { model: MODEL.to_owned(), ..manifest };
        for (file, content) in [file(0), file(1)].iter().enumerate() {
            for (index, chunk) in chunks(file).iter().enumerate() {
                let bytes = content[chunk.start as usize..(chunk.start + chunk.len) as usize].to_vec();
                store.put_chunk(&given, file, index, &bytes.into()).await.expect("memory");
            }
        }
        let (_, _, _) = (given.total_bytes(), given.stored_bytes(), given.integrity());
        let cancel = Cancel::new();
        let options = LoadOptions { sha256: Vec::new(), chunk_bytes: CHUNK_BYTES, ..LoadOptions::default() };
        // What a page that only looks sees.
        if let Ok(mut model) = ModelFiles::peek(None::<Files>, store.clone(), MODEL, options, &cancel).await {
            let _ = model.prefix(0, 64).await;
        }
        load(&store, None).await
    });
    let mut loaded = block_on(load(&store, Some(Files([file(0), file(1)]))));
    if loaded.as_ref().is_err_and(|error| error.data().contains_key("changed")) {
        // The size or the version is another than the server's: what was stored is gone, and the next load starts afresh.
        loaded = block_on(load(&store, Some(Files([file(0), file(1)]))));
    }
    match &loaded {
        Ok(()) => {
            let after = block_on(store.manifest(MODEL)).expect("memory").expect("a manifest");
            let lengths: Vec<_> =
                after.files.iter().map(|file| file.chunks.iter().map(|c| c.len).sum::<u64>()).collect();
            assert!(after.complete && lengths == FILES.map(|n| n as u64), "{after:?}");
            block_on(load(&store, None)).expect("what was loaded needs no network");
        }
        // The one thing that is not mended by itself: what a newer version wrote stays.
        Err(error) if error.kind() == ErrorKind::Storage => {}
        // One that could be true, of a shorter file or of other chunks: the caller is told so, and deletes the model.
        Err(error) if matches!(error.kind(), ErrorKind::BadFile | ErrorKind::BadChunk) && was_sound => {}
        Err(error) => panic!("a server that works, and a manifest that {error}"),
    }
    block_on(delete_model(&store, MODEL, &Cancel::new())).expect("memory");
    assert_eq!(store.used_bytes(), 0);
    if let Err(error) = without_network {
        assert!(!error.message().is_empty());
    }
    if was_sound && loaded.is_ok() && name == MODEL { Reach::Whole } else { Reach::Inside }
}
