//! One connection: the bytes of both directions become events.
//!
//! Plain requests may come before the opening handshake, as on connections that are kept alive; they
//! are followed as long as it is certain where each ends. Of what turns out to be no WebSocket
//! nothing is kept.

use super::event::{Open, What};
use super::http::{Messages, Stray};
use super::session::{Session, fields, latin1};
use crate::dialect::detect::detect;
use crate::event::{Side, Sides};
use crate::wire::body::Framing;
use crate::wire::head::{Request, Response};
use std::collections::VecDeque;

pub use super::speech::MAX_MESSAGE;

/// How many requests may wait for their answers. Browsers that pipeline have fewer.
const MAX_PIPELINED: usize = 64;

/// When and where bytes came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// In nanoseconds since the start of the recording.
    pub at: u64,
    /// The packet of a capture.
    pub packet: Option<u64>,
    /// How many bytes of the other side's stream the sender had received then, where that is known;
    /// else all that came before.
    pub acked: Option<u64>,
}

/// What a connection has turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Not known yet.
    Nothing,
    /// A WebSocket: its client has asked for one.
    WebSocket,
    /// TLS.
    Tls,
    /// Anything else.
    Other,
}

/// A connection.
///
/// It reads what can be read without doubt though it breaks a rule: frames whose masking is wrong
/// ([`masks_wrongly`](Self::masks_wrongly) tells), a wrong proof in the answer. It keeps the message
/// in progress, up to [`MAX_MESSAGE`], and a head in progress, and counts.
#[derive(Debug)]
pub struct Conversation {
    stage: Stage,
    wrong_masks: Sides<bool>,
}

#[derive(Debug)]
enum Stage {
    /// It is listened to.
    Live(Box<Live>),
    /// Nothing more is to be heard of it.
    Over(Found),
}

/// A connection that is a WebSocket, or may become one.
#[derive(Debug)]
struct Live {
    /// How many bytes of each stream came.
    offsets: Sides<u64>,
    heads: Sides<Messages>,
    /// The requests whose answers have not come, in order.
    asked: VecDeque<Asked>,
    session: Option<Box<Session>>,
}

/// What was asked of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Something plain; of a HEAD the answer has no body.
    Plain { is_head: bool },
    /// A WebSocket.
    Upgrade,
}

impl Default for Conversation {
    fn default() -> Self {
        let live = Live {
            offsets: Sides::default(),
            heads: Sides {
                client: Messages::new(Side::Client),
                backend: Messages::new(Side::Backend),
            },
            asked: VecDeque::new(),
            session: None,
        };
        Self { stage: Stage::Live(Box::new(live)), wrong_masks: Sides::default() }
    }
}

impl Conversation {
    /// Takes the next bytes of a side; `tell` is told what they say, with the mark of the bytes that
    /// completed it.
    pub fn feed(&mut self, from: Side, bytes: &[u8], mark: Mark, tell: &mut dyn FnMut(Mark, What)) {
        if let Stage::Live(live) = &mut self.stage
            && let Err(stray) = live.feed(from, bytes, mark, tell)
        {
            self.stage = Stage::Over(stray.found());
        }
    }

    /// Takes note that bytes of a side are missing.
    pub fn gap(&mut self, from: Side, bytes: u64, mark: Mark, tell: &mut dyn FnMut(Mark, What)) {
        let Stage::Live(live) = &mut self.stage else { return };
        live.offsets[from] += bytes;
        match &mut live.session {
            Some(session) => session.gap(from, bytes, mark, tell),
            // Where the next head stands is not certain any more.
            None => self.stage = Stage::Over(Found::Other),
        }
    }

    /// Takes note that a side has ended its stream, or has reset the connection. What comes when
    /// both have, or one has reset it, is the end of the session.
    pub fn end(&mut self, from: Side, reset: bool, mark: Mark, tell: &mut dyn FnMut(Mark, What)) {
        let Stage::Live(live) = &mut self.stage else { return };
        if live.session.as_mut().is_none_or(|session| session.end(from, reset, mark, tell)) {
            self.over();
        }
    }

    /// Takes note that the recording ends here, or that the connection is to be forgotten.
    pub fn cut(&mut self, mark: Mark, tell: &mut dyn FnMut(Mark, What)) {
        let Stage::Live(live) = &mut self.stage else { return };
        if let Some(session) = &live.session {
            session.cut(mark, tell);
        }
        self.over();
    }

    /// What it has turned out to be. A connection on which only plain requests came is not known
    /// until its end.
    pub fn found(&self) -> Found {
        match &self.stage {
            Stage::Live(live) if live.session.is_some() => Found::WebSocket,
            Stage::Live(_) => Found::Nothing,
            Stage::Over(found) => *found,
        }
    }

    /// Whether nothing more is to be heard of it.
    pub const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over(_))
    }

    /// What has come of a request whose head is not whole yet.
    pub fn unfinished_head(&self) -> &[u8] {
        match &self.stage {
            Stage::Live(live) => live.heads.client.unfinished(),
            Stage::Over(_) => &[],
        }
    }

    /// How much memory it takes beside itself, in bytes.
    pub fn kept(&self) -> usize {
        let Stage::Live(live) = &self.stage else { return 0 };
        let heads = live.heads.client.unfinished().len() + live.heads.backend.unfinished().len();
        size_of::<Live>() + heads + live.session.as_ref().map_or(0, |session| session.kept())
    }

    /// Whether a side has masked frames against RFC 6455 section 5.1: as a client not, or as a server.
    /// They are read all the same.
    pub fn masks_wrongly(&self, side: Side) -> bool {
        match &self.stage {
            Stage::Live(live) => {
                live.session.as_ref().is_some_and(|session| session.masks_wrongly(side))
            }
            Stage::Over(_) => self.wrong_masks[side],
        }
    }

    fn over(&mut self) {
        let Stage::Live(live) = &self.stage else { return };
        let found = match &live.session {
            Some(session) => {
                for side in Side::BOTH {
                    self.wrong_masks[side] = session.masks_wrongly(side);
                }
                Found::WebSocket
            }
            None if live.offsets == Sides::default() => Found::Nothing,
            None => Found::Other,
        };
        self.stage = Stage::Over(found);
    }
}

impl Live {
    /// # Errors
    /// When it is no WebSocket, and can become none.
    fn feed(
        &mut self,
        from: Side,
        mut bytes: &[u8],
        mark: Mark,
        tell: &mut dyn FnMut(Mark, What),
    ) -> Result<(), Stray> {
        self.offsets[from] += bytes.len() as u64;
        loop {
            if let Some(session) = self.session.as_mut().filter(|session| session.speaks(from)) {
                session.hear(from, bytes, self.offsets[from], mark, tell);
                return Ok(());
            }
            let next = match self.heads[from].next_head(&mut bytes) {
                Ok(None) => return Ok(()),
                Ok(Some(head)) if from == Side::Client => self.request(&head, mark, tell),
                Ok(Some(head)) => self.response(&head, mark, tell),
                Err(stray) => Err(stray),
            };
            match (next, &mut self.session) {
                (Ok(()), _) => {}
                (Err(stray), Some(session)) => session.misanswer(stray.to_string(), mark, tell),
                (Err(stray), None) => return Err(stray),
            }
        }
    }

    fn request(
        &mut self,
        head: &[u8],
        mark: Mark,
        tell: &mut dyn FnMut(Mark, What),
    ) -> Result<(), Stray> {
        let request = Request::parse(head)?;
        if let Ok(dialect) = detect(&request) {
            self.asked.push_back(Asked::Upgrade);
            self.session = Some(Box::new(Session::new(dialect, &request)));
            let open = Open {
                dialect,
                client: String::new(),
                server: String::new(),
                target: latin1(request.target),
                fields: fields(&request.fields),
            };
            tell(mark, What::Open(open));
            return Ok(());
        }
        // What comes behind a CONNECT is not for who answers it.
        if request.method == "CONNECT" || self.asked.len() == MAX_PIPELINED {
            return Err(Stray::NotHttp);
        }
        let body = Framing::of(&request).map_err(|_| Stray::NotHttp)?;
        self.heads.client.expect_body(body);
        self.asked.push_back(Asked::Plain { is_head: request.method == "HEAD" });
        Ok(())
    }

    fn response(
        &mut self,
        head: &[u8],
        mark: Mark,
        tell: &mut dyn FnMut(Mark, What),
    ) -> Result<(), Stray> {
        let response = Response::parse(head)?;
        let status = response.status;
        // Interim answers come before the one that is (RFC 9110 section 15.2).
        if matches!(status, 100 | 102..=199) {
            return Ok(());
        }
        let body = match (self.asked.pop_front(), &mut self.session) {
            (Some(Asked::Upgrade), Some(session)) => {
                session.answer(&response, mark, tell);
                return Ok(());
            }
            // RFC 9112 section 6.3: these have none.
            (Some(Asked::Plain { is_head }), _) if is_head || matches!(status, 204 | 304) => {
                Some(Framing::Length(0))
            }
            // Another protocol comes behind a 101.
            (Some(Asked::Plain { .. }), _) if status != 101 => {
                Framing::of_response(&response).map_err(|_| Stray::NotHttp)?
            }
            _ => None,
        };
        // What ends with the connection has no head behind it.
        self.heads.backend.expect_body(body.ok_or(Stray::NotHttp)?);
        Ok(())
    }
}
