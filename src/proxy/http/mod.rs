//! Plain requests: what is no WebSocket goes to the backend as it is, by hyper.
//!
//! hyper serves one request at a time, behind a [gate]; the head of each is read by
//! [`super::open`], where also openings are, so that one set of strict rules holds for all.

mod download;
mod exchange;
mod fields;
mod forward;
mod gate;
pub(crate) mod plain;
mod turn;
pub(crate) mod upload;

use super::Shared;
use super::open::Client;
use super::unserved::Unserved;
use crate::event::Side;
use crate::net::stream::{PARTING, linger};
use crate::wire::body::Scanner;
use exchange::exchange;
use gate::Gate;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use plain::Plain;
use std::pin::Pin;
use std::sync::Arc;
use tokio::time::timeout;
use turn::Turn;

/// What hyper buffers of each direction, in bytes; heads have to fit.
const BUFFER: usize = 64 * 1024;

/// Serves a plain request and waits for the next. `None` when the client has left; else the client,
/// with the start of its next request, of whatever kind, in its buffer.
pub(crate) async fn serve(shared: &Shared, client: Client, plain: Plain) -> Option<Client> {
    let (mut client, goes_on) = respond(shared, client, plain).await?;
    if goes_on && is_back(shared, &mut client).await {
        // To who watches, the next request is that of a new client.
        client.watched().ended();
        client.watched().opened(client.hop.peer);
        client.watched().read(Side::Client, &client.buffer);
        return Some(client);
    }
    if !goes_on {
        // The client may be gone; then there is no one left to tell.
        drop(timeout(PARTING, linger(&mut client.stream)).await);
    }
    client.watched().ended();
    None
}

/// Serves a plain request. Then comes the client, and whether it can ask again.
async fn respond(shared: &Shared, client: Client, plain: Plain) -> Option<(Client, bool)> {
    let turn = Arc::new(Turn::default());
    let hop = client.hop.clone();
    let head = plain.head.clone();
    let longest = BUFFER.max(hop.listener.max_head.bytes());
    let gate = Gate::new(client, head, Scanner::new(plain.framing), Arc::clone(&turn));
    let service =
        service_fn(|request| Box::pin(exchange(shared, &hop, &plain, Arc::clone(&turn), request)));
    let mut builder = Builder::new();
    builder.preserve_header_case(true).title_case_headers(true);
    builder.auto_date_header(false).max_buf_size(longest);
    let mut connection = builder.serve_connection(TokioIo::new(gate), service);
    let ended = tokio::select! {
        biased;
        ended = &mut connection => Some(ended),
        () = shared.leaving.cancelled() => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        Pin::new(&mut connection).graceful_shutdown();
        let deadline = shared.service().settings.shutdown_deadline;
        timeout(deadline.0, &mut connection).await.ok()?
    };
    let (client, goes_on) = connection.into_parts().io.into_inner().into_client();
    if let Err(error) = &ended {
        tracing::debug!(peer = %hop.peer, %error, "connection of a client ended");
    }
    Some((client, goes_on && ended.is_ok()))
}

/// Waits for the first bytes of the next request.
async fn is_back(shared: &Shared, client: &mut Client) -> bool {
    let keep_alive = client.hop.listener.keep_alive;
    let begins = async {
        // "A server that is expecting to receive and parse a request-line SHOULD ignore at least one
        // empty line" (RFC 9112 section 2.2); old browsers send one behind a body.
        let mut ignored = false;
        loop {
            match client.buffer[..] {
                [b'\r', b'\n', ..] if !ignored => {
                    client.buffer.drain(..2);
                    ignored = true;
                }
                [] | [b'\r'] => client.read().await?,
                _ => return Ok::<_, Unserved>(()),
            }
        }
    };
    tokio::select! {
        begins = timeout(keep_alive.0, begins) => matches!(begins, Ok(Ok(()))),
        () = shared.leaving.cancelled() => false,
    }
}
