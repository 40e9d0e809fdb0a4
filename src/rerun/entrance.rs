//! The opening handshakes of live clients, in any dialect: what they ask for, and how they are answered.

use super::line::Line;
use super::offer::bytes;
use super::target::{LARGEST_HEAD, random, text};
use crate::dialect::hixie::keys::{self, KEY3_LEN};
use crate::dialect::hybi::deflate::Compression;
use crate::dialect::opening::{read_offer, write_answer};
use crate::dialect::{self, Dialect};
use crate::event::Side;
use crate::handshake::{Answer, Field, Offer, Proof, Refusal, Subprotocols, is_end_to_end};
use crate::net::stream::{PARTING, Stream, linger};
use crate::proxy::reply::Reply;
use crate::replay::repertoire::chosen;
use crate::transcript::event::Open;
use crate::wire::grammar::is_token;
use crate::wire::head::{self, Request};
use anyhow::bail;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// A client that has asked for a session.
pub(super) struct Client {
    stream: Stream,
    dialect: Dialect,
    offer: Offer,
    /// What it asks for, as recordings have it.
    pub(super) open: Open,
    /// What it said behind its head.
    behind: Vec<u8>,
}

impl Client {
    /// Reads what a client asks for. One that asks for no session is told so.
    ///
    /// # Errors
    /// When it does not, or leaves.
    pub(super) async fn ask(mut stream: Stream, peer: String) -> anyhow::Result<Self> {
        let (mut buffer, mut searched) = (Vec::new(), 0);
        let end = loop {
            match head::end(&buffer, searched) {
                Some(end) if end <= LARGEST_HEAD => break end,
                None if buffer.len() < LARGEST_HEAD => {}
                _ => {
                    let refusal = Refusal::HeadTooLong;
                    refuse(stream, refusal.status(), Vec::new()).await;
                    bail!("{refusal}");
                }
            }
            searched = buffer.len();
            if stream.read_buf(&mut buffer).await? == 0 {
                bail!("left without a request");
            }
        };
        let behind = buffer.split_off(end);
        let asked = read_offer(&buffer).and_then(|(dialect, offer)| {
            let fields = Request::parse(&buffer)?.fields;
            let fields = fields.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            Ok((dialect, offer, fields.map(text).collect()))
        });
        match asked {
            Ok((dialect, offer, fields)) => {
                let target = offer.target.iter().copied().map(char::from).collect();
                let open = Open { dialect, client: peer, server: String::new(), target, fields };
                Ok(Self { stream, dialect, offer, open, behind })
            }
            Err(refusal) => {
                refuse(stream, refusal.status(), Vec::new()).await;
                bail!("{refusal}");
            }
        }
    }

    /// The subprotocols that may be chosen.
    pub(super) fn offered(&self) -> Vec<&str> {
        let whole = match &self.offer.subprotocols {
            Subprotocols::Opaque(value) => str::from_utf8(value).ok(),
            Subprotocols::None | Subprotocols::List(_) => None,
        };
        let tokens = self.offer.subprotocols.tokens().unwrap_or_default();
        whole.into_iter().chain(tokens).collect()
    }

    /// Accepts it, with what another server answered: its fields, and the subprotocol where that is offered.
    ///
    /// # Errors
    /// When it leaves.
    pub(super) async fn accept(mut self, fields: &[(String, String)]) -> anyhow::Result<Line> {
        let subprotocol =
            chosen(fields).filter(|chosen| self.offered().contains(chosen)).map(bytes);
        let answer = Answer { subprotocol, fields: end_to_end(fields).collect() };
        let mut out = Vec::new();
        let (offer, keys) = (&self.offer, &mut random);
        let off = Compression::Off;
        let agreed = write_answer(self.dialect, offer, &answer, false, off, keys, &mut out);
        if let Proof::Keys(parts) = self.offer.proof {
            // A proxy may withhold key3 until it has seen the 101.
            if self.behind.len() < KEY3_LEN {
                self.stream.write_all(&out).await?;
                out.clear();
            }
            let key3 = loop {
                if let Some(key3) = self.behind.first_chunk::<KEY3_LEN>() {
                    break *key3;
                }
                if self.stream.read_buf(&mut self.behind).await? == 0 {
                    bail!("left without its third key");
                }
            };
            self.behind.drain(..KEY3_LEN);
            out.extend(keys::answer(parts, key3));
        }
        self.stream.write_all(&out).await?;
        Ok(Line::new(self.stream, agreed, Side::Backend, &self.behind))
    }

    /// Refuses it, as another server did.
    pub(super) async fn refuse(self, status: u16, fields: &[(String, String)]) {
        // What is below is no answer, and nobody has refused with it.
        let status = if status < 200 { 502 } else { status };
        // The body was not recorded.
        let is_of_body = |name: &str| name.to_ascii_lowercase().starts_with("content-");
        let fields = end_to_end(fields).filter(|(name, _)| !is_of_body(name)).collect();
        refuse(self.stream, status, fields).await;
    }
}

/// The fields of a recorded answer that another may have.
fn end_to_end(fields: &[(String, String)]) -> impl Iterator<Item = Field> + '_ {
    let fields = fields.iter().map(|(name, value)| (name.clone(), bytes(value)));
    fields.filter(|(name, value)| {
        let is_sound = is_token(name.as_bytes()) && !value.iter().any(|b| *b < 0x20 || *b == 0x7f);
        is_sound && !value.is_empty() && is_end_to_end(name)
    })
}

async fn refuse(mut stream: Stream, status: u16, fields: Vec<Field>) {
    let mut out = Vec::new();
    Reply::refusal(status, fields, None, None).offering(&dialect::ALL).write(&mut out);
    // The client may be gone; then there is no one left to tell.
    let parting = async {
        stream.write_all(&out).await?;
        linger(&mut stream).await
    };
    drop(timeout(PARTING, parting).await);
}
