//! The opening handshakes of the peers, as servers and as clients.

use super::deflate::{Deflate, OFFER};
use super::{Flaw, Peer, sha1};
use base64::prelude::{BASE64_STANDARD, Engine};
use md5::{Digest, Md5};
use std::io::{self, Write};

impl Peer {
    /// The lines of a head.
    fn head(&mut self) -> io::Result<Vec<String>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte()?);
        }
        Ok(String::from_utf8_lossy(&head).split("\r\n").map(str::to_owned).collect())
    }

    fn refuse(&mut self) -> io::Result<()> {
        let answer = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        self.stream.write_all(answer.as_bytes())?;
        Err(io::ErrorKind::InvalidData.into())
    }

    pub(super) fn accept(&mut self) -> io::Result<()> {
        let head = self.head()?;
        let value = |name: &str| value(&head, name);
        let host = value("Host").unwrap_or_default();
        let target = head[0].split(' ').nth(1).unwrap_or_default().to_owned();
        let upgrade = if self.flaw == Flaw::SmallUpgrade { "websocket" } else { "WebSocket" };
        let is_75 = self.style.version == 75;
        if is_75 || self.has_key3() {
            let (phrase, prefix) = if is_75 { ("Web Socket", "") } else { ("WebSocket", "Sec-") };
            let phrase = if self.flaw == Flaw::OtherReason { "WebSocket" } else { phrase };
            let mut answer = format!(
                "HTTP/1.1 101 {phrase} Protocol Handshake\r\nUpgrade: {upgrade}\r\nConnection: Upgrade\r\n\
                 {prefix}WebSocket-Origin: {}\r\n{prefix}WebSocket-Location: ws://{host}{target}\r\n",
                value("Origin").unwrap_or_default()
            );
            if let Some(protocol) = value(&format!("{prefix}WebSocket-Protocol")) {
                // 01 to 03 have a list of them, with spaces between.
                let is_list = !self.style.hixie;
                let first = protocol.split(' ').next().filter(|_| is_list).unwrap_or(&protocol);
                answer += &format!("{prefix}WebSocket-Protocol: {first}\r\n");
            }
            answer += "\r\n";
            if is_75 {
                return self.stream.write_all(answer.as_bytes());
            }
            let keys = ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"];
            let keys = keys.map(|name| number(&value(name).unwrap_or_default(), self.flaw));
            let [Some(key1), Some(key2)] = keys else { return self.refuse() };
            self.stream.write_all(answer.as_bytes())?;
            let key3 = self.take(8)?;
            return self.stream.write_all(&md5(key1, key2, &key3, self.flaw));
        }
        let (version, key) = (value("Sec-WebSocket-Version"), value("Sec-WebSocket-Key"));
        let is_own = version == Some(self.style.version.to_string());
        let (Some(key), true) = (key, is_own || self.flaw == Flaw::AnyVersion) else {
            return self.refuse();
        };
        let proof = if self.flaw == Flaw::Proof { "AAAA".to_owned() } else { accept(&key) };
        let twice =
            if self.flaw == Flaw::TwoConnections { "Connection: keep-alive\r\n" } else { "" };
        let mut answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{twice}\
             Sec-WebSocket-Accept: {proof}\r\n"
        );
        if self.style.version == 4 {
            answer += &format!("Sec-WebSocket-Nonce: {NONCE}\r\n");
            self.connection_key = connection_key(&key, NONCE);
        }
        let offers: Vec<_> = all(&head, EXTENSIONS).collect();
        let agreed = Deflate::accept(&offers.join(","), self.flaw);
        if agreed.is_none() && !offers.is_empty() && self.flaw == Flaw::DeadlyOffer {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if let Some((deflate, chosen)) = agreed.filter(|_| self.style.version == 13) {
            answer += &format!("{EXTENSIONS}: {chosen}\r\n");
            self.deflate = Some(deflate);
        }
        self.stream.write_all((answer + "\r\n").as_bytes())
    }

    /// Asks for a session.
    pub(super) fn ask(&mut self) -> io::Result<bool> {
        const KEY: &str = "x3JJHMbDL1EzLkh9GBhXDw==";
        let is_old = self.style.version == 75 || self.has_key3();
        let mut request = "GET /conformance HTTP/1.1\r\n".to_owned();
        if is_old {
            request += "Upgrade: WebSocket\r\nConnection: Upgrade\r\nHost: kit.example\r\nOrigin: http://here\r\n";
            request += match self.style.version {
                1 => "Sec-WebSocket-Draft: 1\r\n",
                2 | 3 => "Sec-WebSocket-Draft: 2\r\n",
                _ => "",
            };
            if self.has_key3() {
                request += "Sec-WebSocket-Key1: 3e6b263  4 17 80\r\nSec-WebSocket-Key2: 17  9 G`ZD9   2 2b 7X 3 /r90\r\n";
            }
            request += "\r\n";
            request += if self.has_key3() { "WjN}|M(6" } else { "" };
        } else {
            let compresses = self.style.version == 13 && self.flaw != Flaw::Uncompressed;
            request += &format!(
                "Host: kit.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n\
                 Sec-WebSocket-Version: {}\r\n",
                self.style.version
            );
            if compresses {
                request += &format!("{EXTENSIONS}: {OFFER}\r\n");
            }
            request += "\r\n";
        }
        self.stream.write_all(request.as_bytes())?;
        let head = self.head()?;
        let lists = |name, token| {
            value(&head, name).is_some_and(|value| value.to_ascii_lowercase().contains(token))
        };
        let is_session = head[0].starts_with("HTTP/1.1 101")
            && lists("Upgrade", "websocket")
            && lists("Connection", "upgrade");
        if !is_session {
            return Ok(false);
        }
        let is_proven = if is_old {
            let proof = if self.has_key3() { self.take(16)? } else { Vec::new() };
            !self.has_key3() || proof == b"n`9eBk9z$R8pOtVb"
        } else {
            if self.style.version == 4 {
                let Some(nonce) = value(&head, "Sec-WebSocket-Nonce") else { return Ok(false) };
                self.connection_key = connection_key(KEY, &nonce);
            }
            if let Some(answer) = value(&head, EXTENSIONS) {
                let deflate = Deflate::confirm(&answer, self.flaw);
                let is_offered = self.style.version == 13 && self.flaw != Flaw::Uncompressed;
                let Some(deflate) = deflate.filter(|_| is_offered) else { return Ok(false) };
                self.deflate = Some(deflate);
            }
            value(&head, "Sec-WebSocket-Accept") == Some(accept(KEY))
                && value(&head, "Sec-WebSocket-Protocol").is_none()
        };
        Ok(is_proven || self.flaw == Flaw::Proof)
    }
}

const NONCE: &str = "H+cNj5elaybfGIQv1esl2w==";

const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

fn all(head: &[String], name: &str) -> impl Iterator<Item = String> {
    let fields = head.iter().filter_map(|line| line.split_once(':'));
    let own = fields.filter(move |field| field.0.eq_ignore_ascii_case(name));
    own.map(|field| field.1.trim_matches([' ', '\t']).to_owned())
}

fn value(head: &[String], name: &str) -> Option<String> {
    all(head, name).next()
}

fn number(key: &str, flaw: Flaw) -> Option<u32> {
    let digits: String = key.chars().filter(char::is_ascii_digit).collect();
    let spaces = key.matches(' ').count() as u64;
    if flaw == Flaw::AnyKey {
        return Some((digits.parse::<u64>().unwrap_or(0) / spaces.max(1)) as u32);
    }
    let product = u64::from(digits.parse::<u32>().ok()?);
    (spaces > 0 && product % spaces == 0).then(|| (product / spaces) as u32)
}

fn md5(key1: u32, key2: u32, key3: &[u8], flaw: Flaw) -> Vec<u8> {
    let challenge = [&key1.to_be_bytes(), &key2.to_be_bytes(), key3].concat();
    let mut answer = Md5::digest(challenge).to_vec();
    if flaw == Flaw::Proof {
        answer.reverse();
    }
    answer
}

fn accept(key: &str) -> String {
    let guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    BASE64_STANDARD.encode(sha1(&[key.as_bytes(), guid]))
}

fn connection_key(key: &str, nonce: &str) -> Vec<u8> {
    sha1(&[key.as_bytes(), nonce.as_bytes(), b"61AC5F19-FBBA-4540-B96F-6561F1AB40A8"])
}
