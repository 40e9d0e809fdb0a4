//! The real program streams a text of 1 GiB in each direction at once, between Hixie-76 and RFC
//! 6455, every byte checked, and never has more than 32 MiB resident.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]
#![expect(dead_code, reason = "the modules are shared with other tests, which use the rest")]

#[path = "proxy/peers/pattern.rs"]
mod pattern;
#[path = "proxy/program.rs"]
mod program;

use base64::prelude::{BASE64_STANDARD, Engine};
use md5::Digest;
use pattern::{Framing, Pattern};
use program::Program;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SIZE: usize = 1 << 30;

const MEMORY: usize = 32 << 20;

/// Far beyond what it takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(300);

#[tokio::test]
async fn from_hixie_76_to_rfc6455() {
    let work = async {
        let (program, mut client, mut backend) = open("rfc6455").await;
        let pattern = Pattern::new(SIZE);
        let (client_reads, client_writes) = client.split();
        let (backend_reads, backend_writes) = backend.split();
        tokio::join!(
            pattern.send(Framing::Hixie, client_writes),
            pattern.check_hybi(true, backend_reads),
            pattern.send(Framing::Frame { masked: false }, backend_writes),
            pattern.check_hixie(client_reads),
        );
        let peak = program.peak_memory();
        assert!(peak < MEMORY, "{peak} bytes were resident");
    };
    tokio::time::timeout(DEADLINE, work).await.expect("a large message in time");
}

#[tokio::test]
async fn from_rfc6455_to_hixie_76() {
    let work = async {
        let (program, mut client, mut backend) = open("hixie-76").await;
        let pattern = Pattern::new(SIZE);
        let (client_reads, client_writes) = client.split();
        let (backend_reads, backend_writes) = backend.split();
        tokio::join!(
            pattern.send(Framing::Fragments { masked: true }, client_writes),
            pattern.check_hixie(backend_reads),
            pattern.send(Framing::Hixie, backend_writes),
            pattern.check_hybi(false, client_reads),
        );
        let peak = program.peak_memory();
        assert!(peak < MEMORY, "{peak} bytes were resident");
    };
    tokio::time::timeout(DEADLINE, work).await.expect("a large message in time");
}

/// A session, its client of the other dialect than its backend.
async fn open(backend_dialect: &str) -> (Program, TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let backend = listener.local_addr().unwrap();
    let program = Program::serve(backend, &["--backend-dialect", backend_dialect]);
    let hixie_client = backend_dialect == "rfc6455";
    let (client, backend) =
        tokio::join!(connect(program.address, hixie_client), accept(&listener, !hixie_client));
    (program, client, backend)
}

async fn connect(proxy: SocketAddr, hixie: bool) -> TcpStream {
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    let request: &[u8] = if hixie {
        b"GET / HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: a\r\nOrigin: b\r\n\
          Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\
          \r\n^n:ds[4U"
    } else {
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    };
    stream.write_all(request).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    if hixie {
        let mut proof = [0; 16];
        stream.read_exact(&mut proof).await.unwrap();
        assert_eq!(&proof, b"8jKS'y:G*Co,Wxa-");
    }
    stream
}

async fn accept(listener: &TcpListener, hixie: bool) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let head = read_head(&mut stream).await;
    let field = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {head}"))
    };
    let mut answer;
    if hixie {
        let mut key3 = [0; 8];
        stream.read_exact(&mut key3).await.unwrap();
        let number = |key: &str| {
            let digits: String = key.chars().filter(char::is_ascii_digit).collect();
            let spaces = key.matches(' ').count() as u64;
            ((digits.parse::<u64>().unwrap() / spaces) as u32).to_be_bytes()
        };
        let first = number(field("Sec-WebSocket-Key1: "));
        let second = number(field("Sec-WebSocket-Key2: "));
        let start = "HTTP/1.1 101 OK\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n";
        answer = start.as_bytes().to_vec();
        answer.extend(md5::Md5::digest([&first[..], &second, &key3].concat()));
    } else {
        let key = field("Sec-WebSocket-Key: ");
        let digest = sha1::Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
        answer = format!(
            "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            BASE64_STANDARD.encode(digest)
        )
        .into_bytes();
    }
    stream.write_all(&answer).await.unwrap();
    stream
}

/// Reads a head and not a byte more.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}
