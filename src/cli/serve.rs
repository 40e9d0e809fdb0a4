//! `hybridge serve`: the proxy, as a configuration file has it or in front of one backend.

use super::logs;
use super::reloading::{Overrides, Reloading};
use super::signals::{obey, until_stopped};
use crate::admin::Reload;
use crate::config::Settings;
use crate::config::load::Loaded;
use crate::config::route::Mode;
use crate::config::server_url::ServerUrl;
use crate::config::values::{Address, BackendDialect, HostPolicy};
use crate::dialect::Dialect;
use crate::net::activation;
use crate::recording::recorder::Recorder;
use crate::server::Server;
use crate::session::translate::BinaryPolicy;
use crate::telemetry::notify;
use anyhow::bail;
use clap::ValueEnum;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Write, stderr};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// How long the end waits for the recordings: a disk may hang.
const CLOSING: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file; it stands for all other options but --record.
    #[arg(short, long, value_name = "FILE", conflicts_with = "OneLine")]
    config: Option<PathBuf>,

    /// Write what sessions say to files in this folder, which has to exist.
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,

    #[command(flatten)]
    one_line: Option<OneLine>,
}

/// One listener, one backend.
#[derive(Debug, clap::Args)]
struct OneLine {
    /// Where clients connect; port 0 lets the system choose one, which is logged.
    #[arg(long, value_name = "ADDRESS:PORT", required = false, required_unless_present = "config")]
    listen: SocketAddr,

    /// Where the sessions go.
    #[arg(
        long,
        value_name = "ws://HOST:PORT",
        required = false,
        required_unless_present = "config"
    )]
    backend: ServerUrl,

    /// What the backend speaks: rfc6455, hybi-08 to hybi-01, hixie-76, hixie-75; or auto, which tries
    /// rfc6455, hybi-08, hybi-07, hixie-76 and hixie-75 and remembers what worked.
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
pub(super) fn run(args: &Args, logs: &logs::Args) -> anyhow::Result<ExitCode> {
    // Before there are threads, which it must not surprise.
    activation::inherit();
    let Loaded { mut settings, warnings } = match load(args) {
        Ok(loaded) => loaded,
        Err(error) => {
            // As `hybridge check` has it: how log lines look is what could not be read.
            writeln!(stderr(), "{error}")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let overrides = Overrides { format: logs.format(), record: args.record.clone() };
    overrides.apply(&mut settings);
    logs.start(&settings.log);
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    raise_file_limit();
    let workers = settings.workers.get();
    let runtime = Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    let result = runtime.block_on(serve(settings, args.config.clone(), overrides));
    // What has not ended by now is not waited for.
    runtime.shutdown_background();
    result.map(|()| ExitCode::SUCCESS)
}

fn load(args: &Args) -> anyhow::Result<Loaded> {
    match (&args.config, &args.one_line) {
        (Some(file), _) => Ok(Settings::load(file)?),
        (None, Some(one_line)) => Ok(Loaded { settings: settings(one_line), warnings: Vec::new() }),
        (None, None) => bail!("give --config, or --listen and --backend"),
    }
}

async fn serve(
    settings: Settings,
    file: Option<PathBuf>,
    overrides: Overrides,
) -> anyhow::Result<()> {
    let record = settings.record.clone();
    let mut server = Server::bind(settings).await?;
    let recorder = Recorder::start(&record, Arc::clone(server.telemetry()))?.map(Arc::new);
    if let Some(recorder) = &recorder {
        server = server.watched_by(Arc::<Recorder>::clone(recorder));
    }
    let reloading = file.map(|file| Reloading::new(&file, overrides, &server));
    if let Some(reloading) = reloading.clone() {
        server = server.reloaded_by(Reload::new(move || {
            let reloading = reloading.clone();
            async move { reloading.reload().await }
        }));
    }
    let obeying = obey(&server, reloading)?;
    let serving = until_stopped(|order| {
        // Not before all signals are heard: unheard, one would end the process.
        tell_all(&server);
        let running = server.run(async {
            order.await;
            notify::stopping();
        });
        async {
            let result = running.await;
            if let Some(recorder) = recorder
                && !in_time(CLOSING, move || recorder.close()).await
            {
                tracing::error!("recordings not written to their end");
            }
            result
        }
    });
    tokio::select! {
        // In this order: systemd is to hear first that we are ready.
        biased;
        result = serving => result,
        never = obeying => match never {},
        never = notify::stay_alive() => match never {},
    }
}

/// Does what may hang, on a thread; whether that has ended within `limit`.
async fn in_time(limit: Duration, work: impl FnOnce() + Send + 'static) -> bool {
    matches!(timeout(limit, spawn_blocking(work)).await, Ok(Ok(())))
}

/// Lets everybody know that the server is there.
fn tell_all(server: &Server) {
    for (listener, address) in server.listening() {
        tracing::info!(%address, listener, "listening");
    }
    if let Some(address) = server.admin() {
        tracing::info!(%address, "admin listening");
    }
    notify::ready();
}

fn settings(args: &OneLine) -> Settings {
    let mut settings = Settings::between(Address::Tcp(args.listen), args.backend.clone());
    settings.max_connections = args.max_connections;
    for backend in &mut settings.backends {
        backend.dialect = args.backend_dialect;
    }
    for route in &mut settings.routes {
        if !args.accept.is_empty() {
            route.accept.clone_from(&args.accept);
        }
        route.host_header = args.host.clone();
        route.mode = if args.tunnel { Mode::Tunnel } else { Mode::Translate };
        route.binary = args.binary.into();
    }
    settings
}

/// Raises the limit of open files as far as the system lets it.
fn raise_file_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    /// What hangs is not waited for, neither by us nor by the end of the runtime.
    #[test]
    fn a_disk_that_hangs_does_not_hold_the_end_up() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (free, hung) = channel::<()>();
        let closing = in_time(Duration::from_millis(1), move || {
            hung.recv().ok();
        });
        assert!(!runtime.block_on(closing));
        assert!(runtime.block_on(in_time(Duration::MAX, || {})));
        runtime.shutdown_background();
        drop(free);
    }
}
