//! A client that is handed over to a live server: what either says is said to the other.

use super::line::{Heard, Line};
use crate::event::close_code;
use crate::replay::player::Ended;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a peer has to answer a close.
const FAREWELL: Duration = Duration::from_secs(2);

/// Passes messages on, until both sides have ended.
pub(super) async fn relay(mut client: Line, mut server: Line, end: &CancellationToken) {
    let mut until = None;
    while until.is_none_or(|until| Instant::now() < until) {
        let over = pass(&mut client, &mut server).or_else(|| pass(&mut server, &mut client));
        let deadline = until.unwrap_or_else(|| Instant::now() + Duration::from_secs(1 << 30));
        let ended = match over {
            Some(how) => Some(how),
            None => {
                let (room, others) = (client.has_room(), server.has_room());
                tokio::select! {
                    ended = client.step(deadline, others) => ended,
                    ended = server.step(deadline, room) => ended,
                    () = end.cancelled(), if until.is_none() => {
                        Some(Ended::Closed(Some(close_code::GOING_AWAY)))
                    }
                }
            }
        };
        let Some(how) = ended else { continue };
        let code = match how {
            Ended::Closed(code) => code,
            Ended::Fault(_) => Some(close_code::PROTOCOL_ERROR),
            Ended::Lost => Some(close_code::GOING_AWAY),
        };
        client.leave(code, "");
        server.leave(code, "");
        // The second end is the answer to the first.
        if until.is_some() {
            break;
        }
        until = Some(Instant::now() + FAREWELL);
    }
    tokio::join!(client.part(), server.finish());
}

/// Passes on what has come, as far as there is room.
fn pass(from: &mut Line, to: &mut Line) -> Option<Ended> {
    while to.has_room() {
        match from.hear()? {
            Heard::Message(body) => to.say(&body),
            Heard::Ended(how) => return Some(how),
        }
    }
    None
}
