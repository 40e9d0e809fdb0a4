//! The way of one connection, in order: open it, find its backend, relay.

pub mod backend;
pub(crate) mod open;
pub(crate) mod refuse;
pub(crate) mod relay;
pub(crate) mod report;
pub(crate) mod socket;

use crate::config::Settings;
use crate::watch::Watcher;
use backend::Backend;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What the opening of every connection needs.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) settings: Arc<Settings>,
    pub(crate) backend: Backend,
    pub(crate) watcher: Option<Arc<dyn Watcher>>,
    /// Whether no more sessions are to be opened.
    pub(crate) leaving: CancellationToken,
}
