//! A recorded session as what its client said and what it heard.

use crate::event::{Kind, Side};
use crate::transcript::event::{Accept, Event, How, Open, What};
use std::collections::HashMap;

/// A session that is to be said again, or to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its number in the recording.
    pub session: u64,
    /// When the client asked for it, in nanoseconds since the start of the recording; all times are.
    pub at: u64,
    /// How it asked.
    pub open: Open,
    /// What the server answered, and when.
    pub accept: Option<(u64, Accept)>,
    /// The messages of the client, in order.
    pub said: Vec<Said>,
    /// The messages of the server, in order, up to the client's close.
    pub heard: Vec<Heard>,
    /// How it ended.
    pub closing: Closing,
    /// What is wrong with the recording of it, for a person; what came behind that is left out.
    pub damage: Option<String>,
}

/// A message of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// When.
    pub at: u64,
    /// The packet of the capture it ended in.
    pub packet: Option<u64>,
    /// How many messages of the server the client had seen.
    pub seen: usize,
    /// What it is made of.
    pub body: Body,
}

/// A message of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// When.
    pub at: u64,
    /// The packet of the capture it ended in.
    pub packet: Option<u64>,
    /// How many messages the client had said before, by the order of the recording.
    pub after: usize,
    /// What it is made of.
    pub body: Body,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Text or not.
    pub kind: Kind,
    /// Its payload.
    pub data: Vec<u8>,
}

/// The end of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closing {
    /// Who began it; `None` where the recording ends before the session.
    pub by: Option<Side>,
    /// When.
    pub at: u64,
    /// The close code, where the dialect has one and it was said.
    pub code: Option<u16>,
    /// The text behind it.
    pub reason: String,
}

impl Body {
    /// The text; `None` of other messages.
    pub fn text(&self) -> Option<&str> {
        (self.kind == Kind::Text).then(|| str::from_utf8(&self.data).ok())?
    }
}

impl Script {
    fn new(event: &Event, open: &Open) -> Self {
        Self {
            session: event.session,
            at: event.at,
            open: open.clone(),
            accept: None,
            said: Vec::new(),
            heard: Vec::new(),
            closing: Closing::default(),
            damage: None,
        }
    }

    /// When the session was open.
    pub fn opened(&self) -> u64 {
        self.accept.as_ref().map_or(self.at, |(at, _)| *at)
    }

    /// How many bytes of messages it holds.
    pub fn bytes(&self) -> usize {
        let said = self.said.iter().map(|said| &said.body);
        let heard = self.heard.iter().map(|heard| &heard.body);
        said.chain(heard).map(|body| body.data.len()).sum()
    }

    /// Takes what happened next.
    fn take(&mut self, event: &Event) {
        let Event { at, packet, .. } = *event;
        if self.damage.is_some() {
            return;
        }
        match &event.what {
            What::Accept(accept) => self.accept = Some((at, accept.clone())),
            What::Message(message) => {
                let body = Body { kind: message.kind, data: message.data.clone() };
                match message.from {
                    Side::Client => {
                        let seen = usize::try_from(message.seen).unwrap_or(usize::MAX);
                        let seen = seen.min(self.heard.len());
                        self.said.push(Said { at, packet, seen, body });
                    }
                    // What a server says to a client that is going, it may also not say.
                    Side::Backend if self.closing.by == Some(Side::Client) => {}
                    Side::Backend => {
                        let after = self.said.len();
                        self.heard.push(Heard { at, packet, after, body });
                    }
                }
            }
            What::Close { from, code, reason } if self.closing.by.is_none() => {
                self.closing = Closing { by: Some(*from), at, code: *code, reason: reason.clone() };
            }
            What::Gap { from, bytes } => {
                self.damage = Some(format!("{bytes} bytes of the {} are missing", from.name()));
            }
            What::Fault { from, fault } => {
                self.damage = Some(format!("the {} broke a rule: {fault}", from.name()));
            }
            What::End(end) if self.closing.by.is_none() => {
                let by = end.by.filter(|_| end.how != How::Cut);
                self.closing = Closing { by, at, ..Closing::default() };
            }
            // Pings and pongs are the library's matter, not the application's.
            What::Open(_) | What::Ping { .. } | What::Pong { .. } => {}
            What::Close { .. } | What::End(_) => {}
        }
    }
}

/// The script of the events of one session.
pub fn of(events: &[Event]) -> Option<Script> {
    let mut scripts = Scripts::default();
    for event in events {
        if let Some(script) = scripts.take(event) {
            return Some(script);
        }
    }
    scripts.rest().pop()
}

/// Makes scripts of events.
#[derive(Debug, Default)]
pub struct Scripts(HashMap<u64, Script>);

impl Scripts {
    /// Takes the next event of the recording; with the last one of a session comes its script.
    pub fn take(&mut self, event: &Event) -> Option<Script> {
        if let What::Open(open) = &event.what {
            self.0.insert(event.session, Script::new(event, open));
            return None;
        }
        let script = self.0.get_mut(&event.session)?;
        script.take(event);
        matches!(event.what, What::End(_)).then(|| self.0.remove(&event.session))?
    }

    /// Those that have no end.
    pub fn rest(self) -> Vec<Script> {
        let mut rest: Vec<_> = self.0.into_values().collect();
        rest.sort_by_key(|script| script.session);
        rest
    }
}
