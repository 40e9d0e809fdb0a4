//! The one task of a connection: first its opening, whose large future is boxed and gone afterwards,
//! then its relay.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::net::TcpStream;

use crate::{relay::Relay, worker::Worker};

pub enum Session {
    Opening(Pin<Box<dyn Future<Output = io::Result<Relay>>>>),
    Relaying(Relay),
}

/// A task's cell has 104 bytes beside its future and comes in steps of 128.
const _: () = assert!(size_of::<Session>() <= 256 - 104);

impl Session {
    pub fn new(client: TcpStream, backend: SocketAddr, worker: Rc<Worker>) -> Self {
        Self::Opening(Box::pin(open(client, backend, worker)))
    }
}

impl Future for Session {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut *self {
                Self::Opening(opening) => {
                    let relay = ready!(opening.as_mut().poll(context))?;
                    self.set(Self::Relaying(relay));
                }
                Self::Relaying(relay) => return relay.poll(context),
            }
        }
    }
}

async fn open(client: TcpStream, backend: SocketAddr, worker: Rc<Worker>) -> io::Result<Relay> {
    let upstream = TcpStream::connect(backend).await?;
    client.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    Ok(Relay::new(client, upstream, worker))
}
