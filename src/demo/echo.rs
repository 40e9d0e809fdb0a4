//! A backend of the demo: a server of one dialect that says everything back.

use super::peer::{self, Talk};
use crate::codec::Message;
use crate::dialect::Dialect;
use crate::net::listen::next_client;
use crate::net::stream::linger;
use anyhow::bail;
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How many clients are served at once; others wait.
const CLIENTS: usize = 256;

/// How long an opening handshake may take, or a client that was told the end to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, dialect: Dialect) {
    let mut clients = JoinSet::new();
    loop {
        while clients.len() >= CLIENTS {
            clients.join_next().await;
        }
        tokio::select! {
            (stream, _) = next_client(&listener) => drop(clients.spawn(echo(stream, dialect))),
            Some(_) = clients.join_next() => {}
        }
    }
}

async fn echo(stream: TcpStream, dialect: Dialect) {
    let said = async {
        let mut talk = timeout(PATIENCE, peer::accept(stream, dialect)).await??;
        converse(&mut talk).await?;
        let mut stream = talk.into_inner();
        Ok::<_, anyhow::Error>(timeout(PATIENCE, linger(&mut stream)).await??)
    };
    if let Err(error) = said.await {
        tracing::debug!(%dialect, %error, "echo backend");
    }
}

/// Says everything back, up to the close.
async fn converse(talk: &mut Talk) -> anyhow::Result<()> {
    while let Some(message) = talk.next().await.transpose()? {
        match message {
            Message::Ping(payload) => talk.send(Message::Pong(payload)).await?,
            Message::Pong(_) => {}
            Message::Close(_) => return Ok(talk.send(message).await?),
            Message::Text(_) | Message::Binary(_) => talk.send(message).await?,
        }
    }
    bail!("left without a close")
}
