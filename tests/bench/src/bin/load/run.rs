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
    client::{Client, Work},
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
            echoes: Vec::new(),
            text: Vec::new(),
            buffer: Vec::new(),
        })
    }

    /// CPU time per message.
    pub fn messages(&mut self) -> Result<String> {
        self.open(self.options.connections)?;
        let burst = self.options.in_flight;
        for number in 0..self.clients.len() {
            self.advance_client(number, burst)?;
        }
        let warm = Instant::now() + Duration::from_secs_f64(self.options.warm_up);
        while Instant::now() < warm {
            self.turn(burst, STALL)?;
        }
        let (start, before) = (Instant::now(), meter::cpu_nanoseconds(self.pid)?);
        let duration = Duration::from_secs_f64(self.options.seconds);
        let mut messages = 0;
        while start.elapsed() < duration && messages < self.options.messages {
            messages += self.turn(burst, STALL)?;
        }
        let (seconds, after) = (start.elapsed().as_secs_f64(), meter::cpu_nanoseconds(self.pid)?);
        ensure!(messages > 0, "no message came back");
        Ok(format!(
            r#"{{"cpu_ns_per_message":{:.1},"messages":{messages},"seconds":{seconds:.3}}}"#,
            (after - before) as f64 / messages as f64,
        ))
    }

    /// Memory per connection.
    pub fn idle(&mut self) -> Result<String> {
        let connections = self.options.idle.context("not an idle run")?;
        let before = meter::user_memory(self.pid)?;
        self.open(connections)?;
        let settled = Instant::now() + SETTLE;
        while let Some(rest) = settled.checked_duration_since(Instant::now()) {
            self.serve(0, rest)?;
        }
        let after = meter::user_memory(self.pid)?;
        Ok(format!(
            r#"{{"bytes_per_connection":{:.1},"connections":{connections},"base_bytes":{before}}}"#,
            (after as f64 - before as f64) / f64::from(connections),
        ))
    }

    /// Opens `count` connections, a few at a time, and lets one message go through each.
    fn open(&mut self, count: u32) -> Result<()> {
        let mut oldest = 0;
        while oldest < count as usize {
            while self.clients.len() < (oldest + OPENING).min(count as usize) {
                self.connect()?;
            }
            self.turn(0, STALL)?;
            while self.clients.get(oldest).is_some_and(Client::is_quiet) {
                oldest += 1;
            }
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<()> {
        let socket = socket::connect(self.proxy)?;
        let number = self.clients.len();
        self.poller.watch(&socket, number as u64)?;
        let Options { client, size, .. } = *self.options;
        let mut client = Client::new(socket, client, size, u32::try_from(number)?);
        client.open(self.proxy);
        self.clients.push(client);
        Ok(())
    }

    /// Waits and handles; to hear nothing is a failure.
    fn turn(&mut self, burst: u64, timeout: Duration) -> Result<u64> {
        let (events, messages) = self.serve(burst, timeout)?;
        ensure!(events > 0, "nothing happened for {STALL:?}");
        Ok(messages)
    }

    fn serve(&mut self, burst: u64, timeout: Duration) -> Result<(usize, u64)> {
        let events = self.poller.wait(Some(timeout))?;
        self.ready.clear();
        self.ready.extend(events.iter().map(|event| event.data.u64()));
        let mut messages = 0;
        for index in 0..self.ready.len() {
            match self.ready[index] {
                LISTENER => self.accept()?,
                token @ BACKEND.. => self.advance_echo(usize::try_from(token - BACKEND)?)?,
                token => messages += self.advance_client(usize::try_from(token)?, burst)?,
            }
        }
        Ok((self.ready.len(), messages))
    }

    fn accept(&mut self) -> Result<()> {
        let Options { backend, size, .. } = *self.options;
        while let Some(socket) = socket::accept(&self.listener)? {
            self.poller.watch(&socket, BACKEND + self.echoes.len() as u64)?;
            self.echoes.push(Some(Echo::new(socket, backend, size)));
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

    fn advance_client(&mut self, number: usize, burst: u64) -> Result<u64> {
        let Self { payload, text, buffer, .. } = self;
        let mut work = Work { payload, burst, text, buffer };
        self.clients[number].advance(&mut work).context("at a client")
    }
}
