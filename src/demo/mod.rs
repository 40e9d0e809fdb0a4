//! The demo: two backends of different ages, a proxy before each, and clients of the other age. What
//! goes over the wire is shown on the terminal and in a page.

mod echo;
mod page;
mod peer;
mod script;
mod stage;
pub(crate) mod table;

use crate::inspect::Inspector;
use anyhow::{Context, bail};
use page::{Page, Ports};
use stage::Stage;
use std::io::Write;
use std::net::SocketAddr;
use table::Looks;

/// How the demo is run.
#[derive(Debug)]
pub(crate) struct Options {
    /// Where the page is served; `None` ends behind the script.
    pub(crate) page: Option<SocketAddr>,
    /// How the terminal is written to.
    pub(crate) looks: Looks,
}

/// Runs the script, prints what went over the wire, and serves the page until `stop`.
///
/// # Errors
/// When an address cannot be bound, or when a client did not get what it was due.
pub(crate) async fn run(
    options: &Options,
    out: &mut dyn Write,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let inspector = Inspector::default();
    // Before anything is shown: an address in use is told at once.
    let page = match options.page {
        Some(address) => Some(Page::bind(address).await?),
        None => None,
    };
    let host = page.as_ref().map_or_else(|| [127, 0, 0, 1].into(), |page| page.address().ip());
    let stage = Stage::start(host, &inspector).await?;
    writeln!(out, "{}", table::introduction(options.looks))?;
    let mut failed = Vec::new();
    for scene in &script::SCENES {
        let played = script::play(scene, &stage, &inspector).await;
        writeln!(out, "{}", table::scene(scene, &played.entries, options.looks))?;
        if let Err(error) = played.outcome.with_context(|| scene.title) {
            failed.push(format!("{error:#}"));
        }
    }
    if !failed.is_empty() {
        bail!("the translation did not happen as expected: {}", failed.join("; "));
    }
    writeln!(out, "{}", table::legend(options.looks))?;
    let Some(page) = page else { return stage.stop().await };
    writeln!(out, "{}", table::invitation(page.address(), options.looks))?;
    out.flush()?;
    let ports =
        Ports { old: stage.before_old.address.port(), modern: stage.before_modern.address.port() };
    let mut stopped = Ok(());
    // The page lives a little longer than the sessions, to show how they end.
    let stop = async {
        stop.await;
        stopped = stage.stop().await;
    };
    page.serve(ports, &inspector, stop).await;
    stopped
}
