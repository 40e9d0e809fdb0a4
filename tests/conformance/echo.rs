//! Peers of all dialects that echo, as servers and as clients, written from the documents for these tests
//! alone; and such as have a flaw on purpose.

mod deflate;
mod flaw;
mod opening;

use deflate::Deflate;
pub(crate) use flaw::Flaw;
use sha1::{Digest, Sha1};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// The marks of a dialect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) name: &'static str,
    version: u8,
    hixie: bool,
}

pub(crate) const STYLES: [Style; 11] = [
    Style { name: "rfc6455", version: 13, hixie: false },
    Style { name: "hybi-08", version: 8, hixie: false },
    Style { name: "hybi-07", version: 7, hixie: false },
    Style { name: "hybi-06", version: 6, hixie: false },
    Style { name: "hybi-05", version: 5, hixie: false },
    Style { name: "hybi-04", version: 4, hixie: false },
    Style { name: "hybi-03", version: 3, hixie: false },
    Style { name: "hybi-02", version: 2, hixie: false },
    Style { name: "hybi-01", version: 1, hixie: false },
    Style { name: "hixie-76", version: 76, hixie: true },
    Style { name: "hixie-75", version: 75, hixie: true },
];

pub(crate) fn style(name: &str) -> Style {
    STYLES.into_iter().find(|style| style.name == name).unwrap()
}

struct Peer {
    stream: TcpStream,
    style: Style,
    flaw: Flaw,
    is_client: bool,
    connection_key: Vec<u8>,
    count: u8,
    input: Vec<u8>,
    at: usize,
    deflate: Option<Deflate>,
    /// Whether the message that has begun is compressed.
    is_compressed: bool,
}

/// A server that echoes, for as long as the test runs.
pub(crate) fn serve(name: &str, flaw: Flaw) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let style = style(name);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut peer = Peer::new(stream, style, flaw, false);
                // A client that goes is what many cases are about.
                drop(peer.accept().and_then(|()| peer.echo()));
                peer.finish();
            });
        }
    });
    address
}

/// A client that echoes one session; whether there was one.
pub(crate) fn visit(address: SocketAddr, name: &str, flaw: Flaw) -> bool {
    let Ok(stream) = TcpStream::connect(address) else { return false };
    let mut peer = Peer::new(stream, style(name), flaw, true);
    let opened = peer.ask().unwrap_or(false);
    if opened {
        drop(peer.echo());
    }
    peer.finish();
    opened
}

impl Peer {
    fn new(stream: TcpStream, style: Style, flaw: Flaw, is_client: bool) -> Self {
        stream.set_nodelay(true).unwrap();
        let (connection_key, input) = (Vec::new(), Vec::new());
        let (count, at, deflate, is_compressed) = (0, 0, None, false);
        Self {
            stream,
            style,
            flaw,
            is_client,
            connection_key,
            count,
            input,
            at,
            deflate,
            is_compressed,
        }
    }

    /// Ends the stream, and waits for the other end, so that nothing said is lost.
    fn finish(&mut self) {
        drop(self.stream.shutdown(Shutdown::Write));
        let mut rest = [0; 4096];
        while matches!(self.stream.read(&mut rest), Ok(1..)) {}
    }

    fn byte(&mut self) -> io::Result<u8> {
        if self.at == self.input.len() {
            self.input.resize(64 * 1024, 0);
            let count = self.stream.read(&mut self.input)?;
            self.input.truncate(count);
            self.at = 0;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.at += 1;
        Ok(self.input[self.at - 1])
    }

    fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        (0..count).map(|_| self.byte()).collect()
    }

    const fn has_key3(&self) -> bool {
        matches!(self.style.version, 1..=3 | 76)
    }

    const fn masks_frames(&self) -> bool {
        matches!(self.style.version, 4..=6)
    }

    const fn is_old(&self) -> bool {
        matches!(self.style.version, 1..=6)
    }

    fn echo(&mut self) -> io::Result<()> {
        if self.style.hixie { self.echo_hixie() } else { self.echo_hybi() }
    }

    fn echo_hixie(&mut self) -> io::Result<()> {
        loop {
            let start = self.byte()?;
            if start == 0 {
                let mut text = Vec::new();
                loop {
                    match self.byte()? {
                        0xff => break,
                        byte => text.push(byte),
                    }
                }
                if self.flaw == Flaw::Nul {
                    text = text.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
                }
                self.stream.write_all(&[&[0], &text[..], &[0xff]].concat())?;
                continue;
            }
            let (mut digits, mut length) = (vec![start], 0_u64);
            loop {
                let digit = self.byte()?;
                digits.push(digit);
                let Some(more) = length.checked_mul(128) else { return Ok(()) };
                length = more + u64::from(digit & 0x7f);
                if digit < 0x80 {
                    break;
                }
            }
            match (start, length) {
                (0xff, 0) if self.style.version == 76 && self.flaw != Flaw::NoClose => {
                    return self.stream.write_all(&[0xff, 0]);
                }
                (0xff, 0) => {}
                (0x80, 0..0x100_0000) => {
                    let payload = self.take(length as usize)?;
                    self.stream.write_all(&[&digits[..], &payload].concat())?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn echo_hybi(&mut self) -> io::Result<()> {
        let (mut part, mut has_closed): (Option<(u8, Vec<u8>)>, bool) = (None, false);
        loop {
            let frame = match self.frame()? {
                Ok(frame) => frame,
                Err(code) => return self.fail(code),
            };
            let (is_last, opcode, payload) = frame;
            if has_closed && opcode >= 8 {
                continue;
            }
            match opcode {
                8 => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    let is_legal = code
                        .is_none_or(|code| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999));
                    let has_codes = self.style.version >= 6;
                    if has_codes && (payload.len() == 1 || !is_legal) && self.flaw != Flaw::AnyCode
                    {
                        return self.fail(1002);
                    }
                    if has_codes && str::from_utf8(payload.get(2..).unwrap_or_default()).is_err() {
                        return self.fail(1007);
                    }
                    if self.flaw == Flaw::NoClose {
                        return Ok(());
                    }
                    let body = match (self.style.version, self.flaw) {
                        (_, Flaw::EmptyClose) => Vec::new(),
                        (5, _) => vec![if self.is_client { b'C' } else { b'S' }],
                        _ => payload,
                    };
                    if self.flaw != Flaw::BehindClose {
                        return self.say(8, &body);
                    }
                    has_closed = true;
                }
                9 if self.flaw == Flaw::NoPong => {}
                9 => self.say(10, &payload)?,
                10 => {}
                _ => {
                    let (kind, mut whole) = match (opcode, part.take()) {
                        (0, Some(part)) => part,
                        (1 | 2, None) => (opcode, Vec::new()),
                        _ => return self.fail(1002),
                    };
                    if self.flaw == Flaw::Fragments {
                        whole.clear();
                    }
                    whole.extend(payload);
                    if !is_last {
                        part = Some((kind, whole));
                        continue;
                    }
                    if let Some(deflate) = self.deflate.as_mut().filter(|_| self.is_compressed) {
                        whole = match deflate.inflate(&whole) {
                            Ok(whole) => whole,
                            Err(code) => return self.fail(code),
                        };
                    }
                    if kind == 1 && str::from_utf8(&whole).is_err() && self.flaw != Flaw::AnyText {
                        return self.fail(1007);
                    }
                    self.say(kind, &whole)?;
                }
            }
        }
    }

    fn fail(&mut self, code: u16) -> io::Result<()> {
        match self.style.version {
            1..=4 => self.say(8, b""),
            5 => self.say(8, if self.is_client { b"C" } else { b"S" }),
            _ => self.say(8, &code.to_be_bytes()),
        }
    }

    /// A frame: whether it is the last, its opcode as since 07, its payload; or the code of what is wrong.
    #[expect(clippy::type_complexity, reason = "of one use")]
    fn frame(&mut self) -> io::Result<Result<(bool, u8, Vec<u8>), u16>> {
        let is_whole = self.masks_frames() && !self.is_client;
        let key = if is_whole { self.take(4)? } else { Vec::new() };
        let key = match self.style.version {
            4 if is_whole && self.flaw != Flaw::ConnectionKey => {
                sha1(&[&key, &self.connection_key])
            }
            _ => key,
        };
        let mut place = 0;
        let mut unmask = |mut bytes: Vec<u8>| {
            for byte in &mut bytes {
                if is_whole {
                    *byte ^= key[place % key.len()];
                    place += 1;
                }
            }
            bytes
        };
        let front = unmask(self.take(2)?);
        let (start, second) = (front[0], front[1]);
        let begins = matches!(start & 0x0f, 1 | 2) && self.deflate.is_some();
        let is_compressed = begins && start & 0x70 == 0x40;
        if begins {
            self.is_compressed = is_compressed;
        }
        if start & 0x70 != 0 && !is_compressed && self.flaw != Flaw::ReservedBits {
            return Ok(Err(1002));
        }
        let is_last = (start & 0x80 != 0) != (self.style.version < 4);
        let number = start & 0x0f;
        let opcode = match (self.is_old(), number) {
            (true, 0..=5) => [0, 8, 9, 10, 1, 2][usize::from(number)],
            (false, 0..=2 | 8..=10) => number,
            _ if self.flaw == Flaw::Opcodes => 10,
            _ => return Ok(Err(1002)),
        };
        let length = match second & 0x7f {
            126 => unmask(self.take(2)?),
            127 => unmask(self.take(8)?),
            short => vec![short],
        };
        let length = length.iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        let length = if self.flaw == Flaw::ShortLength { length & 0xffff } else { length };
        let is_long = opcode >= 8 && (length > 125 || !is_last) && self.flaw != Flaw::LongControl;
        if is_long || length >> 63 == 1 {
            return Ok(Err(1002));
        }
        if length > 1 << 25 {
            return Ok(Err(1009));
        }
        let is_masked = !self.is_old() && second & 0x80 != 0;
        if !self.is_old() && is_masked == self.is_client && self.flaw != Flaw::Unmasked {
            return Ok(Err(1002));
        }
        let mask = if is_masked { self.take(4)? } else { vec![0; 4] };
        let mut payload = unmask(self.take(length as usize)?);
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        Ok(Ok((is_last, opcode, payload)))
    }

    fn say(&mut self, opcode: u8, message: &[u8]) -> io::Result<()> {
        let deflated = match &mut self.deflate {
            Some(deflate) if opcode < 8 => Some(deflate.deflate(message)),
            _ => None,
        };
        let payload = deflated.as_deref().unwrap_or(message);
        let number = match (self.is_old(), opcode) {
            (true, 1) => 4,
            (true, 2) => 5,
            (true, control) => control - 7,
            (false, number) => number,
        };
        let start = number | if self.style.version < 4 { 0 } else { 0x80 };
        let masks_payload = !self.is_old() && self.is_client != (self.flaw == Flaw::WrongMask);
        let bit = if masks_payload { 0x80 } else { 0 };
        let mut frame = vec![start | if deflated.is_some() { 0x40 } else { 0 }];
        match payload.len() {
            short @ 0..=125 => frame.push(bit | short as u8),
            medium @ 126..=0xffff => {
                frame.push(bit | 126);
                frame.extend((medium as u16).to_be_bytes());
            }
            long => {
                frame.push(bit | 127);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        if self.flaw != Flaw::SameMask {
            self.count = self.count.wrapping_add(1);
        }
        let nonce = [self.count, 0x5a, 0xa5, self.count ^ 0x3c];
        let mask = |bytes: &[u8], key: &[u8]| -> Vec<u8> {
            bytes.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
        };
        if masks_payload {
            frame.extend(nonce);
            frame.extend(mask(payload, &nonce));
        } else {
            frame.extend_from_slice(payload);
        }
        if self.masks_frames() && self.is_client {
            let key = match self.style.version {
                4 => sha1(&[&nonce, &self.connection_key]),
                _ => nonce.to_vec(),
            };
            frame = [&nonce[..], &mask(&frame, &key)].concat();
        }
        self.stream.write_all(&frame)
    }
}

fn sha1(parts: &[&[u8]]) -> Vec<u8> {
    Sha1::digest(parts.concat()).to_vec()
}
