//! The way of one connection, in order: open it, find its route, pass requests or relay.

pub(crate) mod client;
pub(crate) mod edit;
pub(crate) mod guard;
pub(crate) mod http;
pub(crate) mod open;
pub(crate) mod pages;
pub(crate) mod relay;
pub(crate) mod reply;
pub(crate) mod report;
pub(crate) mod route;
pub(crate) mod socket;
mod tls;
mod transport;
pub(crate) mod unserved;
pub(crate) mod visible;

use crate::config::Settings;
use crate::config::backend::ClientTls;
use crate::telemetry::Telemetry;
use crate::upstream::Pool;
use crate::watch::Watcher;
use route::Router;
use std::sync::{Arc, PoisonError, RwLock};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the settings have become: all that openings and requests need, until the next reload.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) settings: Settings,
    pub(crate) pools: Vec<Arc<Pool>>,
    pub(crate) router: Router,
}

impl Service {
    /// Builds all that the settings name. Backends whose settings are those of one of `pools` go on;
    /// others of the same name take over what is known of their servers.
    ///
    /// # Errors
    /// When something that they name does not exist or does not fit.
    pub(crate) fn new(settings: Settings, pools: &[Arc<Pool>]) -> anyhow::Result<Self> {
        let pools = settings.backends.iter().map(|backend| {
            // With files of its own it reads them again.
            let own_files = backend.tls != ClientTls::default();
            let before = pools.iter().find(|pool| pool.settings.name == backend.name);
            match before {
                Some(same) if *same.settings == *backend && !own_files => Ok(Arc::clone(same)),
                _ => Pool::new(backend.clone(), before.map(Arc::as_ref)),
            }
        });
        let pools = pools.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { router: Router::new(&settings, &pools)?, settings, pools })
    }
}

/// What all connections share, over reloads.
#[derive(Debug)]
pub(crate) struct Shared {
    service: RwLock<Arc<Service>>,
    pub(crate) watcher: Option<Arc<dyn Watcher>>,
    pub(crate) telemetry: Arc<Telemetry>,
    /// Whether no more sessions are to be opened and no more requests are to be served.
    pub(crate) leaving: CancellationToken,
    /// Whether those that there are have only the rest of the shutdown deadline left.
    pub(crate) closing: CancellationToken,
    /// Whether that has passed.
    pub(crate) late: CancellationToken,
    /// The plain requests that are being served.
    pub(crate) requests: TaskTracker,
}

impl Shared {
    /// Begins to look after the backends.
    pub(crate) fn new(
        service: Service,
        watcher: Option<Arc<dyn Watcher>>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        service.pools.iter().for_each(|pool| pool.start());
        Self {
            service: RwLock::new(Arc::new(service)),
            watcher,
            telemetry,
            leaving: CancellationToken::new(),
            closing: CancellationToken::new(),
            late: CancellationToken::new(),
            requests: TaskTracker::new(),
        }
    }

    /// Has all that comes from now on served by another service. Sessions can hold the pools of
    /// before for days, so that it does not depend on their end when those cease to check.
    pub(crate) fn replace(&self, service: Service) {
        let service = Arc::new(service);
        let mut now = self.service.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *now, Arc::clone(&service));
        let others = |of: &Service, but: &Service| {
            let is_other = |pool: &&Arc<Pool>| !but.pools.iter().any(|one| Arc::ptr_eq(one, *pool));
            of.pools.iter().filter(is_other).cloned().collect::<Vec<_>>()
        };
        others(&before, &service).iter().for_each(|pool| pool.stop());
        others(&service, &before).iter().for_each(|pool| pool.start());
    }

    /// The service of now. Not for the data path.
    pub(crate) fn service(&self) -> Arc<Service> {
        Arc::clone(&self.service.read().unwrap_or_else(PoisonError::into_inner))
    }
}
