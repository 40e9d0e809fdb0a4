//! Foreign peers of every dialect, behind one vocabulary.

pub(crate) mod foreign;
pub(crate) mod framing;
pub(crate) mod head;
pub(crate) mod hixie;
pub(crate) mod hybi;
mod kind;
pub(crate) mod pattern;
pub(crate) mod wire;

use foreign::Foreign;
use head::Head;
use hixie::Hixie;
use hybi::Hybi;
pub(crate) use kind::Kind;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use wire::{Ended, Wire};

/// What a peer says or hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// The close of the dialect, with a code and its text where there are any.
    Close(Option<(u16, String)>),
    /// The end of the stream.
    Fin,
    /// The connection was lost.
    Lost,
}

impl Said {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn close(code: u16, text: &str) -> Self {
        Self::Close(Some((code, text.to_owned())))
    }
}

impl From<Ended> for Said {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Fin => Self::Fin,
            Ended::Reset => Self::Lost,
        }
    }
}

/// What a client asks for.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) target: String,
    pub(crate) host: String,
    pub(crate) origin: Option<String>,
    pub(crate) subprotocol: Option<String>,
    pub(crate) cookie: Option<String>,
}

impl Default for Offer {
    fn default() -> Self {
        Self {
            target: "/chat?room=1".to_owned(),
            host: "proxy.example:8080".to_owned(),
            origin: Some("http://page.example".to_owned()),
            subprotocol: None,
            cookie: None,
        }
    }
}

/// What a backend answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) subprotocol: Option<String>,
    pub(crate) cookie: Option<String>,
    /// What it says in the very write of its handshake.
    pub(crate) push: Vec<Said>,
}

/// One end of a session.
#[derive(Debug)]
pub(crate) enum Peer {
    Hixie(Hixie),
    Hybi(Hybi),
    Foreign(Box<Foreign>),
}

impl Peer {
    /// Connects to the proxy as a client; with the head of its answer.
    pub(crate) async fn connect(kind: Kind, proxy: SocketAddr, offer: &Offer) -> (Self, Head) {
        match kind {
            Kind::Hixie75 | Kind::Hixie76 => {
                let (peer, head) = Hixie::connect(kind, Wire::connect(proxy).await, offer).await;
                (Self::Hixie(peer), head)
            }
            Kind::Rfc6455 => {
                let (peer, head) = Foreign::connect(proxy, offer).await;
                (Self::Foreign(Box::new(peer)), head)
            }
            _ => {
                let (peer, head) = Hybi::connect(kind, Wire::connect(proxy).await, offer).await;
                (Self::Hybi(peer), head)
            }
        }
    }

    /// Accepts the proxy as a backend; with the head of its request.
    pub(crate) async fn accept(kind: Kind, listener: &TcpListener, reply: &Reply) -> (Self, Head) {
        match kind {
            Kind::Hixie75 | Kind::Hixie76 => {
                let (peer, head) = Hixie::accept(kind, Wire::accept(listener).await, reply).await;
                (Self::Hixie(peer), head)
            }
            Kind::Rfc6455 => {
                let (peer, head) = Foreign::accept(listener, reply).await;
                (Self::Foreign(Box::new(peer)), head)
            }
            _ => {
                let (peer, head) = Hybi::accept(kind, Wire::accept(listener).await, reply).await;
                (Self::Hybi(peer), head)
            }
        }
    }

    /// Says all of it in one write.
    pub(crate) async fn say(&mut self, all: &[Said]) {
        match self {
            Self::Hixie(peer) => peer.say(all).await,
            Self::Hybi(peer) => peer.say(all).await,
            Self::Foreign(peer) => peer.say(all).await,
        }
    }

    /// The next message, control frame, close, or end.
    pub(crate) async fn hear(&mut self) -> Said {
        match self {
            Self::Hixie(peer) => peer.hear().await,
            Self::Hybi(peer) => peer.hear().await,
            Self::Foreign(peer) => peer.hear().await,
        }
    }

    /// Ends its stream.
    pub(crate) async fn finish(&mut self) {
        match self {
            Self::Hixie(peer) => peer.wire.finish().await,
            Self::Hybi(peer) => peer.wire.finish().await,
            Self::Foreign(peer) => peer.finish().await,
        }
    }

    /// Breaks the connection off with a reset.
    pub(crate) fn reset(self) {
        match self {
            Self::Hixie(peer) => peer.wire.reset(),
            Self::Hybi(peer) => peer.wire.reset(),
            Self::Foreign(peer) => peer.reset(),
        }
    }

    /// Answers a close in its dialect, and ends nothing but what has no other answer.
    pub(crate) async fn answer_close(&mut self, heard: &Said) {
        match self {
            Self::Hixie(_) if *heard == Said::Fin => self.finish().await,
            Self::Hixie(peer) => peer.say(&[Said::Close(None)]).await,
            Self::Hybi(peer) => peer.answer_close(heard).await,
            Self::Foreign(peer) => peer.answer().await,
        }
    }
}
