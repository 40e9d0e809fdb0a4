//! Takes secrets out of what is recorded, exported or shown: the values of cookies, of fields and
//! parameters that are named like a secret, subprotocols that hold one, and users of URLs.

use super::Sink;
use crate::transcript::account::Account;
use crate::transcript::event::{Accept, Event, Header, Open, What};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::borrow::Cow;
use std::io;

/// The words in the name of a parameter that make its value a secret.
const SECRET: [&str; 10] =
    ["token", "key", "secret", "sig", "signature", "auth", "authorization", "bearer", "jwt", "pwd"];

/// How many characters a subprotocol may have; a longer one holds a token rather than a name.
const LONGEST_SUBPROTOCOL: usize = 40;

/// How passwords are sent, which is no secret. Any other first word may be the password itself.
const SCHEMES: [&str; 5] = ["Basic", "Bearer", "Digest", "Negotiate", "NTLM"];

/// Fields that hold a URL, which may hold the query of the request once more.
const URLS: [&str; 4] = ["Referer", "Location", "Sec-WebSocket-Location", "WebSocket-Location"];

/// What stands in the place of a secret.
#[derive(Debug, Clone, Default)]
pub enum Stand {
    /// The same for all: `•••`.
    #[default]
    Dots,
    /// The same for equal secrets. Without the key nothing leads back to them.
    Pseudonym(Key),
}

/// A key that lives as long as one recording is written.
#[derive(Clone)]
pub struct Key([u8; 64]);

impl Key {
    /// A key by chance.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// What stands in the place of a secret, and is the same for equal ones.
    pub fn pseudonym(&self, secret: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new(&self.0.into());
        mac.update(secret);
        let [a, b, c, d, ..] = <[u8; 32]>::from(mac.finalize().into_bytes());
        format!("‹r:{:08x}›", u32::from_be_bytes([a, b, c, d]))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

/// A sink before another one.
#[derive(Debug)]
pub struct Redact<S> {
    stand: Stand,
    sink: S,
}

impl<S: Sink> Redact<S> {
    /// Passes on to `sink` all but the secrets.
    pub const fn new(stand: Stand, sink: S) -> Self {
        Self { stand, sink }
    }

    /// What it passes on to.
    pub fn into_inner(self) -> S {
        self.sink
    }
}

impl<S: Sink> Sink for Redact<S> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.sink.begin(header)
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        self.sink.take(&self.stand.redacted(event))
    }

    fn end(&mut self, account: &Account) -> io::Result<()> {
        self.sink.end(account)
    }
}

impl Stand {
    /// An event without its secrets.
    pub fn redacted<'e>(&self, event: &'e Event) -> Cow<'e, Event> {
        let what = match &event.what {
            What::Open(open) => What::Open(Open {
                target: self.url(&open.target),
                fields: self.fields(&open.fields),
                client: open.client.clone(),
                server: open.server.clone(),
                dialect: open.dialect,
            }),
            What::Accept(accept) => {
                What::Accept(Accept { status: accept.status, fields: self.fields(&accept.fields) })
            }
            _ => return Cow::Borrowed(event),
        };
        Cow::Owned(Event { what, ..*event })
    }

    fn fields(&self, fields: &[(String, String)]) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| (name.clone(), self.field(name, value))).collect()
    }

    fn field(&self, name: &str, value: &str) -> String {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("Cookie") {
            let cookies: Vec<_> = value.split(';').map(|cookie| self.cookie(cookie)).collect();
            cookies.join(";")
        } else if is("Set-Cookie") {
            // What follows the cookie is how long and where it holds (RFC 6265 section 4.1.1).
            let end = value.find(';').unwrap_or(value.len());
            let (cookie, attributes) = value.split_at(end);
            self.cookie(cookie) + attributes
        } else if is("Sec-WebSocket-Protocol") || is("WebSocket-Protocol") {
            self.subprotocols(value)
        } else if is_secret(name) && !name.to_ascii_lowercase().starts_with("sec-websocket-") {
            match value.trim().split_once(' ') {
                Some((scheme, secret))
                    if SCHEMES.iter().any(|s| scheme.eq_ignore_ascii_case(s)) =>
                {
                    format!("{scheme} {}", self.secret(secret.trim()))
                }
                _ => self.secret(value.trim()),
            }
        } else if URLS.iter().any(|url| is(url)) {
            self.url(value)
        } else {
            value.to_owned()
        }
    }

    /// Keeps the name, so that a cookie is seen to be the one that was set.
    fn cookie(&self, cookie: &str) -> String {
        match cookie.split_once('=') {
            Some((name, value)) => format!("{name}={}", self.secret(value.trim())),
            None if cookie.trim().is_empty() => cookie.to_owned(),
            None => self.secret(cookie.trim()),
        }
    }

    /// Browsers can send a token in no other field, and so it is sent in this one.
    fn subprotocols(&self, value: &str) -> String {
        let mut follows_name = false;
        let shown = value.split(',').map(|element| {
            let name = element.trim();
            if name.is_empty() {
                return element.to_owned();
            }
            let last = name.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            let is_name = is_secret(last);
            let hides = follows_name
                || name.chars().count() > LONGEST_SUBPROTOCOL
                || !is_name && is_secret(name);
            follows_name = is_name;
            match hides {
                true => element.replace(name, &self.secret(name)),
                false => element.to_owned(),
            }
        });
        shown.collect::<Vec<_>>().join(",")
    }

    fn url(&self, url: &str) -> String {
        let (path, rest) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
        let mut shown = self.user(path);
        // A fragment may have parameters as a query has, and a query may hold another URL.
        for part in rest.split_inclusive(['&', ';', '#']) {
            let pair = part.strip_suffix(['&', ';', '#']).unwrap_or(part);
            let mut left = pair;
            while let Some((name, value)) = left.split_once('=') {
                if is_secret(name) {
                    shown.extend([name, "=", &self.secret(value)]);
                    left = "";
                } else {
                    let end = value.find('?').unwrap_or(value.len());
                    let (value, inner) = value.split_at(end);
                    shown.extend([name, "=", value]);
                    left = inner;
                    if inner.is_empty() {
                        break;
                    }
                }
            }
            shown.extend([left, part.get(pair.len()..).unwrap_or_default()]);
        }
        shown
    }

    /// The begin of a URL without its user, who may be a password (RFC 3986 section 3.2.1).
    fn user(&self, url: &str) -> String {
        let Some((scheme, rest)) = url.split_once("//") else { return url.to_owned() };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        match authority.rsplit_once('@') {
            Some((user, host)) if scheme.is_empty() || scheme.ends_with(':') => {
                format!("{scheme}//{}@{host}{path}", self.secret(user))
            }
            _ => url.to_owned(),
        }
    }

    fn secret(&self, secret: &str) -> String {
        match self {
            Self::Dots => "•••".to_owned(),
            Self::Pseudonym(_) if is_pseudonym(secret) => secret.to_owned(),
            Self::Pseudonym(key) => key.pseudonym(secret.as_bytes()),
        }
    }
}

/// Whether a parameter is named like a secret: `token`, `api_key`, `accessToken`, `passphrase`,
/// `authtoken`; but not `author` or `design`.
fn is_secret(name: &str) -> bool {
    let name = decoded(name);
    let mut words = String::new();
    for c in name.chars() {
        match c {
            'A'..='Z' => words.extend([' ', c.to_ascii_lowercase()]),
            c if c.is_alphanumeric() => words.push(c),
            _ => words.push(' '),
        }
    }
    let lower = name.to_ascii_lowercase();
    // Of `API_KEY` the words are those without its capitals.
    let plain = lower.split(|c: char| !c.is_alphanumeric());
    words.split(' ').chain(plain).any(|word| word.starts_with("pass") || SECRET.contains(&word))
        || ["token", "key", "secret"].iter().any(|end| lower.ends_with(end))
}

/// Whether it is what stands in the place of a secret already.
fn is_pseudonym(text: &str) -> bool {
    let inside = text.strip_prefix("‹r:").and_then(|text| text.strip_suffix('›'));
    inside.is_some_and(|hex| hex.len() == 8 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A name without its percent-encoding, behind which nothing may hide.
fn decoded(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| str::from_utf8(hex).ok());
        let byte = hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = after.get(if byte.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 section 4.3: a shorter key is filled with zeros (RFC 2104 section 2).
    #[test]
    fn a_pseudonym_is_an_hmac() {
        let mut key = [0; 64];
        key[..4].copy_from_slice(b"Jefe");
        let stand = Stand::Pseudonym(Key(key));
        assert_eq!(stand.secret("what do ya want for nothing?"), "‹r:5bdcc146›");
    }

    #[test]
    fn names_of_secrets() {
        for name in [
            "token",
            "KEY",
            "api_key",
            "apiKey",
            "apikey",
            "access-token",
            "authtoken",
            "pass",
            "pwd_pass",
            "password",
            "userPassword",
            "sig",
            "X-Amz-Signature",
            "auth",
            "%74oken",
            "client.secret",
            "USER_PASSWORD",
            "DB_PASS",
            "API_KEY_ID",
            "X-AMZ-SIGNATURE",
            "pwd",
            "id_jwt",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["author", "design", "signal", "keyboard", "user", "compass", "", "%", "%zz"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn only_secrets_of_a_url() {
        let stand = Stand::Dots;
        assert_eq!(stand.url("/a?b=c;token=1&key&sig=a=b&d"), "/a?b=c;token=•••&key&sig=•••&d");
        for (url, due) in [
            ("/token=1", "/token=1"),
            ("/cb#access_token=abc&a=b", "/cb#access_token=•••&a=b"),
            ("/cb?x=1#access_token=abc", "/cb?x=1#access_token=•••"),
            ("/cb?to=http://h/?token=abc&x", "/cb?to=http://h/?token=•••&x"),
            ("/a?b=c?", "/a?b=c?"),
            ("/a?token=b?c=d", "/a?token=•••"),
            ("https://user:pw@host/a@b", "https://•••@host/a@b"),
            ("//user@host?a", "//•••@host?a"),
            ("/a@b", "/a@b"),
        ] {
            assert_eq!(stand.url(url), due);
        }
    }

    #[test]
    fn only_secrets_of_fields() {
        let long = format!("a.{}", "b".repeat(40));
        for (name, value, due) in [
            ("X-Api-Key", "abc", "•••"),
            ("X-Auth-Token", "Bearer abc", "Bearer •••"),
            ("X-Amz-Security-Token", "abc", "•••"),
            ("Sec-WebSocket-Key", "abc", "abc"),
            ("Sec-WebSocket-Protocol", "chat, superchat", "chat, superchat"),
            ("sec-websocket-protocol", "access_token, abc,chat", "access_token, •••,chat"),
            ("Sec-WebSocket-Protocol", "jwt, ,abc", "jwt, ,•••"),
            ("WebSocket-Protocol", "chat,bearer.abc", "chat,•••"),
            ("Sec-WebSocket-Protocol", &*long, "•••"),
        ] {
            assert_eq!(Stand::Dots.field(name, value), due, "{name}");
        }
    }

    #[test]
    fn a_pseudonym_stays() {
        let stand = Stand::Pseudonym(Key::random());
        assert_eq!(stand.secret("‹r:0123abcd›"), "‹r:0123abcd›");
        assert_ne!(stand.secret("‹r:0123abc›"), "‹r:0123abc›");
    }
}
