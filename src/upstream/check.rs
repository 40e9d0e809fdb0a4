//! The active checks: a server is asked now and again whether it is well.

use super::member::Member;
use super::open::{Accepted, Blame, NoBackend, Wanted, lost};
use crate::config::backend::{Check, Health};
use crate::config::values::HostPolicy;
use crate::dialect::hybi::deflate::Compression;
use crate::dialect::writer::{Farewell, Writer};
use crate::event::{Reason, Side, close_code};
use crate::handshake::{Failure, Offer, Proof, Subprotocols};
use crate::net::stream::Stream;
use crate::watch::{ConnectionId, Watched};
use crate::wire::head::{self, Response};
use crate::wire::outbox::Outbox;
use rand::{Rng, RngExt};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

/// The shortest time between two checks, so that they never are a loop without a wait.
const SHORTEST: Duration = Duration::from_millis(10);

/// How long a server has to answer our close; whether it does has no part in the check.
const PARTING: Duration = Duration::from_secs(1);

/// The longest head of an answer, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// Checks a server again and again, for ever.
pub(super) async fn keep_checked(member: Arc<Member>, rules: Health) {
    loop {
        let found = timeout(rules.timeout.0, check(&member, &rules)).await;
        let found = found.unwrap_or(Err(NoBackend::Timeout));
        match &found {
            // What we cannot ask says nothing of the server.
            Err(reason) if matches!(reason.blame(), Blame::Unasked) => {
                let (backend, server) = (member.backend(), member.url());
                tracing::warn!(backend, %server, %reason, "cannot check");
            }
            found => member.checked(found.as_ref().map(drop), &rules),
        }
        if let Ok(Some(session)) = found {
            // A server that does not answer is left.
            drop(timeout(PARTING, part(session)).await);
        }
        // A tenth around the interval, so that many proxies do not all ask at once.
        let spread = rand::rng().random_range(0.9..1.1);
        sleep(rules.interval.0.max(SHORTEST).mul_f64(spread)).await;
    }
}

/// Checks a server once; with the session that is to be closed, where that is the check.
async fn check(member: &Member, rules: &Health) -> Result<Option<Accepted>, NoBackend> {
    let mut stream = member.connect(None).await?;
    let host = rules.host.as_deref().unwrap_or_else(|| member.url().authority());
    match rules.check {
        Check::Tcp => {}
        Check::Http => {
            let status = status(&mut stream, &rules.path, host).await?;
            if status != rules.status {
                return Err(Failure::Status { status, fields: Vec::new() }.into());
            }
        }
        Check::Websocket => {
            let offer = Offer {
                target: rules.path.clone().into(),
                host: host.into(),
                origin: None,
                subprotocols: Subprotocols::None,
                extensions: Vec::new(),
                fields: Vec::new(),
                proof: Proof::None,
            };
            let wanted = Wanted {
                offer: &offer,
                host: &HostPolicy::Preserve,
                head: MAX_HEAD,
                limit: rules.timeout,
                compression: Compression::Off,
                watched: Watched { id: ConnectionId(0), watcher: None },
            };
            return member.handshake(stream, None, wanted).await.map(Some);
        }
    }
    // The server may have closed before us.
    drop(stream.shutdown().await);
    Ok(None)
}

/// The status that a GET is answered with.
async fn status(stream: &mut Stream, path: &str, host: &str) -> Result<u16, NoBackend> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: hybridge\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(|error| lost(error, NoBackend::Lost))?;
    stream.flush().await.map_err(|error| lost(error, NoBackend::Lost))?;
    let mut bytes = Vec::with_capacity(1024);
    let mut searched = 0;
    loop {
        if let Some(end) = head::end(&bytes, searched) {
            let behind = bytes.split_off(end);
            let status = Response::parse(&bytes).map_err(Failure::Head)?.status;
            if status >= 200 {
                return Ok(status);
            }
            // An interim answer (RFC 9110 section 15.2).
            (bytes, searched) = (behind, 0);
            continue;
        }
        if bytes.len() >= MAX_HEAD {
            return Err(Failure::HeadTooLong.into());
        }
        searched = bytes.len();
        match stream.read_buf(&mut bytes).await {
            Ok(0) => return Err(Failure::End { status: bytes.len() >= 12 }.into()),
            Ok(_) => {}
            Err(error) => return Err(lost(error, NoBackend::Lost)),
        }
    }
}

/// Closes a session in its own dialect, and waits for the server to do so too.
async fn part(session: Accepted) -> io::Result<()> {
    let Accepted { mut stream, agreed, .. } = session;
    let reason = Reason::code(close_code::NORMAL);
    let mut keys = |bytes: &mut [u8]| rand::rng().fill_bytes(bytes);
    let mut out = Outbox::new(Vec::new());
    match Writer::new(agreed, Side::Backend).close(Some(&reason), &[], &mut keys, &mut out) {
        Farewell::Frame => {
            stream.write_all(&out.into_scratch()).await?;
            stream.flush().await?;
        }
        Farewell::Fin => stream.shutdown().await?,
    }
    let mut discarded = [0; 1024];
    while stream.read(&mut discarded).await? > 0 {}
    stream.shutdown().await
}
