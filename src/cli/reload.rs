//! `hybridge reload`: has a running server read its configuration file again.

use crate::config::Settings;
use crate::config::values::Address;
use crate::net::stream::Conduit;
use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Builder;
use tokio::time::timeout;

/// How long the server may take: it binds and reads certificates, and asks no one.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest answer, in bytes.
const ANSWER: usize = 64 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file of the running server; its `[admin]` address is asked.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

/// Asks, and tells what the server says.
///
/// # Errors
/// When the file has faults, or the server refuses it and goes on as before.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let settings = Settings::load(&args.config)?.settings;
    let Some(address) = settings.admin.address else {
        bail!("there is no [admin] address to ask; set one, or send SIGHUP to the process")
    };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(async { timeout(PATIENCE, ask(&address)).await });
    asked.with_context(|| format!("no answer from {address} in time"))?
}

async fn ask(address: &Address) -> anyhow::Result<()> {
    let conduit = connect(address).await.with_context(|| format!("cannot reach {address}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(conduit)).await?;
    let request =
        Request::post("/reload").header("Host", "localhost").body(Empty::<Bytes>::new())?;
    let answer = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER).collect().await;
        let text = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
        anyhow::Ok((status, String::from_utf8_lossy(&text).trim().to_owned()))
    };
    let (answer, _) = tokio::join!(answer, connection);
    match answer? {
        (status, text) if status.is_success() => {
            tracing::info!("{text}");
            Ok(())
        }
        (_, text) => bail!("{text}"),
    }
}

async fn connect(address: &Address) -> anyhow::Result<Conduit> {
    Ok(match address {
        Address::Tcp(tcp) => Conduit::Tcp(TcpStream::connect(tcp).await?),
        Address::Unix(path) => Conduit::Unix(UnixStream::connect(path).await?),
        Address::Systemd(_) => bail!("a socket of systemd has no address to ask; send SIGHUP"),
    })
}
