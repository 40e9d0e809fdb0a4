//! Both ends of the opening handshake.

use std::{iter, net::SocketAddr};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use md5::{Digest, Md5};
use sha1::Sha1;

use super::Dialect;

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const BLANK_LINE: &[u8] = b"\r\n\r\n";

/// What a client says, and what the server must prove.
pub struct Opening {
    pub request: Vec<u8>,
    proof: Proof,
}

enum Proof {
    Digest([u8; 16]),
    Accept(String),
}

impl Opening {
    /// The opening of a client; `seed` makes its keys different from those of the next.
    #[must_use]
    pub fn new(dialect: Dialect, host: SocketAddr, seed: u32) -> Self {
        let head = format!("GET /bench HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n");
        match dialect {
            Dialect::Hixie76 => {
                let (number1, number2) = (1_000_003 + seed, 20_000_003 + 7 * seed);
                let key3 = (u64::from(seed) << 8 | 0x2100_0000_0000_0021).to_be_bytes();
                let mut request = format!(
                    "{head}Upgrade: WebSocket\r\nOrigin: http://{host}\r\n\
                     Sec-WebSocket-Key1: {}\r\nSec-WebSocket-Key2: {}\r\n\r\n",
                    hide(number1, 1 + seed % 12),
                    hide(number2, 1 + seed % 7),
                )
                .into_bytes();
                request.extend_from_slice(&key3);
                Self { request, proof: Proof::Digest(digest(number1, number2, key3)) }
            }
            Dialect::Rfc6455 => {
                let key = BASE64.encode(u128::from(seed).to_be_bytes());
                let request = format!(
                    "{head}Upgrade: websocket\r\nOrigin: http://{host}\r\n\
                     Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
                );
                Self { request: request.into_bytes(), proof: Proof::Accept(accept(&key)) }
            }
        }
    }

    /// How many bytes the answer takes; `None` while it is not complete.
    ///
    /// # Errors
    /// When the answer is not a 101 with the right proof.
    pub fn check(&self, bytes: &[u8]) -> Result<Option<usize>> {
        let Some((head, rest)) = split_head(bytes)? else { return Ok(None) };
        ensure!(head.starts_with("HTTP/1.1 101 "), "refused: {head}");
        match &self.proof {
            Proof::Digest(expected) => {
                let Some(digest) = rest.first_chunk() else { return Ok(None) };
                ensure!(digest == expected, "a wrong digest");
                Ok(Some(head.len() + BLANK_LINE.len() + digest.len()))
            }
            Proof::Accept(expected) => {
                ensure!(field(head, "Sec-WebSocket-Accept")? == expected, "a wrong accept value");
                Ok(Some(head.len() + BLANK_LINE.len()))
            }
        }
    }
}

/// The server's answer to the request in `bytes`, and how many bytes the request takes; `None` while
/// it is not complete.
///
/// # Errors
/// When the request does not belong to the dialect.
pub fn answer(dialect: Dialect, bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>> {
    let Some((head, rest)) = split_head(bytes)? else { return Ok(None) };
    let length = head.len() + BLANK_LINE.len();
    if dialect == Dialect::Rfc6455 {
        let accept = accept(field(head, "Sec-WebSocket-Key")?);
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        return Ok(Some((answer.into_bytes(), length)));
    }
    let Some(&key3) = rest.first_chunk::<8>() else { return Ok(None) };
    let number1 = reveal(field(head, "Sec-WebSocket-Key1")?)?;
    let number2 = reveal(field(head, "Sec-WebSocket-Key2")?)?;
    let mut answer = format!(
        "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Origin: {}\r\nSec-WebSocket-Location: ws://{}/bench\r\n\r\n",
        field(head, "Origin")?,
        field(head, "Host")?,
    )
    .into_bytes();
    answer.extend_from_slice(&digest(number1, number2, key3));
    Ok(Some((answer, length + key3.len())))
}

fn split_head(bytes: &[u8]) -> Result<Option<(&str, &[u8])>> {
    let Some(end) = bytes.windows(BLANK_LINE.len()).position(|window| window == BLANK_LINE) else {
        return Ok(None);
    };
    let head = str::from_utf8(&bytes[..end]).context("a head that is not text")?;
    Ok(Some((head, &bytes[end + BLANK_LINE.len()..])))
}

fn field<'head>(head: &'head str, name: &str) -> Result<&'head str> {
    head.split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim_matches(' '))
        .with_context(|| format!("no field {name} in {head}"))
}

fn accept(key: &str) -> String {
    BASE64.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

fn digest(number1: u32, number2: u32, key3: [u8; 8]) -> [u8; 16] {
    Md5::new()
        .chain_update(number1.to_be_bytes())
        .chain_update(number2.to_be_bytes())
        .chain_update(key3)
        .finalize()
        .into()
}

/// A key value in which `number` is hidden: `number × spaces` with that many spaces and some letters.
fn hide(number: u32, spaces: u32) -> String {
    let product = (u64::from(number) * u64::from(spaces)).to_string();
    let (first, others) = product.split_at(1);
    let gap: String = iter::repeat_n(' ', spaces as usize).collect();
    format!("P{first}{gap}{others}z")
}

fn reveal(key: &str) -> Result<u32> {
    let digits: String = key.chars().filter(char::is_ascii_digit).collect();
    let spaces = key.matches(' ').count() as u64;
    let product: u64 = digits.parse()?;
    ensure!(spaces > 0 && product.is_multiple_of(spaces), "a bad key {key:?}");
    Ok(u32::try_from(product / spaces)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_both_specifications() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let number1 = reveal("18x 6]8vM;54 *(5:  {   U1]8  z [  8").unwrap();
        let number2 = reveal("1_ tx7X d  <  nw  334J702) 7]o}` 0").unwrap();
        assert_eq!(&digest(number1, number2, *b"Tm[K T2u"), b"fQJ,fN/4F4!~K~MH");
    }

    #[test]
    fn a_server_answers_what_a_client_expects() {
        let host = ([127, 0, 0, 1], 80).into();
        for dialect in [Dialect::Hixie76, Dialect::Rfc6455] {
            for seed in [0, 1, 8_999] {
                let opening = Opening::new(dialect, host, seed);
                let (answer, length) = answer(dialect, &opening.request).unwrap().unwrap();
                assert_eq!(length, opening.request.len());
                assert_eq!(opening.check(&answer).unwrap(), Some(answer.len()));
            }
        }
    }
}
