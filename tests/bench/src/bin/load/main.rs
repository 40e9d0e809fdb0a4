//! Loads a proxy from both sides and says what that cost it: CPU time a message or a connection, or
//! memory an idle connection.
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

/// Prints the address of its backend, reads a line `ADDRESS PID` of the proxy, and prints the result.
#[derive(Parser)]
pub struct Options {
    /// What the clients speak.
    #[arg(long, default_value = "rfc6455")]
    client: Dialect,
    /// What the backend speaks.
    #[arg(long, default_value = "rfc6455")]
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
    #[arg(long, default_value_t = 0.2)]
    warm_up: f64,
    /// Seconds of the measured part.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Counts only the CPU time of threads whose names begin so.
    #[arg(long, default_value = "")]
    threads: String,
    /// Measures connections instead: each sends one message, closes and is followed by another.
    #[arg(long, conflicts_with = "idle")]
    connect: bool,
    /// Measures memory instead: all connections are opened and left silent.
    #[arg(long)]
    idle: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    socket::raise_descriptor_limit()?;
    let listener = socket::listen(([127, 0, 0, 1], 0).into())?;
    let (proxy, pid) = ask_for_proxy(listener.local_addr()?)?;
    let mut run = run::Run::new(&options, listener, proxy, pid)?;
    println!("{}", if options.idle { run.idle()? } else { run.busy()? });
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
