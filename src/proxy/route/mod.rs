//! Routes: who is taken where.

pub(crate) mod condition;
pub(crate) mod host;
pub(crate) mod path;

use super::edit::Edits;
use super::guard::{Denied, Guard};
use super::pages::Pages;
use super::reply::Reply;
use super::unserved::Unserved;
use crate::config::Settings;
use crate::config::route::{self, ClientKind, Redirect, Respond};
use crate::handshake::Headers;
use crate::net::Hop;
use crate::session::policy::Policy;
use crate::upstream::Pool;
use anyhow::{Context, bail};
use condition::Conditions;
use path::Path;
use std::sync::Arc;

/// The routes, in order.
#[derive(Debug)]
pub(crate) struct Router(Vec<Arc<Route>>);

/// A route that is ready to be taken.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) settings: route::Route,
    /// What its sessions are bound to.
    pub(crate) policy: Policy,
    action: Action,
    conditions: Conditions,
    /// Who may take it.
    pub(super) guard: Guard,
    /// What is changed on the way.
    pub(super) edits: Edits,
    /// What its refusals look like.
    pub(super) pages: Pages,
}

/// Where a route leads.
#[derive(Debug)]
enum Action {
    Pass(Arc<Pool>),
    Respond(Respond),
    Redirect(Redirect),
}

/// What a client asks for, as far as a route can depend on it.
pub(crate) struct Asked<'a> {
    pub(crate) hop: &'a Hop,
    /// The host, as it was sent.
    pub(crate) host: &'a [u8],
    /// The request target in origin form.
    pub(crate) target: &'a [u8],
    pub(crate) client: ClientKind,
    /// The end-to-end fields of the request, and its `Origin`.
    pub(crate) headers: &'a dyn Headers,
}

impl Router {
    /// The routes of the settings, with `pools` for their backends.
    ///
    /// # Errors
    /// When a route leads nowhere, or what it says does not fit.
    pub(crate) fn new(settings: &Settings, pools: &[Arc<Pool>]) -> anyhow::Result<Self> {
        let routes = settings.routes.iter().map(|route| {
            let policy = route.policy(settings.shutdown_deadline);
            let built = Route::new(route, policy, pools);
            built.map(Arc::new).with_context(|| format!("route {}", route.name))
        });
        Ok(Self(routes.collect::<anyhow::Result<_>>()?))
    }

    /// The first route whose conditions hold.
    ///
    /// # Errors
    /// When there is none, or the target is one that servers read in different ways.
    pub(crate) fn find(&self, asked: &Asked<'_>) -> Result<Arc<Route>, Denied> {
        let path = Path::read(asked.target)?;
        let found = self.0.iter().find(|route| route.conditions.hold(asked, &path));
        found.cloned().ok_or(Denied::NoRoute)
    }
}

impl Route {
    /// The backend that it leads to, or what it answers itself.
    ///
    /// # Errors
    /// With that answer, or when the request has not what a redirect needs.
    pub(crate) fn pool(&self, host: &[u8], target: &[u8]) -> Result<&Arc<Pool>, Unserved> {
        Err(Unserved::Own(match &self.action {
            Action::Pass(pool) => return Ok(pool),
            Action::Respond(respond) => Reply::fixed(respond),
            Action::Redirect(redirect) => Reply::redirect(redirect, host, target)?,
        }))
    }

    fn new(settings: &route::Route, policy: Policy, pools: &[Arc<Pool>]) -> anyhow::Result<Self> {
        let conditions = Conditions::new(settings)?;
        Ok(Self {
            policy,
            action: action(settings, pools)?,
            guard: Guard::new(settings)?,
            edits: Edits::new(settings, conditions.places())?,
            pages: Pages::read(&settings.error_pages)?,
            conditions,
            settings: settings.clone(),
        })
    }
}

fn action(route: &route::Route, pools: &[Arc<Pool>]) -> anyhow::Result<Action> {
    match (&route.backend, &route.respond, &route.redirect) {
        (Some(name), None, None) => {
            let pool = pools.iter().find(|pool| pool.settings.name == *name);
            Ok(Action::Pass(Arc::clone(pool.with_context(|| format!("no backend {name}"))?)))
        }
        (None, Some(respond), None) => Ok(Action::Respond(respond.clone())),
        (None, None, Some(redirect)) => Ok(Action::Redirect(redirect.clone())),
        _ => bail!("give one of backend, respond and redirect"),
    }
}
