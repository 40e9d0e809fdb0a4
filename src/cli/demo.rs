//! `hybridge demo`: the translation, for a person to look at.

use super::is_broken_pipe;
use super::signals::until_stopped;
use crate::demo::table::Looks;
use crate::demo::{self, Options};
use rustix::termios::tcgetwinsize;
use std::io::{IsTerminal, Write, stdout};
use std::net::SocketAddr;
use tokio::runtime::Builder;

/// The width where there is no terminal, in columns.
const WIDTH: usize = 100;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the page is served that shows it live; port 0 lets the system choose one, which is
    /// printed.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// End behind the scripted part, without a page.
    #[arg(long, conflicts_with = "listen")]
    once: bool,
}

/// Runs the demo until SIGTERM or SIGINT.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let options = Options { page: (!args.once).then_some(args.listen), looks: looks() };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut out = stdout();
    let demo = until_stopped(|order| demo::run(&options, &mut out, order));
    let result = runtime.block_on(demo);
    // What has not ended by now is not waited for.
    runtime.shutdown_background();
    match result {
        // Who reads has seen enough: `hybridge demo --once | head`.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        result => result.and(Ok(stdout().flush()?)),
    }
}

fn looks() -> Looks {
    let terminal = stdout().is_terminal();
    // <https://no-color.org>: "when present and not an empty string".
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let width = tcgetwinsize(stdout()).map_or(0, |size| usize::from(size.ws_col));
    // Some terminals do not know their width and say 0.
    let width = if terminal && width > 0 { width } else { WIDTH };
    Looks { width, colour: terminal && !refused }
}
