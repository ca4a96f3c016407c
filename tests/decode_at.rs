//! Decoding behind a context that nobody computed: it costs what an answer costs there, and leaves nothing behind.

use std::rc::Rc;

use crate::common::{argmax, fixture, gpu, load};
use doran::ErrorKind;
use doran::engine::{Engine, EngineOptions};
use doran::gpu::device::GpuOptions;
use doran::gpu::{Counts, Gpu};
use doran::sampler::SamplerOptions;
use doran::session::Next;
use doran::weights::Cancel;
use pollster::block_on;

const CAPACITY: u32 = 256;
const TOKENS: usize = 12;

fn open(name: &str, gpu: Option<Rc<Gpu>>, run_ahead: Option<usize>) -> Engine {
    let options = EngineOptions { run_ahead, context: Some(CAPACITY), ..EngineOptions::default() };
    load(&fixture(&format!("arch/{name}/")), gpu, options).expect("loads")
}

/// How many of `ids` were cached, and the best `n` tokens after them; `begun` is called after the first.
fn answer(engine: &mut Engine, ids: &[u32], n: usize, begun: &mut dyn FnMut()) -> (usize, Vec<u32>) {
    let (mut ids, cancel, session) = (ids.to_vec(), Cancel::new(), &mut engine.session);
    let greedy = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
    let kept = session.begin(&ids, Some(&greedy)).expect("begins");
    let mut answer = Vec::new();
    while session.has_to_feed(&ids) {
        block_on(session.feed(&ids, &cancel)).expect("feeds");
    }
    for i in 0..n {
        // The first one alone, so that what comes after it is counted from its beginning.
        let ahead = if i == 0 { 0 } else { n - 1 - i };
        let token = match block_on(session.next(&ids, ahead, &cancel)).expect("goes on") {
            Next::Token(token) => token,
            Next::Logits(logits) => argmax(&logits) as u32,
        };
        answer.push(token);
        ids.push(token);
        if i == 0 {
            begun();
        }
    }
    (kept, answer)
}

fn prompt(n: usize) -> Vec<u32> {
    (0..n as u32).map(|i| i * 31 % 380).collect()
}

#[test]
fn it_costs_what_an_answer_costs_at_that_length_and_leaves_nothing_behind() {
    for name in ["llama", "lfm2", "rwkv"] {
        let mut kv_bytes = Vec::new();
        for (run_ahead, context) in [(Some(0), 100), (Some(4), 200)] {
            let gpu = gpu(GpuOptions::default());
            let mut engine = open(name, Some(Rc::clone(&gpu)), run_ahead);
            let label = format!("{name}, {run_ahead:?} ahead, behind {context}");
            let fresh = answer(&mut engine, &prompt(50), 16, &mut || ());
            let mut before = Counts::default();
            answer(&mut engine, &prompt(context), TOKENS + 1, &mut || before = gpu.counts());
            let real = gpu.counts().since(before);

            let begun = &mut || before = gpu.counts();
            let drawn = block_on(engine.session.decode_at(context, TOKENS, begun, &Cancel::new())).expect("decodes");
            let counted = gpu.counts().since(before);
            assert_eq!((drawn.len(), counted), (TOKENS, real), "{label}");
            // Each token is a submit, and its row is on the GPU already.
            assert_eq!((counted.submits, counted.buffer_writes, counted.created), (TOKENS as u64, 0, 0), "{label}");
            kv_bytes.push(counted.kv_bytes_read);

            assert_eq!(answer(&mut engine, &prompt(50), 16, &mut || ()), fresh, "{label}: what comes after it");
        }
        if name == "llama" {
            // Of each position once a layer: those of the context, and those of the tokens before.
            let positions = |context: u64| (1..=TOKENS as u64).map(|i| context + i).sum::<u64>();
            assert_eq!(kv_bytes[0] * positions(200), kv_bytes[1] * positions(100), "{name}");
        }
    }
}

#[test]
fn it_goes_from_an_empty_cache_to_the_last_position_and_on_the_references_too() {
    for gpu in [None, Some(gpu(GpuOptions::default()))] {
        for name in ["llama", "mamba"] {
            let mut engine = open(name, gpu.clone(), None);
            for context in [0, 1, CAPACITY as usize - 3] {
                let mut begun = 0;
                let decoded = block_on(engine.session.decode_at(context, 3, &mut || begun += 1, &Cancel::new()));
                assert_eq!((decoded.expect("decodes").len(), begun), (3, 1), "{name}, behind {context}");
            }
        }
    }
}

#[test]
fn what_has_no_room_or_no_sense_is_a_typed_error() {
    let fails = |context, tokens| {
        let mut engine = open("llama", None, None);
        let error = block_on(engine.session.decode_at(context, tokens, &mut || (), &Cancel::new())).expect_err("fails");
        // The engine stays usable.
        assert_eq!(answer(&mut engine, &prompt(5), 2, &mut || ()).1.len(), 2);
        error.kind()
    };
    assert_eq!(fails(CAPACITY as usize - 2, 3), ErrorKind::ContextOverflow);
    assert_eq!(fails(usize::MAX, 3), ErrorKind::ContextOverflow);
    assert_eq!(fails(3, 0), ErrorKind::BadArgument);
    for reads in ["bert", "t5"] {
        let mut engine = load(&fixture(&format!("arch/{reads}/")), None, EngineOptions::default()).expect("loads");
        let error = block_on(engine.session.decode_at(3, 3, &mut || (), &Cancel::new())).expect_err("fails");
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{reads}");
    }
    let (mut engine, cancel) = (open("llama", None, None), Cancel::new());
    cancel.cancel();
    let aborted = block_on(engine.session.decode_at(3, 3, &mut || (), &cancel));
    assert!(aborted.is_err_and(|error| error.kind() == ErrorKind::Aborted));
}
