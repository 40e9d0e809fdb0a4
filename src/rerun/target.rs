//! The server that recorded clients are to talk to.

use super::line::Line;
use super::offer::Rewriting;
use crate::config::backend::ClientTls;
use crate::config::server_url::ServerUrl;
use crate::dialect::hybi::deflate::Compression;
use crate::dialect::opening::ClientOpening;
use crate::dialect::{Agreement, Dialect};
use crate::event::Side;
use crate::handshake::{Answer, Failure};
use crate::net::stream::Stream;
use crate::transcript::event::Open;
use crate::upstream::Way;
use anyhow::Context;
use rand::Rng;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// The longest head of a peer, in bytes.
pub(super) const LARGEST_HEAD: usize = 32 * 1024;

/// Where, and how it is spoken to.
#[derive(Debug)]
pub(crate) struct Target {
    url: ServerUrl,
    /// What stands before the targets of the requests.
    path: String,
    way: Way,
    /// That of the recording where there is none.
    dialect: Option<Dialect>,
    rewriting: Rewriting,
    limit: Duration,
}

/// A server's answer.
pub(super) enum Opened {
    /// It has accepted.
    Open(Box<Accepted>),
    /// It has refused, with this status.
    Refused(u16, Vec<(String, String)>),
}

pub(super) struct Accepted {
    stream: Stream,
    agreed: Agreement,
    pub(super) fields: Vec<(String, String)>,
    /// What it said right behind.
    early: Vec<u8>,
}

impl Accepted {
    /// The connection, on which we are the client.
    pub(super) fn into_line(self) -> Line {
        Line::new(self.stream, self.agreed, Side::Client, &self.early)
    }
}

impl Target {
    /// `url` is `ws://` or `wss://` with a host, and perhaps a path, or `unix:` with that of a socket.
    ///
    /// # Errors
    /// When it is none, or the roots of its certificate cannot be read.
    pub(crate) fn new(
        url: &str,
        dialect: Option<Dialect>,
        tls: ClientTls,
        limit: Duration,
        rewriting: Rewriting,
    ) -> anyhow::Result<Self> {
        let (way, server, path) = Way::to_url(url, tls, limit)?;
        let path = path.trim_end_matches('/').to_owned();
        Ok(Self { url: server, path, way, dialect, rewriting, limit })
    }

    /// The address, as it was given.
    pub(crate) fn address(&self) -> String {
        format!("{}{}", self.url, self.path)
    }

    /// Asks for a session.
    ///
    /// # Errors
    /// When it cannot be reached, or what it answers is no answer.
    pub(super) async fn open(&self, open: &Open) -> anyhow::Result<Opened> {
        timeout(self.limit, self.open_slowly(open)).await.context("no answer in time")?
    }

    async fn open_slowly(&self, open: &Open) -> anyhow::Result<Opened> {
        let dialect = self.dialect.unwrap_or(open.dialect);
        let offer = self.rewriting.offer(open, self.url.authority(), &self.path);
        let mut request = Vec::new();
        let opening =
            ClientOpening::start(dialect, &offer, Compression::Off, &mut random, &mut request);
        let mut opening = opening.map_err(|refusal| anyhow::anyhow!("{refusal} in {dialect}"))?;
        let mut stream = self.way.connect(None).await?;
        stream.write_all(&request).await.context("connection lost")?;
        let mut bytes = Vec::new();
        loop {
            match opening.read(&bytes) {
                Ok(Some((Answer { subprotocol, fields }, length))) => {
                    let chosen =
                        subprotocol.map(|chosen| ("Sec-WebSocket-Protocol".to_owned(), chosen));
                    let fields = chosen.into_iter().chain(fields).map(text).collect();
                    let early = bytes.split_off(length);
                    let agreed = opening.agreement();
                    return Ok(Opened::Open(Box::new(Accepted { stream, agreed, fields, early })));
                }
                Ok(None) if bytes.len() > LARGEST_HEAD => anyhow::bail!("its answer has no end"),
                Ok(None) => {}
                Err(Failure::Status { status, fields }) => {
                    return Ok(Opened::Refused(status, fields.into_iter().map(text).collect()));
                }
                Err(failure) => return Err(failure.into()),
            }
            if stream.read_buf(&mut bytes).await.context("connection lost")? == 0 {
                return Err(opening.end(&bytes).into());
            }
        }
    }
}

/// The randomness of this thread.
pub(super) fn random(bytes: &mut [u8]) {
    rand::rng().fill_bytes(bytes);
}

pub(super) fn text((name, value): (String, Vec<u8>)) -> (String, String) {
    // As in recordings: what is not ASCII as in Latin-1.
    (name, value.into_iter().map(char::from).collect())
}
