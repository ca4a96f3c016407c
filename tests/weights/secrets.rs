//! Signed addresses and headers with tokens: a load of them stores, tells and prints none of it, whatever happens.

use std::fmt::Debug;
use std::ops::Range;

use super::faulty::{FaultyBody, Server};
use super::{CHUNK_BYTES, MODEL, Store, check_store, model, unstated};
use doran::weights::secrets::Origin;
use doran::weights::{ByteSource, Cancel, ChunkStore, Facts, LoadOptions, ModelFiles, Reply, VecBytes};
use doran::{Error, ErrorKind, Result};
use pollster::block_on;

const URL: &str =
    "https://me:hunter2@cdn.example.com/m/model.gguf?X-Amz-Credential=AKIA77&X-Amz-Signature=5e11ed#frag5";
const SECRETS: [&str; 7] = ["hunter2", "AKIA77", "5e11ed", "frag5", "me:", "hf_t0ken", "c00kie"];

fn origin() -> Origin {
    let headers = [("Authorization", "Bearer hf_t0ken"), ("X-Session", "c00kie")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Origin::new(vec![URL.to_owned()], headers.into())
}

fn assert_clean(what: &str, text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{what} tells {secret}: {text}");
    }
}

fn debug(what: &str, value: &impl Debug) {
    assert_clean(what, &format!("{value:?}"));
    assert_clean(what, &format!("{value:#?}"));
}

/// The server behind an address and headers, whose exceptions quote what it was asked, as browsers' do.
#[derive(Clone)]
struct Signed(Server);

impl Signed {
    fn quoting(&self, error: Error) -> Error {
        let origin = origin();
        let [(_, token), (_, cookie)] = origin.secret_headers() else { unreachable!("two were given") };
        let quote = format!("Failed to fetch {URL} with {token} and {cookie}");
        error.retold(|message| origin.redacted(&format!("{message}: {quote}")))
    }
}

impl ByteSource for Signed {
    type Bytes = VecBytes;
    type Body = FaultyBody;

    fn n_files(&self) -> usize {
        origin().n_files()
    }

    fn url(&self, file: usize) -> String {
        origin().url(file)
    }

    async fn read(&self, file: usize, range: Option<Range<u64>>) -> Result<Reply<FaultyBody>> {
        self.0.read(file, range).await.map_err(|error| self.quoting(error))
    }

    async fn facts(&self, file: usize) -> Result<Facts> {
        self.0.facts(file).await.map_err(|error| self.quoting(error))
    }

    async fn sleep(&self, millis: u64) {
        self.0.sleep(millis).await;
    }

    fn random(&self) -> f64 {
        self.0.random()
    }
}

/// A load; its error, if there is one, and everything that is stored are looked through.
fn looked_through(what: &str, server: &Server, store: &Store, options: LoadOptions) -> Option<Error> {
    let (files, spans) = model();
    let load = async {
        let cancel = Cancel::new();
        let mut model =
            ModelFiles::open(Some(Signed(server.clone())), store.clone(), MODEL, options, &|_| {}, &cancel).await?;
        model
            .stream(&spans, &mut super::Collected::default(), &|_| {}, &cancel)
            .await
            .map(|report| debug(what, &report))
    };
    let error = block_on(load).err();
    if let Some(error) = &error {
        debug(what, error);
        assert_clean(what, &error.to_string());
        assert_clean(what, &serde_json::to_string(error.data()).expect("plain JSON"));
    }
    if let Some(manifest) = block_on(store.manifest(MODEL)).expect("memory does not fail") {
        debug(what, &manifest);
        let text = serde_json::to_string(&manifest).expect("plain JSON");
        assert_clean(what, &text);
        assert!(text.contains("https://cdn.example.com/m/model.gguf\""), "the address itself is known: {text}");
    }
    // What is in the chunks is the file's, byte for byte.
    check_store(store, &files);
    error
}

#[test]
fn no_secret_is_stored_told_or_printed() {
    let (files, _) = model();
    debug("the origin", &origin());
    let shown = format!("{:?}", origin());
    assert!(shown.contains("cdn.example.com") && shown.contains("Authorization"), "{shown}");

    assert_eq!(looked_through("a load", &Server::new(files.clone()), &Store::default(), unstated()), None);
    for status in [400, 401, 403, 404, 416, 500] {
        let server = Server::new(files.clone());
        server.script().statuses.replace(vec![(status, None); 50]);
        let error = looked_through(&format!("status {status}"), &server, &Store::default(), unstated());
        assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Network), "{status}");
    }
    let wrong = LoadOptions { sha256: vec![Some([7; 32])], chunk_bytes: CHUNK_BYTES, ..LoadOptions::default() };
    let error = looked_through("another hash", &Server::new(files.clone()), &Store::default(), wrong);
    assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::BadHash));
    let (mut told, mut n) = (0, 1);
    loop {
        let server = Server::new(files.clone());
        server.script().fail_at.set(n);
        let Some(error) = looked_through(&format!("operation {n}"), &server, &Store::default(), unstated()) else {
            break;
        };
        told +=
            usize::from(error.message().contains("Failed to fetch https://cdn.example.com/m/model.gguf with … and …"));
        // Each takes a while, and they are alike: the first ones are the header's.
        n += if n < 12 { 1 } else { 9 };
    }
    assert!(n > 40 && told >= 3, "{n} operations, {told} of them with what the browser said");
}
