//! What a peer said, with the chunks of a message put together, so that any cutting of the same
//! bytes compares equal.

use crate::form;
use hybridge::dialect::reader::Reader;
use hybridge::event::{Chunk, Event, Kind};
use hybridge::fault::Fault;

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// A whole message.
    Message(Kind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, Vec<u8>)>),
}

/// All that a reader made of its input.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) said: Vec<Said>,
    /// The message that is not finished; after a fault it is not told, for how much of it was
    /// handed out before depends on the cutting.
    pub(crate) part: Option<(Kind, Vec<u8>)>,
    pub(crate) fault: Option<Fault>,
}

/// Reads `pieces` with the product's reader; stops at a close or a fault.
pub(crate) fn hear(reader: &mut Reader, pieces: &[&[u8]]) -> Heard {
    let mut heard = Heard::default();
    let mut total = None;
    for piece in pieces {
        let mut piece = piece.to_vec();
        let mut input = &mut piece[..];
        loop {
            match reader.read(&mut input) {
                Ok(None) => {
                    assert!(input.is_empty(), "the reader left bytes behind");
                    break;
                }
                Ok(Some(Event::Chunk(chunk))) => heard.chunk(&chunk, &mut total),
                Ok(Some(Event::Ping(payload))) => heard.said.push(Said::Ping(payload.to_vec())),
                Ok(Some(Event::Pong(payload))) => heard.said.push(Said::Pong(payload.to_vec())),
                Ok(Some(Event::Close(reason))) => {
                    let reason = reason.map(|reason| (reason.code, reason.text.to_vec()));
                    heard.said.push(Said::Close(reason));
                    return heard;
                }
                Err(fault) => {
                    heard.fault = Some(fault);
                    heard.part = None;
                    return heard;
                }
            }
        }
    }
    assert!(heard.part.is_none() || reader.in_message(), "a message is open and not told so");
    heard
}

impl Heard {
    /// Puts a chunk to its message, and holds it against what `Chunk` promises.
    fn chunk(&mut self, chunk: &Chunk<'_>, total: &mut Option<u64>) {
        assert_eq!(chunk.first, self.part.is_none(), "first and only the first opens a message");
        assert!(chunk.first || chunk.total.is_none(), "a total in the middle of a message");
        assert!(
            !chunk.data.is_empty() || chunk.first || chunk.last,
            "an empty chunk in the middle"
        );
        if chunk.first {
            *total = chunk.total;
        }
        let (kind, data) = self.part.get_or_insert_with(|| (chunk.kind, Vec::new()));
        assert_eq!(*kind, chunk.kind, "the kind changed inside a message");
        data.extend_from_slice(chunk.data);
        if chunk.kind == Kind::Text
            && let Err(error) = std::str::from_utf8(data)
        {
            assert!(error.error_len().is_none() && !chunk.last, "invalid UTF-8 was handed out");
        }
        if chunk.last {
            let (kind, data) = self.part.take().unwrap();
            assert!(total.is_none_or(|total| total == data.len() as u64), "a wrong total");
            self.said.push(Said::Message(kind, data));
        }
    }
}

impl Said {
    /// Reads `text "x"`, `binary 00`, `ping "x"`, `pong "x"`, `close` or `close 1000 "x"`.
    pub(crate) fn parse(line: &str) -> Self {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "text" => Self::Message(Kind::Text, form::bytes(rest)),
            "binary" => Self::Message(Kind::Binary, form::bytes(rest)),
            "ping" => Self::Ping(form::bytes(rest)),
            "pong" => Self::Pong(form::bytes(rest)),
            "close" if rest.is_empty() => Self::Close(None),
            "close" => {
                let (code, text) = rest.split_once(' ').unwrap_or((rest, ""));
                Self::Close(Some((code.parse().unwrap(), form::bytes(text))))
            }
            _ => panic!("not an event: {line}"),
        }
    }
}
