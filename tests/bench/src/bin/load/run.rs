//! One measurement, from the first connection to the line of JSON.

use std::{
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use hybridge_bench::{
    meter,
    payload::Payload,
    socket::{self, Poller},
};

use crate::{
    Options,
    backend::Echo,
    client::{Client, Next, Work},
};

const LISTENER: u64 = u64::MAX;
/// Connections of the backend are numbered from here, those of the clients from 0.
const BACKEND: u64 = 1 << 32;
/// Connections that may be opening at the same time.
const OPENING: usize = 128;
/// Nothing happening for so long is a failure.
const STALL: Duration = Duration::from_secs(10);
/// How long a proxy may take to come to rest before its memory is read.
const SETTLE: Duration = Duration::from_millis(1500);

pub struct Run<'options> {
    options: &'options Options,
    listener: TcpListener,
    proxy: SocketAddr,
    pid: u32,
    poller: Poller,
    ready: Vec<u64>,
    clients: Vec<Client>,
    /// How many clients there have been.
    connected: u32,
    echoes: Vec<Option<Echo>>,
    payload: Payload,
    text: Vec<u8>,
    buffer: Vec<u8>,
}

impl<'options> Run<'options> {
    pub fn new(
        options: &'options Options,
        listener: TcpListener,
        proxy: SocketAddr,
        pid: u32,
    ) -> Result<Self> {
        ensure!(options.connections > 0 && options.in_flight > 0, "nothing to measure");
        let poller = Poller::new()?;
        poller.watch(&listener, LISTENER)?;
        Ok(Self {
            payload: Payload::new(options.size)?,
            options,
            listener,
            proxy,
            pid,
            poller,
            ready: Vec::new(),
            clients: Vec::new(),
            connected: 0,
            echoes: Vec::new(),
            text: Vec::new(),
            buffer: Vec::new(),
        })
    }

    /// CPU time a message; or a connection, each of which has one message.
    pub fn busy(&mut self) -> Result<String> {
        let Options { connections, in_flight, connect, warm_up, seconds, .. } = *self.options;
        let (next, unit) =
            if connect { (Next::Close, "connection") } else { (Next::Burst(in_flight), "message") };
        self.open(connections)?;
        for number in 0..self.clients.len() {
            self.advance_client(number, next)?;
        }
        self.run(Duration::from_secs_f64(warm_up), next)?;
        let threads = &self.options.threads;
        let (start, before) = (Instant::now(), meter::cpu_nanoseconds(self.pid, threads)?);
        let count = self.run(Duration::from_secs_f64(seconds), next)?;
        let elapsed = start.elapsed().as_secs_f64();
        let after = meter::cpu_nanoseconds(self.pid, &self.options.threads)?;
        ensure!(count > 0, "no message came back");
        Ok(format!(
            r#"{{"cpu_ns_per_{unit}":{:.1},"{unit}s_per_second":{:.1}}}"#,
            (after - before) as f64 / count as f64,
            count as f64 / elapsed,
        ))
    }

    /// Memory a connection. The first one is not counted, for with it comes what a proxy needs once.
    pub fn idle(&mut self) -> Result<String> {
        let connections = self.options.connections;
        self.open(1)?;
        let before = meter::user_memory(self.pid)?;
        self.open(connections)?;
        let settled = Instant::now() + SETTLE;
        while let Some(rest) = settled.checked_duration_since(Instant::now()) {
            self.serve(Next::Rest, rest)?;
        }
        let after = meter::user_memory(self.pid)?;
        Ok(format!(
            r#"{{"bytes_per_connection":{:.1}}}"#,
            (after as f64 - before as f64) / f64::from(connections),
        ))
    }

    /// Opens `count` connections, a few at a time, and lets one message go through each.
    fn open(&mut self, count: u32) -> Result<()> {
        let first = self.clients.len();
        let end = first + count as usize;
        let mut oldest = first;
        while oldest < end {
            while self.clients.len() < (oldest + OPENING).min(end) {
                let client = self.connect(self.clients.len())?;
                self.clients.push(client);
            }
            self.turn(Next::Rest)?;
            while self.clients.get(oldest).is_some_and(Client::is_quiet) {
                oldest += 1;
            }
        }
        Ok(())
    }

    /// Begins a connection, to be kept at `place`.
    fn connect(&mut self, place: usize) -> Result<Client> {
        let socket = socket::connect(self.proxy)?;
        self.poller.watch(&socket, place as u64)?;
        let Options { client, size, .. } = *self.options;
        let mut client = Client::new(socket, client, size, self.connected);
        client.open(self.proxy);
        self.connected += 1;
        Ok(client)
    }

    /// Works for `duration` and then until the first client is done with its burst, and says how many
    /// messages came back. So a measured part begins and ends at the same point of the round in which
    /// the connections take their turns, however long that round is.
    fn run(&mut self, duration: Duration, next: Next) -> Result<u64> {
        let start = Instant::now();
        let mut messages = 0;
        loop {
            let sent = self.clients.first().map(Client::sent);
            messages += self.turn(next)?;
            let is_done = self.clients.first().map(Client::sent) != sent;
            if is_done && start.elapsed() >= duration {
                return Ok(messages);
            }
        }
    }

    /// Waits and handles; to hear nothing is a failure.
    fn turn(&mut self, next: Next) -> Result<u64> {
        let (events, messages) = self.serve(next, STALL)?;
        ensure!(events > 0, "nothing happened for {STALL:?}");
        Ok(messages)
    }

    fn serve(&mut self, next: Next, timeout: Duration) -> Result<(usize, u64)> {
        let events = self.poller.wait(Some(timeout))?;
        self.ready.clear();
        self.ready.extend(events.iter().map(|event| event.data.u64()));
        let mut messages = 0;
        for index in 0..self.ready.len() {
            match self.ready[index] {
                LISTENER => self.accept()?,
                token @ BACKEND.. => self.advance_echo(usize::try_from(token - BACKEND)?)?,
                token => messages += self.advance_client(usize::try_from(token)?, next)?,
            }
        }
        Ok((self.ready.len(), messages))
    }

    fn accept(&mut self) -> Result<()> {
        while let Some(socket) = socket::accept(&self.listener)? {
            self.poller.watch(&socket, BACKEND + self.echoes.len() as u64)?;
            self.echoes.push(Some(Echo::new(socket, self.options.backend)));
        }
        Ok(())
    }

    fn advance_echo(&mut self, number: usize) -> Result<()> {
        let Some(echo) = &mut self.echoes[number] else { return Ok(()) };
        let going_on = echo.advance(&self.payload, &mut self.buffer);
        if !going_on.context("at the backend")? {
            self.echoes[number] = None;
        }
        Ok(())
    }

    /// Lets a client work, and another take the place of one that is over.
    fn advance_client(&mut self, place: usize, next: Next) -> Result<u64> {
        let Self { payload, text, buffer, .. } = self;
        let mut work = Work { payload, next, text, buffer };
        let messages = self.clients[place].advance(&mut work).context("at a client")?;
        if self.clients[place].is_over() {
            self.clients[place] = self.connect(place)?;
        }
        Ok(messages)
    }
}
