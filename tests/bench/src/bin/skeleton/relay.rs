//! The relay of one connection: a hand-written future that owns both sides and nothing else while
//! nothing is pending.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::worker::{Slot, Worker};

pub struct Relay {
    worker: Rc<Worker>,
    client: Leg,
    upstream: Leg,
    slot: Slot,
    /// The tick of the last byte, either way.
    last_moved: u32,
    /// The tick at which the worker wakes this relay. Traffic leaves it as it is, so that a message
    /// touches no memory but its own connection's; who is woken too early asks for a later tick.
    wake_at: u32,
}

/// One side: its socket, what the socket has not yet taken, and which ways it is shut.
struct Leg {
    stream: TcpStream,
    outbox: Option<Box<Outbox>>,
    read_ended: bool,
    write_ended: bool,
}

struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Relay {
    pub fn new(client: TcpStream, upstream: TcpStream, worker: Rc<Worker>) -> Self {
        let (slot, last_moved) = (worker.enter(), worker.now());
        let (client, upstream) = (Leg::new(client), Leg::new(upstream));
        Self { worker, client, upstream, slot, last_moved, wake_at: 0 }
    }

    /// Moves whatever can be moved; ready once both sides have ended or one is broken.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.run(context)?.is_ready() || self.is_overdue(context) {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    fn run(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { worker, client, upstream, last_moved, .. } = self;
        let mut pass = Pass { worker, scratch: &mut worker.scratch(), context, last_moved };
        let forth = pass.run(client, upstream)?;
        let back = pass.run(upstream, client)?;
        if forth.is_ready() && back.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn is_overdue(&mut self, context: &Context<'_>) -> bool {
        let now = self.worker.now();
        if self.wake_at > now {
            return false;
        }
        self.wake_at = self.last_moved + self.worker.idle_timeout();
        self.worker.wake_at(self.slot, self.wake_at, context.waker());
        self.wake_at <= now
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.worker.leave(self.slot);
    }
}

/// One poll of a relay, with what the worker lends it for as long.
struct Pass<'poll, 'task> {
    worker: &'poll Worker,
    scratch: &'poll mut [u8],
    context: &'poll mut Context<'task>,
    last_moved: &'poll mut u32,
}

impl Pass<'_, '_> {
    /// Moves bytes until `from` has none or `to` takes no more; ready once `from` has ended and `to`
    /// knows.
    fn run(&mut self, from: &mut Leg, to: &mut Leg) -> Poll<io::Result<()>> {
        loop {
            ready!(to.flush(self.worker, self.context))?;
            if from.read_ended {
                return to.end(self.context);
            }
            let mut read = ReadBuf::new(self.scratch);
            ready!(Pin::new(&mut from.stream).poll_read(self.context, &mut read))?;
            let bytes = read.filled();
            if bytes.is_empty() {
                from.read_ended = true;
                continue;
            }
            *self.last_moved = self.worker.now();
            to.send(bytes, self.worker, self.context)?;
        }
    }
}

impl Leg {
    fn new(stream: TcpStream) -> Self {
        Self { stream, outbox: None, read_ended: false, write_ended: false }
    }

    /// Writes at once what the socket takes and keeps the rest; call only with an empty outbox.
    fn send(&mut self, bytes: &[u8], worker: &Worker, context: &mut Context<'_>) -> io::Result<()> {
        let sent = match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Ready(sent) => sent?,
            Poll::Pending => 0,
        };
        if sent < bytes.len() {
            let mut rest = worker.take_buffer();
            rest.extend_from_slice(&bytes[sent..]);
            self.outbox = Some(Box::new(Outbox { bytes: rest, sent: 0 }));
        }
        Ok(())
    }

    /// Ready once nothing is left to write.
    fn flush(&mut self, worker: &Worker, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(outbox) = &mut self.outbox else { return Poll::Ready(Ok(())) };
        while outbox.sent < outbox.bytes.len() {
            let rest = &outbox.bytes[outbox.sent..];
            outbox.sent += ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
        }
        if let Some(outbox) = self.outbox.take() {
            worker.give_back(outbox.bytes);
        }
        Poll::Ready(Ok(()))
    }

    fn end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.write_ended {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.write_ended = true;
        }
        Poll::Ready(Ok(()))
    }
}
