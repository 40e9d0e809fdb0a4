//! `hybridge serve`: the proxy in front of one backend.

use super::signals::until_stopped;
use crate::config::{BackendUrl, HostPolicy, Settings};
use crate::dialect::{self, Dialect};
use crate::limits::Limits;
use crate::server::Server;
use crate::session::translate::BinaryPolicy;
use crate::worker::load::TURNED_AWAY;
use clap::ValueEnum;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::thread::available_parallelism;
use tokio::runtime::Builder;

/// Files that are open beside the two of each connection: clients that are told 503, the runtimes
/// of the workers, the listener, the standard streams.
const OTHER_FILES: u64 = TURNED_AWAY as u64 + 128;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where clients connect; port 0 lets the system choose one, which is logged.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,

    /// Where the sessions go.
    #[arg(long, value_name = "ws://HOST:PORT")]
    backend: BackendUrl,

    /// What the backend speaks: rfc6455, hybi-08, hybi-07, hixie-76, hixie-75; or auto, which tries
    /// the newest first and remembers what worked.
    #[arg(long, value_name = "DIALECT", default_value = "rfc6455")]
    backend_dialect: BackendDialect,

    /// What clients may speak, separated by commas; all dialects unless given.
    #[arg(long, value_name = "DIALECTS", value_delimiter = ',')]
    accept: Vec<Dialect>,

    /// Pass bytes on unchecked where both sides speak the same dialect.
    #[arg(long)]
    tunnel: bool,

    /// What becomes of binary messages to or from a Hixie peer.
    #[arg(long, value_enum, default_value_t = Binary::Frame)]
    binary: Binary,

    /// The Host that the backend sees: what the client sent (preserve), that of its own URL
    /// (backend), or a name.
    #[arg(long, value_name = "preserve|backend|NAME", default_value = "preserve")]
    host: HostPolicy,

    /// How many clients are served at once; more are answered 503. As many as the limit of open
    /// files allows unless given.
    #[arg(long, value_name = "NUMBER")]
    max_connections: Option<NonZeroUsize>,
}

#[derive(Debug, Clone, Copy)]
struct BackendDialect(Option<Dialect>);

impl FromStr for BackendDialect {
    type Err = dialect::UnknownDialect;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name == "auto" { Ok(Self(None)) } else { Ok(Self(Some(name.parse()?))) }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Binary {
    /// Hixie length frames, which draft 76 tells browsers to discard.
    Frame,
    /// Text in base64.
    Base64,
    /// The session is closed with 1003.
    Refuse,
    /// The message is dropped and counted.
    Drop,
}

impl From<Binary> for BinaryPolicy {
    fn from(binary: Binary) -> Self {
        match binary {
            Binary::Frame => Self::Frame,
            Binary::Base64 => Self::Base64,
            Binary::Refuse => Self::Refuse,
            Binary::Drop => Self::Drop,
        }
    }
}

/// Serves until SIGTERM or SIGINT; a second signal ends the process at once.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let settings = settings(args);
    let runtime =
        Builder::new_multi_thread().worker_threads(settings.workers).enable_all().build()?;
    let result = runtime.block_on(serve(settings));
    // What has not ended by now is not waited for.
    runtime.shutdown_background();
    result
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let (backend, dialect) = (settings.backend.authority.clone(), settings.backend_dialect);
    let server = Server::bind(settings).await?;
    tracing::info!(
        address = %server.local_addr(),
        %backend,
        dialect = dialect.map_or("auto", Dialect::name),
        "listening"
    );
    until_stopped(|order| server.run(order)).await
}

fn settings(args: &Args) -> Settings {
    let files = raise_file_limit();
    let possible = usize::try_from(files.saturating_sub(OTHER_FILES) / 2).unwrap_or(usize::MAX);
    let wanted = args.max_connections.map_or(possible, NonZeroUsize::get);
    if wanted > possible {
        tracing::warn!(wanted, possible, "the limit of open files allows fewer connections");
    }
    Settings {
        listen: args.listen,
        backend: args.backend.clone(),
        backend_dialect: args.backend_dialect.0,
        accept: if args.accept.is_empty() { dialect::ALL.to_vec() } else { args.accept.clone() },
        host: args.host.clone(),
        tunnel: args.tunnel,
        binary: args.binary.into(),
        limits: Limits::default(),
        max_connections: wanted.min(possible.max(1)),
        workers: available_parallelism().map_or(1, usize::from),
    }
}

/// Raises the limit of open files as far as the system lets it, and returns what it is then.
fn raise_file_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let limit = match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of open files");
            current
        }
    };
    limit.unwrap_or(u64::MAX)
}
