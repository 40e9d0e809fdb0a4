//! The grammar of HTTP heads (RFC 9112), as far as an opening handshake needs it.
//!
//! Tolerant where real old clients need it, strict in all that could smuggle: lines end in CR LF
//! and in nothing else, nothing stands between a field name and its colon, no line is folded.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while_m_n, take_while1};
use nom::character::complete::{char, satisfy};
use nom::combinator::{all_consuming, map_res, opt};
use nom::multi::{many0, many1, separated_list0};
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

/// One line of a head, without its line end.
pub(crate) type Line<'a> = &'a [u8];

/// `token` of RFC 9110 section 5.6.2.
pub(super) fn token(input: Line<'_>) -> IResult<Line<'_>, &str> {
    map_res(take_while1(is_tchar), std::str::from_utf8).parse(input)
}

/// `method SP request-target SP HTTP-version`; returns the three of them.
///
/// The target reaches to the last space of the line: WebKit of 2010 decodes `%20` and sends a raw
/// space there.
pub(crate) fn request_line(line: Line<'_>) -> Option<(&str, Line<'_>, Line<'_>)> {
    let (rest, method) =
        terminated(token, char::<_, nom::error::Error<_>>(' ')).parse(line).ok()?;
    let (target, version) = rest.split_at(rest.iter().rposition(|b| *b == b' ')?);
    let version = version.get(1..)?;
    (!target.is_empty() && is_version(version)).then_some((method, target, version))
}

/// `HTTP-version` of RFC 9112 section 2.3.
fn is_version(version: Line<'_>) -> bool {
    let digits = version.strip_prefix(b"HTTP/");
    matches!(digits, Some([major, b'.', minor]) if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// `HTTP-version SP status-code SP [reason-phrase]`; returns the status code and the reason.
pub(crate) fn status_line(line: Line<'_>) -> Option<(u16, Line<'_>)> {
    let digits = take_while_m_n(3, 3, |b: u8| b.is_ascii_digit());
    let status = map_res(map_res(digits, std::str::from_utf8), str::parse::<u16>);
    let version = alt((tag("HTTP/1.1 "), tag("HTTP/1.0 ")));
    // Some servers leave out the space when they have no reason to give.
    let reason = opt(preceded(char::<_, nom::error::Error<_>>(' '), take_while(|_| true)));
    let (rest, (status, reason)) = preceded(version, (status, reason)).parse(line).ok()?;
    (rest.is_empty() && status >= 100).then_some((status, reason.unwrap_or_default()))
}

/// `field-name ":" OWS field-value OWS`; returns the name and the trimmed value.
///
/// Runs of spaces inside the value are kept: Hixie-76 counts them.
pub(crate) fn field_line(line: Line<'_>) -> Option<(&str, Line<'_>)> {
    let (value, name) = terminated(token, char::<_, nom::error::Error<_>>(':')).parse(line).ok()?;
    Some((name, trim_blank(value)))
}

/// Strips optional white space, which is spaces and tabs and nothing else (RFC 9110 section 5.6.3).
fn trim_blank(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// A comma-separated list of tokens, empty elements ignored (RFC 9110 section 5.6.1.2).
/// `None` when an element is not a token.
pub fn token_list(value: &[u8]) -> Option<Vec<&str>> {
    let element = delimited(blank, opt(token), blank);
    let (_, elements) = all_consuming(separated_list0(char(','), element)).parse(value).ok()?;
    Some(elements.into_iter().flatten().collect())
}

/// An element of `Sec-WebSocket-Extensions`: a name, and parameters with their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Its name.
    pub name: &'a str,
    /// The names of its parameters, and their values, without quotes.
    pub parameters: Vec<(&'a str, Option<String>)>,
}

/// `extension-list` of RFC 6455 section 9.1, empty elements ignored; `None` when it is something else.
pub fn extension_list(value: &[u8]) -> Option<Vec<Extension<'_>>> {
    let parameter = (token, opt(preceded(char('='), alt((plain_value, quoted_value)))));
    let semicolon = || delimited(blank, char(';'), blank);
    let extension = (token, many0(preceded(semicolon(), parameter)))
        .map(|(name, parameters)| Extension { name, parameters });
    let element = delimited(blank, opt(extension), blank);
    let (_, elements) = all_consuming(separated_list0(char(','), element)).parse(value).ok()?;
    Some(elements.into_iter().flatten().collect())
}

fn plain_value(input: Line<'_>) -> IResult<Line<'_>, String> {
    token.map(str::to_owned).parse(input)
}

/// "When using the quoted-string syntax variant, the value after quoted-string unescaping MUST conform
/// to the 'token' ABNF" (RFC 6455 section 9.1).
fn quoted_value(input: Line<'_>) -> IResult<Line<'_>, String> {
    let character = preceded(opt(char('\\')), satisfy(|c| u8::try_from(c).is_ok_and(is_tchar)));
    delimited(char('"'), many1(character), char('"'))
        .map(|characters| characters.into_iter().collect())
        .parse(input)
}

/// Optional white space.
fn blank(input: Line<'_>) -> IResult<Line<'_>, Line<'_>> {
    take_while(|b| matches!(b, b' ' | b'\t')).parse(input)
}

/// Whether `value` is one `token`.
pub fn is_token(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().copied().all(is_tchar)
}

/// `tchar` of RFC 9110 section 5.6.2.
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_may_hold_raw_spaces() {
        let line = b"GET /a b?q=%C3%A9 HTTP/1.1";
        let expected = ("GET", &b"/a b?q=%C3%A9"[..], &b"HTTP/1.1"[..]);
        assert_eq!(request_line(line), Some(expected));
        assert_eq!(request_line(b"GET / HTTP/1.10"), None);
        assert_eq!(request_line(b"GET / http/1.1"), None);
        assert_eq!(request_line(b"GET  HTTP/1.1"), None);
        assert_eq!(request_line(b" GET / HTTP/1.1"), None);
    }

    #[test]
    fn a_status_line_may_lack_its_reason() {
        assert_eq!(status_line(b"HTTP/1.1 101"), Some((101, &b""[..])));
        assert_eq!(
            status_line(b"HTTP/1.1 101 Web Socket Protocol Handshake"),
            Some((101, &b"Web Socket Protocol Handshake"[..]))
        );
        for bad in ["HTTP/1.1 1011", "HTTP/2 200 OK", "HTTP/1.1 +10 x", "HTTP/1.1 099 x"] {
            assert_eq!(status_line(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_field_keeps_its_inner_spaces() {
        assert_eq!(field_line(b"Key:  a   b "), Some(("Key", &b"a   b"[..])));
        assert_eq!(field_line(b"Key : a"), None);
        assert_eq!(field_line(b": a"), None);
        assert_eq!(field_line(b" folded: a"), None);
    }

    #[test]
    fn a_list_ignores_its_empty_elements() {
        assert_eq!(token_list(b"keep-alive, Upgrade"), Some(vec!["keep-alive", "Upgrade"]));
        assert_eq!(token_list(b" ,a,, b ,"), Some(vec!["a", "b"]));
        assert_eq!(token_list(b""), Some(vec![]));
        assert_eq!(token_list(b"a b"), None);
    }

    #[test]
    fn extensions_have_parameters() {
        let parameter = |name, value: Option<&str>| (name, value.map(str::to_owned));
        let list = extension_list(b" a , b;c ; d=1; e=\"2\\3\",, ").unwrap();
        let expected = [
            Extension { name: "a", parameters: vec![] },
            Extension {
                name: "b",
                parameters: vec![
                    parameter("c", None),
                    parameter("d", Some("1")),
                    parameter("e", Some("23")),
                ],
            },
        ];
        assert_eq!(list, expected);
        assert_eq!(extension_list(b""), Some(vec![]));
        for bad in
            ["a;", "a b", "a;b=", "a;b=\"\"", "a;b=\"1", "a;b=\"1 2\"", "a;b =1", ";b", "a;b=1;;c"]
        {
            assert_eq!(extension_list(bad.as_bytes()), None, "{bad}");
        }
    }
}
