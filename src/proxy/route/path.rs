//! The path of a target in the one form that routes are matched on: no spelling of a path leads
//! around a route, nor around its guard. The backend is sent the target as it came.

use std::ops::Range;

/// What is wrong with a target. Each of these means one thing to one server and another to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadTarget {
    /// The asterisk, an authority, or an empty one (RFC 9112 section 3.2).
    #[error("target is no path")]
    Form,
    /// Some servers end a path there.
    #[error("NUL in the path")]
    Nul,
    /// Some servers take it for a slash.
    #[error("backslash in the path")]
    Backslash,
    /// "a fragment identifier ... is never sent" (RFC 3986 section 3.5); some servers end a path there.
    #[error("fragment in the target")]
    Fragment,
    #[error("path climbs above the root")]
    AboveRoot,
    /// `..;` and `..%2F`, which only some servers take for `..`, and `//..`, which climbs from the
    /// empty segment or from the one before it.
    #[error("ambiguous dot segment in the path")]
    Ambiguous,
}

/// A path in its normal form, which is printable ASCII: escapes are decoded but for those of `/`,
/// `?`, `#`, `%`, of control characters and of what is not ASCII, which stay in capitals; dot segments
/// are resolved (RFC 3986 section 5.2.4), doubled slashes are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path<'a> {
    normal: Vec<u8>,
    /// How each byte of it was sent. Where it has an escape of three bytes, the first has all of what
    /// was sent and the others nothing.
    sent: Vec<&'a [u8]>,
    /// The question mark and what follows it.
    query: &'a [u8],
}

impl<'a> Path<'a> {
    /// Reads a target in origin form, or in asterisk form.
    ///
    /// # Errors
    /// With what no route may see.
    pub(crate) fn read(target: &'a [u8]) -> Result<Self, BadTarget> {
        let end = target.iter().position(|b| *b == b'?').unwrap_or(target.len());
        let (path, query) = target.split_at(end);
        // "OPTIONS *" asks of the server and not of a place in it (RFC 9112 section 3.2.4).
        if target == b"*" {
            return Ok(Self { normal: target.to_owned(), sent: vec![target], query });
        }
        let segments = path.strip_prefix(b"/").ok_or(BadTarget::Form)?;
        let (normal, sent) = (Vec::with_capacity(end), Vec::with_capacity(end));
        let mut whole = Self { normal, sent, query };
        // Where each segment begins that counts so far; an empty one counts but has no place.
        let mut starts = Vec::new();
        let mut folder = false;
        for segment in segments.split(|b| *b == b'/') {
            let start = whole.normal.len();
            whole.push(b"/", b"/");
            whole.push_segment(segment)?;
            let name = whole.normal.get(start + 1..).unwrap_or_default();
            folder = matches!(name, b"" | b"." | b"..");
            let kept = match name {
                b"." => start,
                b".." => match starts.pop() {
                    Some(Some(parent)) => parent,
                    Some(None) => return Err(BadTarget::Ambiguous),
                    None => return Err(BadTarget::AboveRoot),
                },
                b"" => {
                    starts.push(None);
                    start
                }
                name if hides_dots(name) => return Err(BadTarget::Ambiguous),
                _ => {
                    starts.push(Some(start));
                    continue;
                }
            };
            whole.normal.truncate(kept);
            whole.sent.truncate(kept);
        }
        if folder {
            whole.push(b"/", b"/");
        }
        Ok(whole)
    }

    fn push_segment(&mut self, segment: &'a [u8]) -> Result<(), BadTarget> {
        let mut rest = segment;
        while let Some(first) = rest.first() {
            let (byte, length) = escaped(rest).map_or((*first, 1), |byte| (byte, 3));
            let (sent, behind) = rest.split_at(length);
            match byte {
                0 => return Err(BadTarget::Nul),
                b'\\' => return Err(BadTarget::Backslash),
                b'#' if length == 1 => return Err(BadTarget::Fragment),
                b'/' | b'?' | b'#' | b'%' | ..0x20 | 0x7f.. => {
                    self.push(format!("%{byte:02X}").as_bytes(), sent);
                }
                _ => self.push(&[byte], sent),
            }
            rest = behind;
        }
        Ok(())
    }

    fn push(&mut self, normal: &[u8], sent: &'a [u8]) {
        self.normal.extend_from_slice(normal);
        self.sent.push(sent);
        self.sent.resize(self.normal.len(), b"");
    }

    /// The path in its normal form.
    pub(crate) fn normal(&self) -> &[u8] {
        &self.normal
    }

    /// A part of the normal form, in the client's own spelling.
    pub(crate) fn sent(&self, part: Range<usize>) -> Vec<u8> {
        self.sent.get(part).unwrap_or_default().concat()
    }

    /// The query, its question mark included; empty where there is none.
    pub(crate) fn query(&self) -> &'a [u8] {
        self.query
    }
}

/// The byte of the escape at the start. A `%` that begins none is sent by old clients and means
/// itself.
fn escaped(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

/// Whether a part of a segment is a dot segment for a server that takes `%2F` for a slash, or that
/// ends segments at a semicolon.
fn hides_dots(segment: &[u8]) -> bool {
    let mut rest = segment;
    loop {
        let end = memchr::memmem::find(rest, b"%2F").unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end);
        let name = part.split(|b| *b == b';').next().unwrap_or_default();
        if matches!(name, b"." | b"..") {
            return true;
        }
        match behind.get(3..) {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(target: &str) -> Result<String, BadTarget> {
        Path::read(target.as_bytes()).map(|path| String::from_utf8(path.normal).unwrap())
    }

    #[test]
    fn many_spellings_are_one_path() {
        for (target, due) in [
            ("/", "/"),
            ("/a?b=/../%00#\\", "/a"),
            ("//a///b//", "/a/b/"),
            ("/a/./b/.", "/a/b/"),
            ("/a/..", "/"),
            ("/a/b/../c", "/a/c"),
            ("/a/b/..", "/a/"),
            ("/public/../admin", "/admin"),
            ("/public/%2e%2E/admin", "/admin"),
            ("/%61dm%69n", "/admin"),
            ("/a b/%20", "/a b/ "),
            ("/a%2fb", "/a%2Fb"),
            ("/a%25b%zz%", "/a%25b%25zz%25"),
            ("/%c3%a9", "/%C3%A9"),
            ("/%3f%23%0a", "/%3F%23%0A"),
            ("/...;x/.a", "/...;x/.a"),
        ] {
            assert_eq!(normal(target).as_deref(), Ok(due), "{target}");
        }
    }

    #[test]
    fn what_servers_read_in_two_ways_is_refused() {
        for (target, fault) in [
            ("", BadTarget::Form),
            ("a.example:80", BadTarget::Form),
            ("/a%00", BadTarget::Nul),
            ("/a\\b", BadTarget::Backslash),
            ("/a%5Cb", BadTarget::Backslash),
            ("/a#b", BadTarget::Fragment),
            ("/..", BadTarget::AboveRoot),
            ("/a/../../b", BadTarget::AboveRoot),
            ("/%2E./b", BadTarget::AboveRoot),
            ("//../a", BadTarget::Ambiguous),
            ("/a//../b", BadTarget::Ambiguous),
            ("/a/..;/b", BadTarget::Ambiguous),
            ("/a/..%2fb", BadTarget::Ambiguous),
            ("/a/b%2f%2e%2e", BadTarget::Ambiguous),
        ] {
            assert_eq!(normal(target), Err(fault), "{target}");
        }
    }

    #[test]
    fn a_part_is_told_as_it_was_sent() {
        let path = Path::read(b"/a/%62/../x%2fy//%C3z?q").unwrap();
        assert_eq!(path.normal(), b"/a/x%2Fy/%C3z");
        assert_eq!(path.sent(2..path.normal().len()), b"/x%2fy/%C3z");
        assert_eq!(path.sent(0..2), b"/a");
        assert_eq!(path.query(), b"?q");
    }

    /// Where a server arrives that decodes all escapes but that of the slash, merges slashes or
    /// leaves them, and climbs no higher than its root.
    fn arrives(target: &str, merges: bool) -> String {
        let mut segments = Vec::new();
        for segment in target.split('/').skip(1) {
            let mut name = Vec::new();
            let mut rest = segment.as_bytes();
            while let Some(first) = rest.first() {
                let escape = rest.get(1..3).and_then(|digits| std::str::from_utf8(digits).ok());
                let byte = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                match byte.filter(|byte| *first == b'%' && *byte != b'/') {
                    Some(byte) => {
                        name.push(byte);
                        rest = &rest[3..];
                    }
                    None => {
                        name.push(*first);
                        rest = &rest[1..];
                    }
                }
            }
            match name.as_slice() {
                b"." => {}
                b"" if merges => {}
                b".." => drop(segments.pop()),
                _ => segments.push(String::from_utf8_lossy(&name).into_owned()),
            }
        }
        segments.retain(|name| !name.is_empty());
        format!("/{}", segments.join("/"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn the_normal_form_of_a_normal_form_is_itself(target in "/[ -~]{0,30}") {
            if let Ok(once) = normal(&target) {
                prop_assert!(once.bytes().all(|b| (0x20..0x7f).contains(&b)));
                let again = normal(&once);
                prop_assert_eq!(again, Ok(once));
            }
        }

        /// The bytes of a path can be escaped, and slashes doubled, and detours taken.
        #[test]
        fn no_spelling_leads_around_a_path(
            turns in proptest::collection::vec((any::<bool>(), any::<bool>(), 0..5_u8), 12),
        ) {
            let mut spelled = String::new();
            for (byte, (escape, upper, detour)) in "/admin/users".bytes().zip(turns) {
                match (byte, escape, upper) {
                    (b'/', _, _) => spelled.push_str(match detour {
                        0 => "/",
                        1 => "//",
                        2 => "/./",
                        3 => "/x%2Fy/%2e%2E/",
                        _ => "/a/b/../../",
                    }),
                    (_, true, true) => spelled.push_str(&format!("%{byte:02X}")),
                    (_, true, false) => spelled.push_str(&format!("%{byte:02x}")),
                    _ => spelled.push(char::from(byte)),
                }
            }
            prop_assert_eq!(normal(&spelled), Ok("/admin/users".to_owned()));
        }

        /// What reaches a path at a server was matched as that path, or refused.
        #[test]
        fn what_arrives_was_matched(
            parts in proptest::collection::vec(
                prop_oneof![
                    4 => Just("/admin"), 3 => Just("/"), 3 => Just("/.."), 2 => Just("%2e"),
                    1 => Just("."), 1 => Just("/%2E%2e"), 1 => Just("adm"), 1 => Just("%69n"),
                    1 => Just("x"), 1 => Just("%"), 1 => Just(";"), 1 => Just("%2f"),
                    1 => Just("\\"), 1 => Just("%00"),
                ],
                0..9,
            ),
            merges: bool,
        ) {
            let target = format!("/{}", parts.concat());
            if let Ok(matched) = normal(&target) {
                let arrived = arrives(&target, merges);
                let inside = |path: &str| path == "/admin" || path.starts_with("/admin/");
                prop_assert_eq!(inside(&matched), inside(&arrived), "{} {}", matched, arrived);
            }
        }
    }
}
