//! What signals do to a command. SIGTERM and SIGINT end it: the first asks for an orderly end, the
//! second does not wait for it. A server knows those of nginx beside them.

use super::reloading::Reloading;
use crate::server::Server;
use crate::telemetry::notify;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// The order to end.
pub(super) type Order = Pin<Box<dyn Future<Output = ()>>>;

/// Runs what ends in order once it is told to. When it is started, both signals are heard.
///
/// # Errors
/// With what it ends with, or when the system does not let us listen for signals.
pub(super) async fn until_stopped<R>(start: impl FnOnce(Order) -> R) -> anyhow::Result<()>
where
    R: Future<Output = anyhow::Result<()>>,
{
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut order = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let (ordered, first) = oneshot::channel::<()>();
    let running = start(Box::pin(async move { drop(first.await) }));
    tokio::pin!(running);
    tokio::select! {
        result = &mut running => return result,
        () = order() => tracing::info!("shutting down"),
    }
    drop(ordered);
    tokio::select! {
        result = running => result,
        () = order() => {
            tracing::warn!("second signal, ending at once");
            Ok(())
        }
    }
}

/// Has a server obey: SIGHUP reads its configuration file again, SIGUSR1 opens its access log again,
/// SIGQUIT drains it.
///
/// # Errors
/// When the system does not let us listen for signals.
pub(super) fn obey(
    server: &Server,
    reloading: Option<Reloading>,
) -> io::Result<impl Future<Output = Infallible> + use<>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut moved = signal(SignalKind::user_defined1())?;
    let mut quit = signal(SignalKind::quit())?;
    let (control, telemetry) = (server.control(), Arc::clone(server.telemetry()));
    Ok(async move {
        loop {
            tokio::select! {
                _ = hangup.recv() => match &reloading {
                    // It logs what came of it.
                    Some(reloading) => drop(reloading.reload().await),
                    None => tracing::warn!("not reloaded: there is no configuration file"),
                },
                _ = moved.recv() => telemetry.access.reopen(),
                _ = quit.recv() => {
                    tracing::info!("draining");
                    notify::stopping();
                    control.drain().await;
                }
            }
        }
    })
}
