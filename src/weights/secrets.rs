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
            let secrets = query(url).map(|query| pairs(query).1).unwrap_or_default();
            // The whole query first: its parts may be words that stand elsewhere too.
            let whole = query(url).filter(|_| !secrets.is_empty());
            for secret in whole.into_iter().chain(secrets).chain(credentials(url)) {
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

/// What of a query looks like a signature or a token, by its name.
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
/// What goes with a signature, and is another with each: of Amazon, Google, Alibaba and Tencent by how it begins, of Azure by its name.
const COMPANIONS: [&str; 5] = ["x-amz-", "x-goog-", "x-oss-", "q-", "googleaccessid"];
const OF_AZURE: [&str; 14] =
    ["sv", "ss", "srt", "sp", "se", "st", "spr", "sr", "sip", "si", "skoid", "sktid", "skt", "ske"];

/// The pairs of a query: those that may be told, and those that may not.
fn pairs(query: &str) -> (Vec<&str>, Vec<&str>) {
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
    let is_of_azure = query.split('&').any(|pair| name(pair) == "sig");
    query.split('&').partition(|pair| {
        let name = name(pair);
        let is_secret = SECRETS.iter().any(|secret| name.contains(secret));
        let is_beside = COMPANIONS.iter().any(|begin| name.starts_with(begin));
        !(is_secret || is_beside || (is_of_azure && OF_AZURE.contains(&&*name)))
    })
}

/// `url` without fragment, user name and password, and without what of its query looks like a signature or a token, so that no
/// secret is ever stored and a signed address names the same file tomorrow. What else the query says may say which file.
pub fn canonical_url(url: &str) -> String {
    let canonical = plain_url(url);
    let told = query(url).map(|query| pairs(query).0.join("&")).unwrap_or_default();
    if told.is_empty() { canonical } else { format!("{canonical}?{told}") }
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
            ("https://cdn.example.com/b?X-Amz-Signature=12&X-Amz-Date=7", "https://cdn.example.com/b"),
            ("https://example.com/dl?file=a.gguf&token=12", "https://example.com/dl?file=a.gguf"),
            ("https://example.com/dl?sv=1&file=a.gguf&se=2&sig=3", "https://example.com/dl?file=a.gguf"),
            ("https://example.com/dl?se=2", "https://example.com/dl?se=2"),
            ("https://example.com/b?Expires=12", "https://example.com/b"),
            ("https://example.com/b?access_token=12", "https://example.com/b"),
            ("https://example.com/b?v=1&client_secret=12", "https://example.com/b?v=1"),
            ("https://example.com/@scope/b", "https://example.com/@scope/b"),
            ("models/b.gguf?v=2", "models/b.gguf?v=2"),
        ] {
            assert_eq!(canonical_url(given), stored);
            assert_eq!(plain_url(given), stored.split('?').next().expect("a first part"));
        }
    }
}
