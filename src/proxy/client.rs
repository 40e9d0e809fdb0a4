//! A client that has no session yet: its head is read and its answer written, and what becomes of it is
//! told.

use super::http::plain::Plain;
use super::route::Route;
use super::unserved::Unserved;
use crate::dialect::hixie::keys::{self, KEY3_LEN};
use crate::dialect::{Dialect, opening};
use crate::event::Side;
use crate::handshake::{Offer, Proof, Refusal, first};
use crate::net::proxy_protocol;
use crate::net::stream::{PARTING, Stream, linger};
use crate::net::{Hop, TurnedAway};
use crate::telemetry::{Details, Identity, Present, Refused, Telemetry};
use crate::watch::{ConnectionId, Watched, Watcher};
use crate::wire::head;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

/// A client that has no session yet.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: ConnectionId,
    pub(crate) hop: Hop,
    pub(crate) stream: Stream,
    /// What it sent and what is not yet used.
    pub(crate) buffer: Vec<u8>,
    /// When the head of its next request has to be there.
    pub(super) deadline: Instant,
    /// Why it is only to be told that it is turned away.
    pub(super) turned_away: Option<TurnedAway>,
    pub(super) watcher: Option<Arc<dyn Watcher>>,
    /// What it asked for, once that is known.
    pub(super) told: Option<Told>,
    /// Where that leads, once that is known.
    pub(super) route: Option<Arc<Route>>,
    /// Whether a 101 has gone out, so that no other status can.
    pub(super) answered: bool,
    pub(super) present: Present,
}

/// What a client has asked for, as far as it is told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) at: Instant,
    dialect: Dialect,
    host: Vec<u8>,
    target: Vec<u8>,
    user_agent: Vec<u8>,
    pub(super) request_id: Vec<u8>,
}

impl Told {
    pub(super) fn new(dialect: Dialect, offer: &Offer) -> Self {
        Self {
            at: Instant::now(),
            dialect,
            host: offer.host.clone(),
            target: offer.target.clone(),
            user_agent: first(&offer.fields, "User-Agent"),
            request_id: Vec::new(),
        }
    }
}

/// What a client's next request is.
pub(super) enum Asks {
    Session(Dialect, Offer),
    Plain(Plain),
    /// The one by the word of RFC 9110 section 7.8, and the other by what the client may mean.
    Either(Plain, Dialect, Offer),
}

impl Client {
    /// Who watches the client.
    pub(crate) fn watched(&self) -> Watched<'_> {
        Watched { id: self.id, watcher: self.watcher.as_deref() }
    }

    /// Reads the head; what comes behind it stays in the buffer.
    pub(super) async fn read_head(&mut self, limit: usize) -> Result<Asks, Unserved> {
        let mut searched = 0;
        let end = loop {
            let end = head::end(&self.buffer, searched);
            self.show(searched..end.unwrap_or(self.buffer.len()));
            if let Some(stray) = proxy_protocol::stray(&self.buffer, &self.hop) {
                return Err(stray.into());
            }
            // No method begins otherwise; this also finds TLS on a port that is none.
            if self.buffer.first().is_some_and(|first| !first.is_ascii_alphabetic()) {
                return Err(Refusal::Head(head::Fault::StartLine).into());
            }
            match end {
                Some(end) if end <= limit => break end,
                None if self.buffer.len() < limit => {}
                _ => return Err(Refusal::HeadTooLong.into()),
            }
            searched = self.buffer.len();
            self.read().await?;
        };
        let (head, behind) = self.buffer.split_at(end);
        let asks = match opening::read_offer(head) {
            Ok((dialect, offer)) => Ok(Asks::Session(dialect, offer)),
            Err(Refusal::NotWebSocket) => Plain::read(head).map(|plain| {
                let meant = plain.names_websocket.then_some(head);
                match meant.map(opening::read_offer_without_connection) {
                    Some(Ok((dialect, offer))) => Asks::Either(plain, dialect, offer),
                    _ => Asks::Plain(plain),
                }
            }),
            Err(refusal) => Err(refusal),
        };
        let behind = behind.to_vec();
        // Behind a plain head can be the next one, which is shown as that of a new client.
        if !matches!(asks, Ok(Asks::Plain(_) | Asks::Either(..))) {
            self.show(end..self.buffer.len());
        }
        self.buffer = behind;
        Ok(asks?)
    }

    /// Shows a part of what was read to who watches.
    pub(super) fn show(&self, part: Range<usize>) {
        if let Some(bytes @ [_, ..]) = self.buffer.get(part) {
            self.watched().read(Side::Client, bytes);
        }
    }

    /// Answers. Without key3, which a front proxy may withhold until it sees the 101, the head goes
    /// ahead and the 16 bytes follow key3.
    pub(super) async fn answer(
        &mut self,
        mut answer: Vec<u8>,
        proof: &Proof,
    ) -> Result<(), Unserved> {
        self.answered = true;
        if let Proof::Keys(parts) = *proof {
            if self.buffer.len() < KEY3_LEN {
                self.send(&answer).await?;
                answer.clear();
            }
            let key3 = loop {
                if let Some(key3) = self.buffer.first_chunk::<KEY3_LEN>() {
                    break *key3;
                }
                let count = self.read().await?;
                self.show(self.buffer.len() - count..self.buffer.len());
            };
            self.buffer.drain(..KEY3_LEN);
            answer.extend(keys::answer(parts, key3));
        }
        Ok(self.send(&answer).await?)
    }

    /// Reads once into the buffer; how much, which is not shown yet.
    ///
    /// # Errors
    /// When the client has left.
    pub(crate) async fn read(&mut self) -> Result<usize, Unserved> {
        let count = self.stream.read_buf(&mut self.buffer).await?;
        if count == 0 {
            return Err(Unserved::Left);
        }
        Ok(count)
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.watched().written(Side::Client, bytes);
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    pub(super) async fn refuse(&mut self, reason: &Unserved, telemetry: &Telemetry) {
        let told = !self.answered && !reason.is_gone();
        let reply = told.then(|| reason.reply(self.route.as_deref()));
        self.tell(telemetry, reason, reply.as_ref().map(|reply| reply.status));
        let mut response = Vec::new();
        if let Some(reply) = reply {
            reply.write(&mut response);
        }
        // The client may be gone; then there is no one left to tell.
        let parting = async {
            self.send(&response).await?;
            linger(&mut self.stream).await
        };
        drop(timeout(PARTING, parting).await);
    }

    /// Tells of a refusal: all of them to the access log, and those that the operator can mend to
    /// the log of the program too.
    fn tell(&self, telemetry: &Telemetry, reason: &Unserved, status: Option<u16>) {
        let peer = self.hop.peer;
        match reason {
            // Port scans and health checks connect and leave, by a reset too.
            Unserved::Left | Unserved::Lost(_) if self.buffer.is_empty() && self.told.is_none() => {
                return tracing::debug!(%peer, "client left without a byte");
            }
            Unserved::Backend(_) => {
                let path = self.told.as_ref().map(|told| Identity::path_of(&told.target));
                tracing::warn!(%peer, path, status, %reason, "handshake refused");
            }
            _ => {}
        }
        let dialect = self.told.as_ref().map(|told| told.dialect);
        let refused = Refused { dialect, status, reason: reason.to_string() };
        telemetry.refused(self.identity(""), reason.class(), refused);
    }

    /// Who asks, and for what, as far as that is known.
    pub(super) fn identity(&self, server: &str) -> Identity {
        let route = self.route.as_ref().map_or("", |route| &*route.settings.name);
        let details = match &self.told {
            Some(Told { host, target, user_agent, request_id, .. }) => {
                Details { route, host, target, server, user_agent, request_id }
            }
            None => Details::default(),
        };
        Identity::new(&self.hop, details)
    }
}
