//! The settings of a server, as they are written in the configuration file: one struct a table, one
//! field a key, each with its default. What a value can be is a type of its own, so that a value
//! that was read is a value that makes sense; what the tables say of each other is checked when the
//! file is loaded.

pub mod backend;
mod check;
mod document;
mod dump;
mod environment;
mod explain;
pub mod finding;
pub mod key;
pub mod listener;
pub mod load;
mod near;
pub mod operation;
mod paths;
pub mod route;
pub mod server_url;
pub mod values;

use backend::{Backend, Server};
use listener::Listener;
use operation::{AccessLog, Admin, Log, Record};
use route::Route;
use serde::{Deserialize, Serialize};
use server_url::ServerUrl;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;
use values::{Address, Period};

/// All that a server needs to know: the whole configuration file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How many threads serve; as many as there are CPUs.
    pub workers: NonZeroUsize,
    /// How many clients are served at once; more are answered 503. As many as the limit of open
    /// files allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<NonZeroUsize>,
    /// From SIGTERM to the end of the process.
    pub shutdown_deadline: Period,
    /// Over how long SIGQUIT spreads the closing of sessions.
    pub drain_window: Period,
    /// Further files, as patterns relative to the folder of this one; each adds listeners, backends
    /// and routes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<PathBuf>,
    /// The log of the program itself.
    pub log: Log,
    /// The log of sessions and requests.
    pub access_log: AccessLog,
    /// Metrics, health and reload.
    pub admin: Admin,
    /// Recordings of what sessions say.
    pub record: Record,
    /// Where clients connect.
    #[serde(rename = "listener")]
    pub listeners: Vec<Listener>,
    /// Where they are taken to.
    #[serde(rename = "backend")]
    pub backends: Vec<Backend>,
    /// Who is taken where, and under which rules; the first that matches counts.
    #[serde(rename = "route")]
    pub routes: Vec<Route>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: available_parallelism().unwrap_or(NonZeroUsize::MIN),
            max_connections: None,
            shutdown_deadline: Period(Duration::from_secs(10)),
            drain_window: Period(Duration::from_secs(30)),
            include: Vec::new(),
            log: Log::default(),
            access_log: AccessLog::default(),
            admin: Admin::default(),
            record: Record::default(),
            listeners: Vec::new(),
            backends: Vec::new(),
            routes: Vec::new(),
        }
    }
}

impl Settings {
    /// The smallest settings: one listener, one backend with one server, one route between them.
    pub fn between(listen: Address, server: ServerUrl) -> Self {
        let listener =
            Listener { name: "main".into(), address: vec![listen], ..Listener::default() };
        let backend = Backend {
            name: "main".into(),
            servers: vec![Server::new(server)],
            ..Backend::default()
        };
        let route = Route { name: "main".into(), backend: Some("main".into()), ..Route::default() };
        Self {
            listeners: vec![listener],
            backends: vec![backend],
            routes: vec![route],
            ..Self::default()
        }
    }
}
