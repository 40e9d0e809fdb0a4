//! The baseline: a TCP proxy that only copies, on one thread over raw epoll, with as little around the
//! system calls as one can write.

use std::{
    io::{self, Write},
    mem,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
};

use anyhow::Result;
use clap::Parser;
use hybridge_bench::socket::{self, EventFlags, Poller, unless_blocked};
use rustix::net::{RecvFlags, SendFlags, Shutdown, shutdown};

#[derive(Parser)]
#[command(about)]
struct Options {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    backend: SocketAddr,
}

const LISTENER: u64 = u64::MAX;
const BUFFER: usize = 64 * 1024;

/// A connection and what each of its two sides has not yet taken.
struct Pair {
    sockets: [OwnedFd; 2],
    leftover: [Vec<u8>; 2],
    ended: [bool; 2],
}

impl Pair {
    /// Copies from `side` to the other until nothing comes or nothing more is taken.
    fn copy(&mut self, side: usize, drain: bool, buffer: &mut [u8]) -> io::Result<()> {
        let (from, to) = (&self.sockets[side], &self.sockets[1 - side]);
        let leftover = &mut self.leftover[1 - side];
        loop {
            if !leftover.is_empty() {
                let Some(written) =
                    unless_blocked(rustix::net::send(to, leftover, SendFlags::NOSIGNAL))?
                else {
                    return Ok(());
                };
                leftover.drain(..written);
                if leftover.is_empty() {
                    mem::take(leftover);
                }
                continue;
            }
            if self.ended[side] {
                return Ok(());
            }
            let Some(length) = unless_blocked(
                rustix::net::recv(from, &mut *buffer, RecvFlags::empty()).map(|(length, _)| length),
            )?
            else {
                return Ok(());
            };
            if length == 0 {
                self.ended[side] = true;
                shutdown(to, Shutdown::Write)?;
                return Ok(());
            }
            let written =
                unless_blocked(rustix::net::send(to, &buffer[..length], SendFlags::NOSIGNAL))?
                    .unwrap_or(0);
            leftover.extend_from_slice(&buffer[written..length]);
            if leftover.is_empty() && length < buffer.len() && !drain {
                return Ok(());
            }
        }
    }

    fn handle(&mut self, side: usize, flags: EventFlags, buffer: &mut [u8]) -> io::Result<bool> {
        if flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP) {
            self.copy(side, flags.contains(EventFlags::RDHUP), buffer)?;
        }
        if flags.contains(EventFlags::OUT) && !self.leftover[side].is_empty() {
            self.copy(1 - side, true, buffer)?;
        }
        Ok(self.ended == [true, true])
    }
}

/// All connections, by number; the sockets of pair `n` are watched as `2n` and `2n + 1`.
struct Pairs {
    slots: Vec<Option<Pair>>,
    free: Vec<usize>,
}

impl Pairs {
    fn open(&mut self, client: OwnedFd, backend: SocketAddr, poller: &Poller) -> io::Result<()> {
        let sockets = [client, socket::connect(backend)?];
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        poller.watch(&sockets[0], 2 * number as u64)?;
        poller.watch(&sockets[1], 2 * number as u64 + 1)?;
        let pair = Pair { sockets, leftover: [Vec::new(), Vec::new()], ended: [false; 2] };
        self.slots[number] = Some(pair);
        Ok(())
    }

    fn handle(&mut self, token: u64, flags: EventFlags, buffer: &mut [u8]) {
        let (number, side) = (usize::try_from(token / 2).unwrap_or(usize::MAX), token % 2 == 1);
        let Some(Some(pair)) = self.slots.get_mut(number) else { return };
        if pair.handle(side.into(), flags, buffer).unwrap_or(true) {
            self.slots[number] = None;
            self.free.push(number);
        }
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    socket::raise_descriptor_limit()?;
    let listener = socket::listen(options.listen)?;
    println!("{}", listener.local_addr()?);
    io::stdout().flush()?;
    serve(&listener, options.backend)
}

fn serve(listener: &TcpListener, backend: SocketAddr) -> Result<()> {
    let mut poller = Poller::new()?;
    poller.watch(listener, LISTENER)?;
    let mut pairs = Pairs { slots: Vec::new(), free: Vec::new() };
    let mut buffer = vec![0; BUFFER];
    loop {
        let mut waiting = false;
        for event in poller.wait(None)? {
            match event.data.u64() {
                LISTENER => waiting = true,
                token => pairs.handle(token, event.flags, &mut buffer),
            }
        }
        if waiting {
            while let Some(client) = socket::accept(listener)? {
                pairs.open(client, backend, &poller)?;
            }
        }
    }
}
