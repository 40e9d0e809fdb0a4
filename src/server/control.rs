//! The orders that a server takes while it runs.

use crate::config::Settings;
use anyhow::Context;
use tokio::sync::{mpsc, oneshot};

/// Gives orders to a running server; can be cloned and kept anywhere.
#[derive(Debug, Clone)]
pub struct Control(mpsc::Sender<Order>);

/// What a server is told to do.
#[derive(Debug)]
pub(super) enum Order {
    /// To take other settings, and to say whether it has.
    Reload(Box<Settings>, oneshot::Sender<anyhow::Result<()>>),
    /// To take no more sessions, and to end those that it has in their own time.
    Drain,
}

impl Control {
    /// A control, and where its orders come out.
    pub(super) fn new() -> (Self, mpsc::Receiver<Order>) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), receiver)
    }

    /// Has the server go on with other settings: new clients and requests are served by them, and
    /// sessions keep those they were opened with.
    ///
    /// # Errors
    /// When something that they name does not fit or an address cannot be bound. The server goes on
    /// as before then.
    pub async fn reload(&self, settings: Settings) -> anyhow::Result<()> {
        let (reply, outcome) = oneshot::channel();
        let order = Order::Reload(Box::new(settings), reply);
        self.0.send(order).await.ok().context("the server has ended")?;
        outcome.await.context("the server has ended")?
    }

    /// Has the server refuse new sessions and close those that it has, spread over the drain
    /// window; it ends when the last has ended.
    pub async fn drain(&self) {
        // A server that has ended has nothing to drain.
        self.0.send(Order::Drain).await.ok();
    }
}
