//! Operation n of a load fails or is aborted, for every n: of the network, the store and the GPU. After each, the store claims only what
//! it has, the GPU holds nothing, and the next load gives the same model without fetching again what was stored.
use std::cell::Cell;
use std::rc::Rc;

use crate::common;
use crate::weights::faulty::{FaultyStore, Server};
use doran::engine::{Engine, EngineOptions};
use doran::gpu::Gpu;
use doran::gpu::device::GpuOptions;
use doran::tune::Kernels;
use doran::weights::{Cancel, ChunkStore, LoadOptions, ModelFiles};
use doran::{ErrorKind, Result};
use pollster::block_on;

const MODEL: &str = "model";
/// Chunks of the model: four.
const CHUNK_BYTES: u64 = 64 << 10;
/// Bytes of a piece of an answer: no divisor of a chunk.
const PIECE_BYTES: usize = 15_000;
/// What a header is first read by.
const HEADER_BYTES: u64 = 256 << 10;

/// What the n-th operation belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Network,
    Store,
    /// The store did it, and said that it failed.
    StoreLate,
    Gpu,
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Fails,
    Aborts,
    /// The device goes.
    Lost,
}

/// What a load is made of.
struct World {
    server: Server,
    store: FaultyStore,
    gpu: Rc<Gpu>,
    /// Who has the device besides loads.
    holders: usize,
    file: Vec<u8>,
}

impl World {
    fn new(gpu: Rc<Gpu>) -> Self {
        let file = std::fs::read(common::fixture("arch/llama/model-f32.gguf")).expect("a fixture");
        let holders = Rc::strong_count(&gpu);
        let server = Server::new(vec![file.clone()]);
        server.script().piece_bytes.set(Some(PIECE_BYTES));
        Self { server, store: FaultyStore::default(), gpu, holders, file }
    }

    /// Loads, and gives the logits of a short text.
    fn load(&self, cancel: &Cancel) -> Result<Vec<f32>> {
        block_on(async {
            let options = LoadOptions { chunk_bytes: CHUNK_BYTES, ..LoadOptions::default() };
            let (source, store) = (Some(self.server.clone()), self.store.clone());
            let files = ModelFiles::open(source, store, MODEL, options, &|_| {}, cancel).await?;
            let kernels = Some(Kernels::Rows);
            let options =
                EngineOptions { chunk_bytes: CHUNK_BYTES, kernels, context: Some(32), ..EngineOptions::default() };
            let gpu = Some(Rc::clone(&self.gpu));
            let mut engine = Engine::load(files, gpu, options, &|_| None, &|_| {}, cancel).await?;
            let mut last = Vec::new();
            engine.session.all_logits(&[3, 7, 11], cancel, |_, logits| last = logits.to_vec()).await?;
            Ok(last)
        })
    }

    /// What holds after anything.
    fn check(&self, what: &str) {
        assert_eq!(Rc::strong_count(&self.gpu), self.holders, "{what}: nobody keeps the device");
        let counts = self.gpu.counts();
        assert_eq!((counts.live_objects, counts.gpu_bytes), (0, 0), "{what}: nothing stays on the GPU");
        assert_eq!(self.server.0.open.get(), 0, "{what}: no connection stays open");
        let Some(manifest) = block_on(self.store.inner.manifest(MODEL)).expect("memory") else { return };
        for (file, index, chunk) in manifest.chunks().filter(|(_, _, chunk)| chunk.stored) {
            let bytes = block_on(self.store.inner.chunk(MODEL, file, index)).expect("memory");
            let bytes = bytes.unwrap_or_else(|| panic!("{what}: chunk {index} is claimed and not there"));
            assert_eq!(
                bytes.as_slice(),
                &self.file[chunk.start as usize..][..chunk.len as usize],
                "{what}: chunk {index}"
            );
        }
        assert!(!manifest.complete || manifest.chunks().all(|(_, _, chunk)| chunk.stored), "{what}: not complete");
    }

    fn stored_bytes(&self) -> u64 {
        block_on(self.store.inner.manifest(MODEL)).expect("memory").map_or(0, |manifest| manifest.stored_bytes())
    }
}

/// Which operations of which loads.
#[derive(Clone, Copy, Debug)]
struct Table {
    place: Place,
    fault: Fault,
    /// The model is stored already.
    is_stored: bool,
    /// Each, or each so manieth.
    step: usize,
}

/// Brings about the fault at operation n of each load; gives how many operations there are. `wanted` is what the model computes.
fn every_n(table: Table, gpu: &mut dyn FnMut() -> Rc<Gpu>, wanted: &[f32]) -> u64 {
    let Table { place, fault, is_stored, step } = table;
    for n in (1..).step_by(step) {
        let what = format!("{table:?} at {n}");
        let mut world = World::new(gpu());
        if is_stored {
            assert_eq!(world.load(&Cancel::new()).expect("loads"), wanted, "{what}");
        }
        let n_network = world.server.0.operations.get() + n;
        let n_store = world.store.operations.get() + n;
        let cancel = Cancel::new();
        let to_cancel = (fault == Fault::Aborts).then(|| cancel.clone());
        let happened = Rc::new(Cell::new(false));
        match place {
            Place::Network => {
                world.server.script().fail_at.set(n_network);
                world.server.script().cancel.replace(to_cancel);
            }
            Place::Store | Place::StoreLate => {
                world.store.fail_late.set(place == Place::StoreLate);
                world.store.fail_at.set(n_store);
                world.store.cancel.replace(to_cancel);
            }
            Place::Gpu => {
                let happened = Rc::clone(&happened);
                world.gpu.at_operation(n, move |gpu| {
                    happened.set(true);
                    match (to_cancel, fault) {
                        (Some(cancel), _) => cancel.cancel(),
                        (None, Fault::Lost) => gpu.lose(),
                        (None, _) => gpu.refuse("the operation was refused"),
                    }
                });
            }
        }
        let result = world.load(&cancel);
        world.gpu.forget_operation();
        world.check(&what);
        let came = match place {
            Place::Network => world.server.0.operations.get() >= n_network,
            Place::Store | Place::StoreLate => world.store.operations.get() >= n_store,
            Place::Gpu => happened.get(),
        };
        match result {
            // The n-th operation never came: all of them were tried.
            Ok(logits) if !came => {
                assert_eq!(logits, wanted, "{what}");
                return n - 1;
            }
            // What was cancelled may have been the last that could be.
            Ok(logits) => {
                assert_eq!(fault, Fault::Aborts, "{what}: was not noticed");
                assert_eq!(logits, wanted, "{what}");
            }
            Err(error) => {
                let expected = match (place, fault) {
                    (_, Fault::Aborts) => ErrorKind::Aborted,
                    (_, Fault::Lost) => ErrorKind::DeviceLost,
                    (Place::Network, _) => ErrorKind::Network,
                    (Place::Store | Place::StoreLate, _) => ErrorKind::Storage,
                    (Place::Gpu, _) => ErrorKind::Gpu,
                };
                assert_eq!(error.kind(), expected, "{what}: {error}");
            }
        }
        if fault == Fault::Lost {
            world.gpu = gpu();
        }
        let (sent, stored) = (world.server.sent_bytes(), world.stored_bytes());
        let again = world.load(&Cancel::new()).unwrap_or_else(|error| panic!("{what}, then: {error}"));
        assert_eq!(again, wanted, "{what}, then: the same model");
        world.check(&what);
        let fetched = world.server.sent_bytes() - sent;
        // Once everything is stored, nothing; else what is missing, and the header and a chunk under way once more.
        let size = world.file.len() as u64;
        let most = if stored == size { 0 } else { size - stored + HEADER_BYTES.min(size) };
        assert!(fetched <= most, "{what}, then: {fetched} bytes fetched, {stored} were stored");
    }
    unreachable!("loads end")
}

#[test]
fn operation_n_fails_or_is_aborted() {
    let shared = common::gpu(GpuOptions::default());
    let wanted = World::new(Rc::clone(&shared)).load(&Cancel::new()).expect("loads");
    let mut tried = Vec::new();
    for (place, fault, is_stored) in [
        (Place::Network, Fault::Fails, false),
        (Place::Network, Fault::Aborts, false),
        (Place::Store, Fault::Fails, false),
        (Place::StoreLate, Fault::Fails, false),
        (Place::Store, Fault::Aborts, false),
        (Place::Store, Fault::Fails, true),
        (Place::Store, Fault::Aborts, true),
        (Place::Gpu, Fault::Fails, false),
        (Place::Gpu, Fault::Aborts, false),
    ] {
        let table = Table { place, fault, is_stored, step: 1 };
        let n = every_n(table, &mut || Rc::clone(&shared), &wanted);
        tried.push((place, n));
    }
    // A device that is lost is gone: each of these opens two, and compiles for them. So not at every operation.
    let table = Table { place: Place::Gpu, fault: Fault::Lost, is_stored: false, step: 23 };
    tried.push((Place::Gpu, every_n(table, &mut || common::gpu(GpuOptions::default()), &wanted)));
    println!("{tried:?}");
    let least = |place: Place, n: u64| tried.iter().filter(|(of, _)| *of == place).all(|(_, tried)| *tried >= n);
    assert!(least(Place::Network, 15) && least(Place::Store, 3) && least(Place::Gpu, 100), "{tried:?}");
}
