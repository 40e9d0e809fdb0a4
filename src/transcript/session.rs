//! A session of a WebSocket: the speeches of both sides, the answer that opens it, and its end.

use super::conversation::Mark;
use super::event::{Accept, End, How, What};
use super::inflate;
use super::speech::Speech;
use crate::dialect::hybi::Version;
use crate::dialect::hybi::frame_mask::ConnectionKey;
use crate::dialect::{Agreement, Dialect};
use crate::event::{FinMeans, Side, Sides};
use crate::wire::head::{Fields, Request, Response};
use std::collections::VecDeque;

/// How many messages are remembered that were told and perhaps not received, of each side. More than
/// are on their way at a time; those before them count as received.
const ON_THEIR_WAY: usize = 8192;

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    dialect: Dialect,
    /// The client's key, where its frames are masked with what it and the answer make together.
    key: Option<Vec<u8>>,
    answer: Answer,
    speeches: Sides<Speech>,
    told: Sides<Told>,
    /// Who has ended its stream.
    ended: Sides<bool>,
    /// Who was the first.
    by: Option<Side>,
}

/// How the server has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Awaited,
    Accepted,
    /// With another status than 101, or with what is none.
    Refused,
    /// Its bytes are missing.
    Missed,
}

impl Session {
    pub(super) fn new(dialect: Dialect, request: &Request<'_>) -> Self {
        let key = match dialect {
            Dialect::Hybi(Version::V4) => request.fields.all("Sec-WebSocket-Key").next(),
            _ => None,
        };
        let mut session = Self {
            dialect,
            key: key.map(<[u8]>::to_owned),
            answer: Answer::Awaited,
            speeches: Sides {
                client: Speech::new(dialect, Side::Client),
                backend: Speech::new(dialect, Side::Backend),
            },
            told: Sides::default(),
            ended: Sides::default(),
            by: None,
        };
        // Until the answer has come, which can be missing, what was offered is what holds.
        session.negotiate(&request.fields);
        session
    }

    /// Whether what comes from a side is behind its head.
    pub(super) fn speaks(&self, side: Side) -> bool {
        side == Side::Client || self.answer != Answer::Awaited
    }

    /// Takes the answer of the server.
    pub(super) fn answer(
        &mut self,
        response: &Response<'_>,
        mark: Mark,
        tell: &mut dyn FnMut(Mark, What),
    ) {
        let status = response.status;
        self.answer = if status == 101 { Answer::Accepted } else { Answer::Refused };
        let nonce = response.fields.all("Sec-WebSocket-Nonce").next();
        if let (Some(key), Some(nonce)) = (&self.key, nonce) {
            let connection_key = Some(ConnectionKey::new(key, nonce));
            self.speeches.client.agree(Agreement { connection_key, ..self.dialect.into() });
        }
        self.negotiate(&response.fields);
        tell(mark, What::Accept(Accept { status, fields: fields(&response.fields) }));
    }

    /// Takes note that the answer cannot be read.
    pub(super) fn misanswer(
        &mut self,
        fault: String,
        mark: Mark,
        tell: &mut dyn FnMut(Mark, What),
    ) {
        self.answer = Answer::Missed;
        self.speeches.backend.fault(fault, mark, tell);
    }

    /// Takes the next bytes of a side, which end at the offset `end` of its stream.
    pub(super) fn hear(
        &mut self,
        from: Side,
        bytes: &[u8],
        end: u64,
        mark: Mark,
        tell: &mut dyn FnMut(Mark, What),
    ) {
        if self.answer != Answer::Refused {
            self.speeches[from].hear(bytes, end, mark, &mut self.told, tell);
        }
    }

    /// Takes note that bytes of a side are missing.
    pub(super) fn gap(
        &mut self,
        from: Side,
        bytes: u64,
        mark: Mark,
        tell: &mut dyn FnMut(Mark, What),
    ) {
        if from == Side::Backend && self.answer == Answer::Awaited {
            self.answer = Answer::Missed;
        }
        if self.answer != Answer::Refused {
            self.speeches[from].gap(bytes, mark, tell);
        }
    }

    /// Takes note that a side has ended its stream, or has reset the connection; returns whether the
    /// session has ended with it, which is told.
    pub(super) fn end(
        &mut self,
        from: Side,
        reset: bool,
        mark: Mark,
        tell: &mut dyn FnMut(Mark, What),
    ) -> bool {
        self.ended[from] = true;
        let by = *self.by.get_or_insert(from);
        let over = reset || (self.ended.client && self.ended.backend);
        if over {
            let how = if reset { How::Reset } else { How::Fin };
            tell(mark, What::End(End { by: Some(by), how, clean: self.is_clean(how) }));
        }
        over
    }

    /// Takes note that nothing more is known of it.
    pub(super) fn cut(&self, mark: Mark, tell: &mut dyn FnMut(Mark, What)) {
        let how = How::Cut;
        tell(mark, What::End(End { by: None, how, clean: self.is_clean(how) }));
    }

    /// How much memory it takes, in bytes.
    pub(super) fn kept(&self) -> usize {
        size_of::<Self>() + self.speeches.client.kept() + self.speeches.backend.kept()
    }

    /// Whether frames of a side were masked that should not be, or were not and should be.
    pub(super) fn masks_wrongly(&self, side: Side) -> bool {
        self.speeches[side].masks_wrongly()
    }

    fn negotiate(&mut self, fields: &Fields<'_>) {
        let allowed = inflate::is_negotiated(fields);
        self.speeches.client.allow_compression(allowed);
        self.speeches.backend.allow_compression(allowed);
    }

    fn is_clean(&self, how: How) -> bool {
        let Sides { client, backend } = &self.speeches;
        match self.answer {
            Answer::Awaited | Answer::Missed => false,
            Answer::Refused => how == How::Fin,
            Answer::Accepted => {
                // RFC 6455 section 7.1.4: cleanly is after both have said a close. Old browsers say
                // none, and draft 75 has none.
                let closed = client.is_closed() && backend.is_closed();
                let fin = how == How::Fin && self.dialect.able().fin != FinMeans::Nothing;
                client.is_whole() && backend.is_whole() && (closed || fin)
            }
        }
    }
}

/// The messages of one side that were told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// How many the other side has received.
    received: u64,
    /// Where the others end in the stream of their sender.
    ends: VecDeque<u64>,
}

impl Told {
    /// One more was told, which ends at this offset.
    pub(super) fn tell(&mut self, end: u64) {
        if self.ends.len() == ON_THEIR_WAY {
            self.ends.pop_front();
            self.received += 1;
        }
        self.ends.push_back(end);
    }

    /// How many were received by who has received so many bytes; all, where that is not known.
    pub(super) fn received(&mut self, bytes: Option<u64>) -> u64 {
        while self.ends.pop_front_if(|end| bytes.is_none_or(|bytes| *end <= bytes)).is_some() {
            self.received += 1;
        }
        self.received
    }
}

/// The fields of a head in order; bytes that are not ASCII as in Latin-1.
pub(super) fn fields(fields: &Fields<'_>) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| (name.to_owned(), latin1(value))).collect()
}

/// Bytes as text, each as one character.
pub(super) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
