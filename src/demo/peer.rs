//! The peers of the demo, in either role: an opening handshake on a socket, and then messages
//! through the codec that the library offers to any program.

use crate::codec::{Codec, Message};
use crate::dialect::hixie::keys;
use crate::dialect::hybi::deflate::Compression;
use crate::dialect::opening::{ClientOpening, read_offer, write_answer};
use crate::dialect::{Agreement, Dialect};
use crate::event::Side;
use crate::handshake::{Answer, Offer, Proof, Subprotocols};
use crate::wire::head;
use crate::worker::Random;
use anyhow::{Context, bail};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::codec::{Framed, FramedParts};

/// The longest message that a peer takes, in bytes; some samples of the page are long.
const LARGEST_MESSAGE: usize = 1 << 20;

/// The longest head that a peer takes, in bytes: what the proxy takes from a client, and some more.
const LARGEST_HEAD: usize = 32 * 1024;

/// A connection behind its opening handshake.
pub(super) type Talk = Framed<TcpStream, Codec<Random>>;

/// Connects as a client.
pub(super) async fn connect(address: SocketAddr, dialect: Dialect) -> anyhow::Result<Talk> {
    let offer = Offer {
        target: b"/demo".to_vec(),
        host: address.to_string().into_bytes(),
        origin: Some(b"http://example.com".to_vec()),
        subprotocols: Subprotocols::None,
        extensions: Vec::new(),
        fields: Vec::new(),
        proof: Proof::None,
    };
    let mut request = Vec::new();
    let mut keys = Random::new()?;
    let mut opening =
        ClientOpening::start(dialect, &offer, Compression::Off, &mut keys, &mut request)?;
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&request).await?;
    let mut bytes = Vec::new();
    let behind = loop {
        if let Some((_, length)) = opening.read(&bytes)? {
            break bytes.split_off(length);
        }
        read_more(&mut stream, &mut bytes).await?;
    };
    talk(stream, opening.agreement(), Side::Client, &behind)
}

/// Accepts a client of one dialect as a server.
pub(super) async fn accept(mut stream: TcpStream, dialect: Dialect) -> anyhow::Result<Talk> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = head::end(&bytes, 0) {
            break end;
        }
        read_more(&mut stream, &mut bytes).await?;
    };
    let mut behind = bytes.split_off(end);
    let (theirs, offer) = match read_offer(&bytes) {
        Ok((theirs, offer)) if theirs == dialect => (theirs, offer),
        _ => {
            let refusal = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
            stream.write_all(refusal).await?;
            bail!("a client that does not speak {dialect}");
        }
    };
    let mut answer = Vec::new();
    let mut random = Random::new()?;
    let (given, off) = (Answer::default(), Compression::Off);
    let agreed = write_answer(theirs, &offer, &given, false, off, &mut random, &mut answer);
    if let Proof::Keys(numbers) = offer.proof {
        while behind.len() < keys::KEY3_LEN {
            read_more(&mut stream, &mut behind).await?;
        }
        let frames = behind.split_off(keys::KEY3_LEN);
        let key3 = behind.try_into().ok().context("key3")?;
        answer.extend(keys::answer(numbers, key3));
        behind = frames;
    }
    stream.write_all(&answer).await?;
    talk(stream, agreed, Side::Backend, &behind)
}

async fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> anyhow::Result<()> {
    if bytes.len() > LARGEST_HEAD || stream.read_buf(bytes).await? == 0 {
        bail!("no opening handshake");
    }
    Ok(())
}

fn talk(stream: TcpStream, agreed: Agreement, own: Side, behind: &[u8]) -> anyhow::Result<Talk> {
    let codec = Codec::new(agreed, own, LARGEST_MESSAGE, Random::new()?);
    let mut parts = FramedParts::new::<Message>(stream, codec);
    parts.read_buf.extend_from_slice(behind);
    Ok(Framed::from_parts(parts))
}
