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
use super::client::Client;
use super::unserved::Unserved;
use crate::net::stream::{PARTING, linger};
use crate::wire::body::Scanner;
use exchange::exchange;
use gate::Gate;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use plain::Plain;
use std::sync::Arc;
use tokio::time::timeout;
use turn::Turn;

/// What hyper buffers of each direction, in bytes; heads have to fit.
const BUFFER: usize = 64 * 1024;

/// How much longer the head that hyper is given can be than that which came, in bytes: a space before
/// the value of each of its fields, for the most part.
const LONGER: usize = 1024;

/// What comes behind a response.
enum Behind {
    /// The client can ask again.
    Next,
    /// The connection ends with care.
    End,
    /// There is no time left for that.
    Late,
}

/// Serves a plain request and waits for the next. `None` when the client has left; else the client,
/// with the start of its next request, of whatever kind, in its buffer.
pub(crate) async fn serve(shared: &Shared, client: Client, plain: Plain) -> Option<Client> {
    let _served = shared.requests.token();
    let (mut client, behind) = respond(shared, client, plain).await;
    let is_back = match behind {
        Behind::Next => is_back(shared, &mut client).await,
        Behind::End => {
            // The client may be gone; then there is no one left to tell.
            drop(timeout(PARTING, linger(&mut client.stream)).await);
            false
        }
        Behind::Late => false,
    };
    client.watched().ended();
    if !is_back {
        return None;
    }
    // To who watches, the next request is that of a new client.
    client.watched().opened(client.hop.peer);
    Some(client)
}

/// Serves a plain request. Then comes the client again.
async fn respond(shared: &Shared, client: Client, plain: Plain) -> (Client, Behind) {
    let turn = Arc::new(Turn::default());
    let hop = client.hop.clone();
    let head = plain.head.clone();
    let longest = BUFFER.max(hop.listener.max_head.bytes()).saturating_add(LONGER);
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
        () = shared.leaving.cancelled() => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            tokio::select! {
                ended = &mut connection => Some(ended),
                // A drain has its window besides.
                () = shared.late.cancelled() => None,
            }
        }
    };
    let (client, goes_on) = connection.into_parts().io.into_inner().into_client();
    let behind = match ended {
        Some(Ok(())) if goes_on => Behind::Next,
        Some(Ok(())) => Behind::End,
        Some(Err(error)) => {
            tracing::debug!(peer = %hop.peer, %error, "connection of a client ended");
            Behind::End
        }
        None => Behind::Late,
    };
    (client, behind)
}

/// Waits for the first bytes of the next request. Who watches is told of them with that request.
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
                [] | [b'\r'] => drop(client.read().await?),
                _ => return Ok::<_, Unserved>(()),
            }
        }
    };
    tokio::select! {
        begins = timeout(keep_alive.0, begins) => matches!(begins, Ok(Ok(()))),
        () = shared.leaving.cancelled() => false,
    }
}
