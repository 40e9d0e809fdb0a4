//! How many recorded sessions `hybridge replay` says in a second beside a bare client on tokio that does
//! the same without a recording, and the memory that it takes, in rounds. Each is measured with an echo
//! server of its own, on a port of its own: connections to one that has had thousands wait for those to be
//! forgotten.
//!
//!     cargo run --release --bin sessions -- --sessions 10000 --at-once 10000

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use hybridge_bench::socket::raise_descriptor_limit;
use hybridge_bench::wire::{Dialect, Frame, Framing, Opening, Role, answer};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How often the memory of the program is looked at: it is gone with the program.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };

#[derive(Parser)]
struct Options {
    /// How many sessions are said.
    #[arg(long, default_value_t = 10_000)]
    sessions: u32,

    /// How many of them at once.
    #[arg(long, default_value_t = 64)]
    at_once: usize,

    /// How many messages a session has, each of which is echoed.
    #[arg(long, default_value_t = 10)]
    messages: u32,

    /// Bytes in a message.
    #[arg(long, default_value_t = 64)]
    size: usize,

    #[arg(long, default_value_t = 5)]
    rounds: u32,

    /// Is the echo server, until standard input ends; its own process, for the files that it has open.
    #[arg(long, hide = true)]
    serve: bool,

    /// The program.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/release/hybridge"))]
    hybridge: PathBuf,
}

fn main() -> Result<()> {
    let options = Options::parse();
    raise_descriptor_limit()?;
    if options.serve {
        return serve_until_told();
    }
    let file = std::env::temp_dir().join(format!("sessions-{}.wsrec", std::process::id()));
    fs::write(&file, recording(&options)?)?;
    let result = compare(&options, &file);
    fs::remove_file(&file)?;
    result
}

fn compare(options: &Options, file: &Path) -> Result<()> {
    let mut ratios = Vec::new();
    println!("round, bare sessions/s, replayed sessions/s, ratio, MiB");
    for round in 1..=options.rounds {
        let bare = f64::from(options.sessions)
            / Server::start()?.measure(|address| bare(options, address))?.as_secs_f64();
        let (took, memory) =
            Server::start()?.measure(|address| replayed(options, address, file))?;
        let replayed = f64::from(options.sessions) / took.as_secs_f64();
        ratios.push(replayed / bare);
        println!("{round}, {bare:.0}, {replayed:.0}, {:.2}, {:.0}", replayed / bare, memory);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.2}", ratios[ratios.len() / 2]);
    Ok(())
}

/// The text of a message; no two of a session are the same.
fn text(options: &Options, number: u32) -> String {
    let begin = format!("{{\"number\":{number},\"fill\":\"");
    let fill = options.size.saturating_sub(begin.len() + 2);
    format!("{begin}{}\"}}", "x".repeat(fill))
}

/// A recording of sessions that are all open at the same time.
fn recording(options: &Options) -> Result<String> {
    let mut lines =
        String::from("{\"wsrec\":1,\"start\":\"2026-01-01T00:00:00Z\",\"source\":\"sessions\"}\n");
    for session in 1..=options.sessions {
        let mut line = |event: &str, at: u32, more: &str| {
            writeln!(lines, "{{\"event\":\"{event}\",\"session\":{session},\"at\":{at}{more}}}")
        };
        line(
            "open",
            session,
            ",\"dialect\":\"rfc6455\",\"client\":\"\",\"server\":\"\",\"target\":\"/bench\",\"fields\":[]",
        )?;
        line("accept", session, ",\"status\":101,\"fields\":[]")?;
        for number in 0..options.messages {
            let text = text(options, number).replace('"', "\\\"");
            for (from, seen) in [("client", number), ("server", number + 1)] {
                let more = format!(",\"from\":\"{from}\",\"seen\":{seen},\"text\":\"{text}\"");
                line("message", options.sessions + number, &more)?;
            }
        }
        line("end", 1_000_000_000, ",\"by\":\"client\",\"how\":\"fin\",\"clean\":true")?;
    }
    writeln!(lines, "{{\"event\":\"account\",\"sessions\":{}}}", options.sessions)?;
    Ok(lines)
}

/// Has the program say all; how long it took, and how much memory, in MiB.
fn replayed(options: &Options, address: SocketAddr, file: &Path) -> Result<(Duration, f64)> {
    let start = Instant::now();
    let mut child = Command::new(&options.hybridge)
        .arg("replay")
        .arg(file)
        .args([
            "--target",
            &format!("ws://{address}"),
            "--max-sessions",
            &options.at_once.to_string(),
        ])
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start hybridge")?;
    let end = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
    let status = format!("/proc/{}/status", child.id());
    let mut memory = 0.0_f64;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        memory = memory.max(peak.unwrap_or(0.0) / 1024.0);
        if poll(&mut [PollFd::new(&end, PollFlags::IN)], Some(&LOOK))? > 0 {
            let took = start.elapsed();
            let status = child.wait()?;
            ensure!(status.success(), "the replay ended with {status}");
            return Ok((took, memory));
        }
    }
}

/// The same without a recording.
fn bare(options: &Options, address: SocketAddr) -> Result<Duration> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let texts: Arc<Vec<String>> =
        Arc::new((0..options.messages).map(|number| text(options, number)).collect());
    let start = Instant::now();
    runtime.block_on(async {
        let places = Arc::new(Semaphore::new(options.at_once));
        let mut sessions = JoinSet::new();
        for session in 0..options.sessions {
            let place = Arc::clone(&places).acquire_owned().await?;
            let texts = Arc::clone(&texts);
            sessions.spawn(async move {
                let said = talk(address, session, &texts).await;
                drop(place);
                said
            });
        }
        while let Some(said) = sessions.join_next().await {
            said??;
        }
        Ok(start.elapsed())
    })
}

async fn talk(address: SocketAddr, session: u32, texts: &[String]) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let opening = Opening::new(Dialect::Rfc6455, address, session);
    stream.write_all(&opening.request).await?;
    let (mut bytes, mut out) = (Vec::new(), Vec::new());
    loop {
        if let Some(length) = opening.check(&bytes)? {
            bytes.drain(..length);
            break;
        }
        ensure!(stream.read_buf(&mut bytes).await? > 0, "no answer");
    }
    let [to, from] = [Role::Client, Role::Server].map(|sender| Framing {
        dialect: Dialect::Rfc6455,
        sender,
        size: 0,
    });
    for text in texts {
        out.clear();
        to.encode(text.as_bytes(), session.to_ne_bytes(), &mut out);
        stream.write_all(&out).await?;
        loop {
            if let Some((Frame::Text { place, .. }, length)) = from.decode(&mut bytes)? {
                ensure!(bytes[place] == *text.as_bytes(), "another text");
                bytes.drain(..length);
                break;
            }
            ensure!(stream.read_buf(&mut bytes).await? > 0, "no echo");
        }
    }
    out.clear();
    to.encode_close([0; 4], &mut out);
    stream.write_all(&out).await?;
    while stream.read_buf(&mut bytes).await? > 0 {}
    Ok(())
}

/// An echo server in a process of its own.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().context("no output")?;
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().parse().context("the server does not listen")?;
        Ok(Self { child, address })
    }

    /// Measures something that needs it, and ends it.
    fn measure<T>(mut self, what: impl FnOnce(SocketAddr) -> Result<T>) -> Result<T> {
        let measured = what(self.address);
        drop(self.child.stdin.take());
        self.child.wait()?;
        measured
    }
}

fn serve_until_told() -> Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let listener = runtime.block_on(async { listen() })?;
    println!("{}", listener.local_addr()?);
    runtime.spawn(serve(listener));
    io::copy(&mut io::stdin(), &mut io::sink())?;
    runtime.shutdown_background();
    Ok(())
}

/// Listens, with as many waiting as the system allows: who is not let in tries again after a second.
fn listen() -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    Ok(socket.listen(u16::MAX.into())?)
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move { echo(stream).await.ok() });
    }
}

async fn echo(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let (mut bytes, mut out) = (Vec::new(), Vec::new());
    let [to, from] = [Role::Server, Role::Client].map(|sender| Framing {
        dialect: Dialect::Rfc6455,
        sender,
        size: 0,
    });
    let mut is_open = false;
    while stream.read_buf(&mut bytes).await? > 0 {
        out.clear();
        if !is_open && let Some((answer, length)) = answer(Dialect::Rfc6455, &bytes)? {
            out.extend(answer);
            bytes.drain(..length);
            is_open = true;
        }
        while is_open && let Some((frame, length)) = from.decode(&mut bytes)? {
            match frame {
                Frame::Text { place, .. } => to.encode(&bytes[place], [0; 4], &mut out),
                Frame::Close => {
                    to.encode_close([0; 4], &mut out);
                    stream.write_all(&out).await?;
                    return Ok(());
                }
            }
            bytes.drain(..length);
        }
        stream.write_all(&out).await?;
    }
    Ok(())
}
