//! Loads a proxy from both sides and says what that cost it: CPU time per message, or memory per idle
//! connection.
//!
//! The clients and the server behind the proxy are one thread. Pinned to the proxy's CPU they take
//! turns with it, and the proxy's CPU time is exact.

mod backend;
mod client;
mod run;
mod stream;

use std::{
    io::{self, Write},
    net::SocketAddr,
};

use anyhow::{Context, Result};
use clap::Parser;
use hybridge_bench::{socket, wire::Dialect};

#[derive(Parser)]
#[command(about)]
pub struct Options {
    /// Where the proxy listens. Without it and `--pid`, a line `ADDRESS PID` is read from stdin once
    /// the backend's address is printed.
    #[arg(long, requires = "pid")]
    proxy: Option<SocketAddr>,
    /// The proxy's process.
    #[arg(long, requires = "proxy")]
    pid: Option<u32>,
    /// Where the built-in backend listens.
    #[arg(long, default_value = "127.0.0.1:0")]
    backend_listen: SocketAddr,
    /// What the clients speak.
    #[arg(long, default_value = "raw")]
    client: Dialect,
    /// What the backend speaks.
    #[arg(long, default_value = "raw")]
    backend: Dialect,
    /// Bytes in a message.
    #[arg(long, default_value_t = 64)]
    size: usize,
    #[arg(long, default_value_t = 50)]
    connections: u32,
    /// Messages that a client sends in one write before it waits for all of them.
    #[arg(long, default_value_t = 1)]
    in_flight: u64,
    /// Seconds under load before the measured part.
    #[arg(long, default_value_t = 0.3)]
    warm_up: f64,
    /// Seconds of the measured part.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Ends the measured part after so many messages, if that is sooner.
    #[arg(long, default_value_t = u64::MAX)]
    messages: u64,
    /// Opens so many connections instead, leaves them silent and measures memory.
    #[arg(long)]
    idle: Option<u32>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    socket::raise_descriptor_limit()?;
    let listener = socket::listen(options.backend_listen)?;
    let (proxy, pid) = match (options.proxy, options.pid) {
        (Some(proxy), Some(pid)) => (proxy, pid),
        _ => ask_for_proxy(listener.local_addr()?)?,
    };
    let mut run = run::Run::new(&options, listener, proxy, pid)?;
    println!("{}", if options.idle.is_some() { run.idle()? } else { run.messages()? });
    Ok(())
}

fn ask_for_proxy(backend: SocketAddr) -> Result<(SocketAddr, u32)> {
    println!("{backend}");
    io::stdout().flush()?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let (proxy, pid) = line.trim().split_once(' ').context("expected a line ADDRESS PID")?;
    Ok((proxy.parse()?, pid.parse()?))
}
