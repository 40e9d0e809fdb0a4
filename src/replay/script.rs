//! A recorded session as what its client said and what it heard.

use crate::event::{Kind, Side};
use crate::transcript::event::{Accept, Event, How, Open, What};

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
    fn new(session: u64, at: u64, open: Open) -> Self {
        Self {
            session,
            at,
            open,
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
    fn take(&mut self, event: Event) {
        let Event { at, packet, what, .. } = event;
        if self.damage.is_some() {
            return;
        }
        match what {
            What::Accept(accept) => self.accept = Some((at, accept)),
            What::Message(message) => {
                let body = Body { kind: message.kind, data: message.data };
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
                self.closing = Closing { by: Some(from), at, code, reason };
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

/// The script of the events of one session; `None` where it has no beginning.
pub fn of(events: impl IntoIterator<Item = Event>) -> Option<Script> {
    let mut events = events.into_iter();
    let mut script = events.find_map(|Event { session, at, what, .. }| match what {
        What::Open(open) => Some(Script::new(session, at, open)),
        _ => None,
    })?;
    // About one half is said, and the other heard.
    let each = events.size_hint().0 / 2;
    script.said.reserve(each);
    script.heard.reserve(each);
    events.for_each(|event| script.take(event));
    Some(script)
}
