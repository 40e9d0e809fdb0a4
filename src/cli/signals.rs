//! What SIGTERM and SIGINT do to a command: the first asks for an orderly end, the second does not
//! wait for it.

use std::pin::Pin;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// The order to end.
pub(super) type Order = Pin<Box<dyn Future<Output = ()>>>;

/// Runs what ends in order once it is told to.
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
