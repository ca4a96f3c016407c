//! Chat templates: messages become the text that a model was trained on.
//!
//! Templates are Jinja as `transformers` runs it (`utils/chat_template_utils.py`): blocks trimmed, loop controls,
//! `raise_exception`, `strftime_now`, `tojson` that writes what Python's `json.dumps` writes, and the methods of Python's
//! strings and dictionaries. A template comes with the model and is not trusted: its length, nesting, number of steps,
//! depth of calls, length of output and what it makes on the way are limited (`budget.rs`), and every excess is
//! [`ErrorKind::Template`].

mod budget;
mod repr;
mod scan;
mod time;
mod to_json;

use budget::Budget;
use minijinja::machinery::{Vm, get_compiled_template, make_string_output};
use minijinja::value::{Kwargs, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Map;

use crate::error::{Error, ErrorKind, Result};

/// Steps of the template engine for one chat. The longest published templates take about 300 a message, so this is a chat
/// of tens of thousands of messages; it is a second or two in a browser.
const FUEL: u64 = 10_000_000;

/// Depth of macro calls and includes. Published templates nest macros over JSON schemas, a few levels deep; 64 fits into
/// the megabyte of stack that wasm has.
const RECURSION_MAX: usize = 64;

/// Longest rendered chat, in bytes: some four million tokens.
const OUTPUT_BYTES_MAX: usize = 16 << 20;

/// What a value that is no text takes when it is printed, in bytes.
const VALUE_BYTES: usize = 32;

const NAME: &str = "chat";

/// A template, parsed.
#[derive(Debug)]
pub struct ChatTemplate {
    env: Environment<'static>,
    budget: Budget,
}

/// What a template is rendered with.
#[derive(Clone, Debug, Default)]
pub struct ChatInput<'a> {
    /// Messages as the OpenAI API writes them: objects with `role` and `content`, perhaps `tool_calls`.
    pub messages: &'a [serde_json::Value],
    /// Functions that the model may call, as JSON schemas.
    pub tools: Option<&'a [serde_json::Value]>,
    /// Whether the text ends with the start of an answer.
    pub add_generation_prompt: bool,
    /// The text of the BOS token, if the model has one.
    pub bos_token: Option<&'a str>,
    /// The text of the EOS token, if the model has one.
    pub eos_token: Option<&'a str>,
    /// More variables, e.g. `enable_thinking`. They come after, and replace, those above.
    pub extra: Map<String, serde_json::Value>,
    /// Local time in seconds since 1 January 1970, local midnight: what templates that state the date take it from.
    pub now_secs: Option<i64>,
}

impl ChatTemplate {
    /// Parses a template.
    ///
    /// # Errors
    /// [`ErrorKind::Template`] for bad syntax, or one longer or more deeply nested than any template needs.
    pub fn new(source: &str) -> Result<Self> {
        let source = scan::check(source)?;
        let mut env = Environment::new();
        env.set_trim_blocks(true);
        env.set_lstrip_blocks(true);
        env.set_undefined_behavior(UndefinedBehavior::Lenient);
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        env.set_recursion_limit(RECURSION_MAX);
        env.set_fuel(Some(FUEL));
        let budget = Budget::default();
        let (methods, printed) = (budget.clone(), budget.clone());
        env.set_unknown_method_callback(move |state, value, name, args| method(&methods, state, value, name, args));
        env.set_formatter(move |out, state, value| match repr::of_container(value)? {
            Some(text) => {
                printed.take(text.len())?;
                out.write_str(&text).map_err(minijinja::Error::from)
            }
            None => {
                printed.take(value.as_str().map_or(VALUE_BYTES, str::len))?;
                minijinja::escape_formatter(out, state, value)
            }
        });
        env.add_filter("tojson", to_json::tojson);
        env.add_filter("indent", indent);
        env.add_filter("string", string);
        // Its widths are not limited, and no known chat template uses it.
        env.remove_filter("format");
        env.add_global(scan::ONE, 1);
        budget.install(&mut env);
        // Python's `None` cannot be iterated over; the engine's can, as if it were empty.
        env.add_test("iterable", |value: &Value| !value.is_none() && value.try_iter().is_ok());
        env.add_filter(scan::ITERATED, |value: Value| match value.is_none() {
            true => Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, "None cannot be iterated over")),
            false => Ok(value),
        });
        env.add_function("raise_exception", |message: String| -> std::result::Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, message))
        });
        env.add_template_owned(NAME, source).map_err(failed)?;
        Ok(Self { env, budget })
    }

    /// Renders a chat.
    ///
    /// # Errors
    /// [`ErrorKind::Template`] if the template refuses the messages (its own words are in the message), takes too many
    /// steps, or asks for the date when `now_secs` is not given.
    pub fn render(&self, input: &ChatInput<'_>) -> Result<String> {
        let mut variables = Map::new();
        variables.insert("messages".into(), input.messages.into());
        // `transformers` passes both, as None where the caller has none.
        variables.insert("tools".into(), input.tools.map_or(serde_json::Value::Null, Into::into));
        variables.insert("documents".into(), serde_json::Value::Null);
        variables.insert("add_generation_prompt".into(), input.add_generation_prompt.into());
        for (name, token) in [("bos_token", input.bos_token), ("eos_token", input.eos_token)] {
            if let Some(token) = token {
                variables.insert(name.into(), token.into());
            }
        }
        variables.extend(input.extra.clone());
        let input_bytes = variables.values().map(bytes_of).sum();
        let now_secs = input.now_secs;
        let strftime_now = Value::from_function(move |format: String| match now_secs {
            Some(now_secs) => time::strftime(&format, now_secs)
                .map_err(|what| minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, what)),
            None => Err(minijinja::Error::new(
                minijinja::ErrorKind::InvalidOperation,
                "the template states the date, but the time was not given",
            )),
        });
        let context = minijinja::context! { strftime_now, ..Value::from_serialize(variables) };
        let template = self.env.get_template(NAME).map_err(failed)?;
        let compiled = get_compiled_template(&template);
        let (instructions, blocks) =
            (budget::counted(&compiled.instructions), budget::counted_blocks(&compiled.blocks));
        self.budget.begin(input_bytes);
        let mut text = String::new();
        let mut output = make_string_output(&mut text);
        let rendered = Vm::new(&self.env).eval(&instructions, context, &blocks, &mut output, AutoEscape::None);
        rendered.map_err(failed)?;
        if text.len() > OUTPUT_BYTES_MAX {
            let message = format!("the template renders to more than {OUTPUT_BYTES_MAX} bytes");
            return Err(Error::new(ErrorKind::Template, message));
        }
        Ok(text)
    }
}

/// Methods of Python's strings, lists and dictionaries.
fn method(
    budget: &Budget,
    state: &minijinja::State<'_, '_>,
    value: &Value,
    name: &str,
    args: &[Value],
) -> std::result::Result<Value, minijinja::Error> {
    if let ("format", Some(text)) = (name, value.as_str()) {
        return format(text, args);
    }
    // Those that can make more than they are given.
    if let (Some(text), "replace", [from, to]) = (value.as_str(), name, args)
        && let (Some(from), Some(to)) = (from.as_str(), to.as_str())
    {
        return budget.replace(text, from, to).map(Value::from);
    }
    if let (Some(glue), "join", [list]) = (value.as_str(), name, args) {
        return budget.join(list, glue).map(Value::from);
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args)
}

/// `str.format` with `{}` and `{name}`, which is what templates use of it.
fn format(text: &str, args: &[Value]) -> std::result::Result<Value, minijinja::Error> {
    let bad = |what: &str| minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, format!("format: {what}"));
    let (positional, named): (&[Value], Kwargs) = minijinja::value::from_args(args)?;
    let mut out = String::new();
    let mut positional = positional.iter();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            out.push_str(brace);
            rest = after;
            continue;
        }
        let end = rest.find('}').filter(|_| brace == "{").ok_or_else(|| bad("a single brace"))?;
        let value = match &rest[..end] {
            "" => positional.next().cloned().ok_or_else(|| bad("too few arguments"))?,
            name => named.get::<Value>(name)?,
        };
        out.push_str(&value.to_string());
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Ok(out.into())
}

/// Jinja's `string`, which is Python's `str`: of a list or dictionary, what printing it gives.
fn string(state: &minijinja::State<'_, '_>, value: &Value) -> std::result::Result<Value, minijinja::Error> {
    match repr::of_container(value)? {
        Some(text) => Ok(text.into()),
        None => minijinja::filters::string(state, value),
    }
}

/// Jinja's `indent(width=4, first=False, blank=False)`, with a limit on the width.
fn indent(
    text: &str,
    width: Option<usize>,
    first: Option<bool>,
    blank: Option<bool>,
    options: Kwargs,
) -> std::result::Result<String, minijinja::Error> {
    const WIDTH_MAX: usize = 256;
    let width = width.or(options.get("width")?).unwrap_or(4);
    let first = first.or(options.get("first")?).unwrap_or(false);
    let blank = blank.or(options.get("blank")?).unwrap_or(false);
    options.assert_all_used()?;
    if width > WIDTH_MAX {
        let message = format!("indent: at most {WIDTH_MAX} spaces, not {width}");
        return Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, message));
    }
    let mut out = String::with_capacity(text.len());
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            out.push('\n');
        }
        if if at == 0 { first } else { blank || !line.is_empty() } {
            out.extend(std::iter::repeat_n(' ', width));
        }
        out.push_str(line);
    }
    Ok(out)
}

/// Bytes of the texts of a value, and of what stands around them.
fn bytes_of(value: &serde_json::Value) -> usize {
    16 + match value {
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Array(list) => list.iter().map(bytes_of).sum(),
        serde_json::Value::Object(map) => map.iter().map(|(key, value)| key.len() + bytes_of(value)).sum(),
        _ => 0,
    }
}

fn failed(error: minijinja::Error) -> Error {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    Error::new(ErrorKind::Template, message).during("rendering the chat template")
}
