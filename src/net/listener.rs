//! A listener: what its settings have become, apart from the sockets that it listens on.
//!
//! A reload makes a new one of new settings, beside sockets and connections that stay.

use super::admission::Admission;
use super::tls;
use crate::config::listener::Listener as Settings;
use anyhow::Context;
use std::fmt;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// A listener that is ready for clients.
#[derive(Clone)]
pub(crate) struct Listener {
    pub(crate) settings: Arc<Settings>,
    /// What makes TLS streams, where it has TLS.
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) admission: Arc<Admission>,
}

impl Listener {
    /// Builds it, and reads its certificates. One of before, whose connections are still there,
    /// hands its counts over.
    ///
    /// # Errors
    /// With the file or the setting that does not fit.
    pub(crate) fn new(settings: Settings, before: Option<&Self>) -> anyhow::Result<Self> {
        let tls = settings.tls.as_ref().map(tls::acceptor).transpose();
        let tls = tls.with_context(|| format!("listener {}", settings.name))?;
        let admission = before.map(|before| Arc::clone(&before.admission)).unwrap_or_default();
        Ok(Self { settings: Arc::new(settings), tls, admission })
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("settings", &self.settings).finish_non_exhaustive()
    }
}
