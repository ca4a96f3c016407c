//! Bounds of numbers.
//!
//! JavaScript reads a number into a double. A text of digits that is valid as it stands may not be as it is read: `1e999` becomes
//! infinity, `0.99999999999999999` becomes 1. So each number gets bounds within which doubles are exact, and bounds that exclude a
//! value become bounds that include its neighbour.

use serde_json::{Map, Value};

use super::bad;
use crate::error::Result;

/// The largest whole number up to which doubles have all of them.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;
/// Digits after the point at most, in bounds: llguidance compares them as 64-bit numbers.
const MAX_DIGITS: usize = 17;
/// What is added to a bound to be beyond it, where doubles are closer together than that.
const STEP: f64 = 1e-15;
/// Digits after the point that a divisor may have.
const MAX_DIVISOR_DIGITS: u32 = 6;

/// Rewrites the bounds of a schema, and notes what it divides by.
pub fn rewrite(schema: &mut Map<String, Value>, multiples: &mut Multiples) -> Result<()> {
    if let Some(value) = schema.get("multipleOf").and_then(Value::as_f64) {
        multiples.add(value)?;
    }
    let types = schema.get("type");
    let is = |name: &str| {
        types.is_some_and(|types| {
            types == name || types.as_array().is_some_and(|list| list.iter().any(|one| one == name))
        })
    };
    let bounds = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];
    let has_bounds = bounds.iter().any(|name| schema.contains_key(*name));
    // Constants are what they are.
    let is_constant = schema.contains_key("const") || schema.contains_key("enum");
    if !has_bounds && (is_constant || !(is("number") || is("integer"))) {
        return Ok(());
    }
    bound(schema, "minimum", "exclusiveMinimum", -1.0)?;
    bound(schema, "maximum", "exclusiveMaximum", 1.0)
}

/// One side's bounds: `sign` is that of the way out.
fn bound(schema: &mut Map<String, Value>, including: &str, excluding: &str, sign: f64) -> Result<()> {
    let number = |schema: &Map<String, Value>, name: &str| schema.get(name).and_then(Value::as_f64);
    let mut outer = number(schema, including);
    if let Some(excluded) = number(schema, excluding) {
        let neighbour = neighbour(excluded, sign);
        schema.remove(excluding);
        outer =
            Some(outer.map_or(neighbour, |outer| if sign > 0.0 { outer.min(neighbour) } else { outer.max(neighbour) }));
    }
    if let Some(value) = outer {
        if value * sign < -MAX_SAFE {
            return Err(bad(format!("{including} leaves only numbers that are too large for JavaScript: {value}")));
        }
        if digits(value) > MAX_DIGITS {
            return Err(bad(format!("{including} has too many digits: {value}")));
        }
    }
    let value = outer.map_or(MAX_SAFE * sign, |value| (value * sign).min(MAX_SAFE) * sign);
    schema.insert(including.to_owned(), value.into());
    Ok(())
}

/// The last number within a bound that is itself outside: the next double, or a number of fewer digits where that has hundreds.
fn neighbour(excluded: f64, sign: f64) -> f64 {
    let next = if sign > 0.0 { excluded.next_down() } else { excluded.next_up() };
    if digits(next) <= MAX_DIGITS {
        return next;
    }
    let near = format!("{:.*}", MAX_DIGITS - 2, excluded - sign * STEP);
    near.parse().unwrap_or(next)
}

/// Digits after the point, as the number is written in full.
fn digits(value: f64) -> usize {
    format!("{value}").split_once('.').map_or(0, |(_, digits)| digits.len())
}

/// All values of `multipleOf`. Where two schemas meet, their least common multiple is formed in 32 bits, unchecked.
#[derive(Default)]
pub struct Multiples(Vec<f64>);

impl Multiples {
    fn add(&mut self, value: f64) -> Result<()> {
        let scaled = value * 10f64.powi(MAX_DIVISOR_DIGITS as i32);
        let is_exact = digits(value) <= MAX_DIVISOR_DIGITS as usize && scaled <= f64::from(u32::MAX);
        if !is_exact {
            return Err(bad(format!(
                "multipleOf is implemented for up to {MAX_DIVISOR_DIGITS} digits after the point, and 4000 at most: {value}"
            )));
        }
        if !self.0.contains(&value) {
            self.0.push(value);
        }
        Ok(())
    }

    /// Refuses values that could not be multiplied.
    pub fn check(&self) -> Result<()> {
        let scale = 10f64.powi(self.0.iter().map(|value| digits(*value)).max().unwrap_or(0) as i32);
        let product: f64 = self.0.iter().map(|value| value * scale).product();
        if product > f64::from(u32::MAX) {
            return Err(bad("the schema has too many different values of multipleOf"));
        }
        Ok(())
    }
}
