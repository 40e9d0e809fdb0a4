//! Writes pcapng, for Wireshark. There were no such packets: each session is put on a TCP connection
//! that is made up for it, in its own dialect, without masks and compression that hide what was said.

mod address;
mod blocks;
mod connection;
mod frames;
mod opening;
mod packet;

use super::Sink;
use crate::transcript::account::Account;
use crate::transcript::event::{Event, Header, What};
use address::Taken;
use blocks::{interface, section};
use connection::{Connection, Packets};
use std::collections::HashMap;
use std::io::{self, Write};

/// Between whom a session was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leg {
    /// A client and the proxy, or who else it talks to.
    Client,
    /// The proxy and the backend.
    Backend,
}

impl Leg {
    /// The name of its interface.
    const fn name(self) -> &'static str {
        match self {
            Self::Client => "client leg",
            Self::Backend => "backend leg",
        }
    }

    /// The number of its interface.
    const fn number(self) -> u32 {
        match self {
            Self::Client => 0,
            Self::Backend => 1,
        }
    }
}

/// Writes pcapng. Of an open session it keeps its addresses and some counts.
#[derive(Debug)]
pub struct Writer<W> {
    packets: Packets<W>,
    legs: &'static [Leg],
    /// What is told from now on was said on this one.
    leg: Leg,
    taken: Taken,
    open: HashMap<(Leg, u64), Connection>,
}

impl<W: Write> Writer<W> {
    /// Writes to `out`, sessions of clients only.
    pub fn new(out: W) -> Self {
        Self::with_legs(out, &[Leg::Client], Taken::many())
    }

    /// Writes to `out`, sessions of both legs. It takes less memory, for many are written at once:
    /// with more than some million connections addresses are made up that need not be.
    pub fn of_both_legs(out: W) -> Self {
        Self::with_legs(out, &[Leg::Client, Leg::Backend], Taken::few())
    }

    fn with_legs(out: W, legs: &'static [Leg], taken: Taken) -> Self {
        let open = HashMap::new();
        Self { packets: Packets::new(out), legs, leg: Leg::Client, taken, open }
    }

    /// What is told from now on was said on this leg, where both are written.
    pub fn on(&mut self, leg: Leg) {
        if self.legs.contains(&leg) {
            self.leg = leg;
        }
    }

    /// What is written to.
    pub const fn get_ref(&self) -> &W {
        &self.packets.out
    }

    /// What is written to.
    pub const fn get_mut(&mut self) -> &mut W {
        &mut self.packets.out
    }

    /// What is written to.
    pub fn into_inner(self) -> W {
        self.packets.out
    }
}

impl<W: Write> Sink for Writer<W> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.packets.start = header.start;
        section(&header.source, &mut self.packets.out)?;
        self.legs.iter().try_for_each(|leg| interface(leg.name(), &mut self.packets.out))
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        let Event { session, at, what, .. } = event;
        let place = (self.leg, *session);
        match what {
            What::Open(open) => {
                let ends = self.taken.ends(self.leg, open);
                let connection =
                    Connection::open(self.leg, *session, ends, *at, open, &mut self.packets)?;
                self.open.insert(place, connection);
                Ok(())
            }
            What::End(end) => match self.open.remove(&place) {
                Some(mut connection) => connection.end(*at, *end, &mut self.packets),
                None => Ok(()),
            },
            what => match self.open.get_mut(&place) {
                Some(connection) => connection.take(*at, what, &mut self.packets),
                None => Ok(()),
            },
        }
    }

    fn end(&mut self, _account: &Account) -> io::Result<()> {
        self.packets.out.flush()
    }
}
