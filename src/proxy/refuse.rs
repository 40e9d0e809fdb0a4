//! The answer to a client that gets no session, and the careful end of its connection.

use crate::dialect::Dialect;
use crate::handshake::{Field, write_field};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Writes a whole HTTP response that closes the connection, with `text` for a person, or else what
/// the status says by itself.
pub(crate) fn write_refusal(
    status: u16,
    fields: &[Field],
    accepted: &[Dialect],
    text: Option<String>,
    out: &mut Vec<u8>,
) {
    let text = text.unwrap_or_else(|| reason_phrase(status).to_owned());
    out.extend_from_slice(format!("HTTP/1.1 {status} {}\r\n", reason_phrase(status)).as_bytes());
    if status == 426 {
        // RFC 9110 section 15.5.22 and RFC 6455 section 4.4.
        write_field("Upgrade", b"websocket", out);
        write_field("Connection", b"Upgrade, close", out);
        let versions: Vec<_> = accepted.iter().filter_map(|dialect| dialect.version()).collect();
        if !versions.is_empty() {
            write_field("Sec-WebSocket-Version", versions.join(", ").as_bytes(), out);
        }
    } else {
        write_field("Connection", b"close", out);
    }
    for (name, value) in fields {
        write_field(name, value, out);
    }
    write_field("Content-Type", b"text/plain; charset=utf-8", out);
    write_field("Content-Length", (text.len() + 1).to_string().as_bytes(), out);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

/// Closes a connection so that our last bytes are not destroyed: a reset, which follows from closing
/// with unread bytes, would overtake them.
pub(crate) async fn linger(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut discarded = [0; 1024];
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}

/// The phrases of RFC 9110 section 15; any other status is a backend's, and goes without.
const fn reason_phrase(status: u16) -> &'static str {
    match status {
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}
