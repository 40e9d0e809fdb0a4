//! Word to systemd: that the service is ready, reads its settings again, ends, is alive. Where no
//! service manager listens, nothing is said.

use sd_notify::{NotifyState, notify, watchdog_enabled};
use std::convert::Infallible;

/// The listeners are bound, and clients are served.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The settings are read again; [`ready`] follows, whether they are taken or not.
pub(crate) fn reloading() {
    // systemd wants the time with it, to tell this reload from one before (sd_notify(3)).
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "cannot read the clock for systemd"),
    }
}

/// The orderly end has begun.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says that the process is alive for as long as it is polled, twice as often as systemd wants to
/// hear it; never where it does not want to.
pub(crate) async fn stay_alive() -> Infallible {
    let Some(limit) = watchdog_enabled().filter(|limit| !limit.is_zero()) else {
        return std::future::pending().await;
    };
    let mut interval = tokio::time::interval(limit / 2);
    loop {
        interval.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = notify(state) {
        tracing::warn!(%error, "cannot tell systemd");
    }
}
