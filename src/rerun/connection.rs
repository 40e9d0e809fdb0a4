//! One session at a live server: the player says what is to be said, and here it is said.

use super::steps::Steps;
use super::target::{Accepted, Opened, Target, random};
use crate::codec::{Codec, CodecError, Message};
use crate::event::{FinMeans, Kind, Reason, Side};
use crate::replay::compare::shown;
use crate::replay::player::{Ended, Next, Player};
use crate::replay::script::Body;
use arrayvec::ArrayVec;
use bytes::BytesMut;
use std::io::{self, Write};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::time::{Instant, sleep_until};
use tokio_util::codec::{Decoder, Encoder};
use tokio_util::sync::CancellationToken;

/// The longest message of a server, in bytes.
const LARGEST_MESSAGE: usize = 64 << 20;

/// From how many unsent bytes on nothing more is said.
const MUCH: usize = 256 << 10;

/// How much is read at once: little, for most messages are short and sessions may be many.
const LITTLE: usize = 2 << 10;

/// What buffers keep that are empty.
const KEPT: usize = 4 << 10;

type Fill = fn(&mut [u8]);

/// Says a session; ends early where it is told to.
pub(super) async fn play(
    target: &Target,
    player: &mut Player,
    clock: Instant,
    steps: Option<&mut Steps>,
    end: &CancellationToken,
) {
    let opening = target.open(&player.script().open);
    let opened = tokio::select! {
        opened = opening => opened,
        () = end.cancelled() => {
            return player.interrupt();
        }
    };
    let now = since(clock);
    match opened {
        Err(error) => player.failed(format!("{error:#}")),
        Ok(Opened::Refused(status, fields)) => player.opened(now, status, &fields),
        Ok(Opened::Open(accepted)) => {
            player.opened(now, 101, &accepted.fields);
            Connection::new(*accepted, clock).talk(player, steps, end).await;
        }
    }
}

fn since(clock: Instant) -> u64 {
    u64::try_from(clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// A session on its socket.
struct Connection {
    read: ReadHalf<crate::net::stream::Stream>,
    write: WriteHalf<crate::net::stream::Stream>,
    codec: Codec<Fill>,
    /// What the end of the server's stream means.
    fin: FinMeans,
    input: BytesMut,
    output: BytesMut,
    /// Whether we have said the close.
    has_left: bool,
    clock: Instant,
}

impl Connection {
    fn new(accepted: Accepted, clock: Instant) -> Self {
        let Accepted { stream, dialect, early, .. } = accepted;
        let (read, write) = split(stream);
        Self {
            read,
            write,
            codec: Codec::new(dialect, Side::Client, LARGEST_MESSAGE, random as Fill),
            fin: dialect.able().fin,
            input: BytesMut::from(&early[..]),
            output: BytesMut::new(),
            has_left: false,
            clock,
        }
    }

    /// To its end.
    async fn talk(
        mut self,
        player: &mut Player,
        mut steps: Option<&mut Steps>,
        end: &CancellationToken,
    ) {
        self.decode(player);
        let mut asking = false;
        loop {
            let now = since(self.clock);
            let until = match player.next(now) {
                Next::Done => break,
                Next::Say(body) => {
                    let message = message(&body);
                    self.say(message);
                    if self.output.len() < MUCH {
                        continue;
                    }
                    u64::MAX
                }
                Next::Leave(code) => {
                    self.leave(code);
                    continue;
                }
                Next::Ask(body) => {
                    if !std::mem::replace(&mut asking, true) {
                        ask(body);
                    }
                    u64::MAX
                }
                Next::Wait(until) => until,
            };
            tokio::select! {
                biased;
                () = end.cancelled() => player.interrupt(),
                () = allowed(&mut steps), if asking => {
                    asking = false;
                    player.allow();
                }
                () = self.step(player, until) => {}
            }
        }
        // What the server does with the rest is its matter.
        if tokio::time::timeout(Duration::from_secs(1), self.write.write_all_buf(&mut self.output))
            .await
            .is_ok()
        {
            self.write.shutdown().await.ok();
        }
    }

    /// Waits for the first thing that happens: bytes that come, or leave, or the time.
    async fn step(&mut self, player: &mut Player, until: u64) {
        let deadline = self.clock + Duration::from_nanos(until.min(1 << 60));
        self.input.reserve(LITTLE);
        let Self { read, write, input, output, .. } = self;
        tokio::select! {
            biased;
            result = write.write_buf(output), if !output.is_empty() => match result {
                Ok(_) => {
                    if output.is_empty() && output.capacity() > KEPT {
                        *output = BytesMut::new();
                    }
                }
                Err(_) => player.ended(Ended::Lost),
            },
            result = read.read_buf(input) => match result {
                Ok(0) => self.stream_ended(player),
                Ok(_) => self.decode(player),
                Err(_) => player.ended(Ended::Lost),
            },
            () = sleep_until(deadline) => {}
        }
    }

    fn stream_ended(&self, player: &mut Player) {
        player.ended(match self.fin {
            _ if self.has_left => Ended::Closed(None),
            FinMeans::Close | FinMeans::GoingAway => Ended::Closed(None),
            FinMeans::Nothing => Ended::Lost,
        });
    }

    /// Reads all that has come.
    fn decode(&mut self, player: &mut Player) {
        loop {
            match self.codec.decode(&mut self.input) {
                Ok(None) => break,
                Ok(Some(Message::Text(text))) => self.heard(player, Kind::Text, text.into_bytes()),
                Ok(Some(Message::Binary(data))) => self.heard(player, Kind::Binary, data.to_vec()),
                Ok(Some(Message::Ping(payload))) => self.say(Message::Pong(payload)),
                Ok(Some(Message::Pong(_))) => {}
                Ok(Some(Message::Close(reason))) => {
                    let code = reason.map(|reason| reason.code);
                    player.ended(Ended::Closed(code));
                    self.leave(code);
                    break;
                }
                Err(CodecError::Fault(fault)) => {
                    player.ended(Ended::Fault(fault.to_string()));
                    self.leave(Some(fault.close_code()));
                    break;
                }
                Err(CodecError::Io(_)) => {
                    player.ended(Ended::Lost);
                    break;
                }
            }
        }
        if self.input.is_empty() && self.input.capacity() > KEPT {
            self.input = BytesMut::new();
        }
    }

    fn heard(&self, player: &mut Player, kind: Kind, data: Vec<u8>) {
        player.heard(since(self.clock), Body { kind, data });
    }

    fn say(&mut self, message: Message) {
        // Behind our close nothing is said, which is the only error of it.
        self.codec.encode(message, &mut self.output).ok();
    }

    fn leave(&mut self, code: Option<u16>) {
        if !std::mem::replace(&mut self.has_left, true) {
            let reason = code.map(|code| Reason { code, text: ArrayVec::new() });
            let close = self.codec.encode(Message::Close(reason), &mut self.output);
            if close.is_err() {
                // A code that may not be on the wire.
                self.codec.encode(Message::Close(None), &mut self.output).ok();
            }
        }
    }
}

/// Asks a person.
fn ask(body: &Body) {
    let text = String::from_utf8_lossy(&body.data);
    // Where nobody can be asked nobody answers either.
    writeln!(io::stderr(), "next: {}", shown(&text).replace(char::is_control, "·")).ok();
}

async fn allowed(steps: &mut Option<&mut Steps>) {
    if let Some(steps) = steps {
        steps.next().await;
    }
}

fn message(body: &Body) -> Message {
    match body.text() {
        Some(text) => Message::Text(text.to_owned()),
        None => Message::Binary(body.data.clone().into()),
    }
}
