//! Files of what was said. Each form that is read tells a [`Sink`] its events; each form that is
//! written, and each view, is a [`Sink`].

pub mod har;
pub mod lines;
mod pcap;
pub mod pcapng;
pub(crate) mod recorder;
pub mod redact;
pub mod rules;
pub(crate) mod shelf;
pub mod source;
mod zstd;

use crate::transcript::account::Account;
use crate::transcript::event::{Event, Header};
use std::io;

/// Takes what was said.
pub trait Sink {
    /// Takes where the events come from; once, before them.
    ///
    /// # Errors
    /// When it cannot be written.
    fn begin(&mut self, header: &Header) -> io::Result<()>;

    /// Takes the next event.
    ///
    /// # Errors
    /// When it cannot be written.
    fn take(&mut self, event: &Event) -> io::Result<()>;

    /// Takes the account; once, behind the events.
    ///
    /// # Errors
    /// When it cannot be written.
    fn end(&mut self, account: &Account) -> io::Result<()>;
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        (**self).begin(header)
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        (**self).take(event)
    }

    fn end(&mut self, account: &Account) -> io::Result<()> {
        (**self).end(account)
    }
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        (**self).begin(header)
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        (**self).take(event)
    }

    fn end(&mut self, account: &Account) -> io::Result<()> {
        (**self).end(account)
    }
}
