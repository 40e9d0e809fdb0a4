//! What is said on a connection: its streams go to a conversation, and what that tells goes on with
//! the number of a session.

use super::stream::{Part, Stream};
use crate::event::{Side, Sides};
use crate::transcript::account::Account;
use crate::transcript::conversation::{Conversation, Found, Mark};
use crate::transcript::event::{Event, What};
use core::net::SocketAddr;

/// The most notes that an account has.
const NOTES: usize = 32;

/// How much of a request line is quoted in a note, in bytes.
const QUOTED: usize = 60;

/// Where the events of sessions go, and what is counted beside them.
pub(super) struct Telling<'t> {
    pub(super) account: &'t mut Account,
    /// The number of the packet of now, and its time.
    pub(super) packet: u64,
    pub(super) at: u64,
    pub(super) tell: &'t mut dyn FnMut(Event),
}

/// What is said on a connection.
#[derive(Debug, Default)]
pub(super) struct Talk {
    stage: Stage,
    /// The number of its session, once it is one.
    session: Option<u64>,
    /// Whether bytes of the session are missing.
    has_gap: bool,
    /// Whether bytes of a request are missing, which might have opened a session.
    is_cut: bool,
}

#[derive(Debug, Default)]
enum Stage {
    /// The beginning is awaited, or another one.
    #[default]
    Seeking,
    Listening(Conversation),
    /// Bytes are missing, and it was no session yet.
    Lost,
    /// It is no HTTP.
    Foreign,
    /// Nothing more is to be heard of it.
    Over(Found),
}

impl Talk {
    /// Hears the next part of what a side says. `other` is what the other side says.
    pub(super) fn hear(
        &mut self,
        from: Side,
        part: Part<&[u8]>,
        other: &mut Stream,
        addresses: &Sides<SocketAddr>,
        telling: &mut Telling<'_>,
    ) {
        match part {
            Part::Data(bytes, stamp) => {
                if let Some(number) = stamp.acknowledges.filter(|_| from == Side::Client) {
                    other.begin_at(number);
                }
                if self.is_seeking() {
                    self.stage = Stage::Listening(Conversation::default());
                }
                let acked = stamp.acknowledges.and_then(|number| other.bytes_before(number));
                let mark = Mark { at: telling.at, packet: Some(stamp.packet), acked };
                self.tell(addresses, telling, |conversation, tell| {
                    conversation.feed(from, bytes, mark, tell);
                });
            }
            Part::Gap(bytes) => {
                telling.account.gap_bytes += bytes;
                match &self.stage {
                    _ if self.session.is_some() => self.pass(from, bytes, addresses, telling),
                    Stage::Listening(_) | Stage::Seeking
                        if from == Side::Client || self.is_in_request() =>
                    {
                        self.lose_request(bytes, addresses, telling);
                    }
                    Stage::Listening(_) | Stage::Seeking => self.stage = Stage::Lost,
                    Stage::Lost | Stage::Foreign | Stage::Over(_) => {}
                }
            }
            Part::End => self.end(from, false, addresses, telling),
        }
    }

    /// Takes note that a side has ended its stream, or has reset the connection.
    pub(super) fn end(
        &mut self,
        from: Side,
        reset: bool,
        addresses: &Sides<SocketAddr>,
        telling: &mut Telling<'_>,
    ) {
        let mark = telling.mark();
        self.tell(addresses, telling, |conversation, tell| {
            conversation.end(from, reset, mark, tell);
        });
    }

    /// Takes note that nothing more will come.
    pub(super) fn cut(&mut self, addresses: &Sides<SocketAddr>, telling: &mut Telling<'_>) {
        let mark = telling.mark();
        self.tell(addresses, telling, |conversation, tell| conversation.cut(mark, tell));
    }

    /// Goes on behind what could not be understood; whether that is with another beginning. Where the
    /// first one was seen, what is no HTTP there will not become any.
    pub(super) fn resume(&mut self, has_syn: bool) -> bool {
        match self.stage {
            Stage::Foreign if has_syn => self.stage = Stage::Over(Found::Other),
            Stage::Foreign | Stage::Lost => self.stage = Stage::Seeking,
            Stage::Seeking | Stage::Listening(_) | Stage::Over(_) => return false,
        }
        self.is_seeking()
    }

    /// Listens no more.
    pub(super) fn leave(&mut self, found: Found) {
        self.stage = Stage::Over(found);
    }

    /// The number of its session.
    pub(super) const fn session(&self) -> Option<u64> {
        self.session
    }

    pub(super) const fn is_seeking(&self) -> bool {
        matches!(self.stage, Stage::Seeking)
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over(_))
    }

    /// How much memory it takes beside itself, in bytes.
    pub(super) fn kept(&self) -> usize {
        match &self.stage {
            Stage::Listening(conversation) => conversation.kept(),
            Stage::Seeking | Stage::Lost | Stage::Foreign | Stage::Over(_) => 0,
        }
    }

    /// The count of connections that are what it was; none for sessions, which count when they open.
    pub(super) const fn kind<'a>(
        &self,
        has_syn: bool,
        account: &'a mut Account,
    ) -> Option<&'a mut u64> {
        match self.stage {
            _ if self.session.is_some() => None,
            Stage::Over(Found::Tls) => Some(&mut account.tls_flows),
            _ if self.is_cut => Some(&mut account.cut_flows),
            Stage::Seeking if !has_syn => Some(&mut account.mid_stream_flows),
            _ => Some(&mut account.other_flows),
        }
    }

    /// Whether a part of a request was heard.
    fn is_in_request(&self) -> bool {
        let Stage::Listening(conversation) = &self.stage else { return false };
        !conversation.unfinished_head().is_empty()
    }

    /// Has the conversation told something, and passes on what that says.
    fn tell(
        &mut self,
        addresses: &Sides<SocketAddr>,
        telling: &mut Telling<'_>,
        listen: impl FnOnce(&mut Conversation, &mut dyn FnMut(Mark, What)),
    ) {
        let Stage::Listening(conversation) = &mut self.stage else { return };
        let Telling { account, tell, .. } = telling;
        let session = &mut self.session;
        listen(conversation, &mut |mark, mut what| {
            if let What::Open(open) = &mut what {
                account.sessions += 1;
                *session = Some(account.sessions);
                open.client = addresses.client.to_string();
                open.server = addresses.backend.to_string();
            }
            if let Some(session) = *session {
                tell(Event { session, at: mark.at, packet: mark.packet, what });
            }
        });
        if conversation.is_over() {
            let found = conversation.found();
            self.note_masks(telling);
            self.stage = match found {
                Found::Other => Stage::Foreign,
                found => Stage::Over(found),
            };
        }
    }

    /// Passes over bytes of a session.
    fn pass(
        &mut self,
        from: Side,
        bytes: u64,
        addresses: &Sides<SocketAddr>,
        telling: &mut Telling<'_>,
    ) {
        if !std::mem::replace(&mut self.has_gap, true) {
            telling.account.sessions_with_gaps += 1;
        }
        let mark = telling.mark();
        self.tell(addresses, telling, |conversation, tell| {
            conversation.gap(from, bytes, mark, tell);
        });
    }

    /// Takes note that bytes are missing where requests stand, any of which might open a session.
    fn lose_request(
        &mut self,
        bytes: u64,
        addresses: &Sides<SocketAddr>,
        telling: &mut Telling<'_>,
    ) {
        let head = match &self.stage {
            Stage::Listening(conversation) => conversation.unfinished_head(),
            _ => &[],
        };
        // What follows the path may be a secret.
        let end = head.iter().position(|byte| matches!(byte, b'?' | b'\r' | b'\n'));
        let quoted = head.get(..end.unwrap_or(head.len()).min(QUOTED)).unwrap_or_default();
        let head = if quoted.is_empty() {
            "where a request would stand".to_owned()
        } else {
            format!("of the head of \"{}\"", quoted.escape_ascii())
        };
        self.stage = Stage::Lost;
        self.is_cut = true;
        let Sides { client, backend } = addresses;
        telling.note(|packet| {
            format!("packet {packet}, {client} > {backend}: {bytes} bytes are missing {head}")
        });
    }

    /// Says of a session whose masks are wrong that it was read all the same.
    fn note_masks(&self, telling: &mut Telling<'_>) {
        let (Stage::Listening(conversation), Some(session)) = (&self.stage, self.session) else {
            return;
        };
        if conversation.masks_wrongly(Side::Client) {
            telling.note(|_| {
                format!("session {session}: the client does not mask (RFC 6455 section 5.1)")
            });
        }
        if conversation.masks_wrongly(Side::Backend) {
            telling.note(|_| format!("session {session}: the server masks (RFC 6455 section 5.1)"));
        }
    }
}

impl Telling<'_> {
    pub(super) const fn mark(&self) -> Mark {
        Mark { at: self.at, packet: Some(self.packet), acked: None }
    }

    /// Adds a note, as long as there are not too many.
    pub(super) fn note(&mut self, text: impl FnOnce(u64) -> String) {
        if self.account.notes.len() < NOTES {
            self.account.notes.push(text(self.packet));
        }
    }
}
