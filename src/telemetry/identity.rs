//! Who asks, and for what: the part that all lines of one session or request have in common.

use crate::net::Hop;

/// The texts of an identity, in the order of the line, and how much of each is kept, in bytes. A
/// session keeps them for as long as it lives, and an old one may live for days.
const TEXTS: [(&str, usize); 8] = [
    ("peer", 64),
    ("listener", 256),
    ("route", 256),
    ("host", 256),
    ("path", 512),
    ("server", 256),
    ("user_agent", 256),
    ("request_id", 128),
];

/// The places of the peer and the path among them.
const PEER: usize = 0;
const PATH: usize = 4;

/// What stands behind a text that was longer.
const CLIPPED: &[u8] = b"...";

/// How many bytes tell where the texts end.
const ENDS: usize = size_of::<u16>() * TEXTS.len();

/// Who asks, and for what: where each text ends, and the texts one behind the other, in one piece of
/// memory, of which idle sessions have one each.
#[derive(Debug, Clone)]
pub(crate) struct Identity(Box<[u8]>);

/// What is known of a request; empty where something is not known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Details<'a> {
    /// The name of its route.
    pub(crate) route: &'a str,
    /// The host, as it was sent.
    pub(crate) host: &'a [u8],
    /// The target; its query may hold secrets and is not kept.
    pub(crate) target: &'a [u8],
    /// The URL of the server that it was taken to.
    pub(crate) server: &'a str,
    pub(crate) user_agent: &'a [u8],
    pub(crate) request_id: &'a [u8],
}

impl Identity {
    pub(crate) fn new(hop: &Hop, details: Details<'_>) -> Self {
        let Details { route, host, target, server, user_agent, request_id } = details;
        let path = Self::path_of(target);
        let peer = hop.peer.to_string();
        let all = [
            peer.as_bytes(),
            hop.listener.name.as_bytes(),
            route.as_bytes(),
            host,
            path.as_bytes(),
            server.as_bytes(),
            user_agent,
            request_id,
        ];
        let (mut ends, mut texts) = (Vec::with_capacity(ENDS), Vec::new());
        for (text, (_, limit)) in all.into_iter().zip(TEXTS) {
            match text.get(..limit) {
                Some(clipped) if text.len() > limit => texts.extend([clipped, CLIPPED].concat()),
                _ => texts.extend_from_slice(text),
            }
            ends.extend(u16::try_from(texts.len()).unwrap_or(u16::MAX).to_ne_bytes());
        }
        Self([ends, texts].concat().into())
    }

    /// A target without its query, as RFC 3986 section 2.1 writes what cannot stand in one: old
    /// clients send raw spaces and any bytes.
    pub(crate) fn path_of(target: &[u8]) -> String {
        let path = target.split(|b| matches!(b, b'?' | b'#')).next().unwrap_or_default();
        let mut shown = String::with_capacity(path.len());
        for byte in path {
            match byte {
                b'!'..=b'~' => shown.push(char::from(*byte)),
                _ => shown.push_str(&format!("%{byte:02X}")),
            }
        }
        shown
    }

    /// The client's address.
    pub(crate) fn peer(&self) -> &str {
        self.text(PEER)
    }

    /// The target without its query, in printable ASCII.
    pub(crate) fn path(&self) -> &str {
        self.text(PATH)
    }

    fn text(&self, place: usize) -> &str {
        let (_, text) = self.texts().nth(place).unwrap_or_default();
        str::from_utf8(text).unwrap_or_default()
    }

    /// All texts with their names, in the order of the line.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let (ends, texts) = self.0.split_at_checked(ENDS).unwrap_or_default();
        let (ends, _) = ends.as_chunks();
        let mut start = 0;
        TEXTS.into_iter().zip(ends).map(move |((name, _), end)| {
            let end = usize::from(u16::from_ne_bytes(*end));
            let text = texts.get(start..end).unwrap_or_default();
            start = end;
            (name, text)
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::listener::Listener;
    use crate::net::Peer;

    pub(in crate::telemetry) fn hop() -> Hop {
        let settings = Listener { name: "main".into(), ..Listener::default() };
        let peer = Peer::Inet(([192, 0, 2, 1], 4711).into());
        Hop { listener: settings.into(), peer, local: Peer::Unix, secure: false, trusted: false }
    }

    #[test]
    fn keeps_each_text_and_no_query() {
        let details = Details {
            route: "chat",
            host: b"old.example",
            target: b"/a room\xff?secret=1",
            user_agent: b"Mozilla/5.0",
            ..Details::default()
        };
        let identity = Identity::new(&hop(), details);
        let texts: Vec<_> = identity.texts().collect();
        let due: [(&str, &[u8]); 8] = [
            ("peer", b"192.0.2.1:4711"),
            ("listener", b"main"),
            ("route", b"chat"),
            ("host", b"old.example"),
            ("path", b"/a%20room%FF"),
            ("server", b""),
            ("user_agent", b"Mozilla/5.0"),
            ("request_id", b""),
        ];
        assert_eq!(texts, due);
        assert_eq!((identity.peer(), identity.path()), ("192.0.2.1:4711", "/a%20room%FF"));
    }

    #[test]
    fn keeps_no_more_than_it_may() {
        let long = [b'a'; 5000];
        let all = |length: usize| Details {
            host: &long[..length],
            target: &long[..length],
            user_agent: &long[..length],
            request_id: &long[..length],
            ..Details::default()
        };
        let length = |details| {
            let identity = Identity::new(&hop(), details);
            identity.texts().skip(2).map(|(_, text)| text.len()).sum::<usize>()
        };
        assert_eq!(length(all(5000)), 256 + 512 + 256 + 128 + 4 * CLIPPED.len());
        assert_eq!(length(all(128)), 4 * 128);
    }
}
