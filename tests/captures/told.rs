//! What a reader tells of a capture, and whether that is the truth.

use crate::base::Capture;
use crate::conversation::Session;
use crate::file::Written;
use crate::said::Said;
use hybridge::event::Side;
use hybridge::recording::{Sink, source};
use hybridge::transcript::account::Account;
use hybridge::transcript::event::{Accept, End, Event, Header, How, Message, Open, What};
use std::io;

/// Keeps what it is told.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) header: Option<Header>,
    pub(crate) events: Vec<Event>,
    pub(crate) account: Account,
    ended: bool,
}

impl Sink for Told {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        assert_eq!(self.header.replace(header.clone()), None, "it begins once");
        Ok(())
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        assert!(self.header.is_some() && !self.ended, "an event outside of the recording");
        self.events.push(event.clone());
        Ok(())
    }

    fn end(&mut self, account: &Account) -> io::Result<()> {
        assert!(self.header.is_some() && !self.ended, "it ends once");
        self.ended = true;
        self.account = account.clone();
        Ok(())
    }
}

/// A session as it was told.
#[derive(Debug, Clone)]
pub(crate) struct Heard<'t> {
    pub(crate) number: u64,
    pub(crate) open: &'t Open,
    pub(crate) accept: Option<&'t Accept>,
    pub(crate) said: Vec<(Side, Said, Option<u64>)>,
    pub(crate) gaps: u64,
    pub(crate) faults: Vec<&'t str>,
    pub(crate) end: End,
}

impl Told {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn read(bytes: impl io::Read) -> anyhow::Result<Self> {
        let mut told = Self::default();
        let account = source::read(bytes, &mut told)?;
        assert!(told.ended, "it has an end");
        assert_eq!(account, told.account, "the sink has the same account");
        Ok(told)
    }

    /// The sessions in the order in which they opened, each from its opening to its end.
    pub(crate) fn sessions(&self) -> Vec<Heard<'_>> {
        let mut sessions: Vec<(Heard<'_>, bool)> = Vec::new();
        for event in &self.events {
            let known = sessions.iter().position(|(one, _)| one.number == event.session);
            if let What::Open(open) = &event.what {
                assert_eq!(known, None, "session {} opens again", event.session);
                let end = End { by: None, how: How::Cut, clean: false };
                let (said, faults) = (Vec::new(), Vec::new());
                let number = event.session;
                let heard = Heard { number, open, accept: None, said, gaps: 0, faults, end };
                sessions.push((heard, false));
                continue;
            }
            let (heard, ended) = &mut sessions[known.expect("a session is open")];
            assert!(!*ended, "something is told behind the end of {}", event.session);
            match &event.what {
                What::Accept(accept) => {
                    assert_eq!(heard.accept.replace(accept), None, "it is accepted once");
                }
                What::Message(Message { from, kind, data, seen }) => {
                    let message = Said::Message(*kind, data.clone());
                    heard.said.push((*from, message, Some(*seen)));
                }
                What::Ping { from, data } => {
                    heard.said.push((*from, Said::Ping(data.clone()), None));
                }
                What::Pong { from, data } => {
                    heard.said.push((*from, Said::Pong(data.clone()), None));
                }
                What::Close { from, code, reason } => {
                    let reason = code.map(|code| (code, reason.clone().into_bytes()));
                    heard.said.push((*from, Said::Close(reason), None));
                }
                What::Gap { .. } => heard.gaps += 1,
                What::Fault { fault, .. } => heard.faults.push(fault),
                What::End(end) => {
                    heard.end = *end;
                    *ended = true;
                }
                What::Open(_) => unreachable!("seen to above"),
            }
        }
        assert!(sessions.iter().all(|(_, ended)| *ended), "each session has an end");
        sessions.into_iter().map(|(heard, _)| heard).collect()
    }
}

impl Heard<'_> {
    /// What a side said.
    pub(crate) fn said_by(&self, side: Side) -> Vec<&Said> {
        self.said.iter().filter(|(from, ..)| *from == side).map(|(_, said, _)| said).collect()
    }

    /// Whether it is this session, by its addresses and its target.
    pub(crate) fn is(&self, session: &Session) -> bool {
        self.open.client == session.flow.client.to_string()
            && self.open.server == session.flow.server.to_string()
            && self.open.target == session.target
    }
}

/// Reads a file that has lost nothing, and holds what is told to the truth.
pub(crate) fn check(capture: &Capture, written: &Written, name: &str) {
    let told = Told::read(&written.bytes[..]).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    let heard = told.sessions();
    assert_eq!(heard.len(), capture.sessions.len(), "{name}: {:?}", told.account);
    for session in &capture.sessions {
        let name = format!("{name}: {}", session.target);
        let found: Vec<_> = heard.iter().filter(|heard| heard.is(session)).collect();
        let [heard] = found[..] else { panic!("{name}: told {} times", found.len()) };
        check_session(session, heard, capture.in_order, &name);
    }
    let account = &told.account;
    let sessions = capture.sessions.len() as u64;
    assert_eq!(account.packets, written.packets, "{name}: {account:?}");
    assert_eq!(account.other_packets, written.others, "{name}: {account:?}");
    assert_eq!(account.sessions, sessions, "{name}: {account:?}");
    assert_eq!(account.tls_flows, capture.tls, "{name}: {account:?}");
    let others = account.other_flows + account.mid_stream_flows;
    assert_eq!(others, capture.others, "{name}: {account:?}");
    assert_eq!(account.flows, sessions + capture.tls + capture.others, "{name}: {account:?}");
    assert!(account.duplicates > 0 || !capture.repeats, "{name}: {account:?}");
    let lost = Account {
        packets: account.packets,
        other_packets: account.other_packets,
        duplicates: account.duplicates,
        flows: account.flows,
        sessions: account.sessions,
        tls_flows: account.tls_flows,
        other_flows: account.other_flows,
        mid_stream_flows: account.mid_stream_flows,
        notes: account.notes.clone(),
        ..Account::default()
    };
    assert_eq!(*account, lost, "{name}: nothing is lost");
}

fn check_session(session: &Session, heard: &Heard<'_>, in_order: bool, name: &str) {
    assert_eq!(heard.open.dialect, session.dialect, "{name}");
    assert_eq!(heard.accept.map(|accept| accept.status), Some(session.status), "{name}");
    assert_eq!((heard.gaps, &heard.faults[..]), (0, &[][..]), "{name}");
    for side in Side::BOTH {
        // A message of 300 KB is no good in a panic.
        let (due, said) = (session.said_by(side), heard.said_by(side));
        let differs = due.iter().zip(&said).position(|(due, said)| due != said);
        assert_eq!(differs, None, "{name}: {side:?} says something else");
        assert_eq!(said.len(), due.len(), "{name}: {side:?}");
    }
    assert_eq!(heard.end.how, session.how, "{name}");
    assert_eq!(heard.end.clean, session.is_clean(), "{name}");
    if !in_order {
        return;
    }
    assert_eq!(heard.end.by, Some(session.by), "{name}");
    let order = |said: &[(Side, Said, u64)]| said.iter().map(|one| one.0).collect::<Vec<_>>();
    let told: Vec<_> = heard.said.iter().map(|(from, ..)| *from).collect();
    assert_eq!(told, order(&session.said), "{name}: the order of both sides");
    for (at, ((_, said, due), (.., seen))) in session.said.iter().zip(&heard.said).enumerate() {
        if matches!(said, Said::Message(..)) {
            assert_eq!(*seen, Some(*due), "{name}: what message {at} had seen");
        }
    }
}
