//! What the proxy itself answers: refusals, fixed responses and redirects.

use super::pages::Pages;
use crate::config::route::{Redirect, Respond};
use crate::dialect::Dialect;
use crate::handshake::{Field, Refusal, write_field};
use bytes::Bytes;
use hyper::StatusCode;

/// A whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The fields beside those of the body and of the connection.
    pub(crate) fields: Vec<Field>,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

impl Reply {
    /// A refusal with `text` for a person, or else with what the status says by itself; where the
    /// route has a page for the status, with that instead.
    pub(crate) fn refusal(
        status: u16,
        fields: Vec<Field>,
        text: Option<String>,
        pages: Option<&Pages>,
    ) -> Self {
        if let Some(page) = pages.and_then(|pages| pages.of(status)) {
            let (content_type, body) = (page.content_type.to_owned(), page.body.clone());
            return Self { status, fields, content_type, body };
        }
        let text = text.unwrap_or_else(|| reason_phrase(status).to_owned());
        Self { status, fields, content_type: Respond::plain_text(), body: (text + "\n").into() }
    }

    /// The response that the settings of a route have.
    pub(crate) fn fixed(respond: &Respond) -> Self {
        Self {
            status: respond.status,
            fields: Vec::new(),
            content_type: respond.content_type.clone(),
            body: respond.body.clone().into(),
        }
    }

    /// The redirect that the settings of a route have.
    ///
    /// # Errors
    /// When it needs the host that was asked for, and none was.
    pub(crate) fn redirect(
        redirect: &Redirect,
        host: &[u8],
        target: &[u8],
    ) -> Result<Self, Refusal> {
        let location = location(&redirect.to, host, target)?;
        let text = reason_phrase(redirect.status).to_owned();
        let fields = vec![("Location".to_owned(), location.into_bytes())];
        Ok(Self::refusal(redirect.status, fields, Some(text), None))
    }

    /// What goes with 426 (RFC 9110 section 15.5.22 and RFC 6455 section 4.4).
    pub(crate) fn offering(mut self, accepted: &[Dialect]) -> Self {
        if self.status == 426 {
            self.fields.push(("Upgrade".to_owned(), b"websocket".to_vec()));
            let versions: Vec<_> =
                accepted.iter().filter_map(|dialect| dialect.version()).collect();
            if !versions.is_empty() {
                let versions = versions.join(", ").into_bytes();
                self.fields.push(("Sec-WebSocket-Version".to_owned(), versions));
            }
        }
        self
    }

    /// Writes it as the last of its connection.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let status = self.status;
        let line = format!("HTTP/1.1 {status} {}\r\n", reason_phrase(status));
        out.extend_from_slice(line.as_bytes());
        // RFC 9110 section 7.8: who sends Upgrade names it in Connection.
        let upgrade = self.fields.iter().any(|(name, _)| name == "Upgrade");
        write_field("Connection", if upgrade { b"Upgrade, close" } else { b"close" }, out);
        for (name, value) in &self.fields {
            write_field(name, value, out);
        }
        if may_have_body(status) {
            write_field("Content-Type", self.content_type.as_bytes(), out);
            write_field("Content-Length", self.body.len().to_string().as_bytes(), out);
        }
        out.extend_from_slice(b"\r\n");
        if may_have_body(status) {
            out.extend_from_slice(&self.body);
        }
    }
}

/// RFC 9110 sections 15.3.5 and 15.4.5: these end with their head.
pub(crate) const fn may_have_body(status: u16) -> bool {
    !matches!(status, 204 | 304)
}

/// The usual phrase; a status that has none, which is a backend's, goes without.
fn reason_phrase(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("")
}

/// Puts the host, without its port, and the target in their places.
fn location(to: &str, host: &[u8], target: &[u8]) -> Result<String, Refusal> {
    let mut location = String::with_capacity(to.len() + host.len() + target.len());
    let mut rest = to;
    while let Some((before, behind)) = rest.split_once('{') {
        location.push_str(before);
        rest = if let Some(behind) = behind.strip_prefix("host}") {
            let name = without_port(host);
            if name.is_empty() {
                return Err(Refusal::Host);
            }
            location.extend(name.iter().copied().map(char::from));
            behind
        } else if let Some(behind) = behind.strip_prefix("target}") {
            write_target(target, location.is_empty(), &mut location);
            behind
        } else {
            location.push('{');
            behind
        };
    }
    location.push_str(rest);
    Ok(location)
}

fn without_port(host: &[u8]) -> &[u8] {
    let from = host.iter().position(|b| *b == b']').unwrap_or(0);
    let port = host.iter().skip(from).position(|b| *b == b':').map(|at| from + at);
    host.get(..port.unwrap_or(host.len())).unwrap_or_default()
}

/// Appends a target as a URI can hold it (RFC 3986 section 2), whatever the client put into it. At
/// the start of a location it names no host, though it may begin with `//`.
fn write_target(target: &[u8], at_start: bool, out: &mut String) {
    // `*` is the target of `OPTIONS` and no path.
    let target = if target == b"*" { b"/" } else { target };
    let slashes = target.iter().take_while(|b| **b == b'/').count();
    let skipped = if at_start { slashes.saturating_sub(1) } else { 0 };
    for byte in target.iter().skip(skipped) {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_says_what_was_asked_for() {
        let to = |to: &str, host: &str, target: &str| {
            location(to, host.as_bytes(), target.as_bytes()).unwrap()
        };
        assert_eq!(
            to("https://{host}{target}", "a.example:80", "/b?c=d%20e"),
            "https://a.example/b?c=d%20e"
        );
        assert_eq!(to("https://{host}:8443/", "[::1]:80", "/b"), "https://[::1]:8443/");
        assert_eq!(to("/new{target}?x={y}", "", "/b"), "/new/b?x={y}");
        assert_eq!(to("https://{host}{target}", "a", "*"), "https://a/");
        assert_eq!(location("https://{host}/", b"", b"/"), Err(Refusal::Host));
    }

    #[test]
    fn a_target_splits_nothing_and_leads_nowhere_else() {
        let to = |to: &str, target: &[u8]| location(to, b"a", target).unwrap();
        assert_eq!(to("{target}", b"//evil.example/a"), "/evil.example/a");
        assert_eq!(to("{target}", b"/\\evil.example"), "/%5Cevil.example");
        assert_eq!(
            to("http://b{target}", b"/a b\r\nX: y\x7f\xff"),
            "http://b/a%20b%0D%0AX:%20y%7F%FF"
        );
        assert_eq!(to("http://b{target}", b"/{host}"), "http://b/%7Bhost%7D");
    }
}
