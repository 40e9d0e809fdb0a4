//! One connection behind its opening handshake: what the peer says, message by message, and what is said
//! to it. Pings are answered here.

use super::target::random;
use crate::codec::{Codec, CodecError, Message};
use crate::dialect::Agreement;
use crate::event::{FinMeans, Kind, Reason, Side};
use crate::net::stream::{PARTING, Stream, linger};
use crate::replay::player::Ended;
use crate::replay::script::Body;
use arrayvec::ArrayVec;
use bytes::{Buf, BytesMut};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_util::codec::{Decoder, Encoder};

/// The longest message of a peer, in bytes.
const LARGEST_MESSAGE: usize = 64 << 20;

/// From how many unsent bytes on nothing more is said.
const MUCH: usize = 256 << 10;

/// How much is read at once: little, for most messages are short and sessions may be many.
const LITTLE: usize = 2 << 10;

/// What buffers keep that are empty.
const KEPT: usize = 4 << 10;

type Fill = fn(&mut [u8]);

/// What a peer has said.
pub(super) enum Heard {
    Message(Body),
    Ended(Ended),
}

pub(super) struct Line {
    stream: Stream,
    codec: Codec<Fill>,
    /// What the end of the peer's stream means.
    fin: FinMeans,
    input: BytesMut,
    output: BytesMut,
    /// One for all that is waited for: another time is cheap, another timer is not.
    timer: Pin<Box<Sleep>>,
    /// Whether we have said the close.
    has_left: bool,
    /// Whether our stream has ended.
    is_silent: bool,
    /// Whether nothing that comes counts any more.
    is_deaf: bool,
}

impl Line {
    /// `own` is the side that we are, `early` what the peer said right behind its handshake.
    pub(super) fn new(stream: Stream, agreed: Agreement, own: Side, early: &[u8]) -> Self {
        Self {
            stream,
            codec: Codec::new(agreed, own, LARGEST_MESSAGE, random as Fill),
            fin: agreed.dialect.able().fin,
            input: BytesMut::from(early),
            output: BytesMut::new(),
            timer: Box::pin(sleep_until(Instant::now())),
            has_left: false,
            is_silent: false,
            is_deaf: false,
        }
    }

    /// Takes the next of what has come; behind an end there is nothing.
    pub(super) fn hear(&mut self) -> Option<Heard> {
        if self.is_deaf {
            self.input.clear();
        }
        while !self.is_deaf {
            let ended = match self.codec.decode(&mut self.input) {
                Ok(None) => break,
                Ok(Some(Message::Text(text))) => {
                    let data = text.into_bytes();
                    return Some(Heard::Message(Body { kind: Kind::Text, data }));
                }
                Ok(Some(Message::Binary(data))) => {
                    let data = data.to_vec();
                    return Some(Heard::Message(Body { kind: Kind::Binary, data }));
                }
                Ok(Some(Message::Ping(payload))) => {
                    // "MAY elect to send a Pong frame for only the most recently processed Ping" (RFC
                    // 6455 section 5.5.3): a peer that does not read does not get them all.
                    if self.has_room() {
                        self.encode(Message::Pong(payload));
                    }
                    continue;
                }
                Ok(Some(Message::Pong(_))) => continue,
                Ok(Some(Message::Close(reason))) => {
                    let code = reason.map(|reason| reason.code);
                    self.leave(code, "");
                    Ended::Closed(code)
                }
                Err(CodecError::Fault(fault)) => {
                    self.leave(Some(fault.close_code()), "");
                    Ended::Fault(fault.to_string())
                }
                Err(CodecError::Io(_)) => Ended::Lost,
            };
            self.is_deaf = true;
            return Some(Heard::Ended(ended));
        }
        if self.input.is_empty() && self.input.capacity() > KEPT {
            self.input = BytesMut::new();
        }
        None
    }

    /// Whether more may be said.
    pub(super) fn has_room(&self) -> bool {
        self.output.len() < MUCH
    }

    pub(super) fn say(&mut self, body: &Body) {
        self.encode(match body.text() {
            Some(text) => Message::Text(text.to_owned()),
            None => Message::Binary(body.data.clone().into()),
        });
    }

    /// Says the close, once.
    pub(super) fn leave(&mut self, code: Option<u16>, text: &str) {
        if !std::mem::replace(&mut self.has_left, true) {
            let text = ArrayVec::try_from(text.as_bytes()).unwrap_or_default();
            let reason = code.map(|code| Reason { code, text });
            let close = self.codec.encode(Message::Close(reason), &mut self.output);
            if close.is_err() {
                // A code that may not be on the wire.
                self.codec.encode(Message::Close(None), &mut self.output).ok();
            }
        }
    }

    fn encode(&mut self, message: Message) {
        // Behind our close nothing is said, which is the only error of it.
        self.codec.encode(message, &mut self.output).ok();
    }

    /// Waits for the first thing that happens: bytes that come, where they are wanted, or room for more to
    /// say, or the time. The end of the stream, or its loss, is told.
    pub(super) async fn step(&mut self, until: Instant, wanted: bool) -> Option<Ended> {
        self.input.reserve(LITTLE);
        if self.timer.deadline() != until {
            self.timer.as_mut().reset(until);
        }
        poll_fn(|cx| self.poll_step(cx, wanted)).await
    }

    fn poll_step(&mut self, cx: &mut Context<'_>, wanted: bool) -> Poll<Option<Ended>> {
        let had_room = self.has_room();
        if let Poll::Ready(Err(_)) = self.poll_leave(cx) {
            return Poll::Ready(Some(Ended::Lost));
        }
        if !had_room && self.has_room() {
            return Poll::Ready(None);
        }
        if wanted && let Poll::Ready(read) = pin!(self.stream.read_buf(&mut self.input)).poll(cx) {
            return Poll::Ready(match read {
                Ok(0) => Some(self.stream_ended()),
                Ok(_) => None,
                Err(_) => Some(Ended::Lost),
            });
        }
        self.timer.as_mut().poll(cx).map(|()| None)
    }

    /// Says what is to be said, and ends the stream behind the close where nothing else tells it.
    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, output, .. } = self;
        while !output.is_empty() {
            match ready!(Pin::new(&mut *stream).poll_write(cx, output))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => output.advance(written),
            }
        }
        if output.capacity() > KEPT {
            *output = BytesMut::new();
        }
        if self.has_left && !self.is_silent && self.fin == FinMeans::Close {
            ready!(Pin::new(stream).poll_shutdown(cx))?;
            self.is_silent = true;
        }
        Poll::Ready(Ok(()))
    }

    const fn stream_ended(&self) -> Ended {
        match self.fin {
            _ if self.has_left => Ended::Closed(None),
            FinMeans::Close | FinMeans::GoingAway => Ended::Closed(None),
            FinMeans::Nothing => Ended::Lost,
        }
    }

    /// Says the rest, and ends the stream.
    pub(super) async fn finish(mut self) {
        // What the peer does with the rest is its matter.
        let rest = async {
            self.stream.write_all_buf(&mut self.output).await?;
            self.stream.shutdown().await
        };
        timeout(Duration::from_secs(1), rest).await.ok();
    }

    /// The same, and waits for the end of the peer's stream, so that what was said last is not destroyed.
    pub(super) async fn part(mut self) {
        let parting = async {
            self.stream.write_all_buf(&mut self.output).await?;
            linger(&mut self.stream).await
        };
        drop(timeout(PARTING, parting).await);
    }
}
