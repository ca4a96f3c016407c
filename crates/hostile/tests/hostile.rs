//! Each target on valid files that were changed, the same ones every time. Nothing panics, more than half of the inputs come past the
//! first look, and what is allocated is bounded by a multiple of the input.
#![cfg(not(target_arch = "wasm32"))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use hostile::mutate::Rng;
use hostile::{Reach, Target, seeds};

/// Counts what each thread has allocated, and the most that it had at once.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn note(change: isize) {
    // A thread that is ending has no counters any more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: all calls go to the system's allocator as they are; the counters are `Cell`s without destructors and allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as isize);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note(-(layout.size() as isize));
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, n_bytes: usize) -> *mut u8 {
        // While it moves, both are there.
        note(n_bytes as isize);
        note(-(layout.size() as isize));
        unsafe { System.realloc(at, layout, n_bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs one input; gives how far it came, and the most bytes that it took at once.
fn run(target: Target, input: &[u8], what: &str) -> (Reach, usize) {
    let (before, begun) = (LIVE.get(), Instant::now());
    PEAK.set(before);
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let peak = (PEAK.get() - before) as usize;
    let kept = || {
        let path = std::env::temp_dir().join(format!("hostile-{}", target.name));
        std::fs::write(&path, input).expect("it can be written");
        format!("{}, {what}: the input is in {}", target.name, path.display())
    };
    let Ok(reach) = result else { panic!("{}", kept()) };
    let (factor, besides) = target.memory;
    assert!(peak <= factor * input.len() + besides, "{peak} bytes for {}: {}", input.len(), kept());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}: {}", begun.elapsed(), kept());
    (reach, peak)
}

/// Runs `n` inputs, on a stack like that of wasm.
fn bounded(name: &str, n: usize) {
    let target = Target::named(name).expect("a target");
    let work = move || {
        let seeds = seeds::of(target.name);
        for (i, seed) in seeds.iter().enumerate() {
            let (reach, _) = run(target, &seed.bytes(), &format!("seed {i}"));
            assert!(reach != Reach::Header, "{} seed {i}", target.name);
        }
        let mut rng = Rng::new(5);
        let (mut reached, mut worst, mut most, begun) = ([0usize; 3], 0.0f64, 0, Instant::now());
        for round in 0..n {
            let input = seeds[round % seeds.len()].changed(&mut rng, rng_of(&mut Rng::new(round as u64), &seeds));
            let (reach, peak) = run(target, &input, &format!("round {round}"));
            reached[reach as usize] += 1;
            worst = worst.max(peak.saturating_sub(target.memory.1) as f64 / input.len().max(1) as f64);
            most = most.max(peak);
        }
        let [header, inside, whole] = reached;
        println!(
            "{}: {n} inputs, {header} refused at once, {inside} later, {whole} taken; at most {most} bytes, {worst:.1} a byte beyond \
             what is allowed to all; {:.1} s",
            target.name,
            begun.elapsed().as_secs_f64()
        );
        assert!(inside + whole > n / 2, "{} of {n} inputs came past the first look", inside + whole);
        assert!(whole > n / 100, "{whole} of {n} inputs were taken");
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(work).expect("a thread").join().expect("no panic");
}

fn rng_of<'a, T>(rng: &mut Rng, all: &'a [T]) -> &'a T {
    rng.of(all)
}

#[test]
fn gguf() {
    bounded("gguf", 150_000);
}

#[test]
fn safetensors() {
    bounded("safetensors", 150_000);
}

#[test]
fn manifest() {
    bounded("manifest", 150_000);
}

#[test]
fn adapter() {
    bounded("adapter", 150_000);
}

#[test]
fn messages() {
    bounded("messages", 150_000);
}

#[test]
fn tokenizer() {
    bounded("tokenizer", 20_000);
}

#[test]
fn template() {
    bounded("template", 20_000);
}

#[test]
fn constraint() {
    bounded("constraint", 2_000);
}

/// Schemas, patterns and grammars that are small, and would be large where they are unfolded: two seconds and 64 MiB each, and no panic.
#[test]
fn constraints_that_grow_end() {
    let target = Target { memory: (0, 64 << 20), ..Target::named("constraint").expect("a target") };
    let work = move || {
        let try_one = |kind: u8, text: &str| {
            let name: String = text.chars().take(60).collect();
            run(target, &[&[kind], text.as_bytes()].concat(), &name);
        };
        let deep =
            |n: usize, open: &str, middle: &str, close: &str| format!("{}{middle}{}", open.repeat(n), close.repeat(n));
        let pattern = |pattern: &str| format!("{{\"type\":\"string\",\"pattern\":{}}}", serde_json::json!(pattern));
        let objects = deep(60, "{\"type\":\"object\",\"properties\":{\"a\":", "true", "}}");
        let lists = deep(400, "{\"items\":", "true", "}");
        let any_of = deep(60, "{\"anyOf\":[{\"type\":\"null\"},", "true", "]}");
        let product = format!(
            "{{\"allOf\":[{}]}}",
            ["{\"anyOf\":[{\"minLength\":1},{\"minLength\":2},{\"pattern\":\"a\"},{\"pattern\":\"b\"}]}"; 30].join(",")
        );
        let huge_enum =
            format!("{{\"enum\":[{}]}}", (0..9000).map(|i| format!("\"{i}\"")).collect::<Vec<_>>().join(","));
        let properties = |n: usize| {
            let all = (0..n).map(|i| format!("\"k{i}\":{{}}")).collect::<Vec<_>>().join(",");
            format!("{{\"type\":\"object\",\"properties\":{{{all}}}}}")
        };
        let (keys, many_keys) = (properties(400), properties(3000));
        let chain = format!(
            "{{\"$defs\":{{{}}},\"$ref\":\"#/$defs/0\"}}",
            (0..2000).map(|i| format!("\"{i}\":{{\"$ref\":\"#/$defs/{}\"}}", i + 1)).collect::<Vec<_>>().join(",")
        );
        let branches = format!(
            "{{\"$defs\":{{{}}},\"$ref\":\"#/$defs/0\"}}",
            (0..40)
                .map(|i| format!(
                    "\"{i}\":{{\"allOf\":[{{\"$ref\":\"#/$defs/{0}\"}},{{\"$ref\":\"#/$defs/{0}\"}}]}}",
                    i + 1
                ))
                .chain(["\"40\":{\"type\":\"object\",\"properties\":{\"a\":{}}}".to_owned()])
                .collect::<Vec<_>>()
                .join(",")
        );
        let patterns = format!(
            "{{\"type\":\"object\",\"patternProperties\":{{{}}}}}",
            (0..200).map(|i| format!("\"^.*{i}.*$\":{{}}")).collect::<Vec<_>>().join(",")
        );
        for schema in [&objects, &lists, &any_of, &product, &huge_enum, &keys, &many_keys, &chain, &branches, &patterns]
        {
            try_one(0, schema);
        }
        for schema in [
            r##"{"$ref":"#"}"##,
            r##"{"allOf":[{"$ref":"#"},{"type":"object"}]}"##,
            r##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}"##,
            r##"{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}"##,
            r##"{"anyOf":[{"$ref":"#"},{"$ref":"#"}]}"##,
            r#"{"type":"string","minLength":10000,"maxLength":10000,"pattern":"^(a|b|ab)*$"}"#,
            r#"{"type":"string","maxLength":9999,"format":"email","pattern":"a.*b.*c.*d.*e"}"#,
            r#"{"type":"array","minItems":10000,"maxItems":10000,"items":{"type":"array","minItems":10000,"items":{}}}"#,
            r#"{"type":"integer","multipleOf":4000,"minimum":-9007199254740991,"maximum":9007199254740991}"#,
            r#"{"allOf":[{"multipleOf":3999},{"multipleOf":3989},{"multipleOf":3967}],"type":"integer"}"#,
            r#"{"allOf":[{"multipleOf":0.0001},{"multipleOf":3989}],"type":"number"}"#,
            r#"{"type":"number","minimum":0.30000000000000004,"maximum":0.3000000000000001}"#,
            r#"{"type":"number","exclusiveMinimum":5e-324,"exclusiveMaximum":1e-300}"#,
            r#"{"const":1e308}"#,
            r#"{"type":"number","minimum":-1e308,"maximum":1e308}"#,
            r#"{"type":"object","minProperties":1,"maxProperties":10000}"#,
        ] {
            try_one(0, schema);
        }
        let many = "(a|b)?".repeat(2000);
        let nested = deep(200, "(", "a", "){2}");
        let open = "(".repeat(30_000);
        for regex in [
            "(a{1000}){1000}",
            "(?:(?:a{100}){100}){100}",
            "(a+)+$",
            "(a|aa)+",
            "(.*)*x",
            "((((a*)*)*)*)*b",
            "\\p{L}{5000}",
            "(\\p{L}{500}){9}",
            "(x+x+)+y",
            ".*a.{200}",
            "(.*a.{30}){3}",
            "[^]{10000}",
            "(a?){5000}a{5000}",
            "a{10000}b{10000}|c{9999}",
            &many,
            &nested,
            &open,
        ] {
            try_one(1, regex);
            try_one(0, &pattern(regex));
        }
        let brackets = format!("start: {}", deep(20_000, "(", "\"a\"", ")"));
        let rules: String = (0..3000).map(|i| format!("r{i}: r{} r{}\n", i + 1, i + 1)).collect();
        let terminals: String = (0..60).map(|i| format!("T{i}: T{} T{}\n", i + 1, i + 1)).collect();
        let lark_in_lark = deep(60, "start: %lark {", "start: \"a\"", "}");
        for grammar in [
            &brackets,
            &lark_in_lark,
            &format!("start: r0\n{rules}r3000: \"a\"\n"),
            &format!("start: T0\n{terminals}T60: \"a\"\n"),
            "start: start start | \"a\"",
            "start: \"a\"{1000000}",
            "start: (\"a\"{1000}){1000}",
            "start: A\nA: /a{1000}/ A2\nA2: A",
            "start: /(a|b)*a(a|b){40}/",
            "start: \"a\" ~ 0..1000000",
            "start: %json {\"type\": \"string\", \"pattern\": \"(a{1000}){1000}\"}",
            "start: %regex {\"substring_chars\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
        ] {
            try_one(2, grammar);
        }
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(work).expect("a thread").join().expect("no panic");
}

/// Templates that grow, patterns that backtrack or repeat, values without end: 64 MiB and two seconds.
#[test]
fn what_grows_ends() {
    let target = |name: &str| Target { memory: (0, 64 << 20), ..Target::named(name).expect("a target") };
    let work = move || {
        for (before, step) in [
            ("'xxxxxxxx'", "ns.x ~ ns.x"),
            ("'xxxxxxxx'", "ns.x * 9"),
            ("'xxxxxxxx'", "ns.x.replace('', ns.x)"),
            ("'xxxxxxxx'", "ns.x|join(ns.x)"),
            ("'xxxxxxxx'", "(ns.x ~ ns.x).split('')|join"),
            ("'xxxxxxxx'", "f(ns.x)"),
            ("[1, 2]", "ns.x + ns.x"),
            ("[1, 2]", "[ns.x, ns.x]"),
            ("[1, 2]", "[ns.x]"),
            ("[1, 2]", "(ns.x + ns.x)|list"),
            ("{'a': 1}", "{'a': ns.x, 'b': ns.x}"),
            ("{'a': 1}", "dict(a=ns.x)"),
            ("{'a': 1}", "dict(ns)"),
            ("[1]", "[ns.x]|map('reverse')|list"),
            ("1", "ns"),
            ("1", "[[ns]]"),
        ] {
            let f = "{% macro f(x) %}{{ x }}{{ x }}{% endmacro %}";
            let grow = format!(
                "{f}{{% set ns = namespace(x={before}) %}}{{% for i in range(99999) %}}{{% set ns.x = {step} %}}{{% endfor %}}"
            );
            let (reach, _) = run(target("template"), grow.as_bytes(), step);
            assert_eq!(reach, Reach::Inside, "{step} ends in an error");
        }
        for loops in [
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            "{% if 6 in [5] * 1000000000000 %}{% endif %}",
            // Nothing is made: only the steps are many.
            "{% set l = [1] * 9999 %}{% for a in l %}{% for b in l %}{% endfor %}{% endfor %}",
        ] {
            assert_eq!(run(target("template"), loops.as_bytes(), loops).0, Reach::Inside, "{loops}");
        }
        for pattern in [
            "(a+)+$",
            "(a|aa)+$",
            "(.*)*x",
            "(?:a{1000}){1000}",
            "(?:\\\\p{L}{500}){9}",
            "((((a*)*)*)*)*b",
            "(?=(a+))\\\\1+b",
        ] {
            let split = format!(
                r#"{{"pre_tokenizer":{{"type":"Split","pattern":{{"Regex":"{pattern}"}},"behavior":"Isolated","invert":false}},"decoder":{{"type":"ByteLevel"}},"model":{{"type":"BPE","vocab":{{"a":0}},"merges":[]}}}}"#
            );
            assert_eq!(run(target("tokenizer"), split.as_bytes(), pattern).0, Reach::Inside, "{pattern} is refused");
        }
        let deep = format!("{{\"input\":{}1{}}}", "[".repeat(120), "]".repeat(120));
        run(target("messages"), deep.as_bytes(), "deep messages");
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(work).expect("a thread").join().expect("no panic");
}

/// Values in values, by loops and by as many lines as a template may have: whatever comes of it, the stack does not end.
#[test]
fn what_nests_ends() {
    let target = Target { memory: (0, 64 << 20), ..Target::named("template").expect("a target") };
    let work = move || {
        for (before, step) in [
            ("[1]", "ns.x[0:]"),
            ("[1]", "ns.x[::-1]"),
            ("[1]", "ns.x|reverse"),
            ("[1]", "ns.x|list"),
            ("[1]", "ns.x + []"),
            ("[[1]]", "ns.x|map('reverse')|list"),
            ("[1]", "ns.x|map('list')"),
            ("[1]", "ns.x|unique"),
            ("{'a': 1}", "dict(ns.x)"),
            ("{'a': 1}", "{'a': ns.x.items()|list}"),
            ("{'a': 1}", "dict(ns.x, b=1)"),
        ] {
            let name = step.replace("ns.x", "a");
            let looped = format!(
                "{{% set ns = namespace(x={before}) %}}{{% for i in range(99999) %}}{{% set ns.x = {step} %}}{{% endfor %}}{{{{ ns.x }}}}"
            );
            run(target, looped.as_bytes(), step);
            let line = format!("{{% set a = {name} %}}");
            let lines = format!("{{% set a = {before} %}}{}{{{{ a }}}}", line.repeat((250 << 10) / line.len()));
            run(target, lines.as_bytes(), &name);
        }
        // Jinja has none of these, or no template uses them.
        for filter in ["zip", "chain(a)", "groupby('a')", "batch(1)", "slice(1)", "pprint"] {
            let (reach, _) = run(target, format!("{{% set a = [1] %}}{{{{ a|{filter} }}}}").as_bytes(), filter);
            assert_eq!(reach, Reach::Inside, "{filter}");
        }
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(work).expect("a thread").join().expect("no panic");
}
