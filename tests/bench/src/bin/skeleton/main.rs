//! The spike: the same proxy as `copyloop`, built the way the real relay is to be built, to learn what
//! that way costs.

mod relay;
mod session;
mod worker;

use std::{
    io::{self, Write},
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};

use anyhow::Result;
use clap::Parser;
use hybridge_bench::socket;
use tokio::{
    net::TcpListener,
    runtime::{Builder, LocalOptions},
};

use session::Session;
use worker::Worker;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about)]
struct Options {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    backend: SocketAddr,
    /// Seconds without a byte after which a connection is closed.
    #[arg(long, default_value_t = 600)]
    idle_timeout: u32,
}

fn main() -> Result<()> {
    let options = Options::parse();
    socket::raise_descriptor_limit()?;
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(serve(options))
}

async fn serve(options: Options) -> Result<()> {
    let listener = TcpListener::from_std(socket::listen(options.listen)?)?;
    println!("{}", listener.local_addr()?);
    io::stdout().flush()?;
    let worker = Rc::new(Worker::new(options.idle_timeout));
    tokio::task::spawn_local(tick(Rc::clone(&worker)));
    loop {
        let (client, _) = listener.accept().await?;
        tokio::task::spawn_local(Session::new(client, options.backend, Rc::clone(&worker)));
    }
}

/// The one clock of all sessions.
async fn tick(worker: Rc<Worker>) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    loop {
        seconds.tick().await;
        worker.tick();
    }
}
