//! What a caller gives to come to a file: addresses, which may be signed, and headers, which may carry a token. None of it is stored,
//! shown or told: what leaves this file are addresses without secrets, and texts without what the caller gave.

use std::fmt;

/// Where a model's files are, and what is said to the server.
pub struct Origin {
    urls: Vec<String>,
    headers: Vec<(String, String)>,
}

impl Origin {
    /// The files at `urls`, asked for with `headers`.
    pub fn new(urls: Vec<String>, headers: Vec<(String, String)>) -> Self {
        Self { urls, headers }
    }

    /// How many files there are.
    pub fn n_files(&self) -> usize {
        self.urls.len()
    }

    /// The address of a file, secrets and all: for the request, and nothing else.
    pub fn secret_url(&self, file: usize) -> Option<&str> {
        self.urls.get(file).map(String::as_str)
    }

    /// The headers, secrets and all: for the request, and nothing else.
    pub fn secret_headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The address of a file without secrets; empty where there is no such file.
    pub fn url(&self, file: usize) -> String {
        self.secret_url(file).map(canonical_url).unwrap_or_default()
    }

    /// What somebody else says of a request (an exception of the browser, which may quote it), without what must not be told.
    pub fn redacted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for url in &self.urls {
            let shown = canonical_url(url);
            // A browser may quote it as it was given, or as it reads it.
            for given in [url.as_str(), url.split('#').next().unwrap_or_default()] {
                text = text.replace(given, &shown);
            }
            let secrets = [query(url).filter(|_| query(&shown).is_none()), credentials(url)];
            for secret in secrets.into_iter().flatten() {
                text = text.replace(secret, HIDDEN);
            }
        }
        for (_, value) in &self.headers {
            // With its scheme (`Bearer`) or without.
            for secret in [value.as_str(), value.split_once(' ').map_or("", |(_, secret)| secret)] {
                if !secret.is_empty() {
                    text = text.replace(secret, HIDDEN);
                }
            }
        }
        text
    }
}

/// Addresses without secrets, and the names of headers.
impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<String> = self.urls.iter().map(|url| canonical_url(url)).collect();
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Origin").field("urls", &urls).field("headers", &headers).finish()
    }
}

/// What stands in the place of a secret.
const HIDDEN: &str = "…";

/// What follows the question mark.
fn query(url: &str) -> Option<&str> {
    url.split('#').next()?.split_once('?').map(|(_, query)| query)
}

/// The user name and password of an address.
fn credentials(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    host.rsplit_once('@').map(|(credentials, _)| credentials)
}

/// `url` without fragment, user name and password, and without its query where that looks like a signature or a token,
/// so that no secret is ever stored and a signed address names the same file tomorrow.
pub fn canonical_url(url: &str) -> String {
    const SECRETS: [&str; 13] = [
        "token",
        "sig",
        "key",
        "expires",
        "credential",
        "policy",
        "auth",
        "secret",
        "passw",
        "pwd",
        "jwt",
        "session",
        "hmac",
    ];
    let canonical = plain_url(url);
    let secret = |query: &str| {
        query.split('&').any(|pair| {
            let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
            SECRETS.iter().any(|secret| name.contains(secret))
        })
    };
    match query(url) {
        Some(query) if !secret(query) => format!("{canonical}?{query}"),
        _ => canonical,
    }
}

/// `url` without fragment, query, user name and password: what a model is called where nobody names it.
pub fn plain_url(url: &str) -> String {
    let address = url.split(['?', '#']).next().unwrap_or_default();
    match address.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{canonical_url, plain_url};

    #[test]
    fn secrets_leave_the_address() {
        for (given, stored) in [
            ("https://example.com/a/b.gguf", "https://example.com/a/b.gguf"),
            ("https://me:pass@example.com/b.gguf#x", "https://example.com/b.gguf"),
            ("https://example.com/b.gguf?download=true", "https://example.com/b.gguf?download=true"),
            ("https://cdn.example.com/b?X-Amz-Signature=12&a=1", "https://cdn.example.com/b"),
            ("https://example.com/b?Expires=12", "https://example.com/b"),
            ("https://example.com/b?access_token=12", "https://example.com/b"),
            ("https://example.com/b?v=1&client_secret=12", "https://example.com/b"),
            ("https://example.com/@scope/b", "https://example.com/@scope/b"),
            ("models/b.gguf?v=2", "models/b.gguf?v=2"),
        ] {
            assert_eq!(canonical_url(given), stored);
            assert_eq!(plain_url(given), stored.split('?').next().expect("a first part"));
        }
    }
}
