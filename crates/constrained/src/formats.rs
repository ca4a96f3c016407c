//! Formats of strings, as patterns.
//!
//! llguidance knows more texts of some formats than validators take: the 29th of February of any year, leap seconds at any time, mail
//! addresses without a dot, a scheme without anything after it. Those are stated here as strictly as validators read them. The others are llguidance's.

/// A format that llguidance states as validators do.
const AS_THEY_ARE: [&str; 4] = ["duration", "ipv4", "ipv6", "uuid"];

const DATE: &str = concat!(
    "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))",
    // Leap years.
    "|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)",
);
const TIME: &str =
    "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])";
const LABEL: &str = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,28}[a-zA-Z0-9])?";
/// A character of a path (RFC 3986, `pchar`).
const PATH: &str = "(?:[a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9a-fA-F]{2})";
const HOST: &str = "[a-zA-Z0-9._~-]+(?::[0-9]{1,5})?";
const LOCAL_PART: &str = "[a-zA-Z0-9!#$%&'*+/=?\\^_`{|}~-]+(?:\\.[a-zA-Z0-9!#$%&'*+/=?\\^_`{|}~-]+)*";

/// What a format is for llguidance.
pub enum Format {
    /// It knows it by its name.
    Known,
    /// This pattern, which matches whole texts.
    Pattern(String),
}

/// The names of all formats, for messages.
pub const NAMES: &str = "date, date-time, duration, email, hostname, ipv4, ipv6, time, uri, uuid";

/// The format of this name.
pub fn format(name: &str) -> Option<Format> {
    let pattern = match name {
        _ if AS_THEY_ARE.contains(&name) => return Some(Format::Known),
        "date" => DATE.to_owned(),
        "time" => TIME.to_owned(),
        "date-time" => format!("{DATE}T{TIME}"),
        "email" => format!("{LOCAL_PART}@{LABEL}(?:\\.{LABEL}){{1,4}}"),
        // 253 characters at most, as eight labels of 30 have.
        "hostname" => format!("{LABEL}(?:\\.{LABEL}){{0,7}}"),
        "uri" => format!(
            "[a-zA-Z][a-zA-Z0-9+.-]*:(?://{HOST}(?:/{PATH}*)*|/?{PATH}+(?:/{PATH}*)*)(?:\\?(?:{PATH}|[/?])*)?(?:#(?:{PATH}|[/?])*)?"
        ),
        _ => return None,
    };
    Some(Format::Pattern(format!("^(?:{pattern})$")))
}
