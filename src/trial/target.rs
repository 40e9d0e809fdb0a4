//! Cases that a live server is held to.

use super::play::play;
use super::{Bounds, Tried};
use crate::config::backend::ClientTls;
use crate::config::server_url::ServerUrl;
use crate::conformance::Site;
use crate::conformance::case::Case;
use crate::conformance::run::Run;
use crate::upstream::Way;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, channel};
use tokio_util::sync::CancellationToken;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A server under test.
#[derive(Debug)]
pub(crate) struct Target {
    way: Way,
    site: Site,
}

impl Target {
    /// `url` is `ws://` or `wss://` with a host, and perhaps a path, or `unix:` with that of a socket.
    ///
    /// # Errors
    /// When it is none, or the roots of its certificate cannot be read.
    pub(crate) fn new(url: &str, tls: ClientTls) -> anyhow::Result<Self> {
        let (way, server, path) = Way::to_url(url, tls, CONNECT)?;
        let secure = matches!(server, ServerUrl::Network { secure: true, .. });
        let host = server.authority().to_owned();
        let target = if path.is_empty() { "/" } else { path }.to_owned();
        Ok(Self { way, site: Site { host, target, secure } })
    }

    /// Tries one case.
    ///
    /// # Errors
    /// When the server cannot be connected to.
    pub(crate) async fn attempt(&self, case: Case, bounds: Bounds) -> anyhow::Result<Tried> {
        let begun = tokio::time::Instant::now();
        let stream = self.way.connect(None).await?;
        let mut run = Run::at_server(case.clone(), &self.site);
        play(stream, &mut run, bounds).await;
        Ok(Tried { case, verdict: run.verdict(), took: begun.elapsed() })
    }

    /// Tries cases, several at once; what comes of each is told when it is known.
    pub(crate) fn start(
        self: &Arc<Self>,
        cases: Vec<Case>,
        bounds: Bounds,
        end: CancellationToken,
    ) -> Receiver<anyhow::Result<Tried>> {
        let (sender, receiver) = channel(bounds.parallel);
        let places = Arc::new(Semaphore::new(bounds.parallel));
        let this = Arc::clone(self);
        tokio::spawn(async move {
            for case in cases {
                // The places are never closed.
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                if end.is_cancelled() {
                    return;
                }
                let (this, sender) = (Arc::clone(&this), sender.clone());
                tokio::spawn(async move {
                    let tried = this.attempt(case, bounds).await;
                    // Whoever waits for it has heard enough where this fails.
                    sender.send(tried).await.ok();
                    drop(place);
                });
            }
        });
        receiver
    }
}
