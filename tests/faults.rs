//! Operation n of a load fails or is aborted, for every n: of the network, the store and the GPU. After each, the store claims only what
//! it has, the GPU holds nothing, and the next load gives the same model without fetching again what was stored. `calls.rs` has the
//! same of other calls, `room.rs` what happens where a buffer finds no room, `kernels.rs` where a kernel does not compile.
mod calls;
mod kernels;
mod room;

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
/// Bytes of a chunk: the model has ten.
const CHUNK_BYTES: u64 = 24 << 10;
/// Bytes of a piece of an answer: no divisor of a chunk.
const PIECE_BYTES: usize = 15_000;
/// Operations after the last look at whether a load was aborted: the logits of its text are read.
const LAST_OPERATIONS: u64 = 4;
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
    /// Who has the device besides loads, and what they keep on it: objects, bytes.
    holders: usize,
    kept: (u64, u64),
    file: Vec<u8>,
}

/// An operation at which something will happen.
struct Injection {
    place: Place,
    n_network: u64,
    n_store: u64,
    happened: Rc<Cell<bool>>,
}

/// Objects on the device, and bytes.
fn on(gpu: &Gpu) -> (u64, u64) {
    let counts = gpu.counts();
    (counts.live_objects, counts.gpu_bytes)
}

/// Brings `fault` about at the n-th operation of the device from now on. Gives whether it happened.
fn inject_on(gpu: &Gpu, fault: Fault, n: u64, cancel: &Cancel) -> Rc<Cell<bool>> {
    let happened = Rc::new(Cell::new(false));
    let (noted, cancel) = (Rc::clone(&happened), cancel.clone());
    gpu.at_operation(n, move |gpu| {
        noted.set(true);
        match fault {
            Fault::Aborts => cancel.cancel(),
            Fault::Lost => gpu.lose(),
            Fault::Fails => gpu.refuse("the operation was refused"),
        }
    });
    happened
}

/// The kind of error that a fault ends in.
fn kind_of(place: Place, fault: Fault) -> ErrorKind {
    match (place, fault) {
        (_, Fault::Aborts) => ErrorKind::Aborted,
        (_, Fault::Lost) => ErrorKind::DeviceLost,
        (Place::Network, _) => ErrorKind::Network,
        (Place::Store | Place::StoreLate, _) => ErrorKind::Storage,
        (Place::Gpu, _) => ErrorKind::Gpu,
    }
}

impl World {
    fn new(gpu: Rc<Gpu>) -> Self {
        Self::of(gpu, std::fs::read(common::fixture("arch/llama/model-f32.gguf")).expect("a fixture"))
    }

    /// What a load of `file` is made of.
    fn of(gpu: Rc<Gpu>, file: Vec<u8>) -> Self {
        let (holders, kept) = (Rc::strong_count(&gpu), on(&gpu));
        let server = Server::new(vec![file.clone()]);
        server.script().piece_bytes.set(Some(PIECE_BYTES));
        Self { server, store: FaultyStore::default(), gpu, holders, kept, file }
    }

    /// Brings `fault` about at the n-th operation from now on.
    fn inject(&self, place: Place, fault: Fault, n: u64, cancel: &Cancel) -> Injection {
        let n_network = self.server.0.operations.get() + n;
        let n_store = self.store.operations.get() + n;
        let to_cancel = (fault == Fault::Aborts).then(|| cancel.clone());
        let mut happened = Rc::new(Cell::new(false));
        match place {
            Place::Network => {
                self.server.script().fail_at.set(n_network);
                self.server.script().cancel.replace(to_cancel);
            }
            Place::Store | Place::StoreLate => {
                self.store.fail_late.set(place == Place::StoreLate);
                self.store.fail_at.set(n_store);
                self.store.cancel.replace(to_cancel);
            }
            Place::Gpu => happened = inject_on(&self.gpu, fault, n, cancel),
        }
        Injection { place, n_network, n_store, happened }
    }

    /// Whether it happened; it will not any more.
    fn came(&self, injection: &Injection) -> bool {
        self.gpu.forget_operation();
        self.server.script().fail_at.set(0);
        self.store.fail_at.set(0);
        match injection.place {
            Place::Network => self.server.0.operations.get() >= injection.n_network,
            Place::Store | Place::StoreLate => self.store.operations.get() >= injection.n_store,
            Place::Gpu => injection.happened.get(),
        }
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
        assert_eq!(on(&self.gpu), self.kept, "{what}: nothing more stays on the GPU");
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
    let mut unheard = Vec::new();
    for n in (1..).step_by(step) {
        let what = format!("{table:?} at {n}");
        let mut world = World::new(gpu());
        if is_stored {
            assert_eq!(world.load(&Cancel::new()).expect("loads"), wanted, "{what}");
        }
        let cancel = Cancel::new();
        let injection = world.inject(place, fault, n, &cancel);
        let result = world.load(&cancel);
        let came = world.came(&injection);
        world.check(&what);
        if came && fault == Fault::Aborts {
            let since = match place {
                Place::Network => world.server.0.operations.get() - injection.n_network,
                Place::Store | Place::StoreLate => world.store.operations.get() - injection.n_store,
                Place::Gpu => 0,
            };
            assert!(since <= 2, "{what}: {since} operations went on");
        }
        match result {
            // The n-th operation never came: all of them were tried.
            Ok(logits) if !came => {
                assert_eq!(logits, wanted, "{what}");
                // What was cancelled may have been the last that could be.
                println!("{table:?}: of {} operations, an abort at {unheard:?} is not heard", n - 1);
                assert!(unheard.iter().all(|at| at + LAST_OPERATIONS >= n), "{table:?}: {unheard:?} of {}", n - 1);
                return n - 1;
            }
            Ok(logits) => {
                // The date of the last use is not worth a load.
                assert!(fault == Fault::Aborts || (is_stored && place == Place::Store), "{what}: was not noticed");
                unheard.push(n);
                assert_eq!(logits, wanted, "{what}");
            }
            Err(error) => {
                assert_eq!(error.kind(), kind_of(place, fault), "{what}: {error}");
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
    let shared = common::own_gpu(GpuOptions::default());
    let world = World::new(Rc::clone(&shared));
    let wanted = world.load(&Cancel::new()).expect("loads");
    let manifest = block_on(world.store.inner.manifest(MODEL)).expect("memory").expect("it is stored");
    assert!(manifest.chunks().count() >= 8);
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
    tried.push((Place::Gpu, every_n(table, &mut || common::own_gpu(GpuOptions::default()), &wanted)));
    println!("{tried:?}");
    let least = |place: Place, n: u64| tried.iter().filter(|(of, _)| *of == place).all(|(_, tried)| *tried >= n);
    assert!(least(Place::Network, 15) && least(Place::Store, 3) && least(Place::Gpu, 100), "{tried:?}");
}
