//! Chat templates against what transformers renders, and against templates that mean harm.

use crate::files::{bytes, json, parse_gguf, parse_gguf_model};
use doran::ErrorKind;
use doran::chat_template::{ChatInput, ChatTemplate};
use serde_json::{Value, json};

/// Friday, 2 January 2026, 13:04:05.
const NOW_SECS: i64 = 1_767_359_045;

fn render(template: &str, messages: &[Value]) -> doran::Result<String> {
    let input = ChatInput {
        messages,
        add_generation_prompt: true,
        bos_token: Some("<s>"),
        eos_token: Some("</s>"),
        now_secs: Some(NOW_SECS),
        ..ChatInput::default()
    };
    ChatTemplate::new(template)?.render(&input)
}

fn say(template: &str) -> String {
    render(template, &[]).unwrap_or_else(|e| panic!("{template}: {e}"))
}

fn refuse(template: &str) -> String {
    let error = render(template, &[]).expect_err(&template[..template.len().min(80)]);
    assert_eq!(error.kind(), ErrorKind::Template, "{error}");
    error.message().to_owned()
}

#[test]
fn smollm2_chats_are_exact() {
    let (checkpoint, _) = parse_gguf_model("SmolLM2-135M-Instruct.Q4_1.gguf");
    let template = ChatTemplate::new(&checkpoint.chat_template.unwrap()).unwrap();
    let golden = json("real/smollm2-135m-instruct-q4_1.json");
    let chats = golden["chats"].as_array().unwrap();
    assert!(chats.len() >= 2);
    for chat in chats {
        for (key, add_generation_prompt) in [("rendered", true), ("rendered_nogen", false)] {
            let messages = chat["messages"].as_array().unwrap();
            let text = template.render(&ChatInput { messages, add_generation_prompt, ..ChatInput::default() }).unwrap();
            assert_eq!(text, chat[key].as_str().unwrap());
        }
    }
}

#[test]
fn malformed_templates_end_as_their_index_says() {
    let mut seen = 0;
    for case in json("bad/index.json")["cases"].as_array().unwrap() {
        if case["expect"] != "template-error" {
            continue;
        }
        seen += 1;
        let name = case["file"].as_str().unwrap();
        let checkpoint = parse_gguf(&bytes(&format!("bad/{name}"))).unwrap();
        let start = std::time::Instant::now();
        let error =
            render(&checkpoint.chat_template.unwrap(), &[json!({"role": "user", "content": "hi"})]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Template, "{name}: {error}");
        // Half a second of steps at most; the limit leaves room for a loaded machine.
        assert!(start.elapsed().as_secs() < 10, "{name}: {:?}", start.elapsed());
    }
    assert_eq!(seen, 5);
}

/// What parsing and rendering recurse over must fit into the stack of wasm, one megabyte; here it is two thirds of that.
#[test]
fn nesting_is_refused_before_the_stack_ends() {
    let run = || {
        let many = |open: &str, n: usize, middle: &str, close: &str| {
            [open.repeat(n).as_str(), middle, &close.repeat(n)].concat()
        };
        let tag = |inner: String| format!("{{{{ {inner} }}}}");
        // Just inside the limits: rendered or refused, but the stack holds.
        for (chain, n) in
            [("+1", 390), (" and 1", 390), ("|string", 390), (" if 1 else 0", 190), ("*1", 390), ("~1", 390)]
        {
            say(&tag(format!("1{}", chain.repeat(n))));
        }
        say(&tag(many("not ", 390, "1", "")));
        say(&tag(many("(", 48, "1", ")")));
        say(&tag(many("[", 48, "1", "]")));
        say(&format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(199)));
        say(&many("{% if 1 %}", 140, "", "{% endif %}"));
        // Far outside.
        for (chain, n) in [("+1", 100_000), (".x", 100_000), ("|string", 30_000), (" or 1", 40_000), ("[0]", 80_000)] {
            refuse(&tag(format!("1{}", chain.repeat(n))));
        }
        refuse(&tag(many("(", 50_000, "1", ")")));
        refuse(&tag(many("- ", 50_000, "1", "")));
        refuse(&format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(5_000)));
        refuse(&many("{% if 1 %}", 8_000, "", "{% endif %}"));
        refuse("{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}");
        refuse("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}");
        refuse("{% include 'chat' %}");
    };
    std::thread::Builder::new().stack_size(640 << 10).spawn(run).unwrap().join().unwrap();
}

#[test]
fn work_and_output_are_limited() {
    refuse("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}");
    refuse("{{ range(1000000000000)|list }}");
    refuse("{{ 'x' * 1000000000000 }}");
    refuse("{{ 'x\nx'|indent(1000000000000) }}");
    refuse("{{ [1] * 1000000000000 }}");
    refuse("{{ ([1] * 1000000000000)|tojson }}");
    refuse(&format!("{{% for i in range(100000) %}}{}{{% endfor %}}", "x".repeat(200)));
    refuse(&format!("{{# {} #}}", "x".repeat(300_000)));
    // What is well within all that a template may make: one string, and how deep values nest.
    let long = |n: usize| format!("{{% set x = 'x' * {n} %}}done");
    assert_eq!(say(&long(500_000)), "done");
    refuse(&long(550_000));
    let deep = |n: usize| {
        let wrap = "{% set ns.x = [ns.x] %}";
        format!("{{% set ns = namespace(x=1) %}}{{% for i in range({n}) %}}{wrap}{{% endfor %}}done")
    };
    assert_eq!(say(&deep(50)), "done");
    refuse(&deep(80));
}

#[test]
fn errors_carry_the_templates_own_words() {
    assert!(refuse("{{ raise_exception('Roles must alternate!') }}").contains("Roles must alternate!"));
    assert!(refuse("{{ nothing.here }}").contains("undefined"));
    assert!(refuse("{% if %}").contains("syntax error"));
    let no_time = ChatTemplate::new("{{ strftime_now('%Y') }}").unwrap().render(&ChatInput::default()).unwrap_err();
    assert!(no_time.message().contains("time"), "{no_time}");
}

#[test]
fn blocks_are_trimmed_as_transformers_does() {
    assert_eq!(say("a\n  {% if true %}\nb\n  {% endif %}\nc\n"), "a\nb\nc");
    assert_eq!(say("{{ 1 }}\n{{ 2 }}"), "1\n2");
    assert_eq!(say("a {#- gone -#} b"), "ab");
    assert_eq!(say("a{% generation %}b{% endgeneration %}c"), "abc");
    assert_eq!(say("a {%- generation -%} b {%- endgeneration -%} c"), "abc");
    assert_eq!(say("{{ 'generation' }}{{ '{% generation %}' }}"), "generation{% generation %}");
}

/// Values as CPython 3's `json.dumps` writes them, without `ensure_ascii` where it is not asked for.
#[test]
fn tojson_writes_what_python_writes() {
    assert_eq!(say(r#"{{ {"b": 1, "a": [true, none, 1.5]}|tojson }}"#), r#"{"b": 1, "a": [true, null, 1.5]}"#);
    assert_eq!(say(r#"{{ "<a href='x'> & 한\n\t\"\\"|tojson }}"#), r#""<a href='x'> & 한\n\t\"\\""#);
    assert_eq!(
        say(r#"{{ {"b": [1, 2], "a": {}}|tojson(indent=2) }}"#),
        "{\n  \"b\": [\n    1,\n    2\n  ],\n  \"a\": {}\n}"
    );
    assert_eq!(say(r#"{{ {"b": 1, "a": 2}|tojson(sort_keys=true, separators=(",", ":")) }}"#), r#"{"a":2,"b":1}"#);
    let text = r#"{"한": "a👩\u007f<~"}"#.replace("\\u007f", "\u{7f}");
    assert_eq!(say(&format!("{{{{ {text}|tojson(ensure_ascii=false) }}}}")), text);
    let ascii = r#"{"\ud55c": "a\ud83d\udc69\u007f<~"}"#;
    assert_eq!(say(&format!("{{{{ {text}|tojson(ensure_ascii=true) }}}}")), ascii);
    assert_eq!(say(r#"{{ []|tojson }}{{ {}|tojson(indent=4) }}{{ 1.0|tojson }}"#), "[]{}1.0");
}

#[test]
fn keys_keep_their_order() {
    let tools =
        [json!({"type": "function", "function": {"name": "f", "description": "d", "arguments": {"z": 1, "a": 2}}})];
    let template = ChatTemplate::new(
        "{% for t in tools %}{{ t|tojson }}{% endfor %}{% for k, v in tools[0].items() %}{{ k }},{% endfor %}",
    )
    .unwrap();
    let text = template.render(&ChatInput { tools: Some(&tools), ..ChatInput::default() }).unwrap();
    assert_eq!(
        text,
        r#"{"type": "function", "function": {"name": "f", "description": "d", "arguments": {"z": 1, "a": 2}}}type,function,"#
    );
}

#[test]
fn pythons_methods_and_tests_are_there() {
    assert_eq!(say("{{ ' ab '.strip() }}{{ 'a,b'.split(',')[-1] }}{{ 'abc'.startswith('ab') }}"), "abbTrue");
    assert_eq!(say("{{ none }}{{ true }}{{ [1, 'a', none] }}{{ 7 / 2 }}{{ 7 // 2 }}"), "NoneTrue[1, 'a', None]3.53");
    assert_eq!(say(r#"{{ {"k": "it's", "l": ['"', "a\n"]} }}{{ nothing }}"#), r#"{'k': "it's", 'l': ['"', 'a\n']}"#);
    assert_eq!(say("{{ '' + ['한', true]|string + 1.5|string + {'k': none}|string }}"), "['한', True]1.5{'k': None}");
    assert_eq!(say("{{ '{} and {x} {{}}'.format(1, x='two') }}"), "1 and two {}");
    assert_eq!(say("{{ {'a': 1}.get('b', 'none') }}{{ 'Ab'.upper() }}{{ 'a-b'.replace('-', '+') }}"), "noneABa+b");
    assert_eq!(say("{{ tools is none }}{{ tools is iterable }}{{ [] is iterable }}"), "TrueFalseTrue");
    assert_eq!(say("{{ 'a\n\nb'|indent }}|{{ 'a\nb'|indent(2, true) }}"), "a\n\n    b|  a\n  b");
    assert_eq!(
        say(
            "{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}"
        ),
        "013"
    );
    assert_eq!(
        say("{% set ns = namespace(n=0) %}{% for i in [1, 2] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}"),
        "3"
    );
}

/// Values as `datetime(2026, 1, 2, 13, 4, 5).strftime` gives them, and leap days around centuries.
#[test]
fn the_date_is_written_as_python_writes_it() {
    assert_eq!(
        say("{{ strftime_now('%d %b %Y|%B %-d, %y|%A %a|%H:%M:%S %I%p|%j|%F|%%') }}"),
        "02 Jan 2026|January 2, 26|Friday Fri|13:04:05 01PM|002|2026-01-02|%"
    );
    let at = |now_secs: i64| {
        let input = ChatInput { now_secs: Some(now_secs), ..ChatInput::default() };
        ChatTemplate::new("{{ strftime_now('%Y-%m-%d %j %a %H') }}").unwrap().render(&input).unwrap()
    };
    assert_eq!(at(0), "1970-01-01 001 Thu 00");
    assert_eq!(at(-1), "1969-12-31 365 Wed 23");
    assert_eq!(at(951_782_400), "2000-02-29 060 Tue 00");
    assert_eq!(at(1_709_164_800 + 86_400), "2024-03-01 061 Fri 00");
    at(i64::MIN);
    at(i64::MAX);
}

#[test]
fn variables_reach_the_template() {
    assert_eq!(say("{{ bos_token }}{{ eos_token }}{{ add_generation_prompt }}"), "<s></s>True");
    let mut input = ChatInput::default();
    input.extra.insert("enable_thinking".into(), false.into());
    let template = ChatTemplate::new("{{ enable_thinking is false }}{{ bos_token is defined }}").unwrap();
    assert_eq!(template.render(&input).unwrap(), "TrueFalse");
    // Messages are data: nothing in them is a template.
    let messages = [json!({"role": "user", "content": "{{ 1 + 1 }} {% raw %}"})];
    assert_eq!(render("{{ messages[0].content }}", &messages).unwrap(), "{{ 1 + 1 }} {% raw %}");
    let raw = "{% raw %}{% for x in messages %}{{ a * b }}{%- endraw -%} {{ 2 * 3 }}";
    assert_eq!(render(raw, &messages).unwrap(), "{% for x in messages %}{{ a * b }}6");
}

#[test]
fn none_is_not_iterated_over_and_what_is_missing_is_empty() {
    let wanted = "None cannot be iterated over";
    assert!(refuse("{% for tool in tools %}{{ tool }}{% endfor %}").contains(wanted));
    assert!(
        refuse("{%- for m in [{'calls': none}] -%}{%- for c in m.calls -%}x{%- endfor -%}{%- endfor -%}")
            .contains(wanted)
    );
    assert_eq!(
        say("{% for x in missing %}x{% else %}none{% endfor %}{% for m in messages -%} m {%- endfor %}"),
        "none"
    );
    assert_eq!(say("{% for a, b in [[1, [2]]] %}{% for c in b if c %}{% endfor %}{{ a }}{% endfor %}"), "1");
}

/// A namespace is all that changes: by way of one a value could contain itself, and whoever walks it would never end.
#[test]
fn nothing_contains_itself() {
    for held in ["ns", "[ns]", "{'a': [ns]}", "[1, {'b': ns}]", "namespace(a=ns)", "dict(a=ns)", "m", "[m]"] {
        let macros = "{% macro m() %}{{ ns.x }}{% endmacro %}";
        for (use_of, what) in [
            ("{{ ns }}", "printing"),
            ("{{ ns|tojson }}", "writing"),
            ("{{ ns == namespace(x=ns) }}", "comparing"),
            ("{{ ns ~ '' }}", "joining"),
            ("{{ [ns.x, ns]|sort }}", "sorting"),
            ("", "dropping"),
        ] {
            let message = refuse(&format!("{macros}{{% set ns = namespace(x=1) %}}{{% set ns.x = {held} %}}{use_of}"));
            assert!(message.contains("a namespace"), "{what} {held}: {message}");
        }
    }
    let two = "{% set a = namespace() %}{% set b = namespace(a=a) %}{% set a.b = b %}{{ a }}";
    assert!(refuse(two).contains("a namespace holds data only"));
    // What templates do hold.
    let held = "{% set ns = namespace(a=[1], b={'c': messages}) %}{% set ns.a = ns.a + [2] %}{% set ns.d = ns.b %}";
    assert_eq!(say(&format!("{held}{{{{ ns.a }}}}{{{{ ns.d.c|length }}}}{{{{ ns.a[1:] }}}}")), "[1, 2]0[2]");
    assert_eq!(
        say("{{ [1, 2]|reverse|list }}{{ {'a': 1}|items|list }}{% if [1][1:] %}no{% endif %}"),
        "[2, 1][['a', 1]]"
    );
}

/// Each ends soon, in an error; what it takes meanwhile is bounded in `crates/hostile`.
#[test]
fn what_grows_in_a_template_ends() {
    let begun = std::time::Instant::now();
    let times = |n: usize, step: &str| format!("{{% for i in range({n}) %}}{step}{{% endfor %}}");
    for (before, step) in [
        ("{% set ns = namespace(x='xxxxxxxx') %}", "{% set ns.x = ns.x ~ ns.x %}"),
        ("{% set ns = namespace(x='xxxxxxxx') %}", "{% set ns.x = ns.x + ns.x %}"),
        ("{% set ns = namespace(x='xxxxxxxx') %}", "{% set ns.x = ns.x * 9 %}"),
        ("{% set ns = namespace(x='xxxxxxxx') %}", "{% set ns.x = ns.x|replace('x', 'xx') %}"),
        ("{% set ns = namespace(x='xxxxxxxx') %}", "{% set ns.x = ns.x.replace('', ns.x) %}"),
        ("{% set ns = namespace(x='xxxxxxxx') %}", "{% set ns.x = ns.x|join(ns.x) %}"),
        ("{% set ns = namespace(x='xxxxxxxx') %}", "{% set ns.x = ns.x.join([ns.x, ns.x, ns.x]) %}"),
        ("{% set ns = namespace(x='xxxxxxxx') %}", "{% set y %}{{ ns.x }}{{ ns.x }}{% endset %}{% set ns.x = y %}"),
        ("{% set ns = namespace(x=[1, 2]) %}", "{% set ns.x = ns.x + ns.x %}"),
        ("{% set ns = namespace(x=[1, 2]) %}", "{% set ns.x = [ns.x, ns.x] %}"),
        ("{% set ns = namespace(x=[1, 2]) %}", "{% set ns.x = [ns.x] %}"),
        ("{% set ns = namespace(x={'a': 1}) %}", "{% set ns.x = {'a': ns.x, 'b': ns.x} %}"),
        ("{% set ns = namespace(x={'a': 1}) %}", "{% set ns.x = dict(a=ns.x) %}"),
        ("{% set ns = namespace(x={'a': 1}) %}", "{% set ns.x = dict(ns) %}"),
        ("{% set ns = namespace(x=[1]) %}", "{% set ns.x = [ns.x]|map('reverse')|list %}"),
        ("{% set ns = namespace(x=[1, 2]) %}", "{% set ns.x = ns.x * 9 %}"),
        (
            "{% macro f(x) %}{{ x }}{{ x }}{% endmacro %}{% set ns = namespace(x='xxxxxxxx') %}",
            "{% set ns.x = f(ns.x) %}",
        ),
    ] {
        refuse(&format!("{before}{}", times(5000, step)));
    }
    let raw = "x".repeat(100_000);
    refuse(&format!("{{% set x %}}{}{{% endset %}}", times(99_999, &raw)));
    refuse("{% if 5 in [5] * 1000000000000 %}{% endif %}");
    refuse("{% if ([1] * 1000000000000) == ([1] * 1000000000000) %}{% endif %}");
    refuse("{{ ([1] * 1000000000)|list|length }}");
    refuse("{{ [1]|slice(1000000000) }}");
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    assert_eq!(
        say(
            "{{ 3 * 4 }}{{ 1.5 * 2 }}{{ 'ab' * 2 }}{{ 2 * [1] }}{{ 'a-b'|replace('-', '+') }}{{ ['a', 1]|join(', ') }}"
        ),
        "123.0abab[1, 1]a+ba, 1"
    );
    assert_eq!(
        say("{% set x %}a{% if true %}b{% else %}c{% endif %}{% endset %}{{ x ~ 1 }}{{ (1 and 2) or 3 }}"),
        "ab12"
    );
}
