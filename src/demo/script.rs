//! The scripted part: a client of each age talks to the backend of the other, and checks what it
//! gets.

use super::peer;
use super::stage::{MODERN, OLD, Stage};
use crate::codec::Message;
use crate::dialect::Dialect;
use crate::event::{Reason, Side, close_code};
use crate::inspect::event::{Entry, Event};
use crate::inspect::{Heard, Inspector};
use anyhow::{Context, anyhow, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a conversation may take; it takes some milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the clients say: ASCII, and characters of two, three and four bytes.
const TEXTS: [&str; 2] = ["Hello", "é€😀"];

/// A conversation.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) title: &'static str,
    pub(crate) client: Dialect,
    pub(crate) backend: Dialect,
}

pub(crate) const SCENES: [Scene; 2] = [
    Scene { title: "A client of 2010 talks to a server of today", client: OLD, backend: MODERN },
    Scene { title: "A client of today talks to a server of 2010", client: MODERN, backend: OLD },
];

/// A conversation that has been.
#[derive(Debug)]
pub(super) struct Played {
    /// All that the inspector saw of it.
    pub(super) entries: Vec<Arc<Entry>>,
    pub(super) outcome: anyhow::Result<()>,
}

/// Plays a scene.
pub(super) async fn play(scene: &Scene, stage: &Stage, inspector: &Inspector) -> Played {
    let address = stage.proxy_before(scene.backend).address;
    let mut entries = Vec::new();
    let seen = async {
        // What came before is another scene's.
        let mut listener = inspector.listen(Some(inspector.last()));
        let talked = talk(address, scene.client).await;
        while !matches!(entries.last().map(|last: &Arc<Entry>| &last.event), Some(Event::Ended)) {
            match listener.next().await {
                Some(Heard::Entry(entry)) => entries.push(entry),
                Some(Heard::Lost(_)) | None => bail!("events were lost"),
            }
        }
        talked
    };
    let outcome = match timeout(PATIENCE, seen).await {
        Ok(talked) => talked,
        Err(_) => Err(anyhow!("not done after {PATIENCE:?}")),
    };
    let outcome = outcome.and_then(|()| check(scene, &entries));
    Played { entries, outcome }
}

/// The client: says its texts, hears each of them back, and closes.
async fn talk(address: SocketAddr, dialect: Dialect) -> anyhow::Result<()> {
    let mut talk = peer::connect(address, dialect).await.context("opening handshake")?;
    for text in TEXTS {
        talk.send(Message::Text(text.to_owned())).await?;
        match talk.next().await.transpose()? {
            Some(Message::Text(echo)) if echo == text => {}
            other => bail!("said {text:?} and heard {other:?}"),
        }
    }
    let mut reason = Reason::code(close_code::NORMAL);
    reason.text.extend(*b"bye");
    talk.send(Message::Close(Some(reason))).await?;
    match (talk.next().await.transpose()?, dialect.able().close_code) {
        (Some(Message::Close(Some(reason))), true) if reason.code == close_code::NORMAL => {}
        (Some(Message::Close(None)), false) => {}
        (other, _) => bail!("closed and heard {other:?}"),
    }
    ensure!(talk.next().await.is_none(), "something came behind the close");
    Ok(())
}

/// Whether both sides spoke what they were meant to.
fn check(scene: &Scene, entries: &[Arc<Entry>]) -> anyhow::Result<()> {
    for (leg, due) in [(Side::Client, scene.client), (Side::Backend, scene.backend)] {
        let spoke = entries.iter().any(|entry| match entry.event {
            Event::Speaks { side, dialect } => side == leg && dialect == due.name(),
            _ => false,
        });
        ensure!(spoke, "the {leg:?} did not speak {due}");
    }
    Ok(())
}
