//! Events as they stand on the shelf: bytes that only the program itself reads again, in the same run, each
//! event a number for what it is and its parts behind it, in the order of their fields.

use crate::dialect::ALL;
use crate::event::{Kind, Side};
use crate::transcript::event::{Accept, End, Event, How, Message, Open, What};

const OPEN: u8 = 0;
const ACCEPT: u8 = 1;
const MESSAGE: u8 = 2;
const PING: u8 = 3;
const PONG: u8 = 4;
const CLOSE: u8 = 5;
const GAP: u8 = 6;
const FAULT: u8 = 7;
const END: u8 = 8;

/// Writes an event.
pub(super) fn write(event: &Event, out: &mut Vec<u8>) {
    let Event { session, at, packet, what } = event;
    number(*session, out);
    number(*at, out);
    maybe(*packet, out);
    match what {
        What::Open(Open { dialect, client, server, target, fields: list }) => {
            let dialect = ALL.iter().position(|other| other == dialect).unwrap_or_default();
            out.push(OPEN);
            number(dialect as u64, out);
            [client, server, target].into_iter().for_each(|text| bytes(text.as_bytes(), out));
            fields(list, out);
        }
        What::Accept(Accept { status, fields: list }) => {
            out.push(ACCEPT);
            number((*status).into(), out);
            fields(list, out);
        }
        What::Message(Message { from, kind, data, seen }) => {
            out.extend_from_slice(&[MESSAGE, side(*from), u8::from(*kind == Kind::Binary)]);
            number(*seen, out);
            bytes(data, out);
        }
        What::Ping { from, data } => {
            out.extend_from_slice(&[PING, side(*from)]);
            bytes(data, out);
        }
        What::Pong { from, data } => {
            out.extend_from_slice(&[PONG, side(*from)]);
            bytes(data, out);
        }
        What::Close { from, code, reason } => {
            out.extend_from_slice(&[CLOSE, side(*from)]);
            maybe(code.map(u64::from), out);
            bytes(reason.as_bytes(), out);
        }
        What::Gap { from, bytes } => {
            out.extend_from_slice(&[GAP, side(*from)]);
            number(*bytes, out);
        }
        What::Fault { from, fault } => {
            out.extend_from_slice(&[FAULT, side(*from)]);
            bytes(fault.as_bytes(), out);
        }
        What::End(End { by, how, clean }) => {
            let how = match how {
                How::Fin => 0,
                How::Reset => 1,
                How::Cut => 2,
            };
            out.push(END);
            maybe(by.map(|by| side(by).into()), out);
            out.extend_from_slice(&[how, u8::from(*clean)]);
        }
    }
}

/// Seven bits a byte, the lowest first; all bytes but the last have the highest bit.
fn number(mut number: u64, out: &mut Vec<u8>) {
    loop {
        let [lowest, ..] = number.to_le_bytes();
        if number < 0x80 {
            return out.push(lowest);
        }
        out.push(0x80 | lowest);
        number >>= 7;
    }
}

/// A number, or 0 for none and 1 before it.
fn maybe(value: Option<u64>, out: &mut Vec<u8>) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        number(value, out);
    }
}

fn bytes(data: &[u8], out: &mut Vec<u8>) {
    number(data.len() as u64, out);
    out.extend_from_slice(data);
}

fn fields(fields: &[(String, String)], out: &mut Vec<u8>) {
    number(fields.len() as u64, out);
    for (name, value) in fields {
        bytes(name.as_bytes(), out);
        bytes(value.as_bytes(), out);
    }
}

const fn side(side: Side) -> u8 {
    match side {
        Side::Client => 0,
        Side::Backend => 1,
    }
}

/// The events that have been written, in order. `None` stands for what has not been written so.
pub(super) struct Events<'b>(pub(super) &'b [u8]);

impl Iterator for Events<'_> {
    type Item = Option<Event>;

    fn next(&mut self) -> Option<Option<Event>> {
        if self.0.is_empty() {
            return None;
        }
        let event = self.event();
        if event.is_none() {
            self.0 = &[];
        }
        Some(event)
    }
}

impl Events<'_> {
    fn event(&mut self) -> Option<Event> {
        let (session, at, packet) = (self.number()?, self.number()?, self.maybe()?);
        let what = match self.byte()? {
            OPEN => What::Open(Open {
                dialect: *ALL.get(usize::try_from(self.number()?).ok()?)?,
                client: self.text()?,
                server: self.text()?,
                target: self.text()?,
                fields: self.fields()?,
            }),
            ACCEPT => What::Accept(Accept {
                status: self.number()?.try_into().ok()?,
                fields: self.fields()?,
            }),
            MESSAGE => What::Message(Message {
                from: self.side()?,
                kind: if self.byte()? == 0 { Kind::Text } else { Kind::Binary },
                seen: self.number()?,
                data: self.bytes()?.to_vec(),
            }),
            PING => What::Ping { from: self.side()?, data: self.bytes()?.to_vec() },
            PONG => What::Pong { from: self.side()?, data: self.bytes()?.to_vec() },
            CLOSE => What::Close {
                from: self.side()?,
                code: self.maybe()?.map(u16::try_from).transpose().ok()?,
                reason: self.text()?,
            },
            GAP => What::Gap { from: self.side()?, bytes: self.number()? },
            FAULT => What::Fault { from: self.side()?, fault: self.text()? },
            END => What::End(End {
                by: match self.maybe()? {
                    None => None,
                    Some(0) => Some(Side::Client),
                    Some(_) => Some(Side::Backend),
                },
                how: match self.byte()? {
                    0 => How::Fin,
                    1 => How::Reset,
                    _ => How::Cut,
                },
                clean: self.byte()? != 0,
            }),
            _ => return None,
        };
        Some(Event { session, at, packet, what })
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for place in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << place;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn maybe(&mut self) -> Option<Option<u64>> {
        if self.byte()? == 0 { Some(None) } else { self.number().map(Some) }
    }

    fn bytes(&mut self) -> Option<&[u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<String> {
        str::from_utf8(self.bytes()?).ok().map(str::to_owned)
    }

    fn fields(&mut self) -> Option<Vec<(String, String)>> {
        let count = self.number()?;
        (0..count).map(|_| Some((self.text()?, self.text()?))).collect()
    }

    fn side(&mut self) -> Option<Side> {
        Some(if self.byte()? == 0 { Side::Client } else { Side::Backend })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = String> {
        "[a-z\\x00é🎉]{0,200}"
    }

    fn data() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..200)
    }

    fn from() -> impl Strategy<Value = Side> {
        prop::sample::select(Side::BOTH.to_vec())
    }

    fn list() -> impl Strategy<Value = Vec<(String, String)>> {
        prop::collection::vec((text(), text()), 0..4)
    }

    fn what() -> impl Strategy<Value = What> {
        let dialect = prop::sample::select(ALL.to_vec());
        let kind = prop::sample::select(vec![Kind::Text, Kind::Binary]);
        let how = prop::sample::select(vec![How::Fin, How::Reset, How::Cut]);
        prop_oneof![
            (dialect, text(), text(), text(), list()).prop_map(
                |(dialect, client, server, target, fields)| {
                    What::Open(Open { dialect, client, server, target, fields })
                }
            ),
            (any::<u16>(), list())
                .prop_map(|(status, fields)| What::Accept(Accept { status, fields })),
            (from(), kind, data(), any::<u64>()).prop_map(|(from, kind, data, seen)| {
                What::Message(Message { from, kind, data, seen })
            }),
            (from(), data()).prop_map(|(from, data)| What::Ping { from, data }),
            (from(), data()).prop_map(|(from, data)| What::Pong { from, data }),
            (from(), any::<Option<u16>>(), text()).prop_map(|(from, code, reason)| What::Close {
                from,
                code,
                reason
            }),
            (from(), any::<u64>()).prop_map(|(from, bytes)| What::Gap { from, bytes }),
            (from(), text()).prop_map(|(from, fault)| What::Fault { from, fault }),
            (prop::option::of(from()), how, any::<bool>())
                .prop_map(|(by, how, clean)| What::End(End { by, how, clean })),
        ]
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(
            parts in prop::collection::vec(
                (any::<u64>(), any::<u64>(), any::<Option<u64>>(), what()),
                0..4,
            )
        ) {
            let event = |(session, at, packet, what)| Event { session, at, packet, what };
            let events: Vec<_> = parts.into_iter().map(event).collect();
            let mut out = Vec::new();
            events.iter().for_each(|event| write(event, &mut out));
            let read: Option<Vec<_>> = Events(&out).collect();
            prop_assert_eq!(read, Some(events));
        }

        #[test]
        fn other_bytes_are_no_danger(bytes in data()) {
            Events(&bytes).count();
        }
    }
}
