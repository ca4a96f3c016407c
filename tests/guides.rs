//! What has a say in an answer beside the model: constraints, hooks, and what callers ask to be told of each token.

use std::cell::RefCell;
use std::rc::Rc;

use crate::common::{self, gpu, load};
use doran::ErrorKind;
use doran::engine::{Engine, EngineOptions};
use doran::error::{Error, Result};
use doran::generate::{Constraint, FinishReason, GenerateOptions, Generation, Guides, Input, Item, LogitsHook};
use doran::gpu::Gpu;
use doran::gpu::device::GpuOptions;
use doran::sampler::{SamplerOptions, mask_of};
use doran::text::{Chat, ChatEnd};
use doran::weights::Cancel;
use pollster::block_on;
use serde_json::json;

/// Tokens of the tiny models' vocabulary.
const VOCABULARY: usize = 389;

/// At each place some tokens may come; where it is one, it must. After the last place the answer is whole.
struct Script {
    places: Vec<Vec<u32>>,
    at: usize,
    /// Whether single tokens are told as forced.
    forces: bool,
    /// How often a mask was asked for.
    masks: Rc<RefCell<usize>>,
}

impl Constraint for Script {
    fn is_over(&mut self) -> Result<bool> {
        Ok(self.at == self.places.len())
    }

    fn mask(&mut self) -> Result<Vec<u32>> {
        *self.masks.borrow_mut() += 1;
        Ok(mask_of(&self.places[self.at], VOCABULARY))
    }

    fn forced(&mut self) -> Result<Vec<u32>> {
        if !self.forces {
            return Ok(Vec::new());
        }
        Ok(self.places[self.at..].iter().take_while(|place| place.len() == 1).map(|place| place[0]).collect())
    }

    fn take(&mut self, id: u32) -> Result<()> {
        if !self.places[self.at].contains(&id) {
            return Err(Error::internal(format!("{id} came at place {}, where it may not", self.at)));
        }
        self.at += 1;
        Ok(())
    }
}

fn script(places: &[Vec<u32>], forces: bool) -> (Guides, Rc<RefCell<usize>>) {
    let masks = Rc::default();
    let script = Script { places: places.to_vec(), at: 0, forces, masks: Rc::clone(&masks) };
    (Guides { constraint: Some(Box::new(script)), hook: None }, masks)
}

fn engine(gpu: Option<Rc<Gpu>>) -> Engine {
    load(&common::fixture("arch/llama"), gpu, EngineOptions::default()).expect("loads")
}

fn on_gpu() -> (Engine, Rc<Gpu>) {
    let device = gpu(GpuOptions::default());
    (engine(Some(Rc::clone(&device))), device)
}

const PROMPT: [u32; 5] = [3, 1, 4, 1, 5];

struct Answered {
    ids: Vec<u32>,
    tops: Vec<Vec<(u32, f32)>>,
    logprobs: Vec<Option<f32>>,
    end: FinishReason,
}

fn answer(engine: &mut Engine, options: GenerateOptions, guides: Guides) -> Result<Answered> {
    let text = Rc::clone(&engine.text);
    let input = Input::Ids(PROMPT.to_vec());
    let mut generation = Generation::guided(&text, engine.session.capacity(), &input, options, guides)?;
    let (mut ids, mut tops, mut logprobs) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        match block_on(generation.next(&text, &mut engine.session, &Cancel::new()))? {
            Some(Item::Token { id, top, logprob, .. }) => {
                ids.push(id);
                tops.push(top);
                logprobs.push(logprob);
            }
            Some(Item::Prefill { .. }) => {}
            Some(Item::End { finish_reason, .. }) => return Ok(Answered { ids, tops, logprobs, end: finish_reason }),
            None => return Err(Error::internal("no end")),
        }
    }
}

fn drawn(temperature: f32, seed: u64) -> GenerateOptions {
    let sampler = SamplerOptions { temperature, seed, ..SamplerOptions::default() };
    GenerateOptions { sampler, ignore_eos: true, ..GenerateOptions::default() }
}

/// Choices, a place where one token must come, and two of these in a row.
fn places() -> Vec<Vec<u32>> {
    let some = |from: u32, n: u32| (from..from + n).collect::<Vec<_>>();
    vec![some(10, 7), vec![33], some(64, 200), vec![7], vec![8], some(0, 3), some(380, 9)]
}

#[test]
fn only_what_a_constraint_lets_through_comes_and_the_same_on_gpu_and_cpu() {
    let ((mut on_gpu, _), mut on_cpu) = (on_gpu(), engine(None));
    let plain = answer(&mut on_gpu, GenerateOptions { max_tokens: Some(7), ..drawn(1.0, 0) }, Guides::default());
    let free = plain.expect("answers").ids;
    assert!(
        free.iter().zip(places()).any(|(id, place)| !place.contains(id)),
        "the constraint forbids nothing that comes"
    );
    for seed in 0..8 {
        for temperature in [0.0, 1.0, 3.0] {
            let (guides, masks) = script(&places(), false);
            let given = answer(&mut on_gpu, drawn(temperature, seed), guides).expect("answers");
            assert_eq!((given.ids.len(), given.end, *masks.borrow()), (7, FinishReason::Stop, 7));
            let filtered = |engine: &mut Engine| {
                let mut options = drawn(temperature, seed);
                options.sampler.top_p = 0.9;
                options.sampler.presence_penalty = 1.0;
                answer(engine, options, script(&places(), false).0).expect("answers").ids
            };
            let expected = answer(&mut on_cpu, drawn(temperature, seed), script(&places(), false).0);
            assert_eq!(given.ids, expected.expect("answers").ids, "seed {seed}, temperature {temperature}");
            assert_eq!(
                filtered(&mut on_gpu),
                filtered(&mut on_cpu),
                "seed {seed}, temperature {temperature}, filtered"
            );
        }
    }
}

#[test]
fn tokens_that_must_come_cost_no_step_and_change_nothing() {
    let (mut engine, device) = on_gpu();
    for seed in 0..4 {
        let expected = answer(&mut engine, drawn(1.5, seed), script(&places(), false).0).expect("answers").ids;
        let before = device.counts().submits;
        let (guides, masks) = script(&places(), true);
        let given = answer(&mut engine, drawn(1.5, seed), guides).expect("answers");
        assert_eq!(given.ids, expected);
        // Three of the seven are forced: four steps are drawn, each of which runs what was forced before it.
        assert_eq!((*masks.borrow(), device.counts().submits - before), (4, 4));
    }
    // Penalties are for what was forced as for what was drawn.
    for forces in [false, true] {
        let mut options = drawn(0.0, 0);
        (options.sampler.logit_bias, options.sampler.presence_penalty) = (vec![(33, 50.0)], 100.0);
        let given = answer(&mut engine, options, script(&[vec![33], vec![33, 40]], forces).0).expect("answers");
        assert_eq!(given.ids, [33, 40], "forced: {forces}");
    }
}

#[test]
fn a_step_of_a_constraint_uploads_its_mask_and_runs_nothing_ahead() {
    let (mut engine, device) = on_gpu();
    let choice: Vec<u32> = (0..200).collect();
    let mut spent = |n: usize| {
        let before = device.counts();
        answer(&mut engine, drawn(1.0, 1), script(&vec![choice.clone(); n], true).0).expect("answers");
        let after = device.counts();
        (
            after.submits - before.submits,
            after.buffer_writes - before.buffer_writes,
            after.bytes_written - before.bytes_written,
        )
    };
    // The first answer writes the rows of its prompt, which the next ones find in the cache.
    spent(1);
    let (short, long) = (spent(4), spent(14));
    let mask_bytes = (VOCABULARY.div_ceil(32) * 4) as u64;
    assert_eq!((long.0 - short.0, long.1 - short.1, long.2 - short.2), (10, 10, 10 * mask_bytes));
    assert!(mask_bytes <= VOCABULARY as u64 / 8 + 4);
}

#[test]
fn a_constraint_meets_other_options() {
    let (mut engine, _) = on_gpu();
    let mut allowed = drawn(1.0, 0);
    allowed.sampler.allowed_token_ids = vec![12, 33, 70, 7, 8, 2, 381];
    let given = answer(&mut engine, allowed.clone(), script(&places(), false).0).expect("answers");
    assert_eq!(given.ids, [12, 33, 70, 7, 8, 2, 381]);
    // Nothing is left of both: the answer ends, also where a token must come.
    allowed.sampler.allowed_token_ids = vec![12];
    for forces in [false, true] {
        let given = answer(&mut engine, allowed.clone(), script(&places(), forces).0).expect("answers");
        assert_eq!((given.ids.as_slice(), given.end), ([12].as_slice(), FinishReason::Stop));
    }
    // An id that there is not is an error, whoever draws.
    allowed.sampler.allowed_token_ids = vec![12, VOCABULARY as u32 + 32];
    for logprobs in [false, true] {
        let options = GenerateOptions { logprobs, ..allowed.clone() };
        let error = answer(&mut engine, options, script(&places(), false).0).err().expect("no such token");
        assert_eq!(error.kind(), ErrorKind::BadArgument);
    }
    // One that is too long for the answer.
    let short = GenerateOptions { max_tokens: Some(3), ..drawn(1.0, 0) };
    let given = answer(&mut engine, short, script(&places(), true).0).expect("answers");
    assert_eq!((given.ids.len(), given.end), (3, FinishReason::Length));
    // An end token that the constraint lets through ends it.
    let ends = vec![vec![10, 11], vec![2], vec![12]];
    let eos = GenerateOptions { ignore_eos: false, ..drawn(1.0, 0) };
    let given = answer(&mut engine, eos, script(&ends, true).0).expect("answers");
    assert_eq!((given.ids.len(), given.end), (2, FinishReason::Stop));
}

/// Forbids all but even ids, and notes what it was shown.
struct EvenOnly(Rc<RefCell<Vec<Vec<u32>>>>);

impl LogitsHook for EvenOnly {
    fn change(&mut self, logits: &mut [f32], ids: &[u32]) -> Result<()> {
        self.0.borrow_mut().push(ids.to_vec());
        logits.iter_mut().skip(1).step_by(2).for_each(|logit| *logit = f32::NEG_INFINITY);
        Ok(())
    }
}

struct Broken;

impl LogitsHook for Broken {
    fn change(&mut self, _: &mut [f32], _: &[u32]) -> Result<()> {
        Err(Error::bad_argument("logitsHook", "the hook failed"))
    }
}

#[test]
fn a_hook_sees_each_token_and_changes_what_comes() {
    let (mut engine, _) = on_gpu();
    let seen = Rc::default();
    let hook = |seen: &Rc<RefCell<Vec<Vec<u32>>>>| Guides {
        constraint: None,
        hook: Some(Box::new(EvenOnly(Rc::clone(seen)))),
    };
    let options = GenerateOptions { max_tokens: Some(12), ..drawn(2.0, 5) };
    let free = answer(&mut engine, options.clone(), Guides::default()).expect("answers").ids;
    assert!(free.iter().any(|id| id % 2 == 1));
    let given = answer(&mut engine, options.clone(), hook(&seen)).expect("answers").ids;
    assert!(given.iter().all(|id| id % 2 == 0), "{given:?}");
    let shown: Vec<Vec<u32>> = (0..12).map(|n| [&PROMPT, &given[..n]].concat()).collect();
    assert_eq!(*seen.borrow(), shown);
    // With a constraint, what both let through: forced tokens are shown too.
    let (mut guides, _) = script(&places(), true);
    guides.hook = Some(Box::new(EvenOnly(Rc::default())));
    // Place 1 allows 33 alone, which is odd: nothing can be drawn.
    let error = answer(&mut engine, options.clone(), guides).err().expect("no token is left");
    assert_eq!(error.kind(), ErrorKind::NonFinite);
    let broken = Guides { constraint: None, hook: Some(Box::new(Broken)) };
    let error = answer(&mut engine, options.clone(), broken).err().expect("fails");
    assert_eq!(error.kind(), ErrorKind::BadArgument);
    assert_eq!(answer(&mut engine, options, Guides::default()).expect("answers").ids, free);
}

#[test]
fn the_likeliest_tokens_are_those_of_the_logits() {
    let (mut engine, _) = on_gpu();
    let options = GenerateOptions { max_tokens: Some(5), logprobs: true, top_logprobs: 4, ..drawn(1.0, 3) };
    let given = answer(&mut engine, options, Guides::default()).expect("answers");
    let all = [&PROMPT, given.ids.as_slice()].concat();
    let mut rows = Vec::new();
    block_on(engine.session.all_logits(&all, &Cancel::new(), |_, row| rows.push(row.to_vec()))).expect("runs");
    for (n, (top, logprob)) in given.tops.iter().zip(&given.logprobs).enumerate() {
        let row = &rows[PROMPT.len() + n - 1];
        let normaliser = row.iter().map(|logit| f64::from(*logit).exp()).sum::<f64>().ln();
        let mut order: Vec<u32> = (0..row.len() as u32).collect();
        order.sort_by(|a, b| row[*b as usize].total_cmp(&row[*a as usize]));
        assert_eq!(top.iter().map(|(id, _)| *id).collect::<Vec<_>>(), order[..4]);
        for (id, logprob) in top.iter().copied().chain([(given.ids[n], logprob.expect("asked for"))]) {
            let expected = f64::from(row[id as usize]) - normaliser;
            assert!((f64::from(logprob) - expected).abs() < 1e-4, "{logprob} for {id}, expected {expected}");
        }
    }
}

#[test]
fn a_template_gets_tools_and_variables_and_may_end_in_the_last_message() {
    let template = "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</{{ m.role }}>{% endfor %}\
        {% if tools %}[{{ tools[0].function.name }}]{% endif %}{{ mood }}{% if add_generation_prompt %}<assistant>{% endif %}";
    let options = EngineOptions { chat_template: Some(template.into()), ..EngineOptions::default() };
    let engine = load(&common::fixture("arch/llama"), None, options).expect("loads");
    let message = |role: &str, content: &str| json!({"role": role, "content": content});
    let render = |chat: &Chat| engine.text.apply_chat_template(chat, None);
    let mut chat = Chat::new(vec![message("user", " hi "), message("assistant", "Well, ")]);
    assert_eq!(render(&chat).expect("renders"), "<user>hi</user><assistant>Well,</assistant><assistant>");
    chat.end = ChatEnd::Message;
    chat.tools = Some(vec![json!({"type": "function", "function": {"name": "clock"}})]);
    chat.template_args.insert("mood".into(), "!".into());
    assert_eq!(render(&chat).expect("renders"), "<user>hi</user><assistant>Well,</assistant>[clock]!");
    chat.end = ChatEnd::InMessage;
    assert_eq!(render(&chat).expect("renders"), "<user>hi</user><assistant>Well,");
    chat.messages[1] = message("assistant", "  ");
    assert_eq!(render(&chat).expect_err("nothing to go on with").kind(), ErrorKind::BadArgument);
}

#[test]
fn special_tokens_are_shown_to_those_who_ask() {
    let (mut engine, _) = on_gpu();
    let special = 2;
    assert!(engine.text.tokenizer().is_special(special));
    let spelled = engine.text.tokenizer().decode(&[special], false).expect("a token");
    for shows in [false, true] {
        let options = GenerateOptions { special_tokens: shows, ..drawn(0.0, 0) };
        let (guides, _) = script(&[vec![40], vec![special], vec![41]], true);
        let text = Rc::clone(&engine.text);
        let input = Input::Ids(PROMPT.to_vec());
        let mut generation =
            Generation::guided(&text, engine.session.capacity(), &input, options, guides).expect("begins");
        let mut said = String::new();
        while let Some(item) = block_on(generation.next(&text, &mut engine.session, &Cancel::new())).expect("goes on") {
            if let Item::Token { text, .. } | Item::End { text, .. } = item {
                said.push_str(&text);
            }
        }
        assert_eq!(said.contains(&spelled), shows, "{said:?}");
    }
}
