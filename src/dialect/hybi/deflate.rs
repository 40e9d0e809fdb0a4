//! The negotiation of permessage-deflate (RFC 7692 section 7.1), of both roles.

use crate::event::{Side, Sides};
use crate::wire::deflate::{LARGEST_WINDOW, SMALLEST_WINDOW};
use crate::wire::grammar::{Extension, extension_list};
use serde::{Deserialize, Serialize};

/// The name of the extension. Its forerunners, `x-webkit-deflate-frame` and `deflate-stream`, are
/// other extensions and are not spoken.
const NAME: &str = "permessage-deflate";

/// The smallest window that a peer may say it has, in bits (RFC 7692 section 7.1.2).
const SMALLEST_SAID: u8 = 8;

/// Whether messages are compressed on a connection, if its peer can do so too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// They are not.
    #[default]
    Off,
    /// They are, each with what the ones before it have in common with it.
    On,
    /// They are, each for itself, so that nothing has to be kept between two of them.
    NoContextTakeover,
}

/// How one side compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// Whether a message refers to those before it.
    pub takeover: bool,
    /// How far back it refers at most: the size of the window, in bits.
    pub window_bits: u8,
}

/// How each side compresses: the client of the connection, and its server as the backend.
pub type Agreed = Sides<Sender>;

/// The parameters of an offer or of an answer.
#[derive(Debug, Default)]
struct Parameters {
    no_takeover: Sides<bool>,
    /// The windows that were named; with or without a size.
    windows: Sides<Option<Option<u8>>>,
}

impl Parameters {
    /// Reads the parameters of an extension; `None` when one is unknown, doubled or has a value that
    /// it cannot have: "A server MUST decline an extension negotiation offer", "A client MUST _Fail the
    /// WebSocket Connection_" (RFC 7692 section 7.1).
    fn read(extension: &Extension<'_>) -> Option<Self> {
        let mut read = Self::default();
        for (name, value) in &extension.parameters {
            let (side, is_window) = match *name {
                "client_no_context_takeover" => (Side::Client, false),
                "server_no_context_takeover" => (Side::Backend, false),
                "client_max_window_bits" => (Side::Client, true),
                "server_max_window_bits" => (Side::Backend, true),
                _ => return None,
            };
            let doubled = if is_window {
                let bits = match value.as_deref() {
                    None => None,
                    Some(value) => Some(window_bits(value)?),
                };
                read.windows[side].replace(bits).is_some()
            } else if value.is_none() {
                std::mem::replace(&mut read.no_takeover[side], true)
            } else {
                return None;
            };
            if doubled {
                return None;
            }
        }
        Some(read)
    }

    /// How a side compresses that has said this.
    fn sender(&self, side: Side) -> Sender {
        let window_bits = self.windows[side].flatten().unwrap_or(LARGEST_WINDOW);
        Sender { takeover: !self.no_takeover[side], window_bits }
    }
}

/// "A decimal integer value without leading zeroes between 8 to 15, inclusive" (RFC 7692 section
/// 7.1.2).
fn window_bits(value: &str) -> Option<u8> {
    let bits = value.parse().ok().filter(|bits| (SMALLEST_SAID..=LARGEST_WINDOW).contains(bits));
    bits.filter(|_| !value.starts_with(['0', '+']))
}

/// Accepts, as a server, the first of a client's offers that can be: how both then compress, and what
/// the client is answered. `fields` are those that the extensions stand in. What is against the grammar
/// offers nothing.
pub(super) fn accept<'a>(
    fields: impl Iterator<Item = &'a [u8]>,
    compression: Compression,
) -> Option<(Agreed, String)> {
    if compression == Compression::Off {
        return None;
    }
    let lists = fields.map(extension_list).collect::<Option<Vec<_>>>()?;
    lists.iter().flatten().filter(|offer| offer.name == NAME).find_map(|offer| {
        let mut read = Parameters::read(offer)?;
        // We have to compress with it.
        if read.windows.backend.is_some_and(|bits| bits.is_none_or(|bits| bits < SMALLEST_WINDOW)) {
            return None;
        }
        if compression == Compression::NoContextTakeover {
            read.no_takeover = Sides { client: true, backend: true };
        }
        let mut answer = NAME.to_owned();
        if read.no_takeover.backend {
            answer.push_str("; server_no_context_takeover");
        }
        if read.no_takeover.client {
            answer.push_str("; client_no_context_takeover");
        }
        if let Some(Some(bits)) = read.windows.backend {
            answer.push_str(&format!("; server_max_window_bits={bits}"));
        }
        // What the client says of its own window is no more than a hint.
        let client = Sender { window_bits: LARGEST_WINDOW, ..read.sender(Side::Client) };
        Some((Sides { client, backend: read.sender(Side::Backend) }, answer))
    })
}

/// What we offer as a client, where anything.
pub(super) const fn offer(compression: Compression) -> Option<&'static str> {
    match compression {
        Compression::Off => None,
        Compression::On => Some("permessage-deflate; client_max_window_bits"),
        Compression::NoContextTakeover => Some(
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             client_max_window_bits",
        ),
    }
}

/// An answer that no offer of ours has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotOffered;

/// Reads what a server answers to our offer: how both compress, if at all.
///
/// # Errors
/// When it has chosen what was not offered, or what cannot be (RFC 7692 section 5.1).
pub(super) fn confirm<'a>(
    fields: impl Iterator<Item = &'a [u8]>,
    compression: Compression,
) -> Result<Option<Agreed>, NotOffered> {
    let lists = fields.map(extension_list).collect::<Option<Vec<_>>>().ok_or(NotOffered)?;
    let mut chosen = lists.iter().flatten();
    let Some(answer) = chosen.next() else { return Ok(None) };
    if compression == Compression::Off || answer.name != NAME || chosen.next().is_some() {
        return Err(NotOffered);
    }
    let read = Parameters::read(answer).ok_or(NotOffered)?;
    // In an answer each window has its size, and with ours we have to compress.
    let windows = [(read.windows.client, SMALLEST_WINDOW), (read.windows.backend, SMALLEST_SAID)];
    let fits = |(window, least): (Option<Option<u8>>, u8)| {
        window.is_none_or(|bits| bits.is_some_and(|bits| bits >= least))
    };
    // "A server accepts an extension negotiation offer that includes the server_no_context_takeover
    // extension parameter by including" it (RFC 7692 section 7.1.1.1).
    let forgets = compression == Compression::On || read.no_takeover.backend;
    if !windows.into_iter().all(fits) || !forgets {
        return Err(NotOffered);
    }
    let ours = read.sender(Side::Client);
    let takeover = ours.takeover && compression == Compression::On;
    let client = Sender { takeover, ..ours };
    Ok(Some(Sides { client, backend: read.sender(Side::Backend) }))
}

#[cfg(test)]
mod tests {
    use super::Compression::{NoContextTakeover, Off, On};
    use super::*;

    fn agreed(client: (bool, u8), server: (bool, u8)) -> Agreed {
        let sender = |(takeover, window_bits)| Sender { takeover, window_bits };
        Sides { client: sender(client), backend: sender(server) }
    }

    #[test]
    fn the_first_offer_that_can_be_is_accepted() {
        let full = (true, 15);
        for (offers, client, server, answer) in [
            ("permessage-deflate", full, full, ""),
            ("permessage-deflate; client_max_window_bits", full, full, ""),
            ("permessage-deflate; client_max_window_bits=8", full, full, ""),
            (
                "permessage-deflate; server_max_window_bits=\"9\"",
                full,
                (true, 9),
                "; server_max_window_bits=9",
            ),
            (
                "permessage-deflate;client_no_context_takeover;server_no_context_takeover",
                (false, 15),
                (false, 15),
                "; server_no_context_takeover; client_no_context_takeover",
            ),
            (
                "deflate-stream, x-webkit-deflate-frame, permessage-deflate; server_max_window_bits=8, \
                 permessage-deflate; server_no_context_takeover, permessage-deflate",
                full,
                (false, 15),
                "; server_no_context_takeover",
            ),
        ] {
            let (got, text) = accept([offers.as_bytes()].into_iter(), On).expect(offers);
            assert_eq!(got, agreed(client, server), "{offers}");
            assert_eq!(text, format!("permessage-deflate{answer}"), "{offers}");
        }
        let fields = [&b"foo"[..], b"permessage-deflate"];
        let (got, text) = accept(fields.into_iter(), NoContextTakeover).unwrap();
        assert_eq!(got, agreed((false, 15), (false, 15)));
        let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        assert_eq!(text, both);
    }

    #[test]
    fn what_is_wrong_is_declined() {
        let parameters = [
            "x",
            "server_no_context_takeover=1",
            "server_no_context_takeover; server_no_context_takeover",
            "client_max_window_bits; client_max_window_bits=10",
            "server_max_window_bits",
            "server_max_window_bits=8",
            "server_max_window_bits=7",
            "server_max_window_bits=16",
            "server_max_window_bits=010",
            "server_max_window_bits=+9",
            "server_max_window_bits=9.0",
            "client_max_window_bits=7",
            "client_max_window_bits=\"\"",
        ];
        let wrong = parameters.map(|parameter| format!("permessage-deflate; {parameter}"));
        let others = ["", "deflate-stream", "x-webkit-deflate-frame", "permessage-deflate;", "a b"];
        for offer in wrong.iter().map(String::as_str).chain(others) {
            assert_eq!(accept([offer.as_bytes()].into_iter(), On), None, "{offer}");
        }
        assert_eq!(accept([&b"permessage-deflate"[..]].into_iter(), Off), None);
        // One field against the grammar spoils all.
        let fields = [&b"permessage-deflate"[..], b";"];
        assert_eq!(accept(fields.into_iter(), On), None);
    }

    #[test]
    fn an_answer_is_one_that_was_offered() {
        let full = (true, 15);
        let plain = "permessage-deflate";
        let answer = |parameters: &str| format!("{plain}; {parameters}");
        let confirm = |text: &str, how| confirm([text.as_bytes()].into_iter(), how);
        for (text, how, expected) in [
            (String::new(), On, None),
            (String::new(), Off, None),
            (plain.to_owned(), On, Some((full, full))),
            (answer("client_max_window_bits=9"), On, Some(((true, 9), full))),
            (answer("server_max_window_bits=8"), On, Some((full, (true, 8)))),
            (answer("client_no_context_takeover"), On, Some(((false, 15), full))),
            (
                answer("server_no_context_takeover"),
                NoContextTakeover,
                Some(((false, 15), (false, 15))),
            ),
        ] {
            let expected = expected.map(|(client, server)| agreed(client, server));
            assert_eq!(confirm(&text, how), Ok(expected), "{text}");
        }
        for (text, how) in [
            (plain.to_owned(), Off),
            (plain.to_owned(), NoContextTakeover),
            ("x-webkit-deflate-frame".to_owned(), On),
            (format!("{plain}, {plain}"), On),
            (answer("x"), On),
            (answer("client_max_window_bits"), On),
            (answer("client_max_window_bits=8"), On),
            (answer("server_max_window_bits"), On),
            (answer("server_max_window_bits=16"), On),
            (answer("server_no_context_takeover; server_no_context_takeover"), On),
            (format!("{plain};"), On),
        ] {
            assert_eq!(confirm(&text, how), Err(NotOffered), "{text}");
        }
    }
}
