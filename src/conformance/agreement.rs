//! The negotiation of permessage-deflate (RFC 7692 section 7.1): offers, the answers to them, and what is
//! wrong with either.

use super::case::Wish;
use crate::event::{Side, Sides};

/// The field that offers and answers stand in.
pub(super) const FIELD: &str = "Sec-WebSocket-Extensions";

const NAME: &str = "permessage-deflate";

/// The window of who says nothing of it, in bits: as large as there is one.
pub(super) const LARGEST: u8 = 15;

/// How one side compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sender {
    /// Whether each message is compressed for itself.
    pub(super) forgets: bool,
    /// How far back a message refers at most, in bits.
    pub(super) window: u8,
}

/// How both sides compress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agreed {
    /// What can be demanded of them: what the answer says.
    pub(super) owed: Sides<Sender>,
    /// What they keep to: a client also to what it has only said of itself in its offer (RFC 7692 sections
    /// 7.1.1.2 and 7.1.2.2).
    pub(super) kept: Sides<Sender>,
    /// What is not as it should be in the answer, without harm.
    pub(super) lax: Vec<&'static str>,
}

/// The parameters of an offer or an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Terms {
    /// Who has to forget.
    forgets: Sides<bool>,
    /// The windows that are named, with or without a size.
    windows: Sides<Option<Option<u8>>>,
}

impl Terms {
    /// Reads parameters.
    ///
    /// # Errors
    /// With what is wrong with one: a server must decline it, and a client fail (RFC 7692 section 7.1).
    fn read(parameters: &str) -> Result<Self, String> {
        let mut terms = Self::default();
        for parameter in parameters.split(';').skip(1).map(str::trim) {
            let (name, value) = match parameter.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim())),
                None => (parameter, None),
            };
            let (side, is_window) = match name {
                "client_no_context_takeover" => (Side::Client, false),
                "server_no_context_takeover" => (Side::Backend, false),
                "client_max_window_bits" => (Side::Client, true),
                "server_max_window_bits" => (Side::Backend, true),
                _ => return Err(format!("the parameter {parameter:?}, which is not known")),
            };
            let bits = match value {
                None => None,
                Some(value) if is_window => Some(bits(value).ok_or_else(|| wrong(parameter))?),
                Some(_) => return Err(wrong(parameter)),
            };
            let is_doubled = match is_window {
                true => terms.windows[side].replace(bits).is_some(),
                false => std::mem::replace(&mut terms.forgets[side], true),
            };
            if is_doubled {
                return Err(format!("the parameter {name} twice"));
            }
        }
        Ok(terms)
    }

    /// The parameters of an offer. What a server is asked for has a size (RFC 7692 section 7.1.2.1).
    fn offer(parameters: &str) -> Result<Self, String> {
        let terms = Self::read(parameters)?;
        match terms.windows.backend {
            Some(None) => Err("server_max_window_bits without a size".to_owned()),
            _ => Ok(terms),
        }
    }

    /// The parameters of an answer, in which every window has its size (RFC 7692 section 7.1.2).
    fn answer(parameters: &str) -> Result<Self, String> {
        let terms = Self::read(parameters)?;
        let windows = [terms.windows.client, terms.windows.backend];
        match windows.contains(&Some(None)) {
            true => Err("a window without a size".to_owned()),
            false => Ok(terms),
        }
    }

    /// What both agree on who make this offer and give this answer.
    ///
    /// # Errors
    /// When the answer is none to the offer.
    fn agree(self, answer: Self) -> Result<Agreed, String> {
        if self.forgets.backend && !answer.forgets.backend {
            // RFC 7692 section 7.1.1.1.
            return Err(
                "server_no_context_takeover, which was asked for, is not confirmed".to_owned()
            );
        }
        let [asked, given] = [self, answer].map(|terms| terms.windows.backend.flatten());
        let mut lax = Vec::new();
        if asked.is_some_and(|most| given.unwrap_or(LARGEST) > most) {
            // RFC 7692 section 7.1.2.1.
            return Err("server_max_window_bits is not confirmed as it was asked for".to_owned());
        }
        if asked.is_some() && given.is_none() {
            lax.push("server_max_window_bits=15, which holds without it, is not confirmed");
        }
        let (hint, own) = (self.windows.client, answer.windows.client.flatten());
        if own.is_some() && hint.is_none() {
            // RFC 7692 section 7.1.2.2.
            return Err("client_max_window_bits, which was not offered".to_owned());
        }
        let hint = hint.flatten().unwrap_or(LARGEST);
        if own.is_some_and(|bits| bits > hint) {
            lax.push("client_max_window_bits is larger than the client said");
        }
        let backend = Sender { forgets: answer.forgets.backend, window: given.unwrap_or(LARGEST) };
        let client = Sender { forgets: answer.forgets.client, window: own.unwrap_or(LARGEST) };
        let forgets = client.forgets || self.forgets.client;
        let modest = Sender { forgets, window: client.window.min(hint) };
        let (owed, kept) = (Sides { client, backend }, Sides { client: modest, backend });
        Ok(Agreed { owed, kept, lax })
    }
}

fn wrong(parameter: &str) -> String {
    format!("the parameter {parameter:?}, which has a value that it cannot have")
}

/// "A decimal integer value without leading zeroes between 8 to 15, inclusive" (RFC 7692 section 7.1.2),
/// perhaps in quotes (RFC 6455 section 9.1).
fn bits(value: &str) -> Option<u8> {
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let value = inner.unwrap_or(value);
    let bits = value.parse().ok().filter(|bits| (8..=LARGEST).contains(bits))?;
    (value == bits.to_string()).then_some(bits)
}

/// The extensions that fields list, each with its parameters. No extension that we know has a comma
/// in quotes.
fn extensions(fields: &[&[u8]]) -> Vec<String> {
    let fields = fields.iter().map(|field| String::from_utf8_lossy(field).into_owned());
    let listed = fields.collect::<Vec<_>>().join(",");
    listed.split(',').map(str::trim).filter(|listed| !listed.is_empty()).map(String::from).collect()
}

fn is_ours(extension: &str) -> bool {
    extension.split(';').next().is_some_and(|name| name.trim() == NAME)
}

fn offers(fields: &[&[u8]]) -> Vec<Result<Terms, String>> {
    extensions(fields).iter().filter(|e| is_ours(e)).map(|offer| Terms::offer(offer)).collect()
}

/// Whether a request offers compression.
pub(super) fn is_offered(fields: &[&[u8]]) -> bool {
    !offers(fields).is_empty()
}

/// What is wrong with the offers of a request.
pub(super) fn wrong_offers(fields: &[&[u8]]) -> Vec<String> {
    offers(fields).into_iter().filter_map(Result::err).collect()
}

/// What an answer to offers means: how both compress, if at all.
///
/// # Errors
/// When none of the offers can be answered so.
pub(super) fn confirm(offered: &[&[u8]], answered: &[&[u8]]) -> Result<Option<Agreed>, String> {
    let (offers, answers) = (offers(offered), extensions(answered));
    if answered.is_empty() {
        return Ok(None);
    }
    // A list has an element at least (RFC 6455 section 9.1).
    let answer = answers.first().ok_or("a field of extensions without one")?;
    if offers.is_empty() || !answers.iter().all(|answer| is_ours(answer)) {
        return Err("an extension that was not offered".to_owned());
    }
    if answers.len() > 1 {
        return Err(format!("more than one {NAME}"));
    }
    let answer = Terms::answer(answer)?;
    let mut why = String::new();
    for offer in offers {
        match offer {
            Ok(offer) => match offer.agree(answer) {
                Ok(agreed) => return Ok(Some(agreed)),
                Err(what) => why = what,
            },
            Err(what) => why = format!("it accepts what it has to decline: {what}"),
        }
    }
    Err(why)
}

/// Offers with these wishes, the first of which is the dearest.
pub(super) fn offer(wishes: &[Wish]) -> String {
    let offers = wishes.iter().map(|wish| {
        let windows = Sides { client: Some(None), backend: wish.window.map(Some) };
        say(Terms { forgets: Sides { client: false, backend: wish.forgets }, windows })
    });
    offers.collect::<Vec<_>>().join(", ")
}

/// The answer with the first of these wishes that an offer allows.
pub(super) fn answer(offered: &[&[u8]], wishes: &[Wish]) -> Option<String> {
    let offers: Vec<_> = offers(offered).into_iter().flatten().collect();
    wishes.iter().find_map(|wish| {
        let is_fit = |offer: &&Terms| wish.window.is_none() || offer.windows.client.is_some();
        let Terms { mut forgets, mut windows } = *offers.iter().find(is_fit)?;
        // There are clients that insist on what they said of themselves.
        forgets.client |= wish.forgets;
        // "Equal to or smaller than" what the client said (RFC 7692 section 7.1.2.2).
        let hint = windows.client.flatten().unwrap_or(LARGEST);
        windows.client = wish.window.map(|bits| Some(bits.min(hint)));
        Some(say(Terms { forgets, windows }))
    })
}

fn say(terms: Terms) -> String {
    let mut text = NAME.to_owned();
    for (side, name) in [(Side::Client, "client"), (Side::Backend, "server")] {
        if terms.forgets[side] {
            text += &format!("; {name}_no_context_takeover");
        }
        text += &match terms.windows[side] {
            None => String::new(),
            Some(None) => format!("; {name}_max_window_bits"),
            Some(Some(bits)) => format!("; {name}_max_window_bits={bits}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(offered: &str, answered: &str) -> Result<Option<Agreed>, String> {
        confirm(&[offered.as_bytes()], &[answered.as_bytes()])
    }

    /// How the client and the server compress.
    fn sides(client: (bool, u8), server: (bool, u8)) -> Sides<Sender> {
        let sender = |(forgets, window)| Sender { forgets, window };
        Sides { client: sender(client), backend: sender(server) }
    }

    #[test]
    fn an_answer_is_one_to_an_offer() {
        let full = (false, 15);
        let forgotten = "permessage-deflate; server_no_context_takeover";
        let ten = "permessage-deflate; server_max_window_bits=10";
        let hint = "permessage-deflate; client_max_window_bits";
        for (offered, answered, expected) in [
            ("permessage-deflate", "permessage-deflate", sides(full, full)),
            ("permessage-deflate", forgotten, sides(full, (true, 15))),
            ("permessage-deflate", ten, sides(full, (false, 10))),
            (ten, "permessage-deflate;server_max_window_bits=\"9\"", sides(full, (false, 9))),
            (
                "x, permessage-deflate; y, permessage-deflate; client_max_window_bits=12",
                "permessage-deflate; client_max_window_bits=12; client_no_context_takeover",
                sides((true, 12), full),
            ),
            (hint, "permessage-deflate; client_max_window_bits=8", sides((false, 8), full)),
        ] {
            let (owed, kept) = (expected, expected);
            let agreed = Agreed { owed, kept, lax: Vec::new() };
            assert_eq!(check(offered, answered), Ok(Some(agreed)), "{offered} / {answered}");
        }
        assert_eq!(confirm(&[ten.as_bytes()], &[]), Ok(None));
        for (offered, answered) in [
            (ten, ""),
            ("", "permessage-deflate"),
            ("x-unknown", "x-unknown"),
            ("permessage-deflate; x", "permessage-deflate"),
            ("permessage-deflate; server_max_window_bits", "permessage-deflate"),
            ("permessage-deflate", "permessage-deflate, permessage-deflate"),
            ("permessage-deflate", "permessage-deflate; client_max_window_bits=15"),
            ("permessage-deflate", "permessage-deflate; server_max_window_bits"),
            ("permessage-deflate", "permessage-deflate; server_max_window_bits=08"),
            ("permessage-deflate", "permessage-deflate; server_max_window_bits=16"),
            ("permessage-deflate", "permessage-deflate;"),
            (hint, hint),
            (forgotten, "permessage-deflate"),
            (ten, "permessage-deflate"),
            (ten, "permessage-deflate; server_max_window_bits=11"),
        ] {
            assert!(check(offered, answered).is_err(), "{offered} / {answered}");
        }
    }

    /// What a client says of itself binds the kit, and nobody else without a confirmation.
    #[test]
    fn a_hint_is_no_agreement() {
        let full = (false, 15);
        let forgets = "permessage-deflate; client_no_context_takeover";
        let ten = "permessage-deflate; client_max_window_bits=10";
        let fifteen = "permessage-deflate; server_max_window_bits=15";
        for (offered, answered, owed, kept, is_lax) in [
            (forgets, "permessage-deflate", full, (true, 15), false),
            (forgets, forgets, (true, 15), (true, 15), false),
            (ten, "permessage-deflate", full, (false, 10), false),
            (ten, "permessage-deflate; client_max_window_bits=9", (false, 9), (false, 9), false),
            (ten, "permessage-deflate; client_max_window_bits=12", (false, 12), (false, 10), true),
            (fifteen, fifteen, full, full, false),
            (fifteen, "permessage-deflate", full, full, true),
        ] {
            let agreed = check(offered, answered).unwrap().unwrap();
            let found = (agreed.owed, agreed.kept, !agreed.lax.is_empty());
            assert_eq!(found, (sides(owed, full), sides(kept, full), is_lax), "{offered}");
        }
    }

    #[test]
    fn wishes_are_offered_and_answered() {
        let wishes =
            [Wish { forgets: true, window: Some(9) }, Wish { forgets: false, window: None }];
        let offered = "permessage-deflate; client_max_window_bits; server_no_context_takeover; \
                       server_max_window_bits=9, permessage-deflate; client_max_window_bits";
        assert_eq!(offer(&wishes), offered);
        let answer = |offered: &str| answer(&[offered.as_bytes()], &wishes);
        let fit = "permessage-deflate; client_no_context_takeover; client_max_window_bits=9";
        assert_eq!(answer("permessage-deflate; client_max_window_bits").unwrap(), fit);
        assert_eq!(answer("permessage-deflate").unwrap(), "permessage-deflate");
        assert_eq!(answer("permessage-deflate; client_max_window_bits=12").unwrap(), fit);
        let smaller = "permessage-deflate; client_no_context_takeover; client_max_window_bits=8";
        assert_eq!(answer("permessage-deflate; client_max_window_bits=8").unwrap(), smaller);
        let forgets = "permessage-deflate; client_no_context_takeover";
        assert_eq!(answer(forgets).unwrap(), forgets);
        assert_eq!(answer("x-unknown"), None);
    }
}
