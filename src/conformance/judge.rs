//! What has come of a case, held against what may come.

use super::body::{Body, Message};
use super::case::{Case, Counts, Course, Ending, Frame, Grade, Opcode, Step};
use super::wire::{Close, close};
use crate::dialect::Dialect;
use crate::dialect::hybi::Version;
use crate::event::{Kind, Side};

/// How many bytes of a message are shown.
const SHOWN: usize = 32;

/// How many messages are shown.
const MOST: usize = 4;

/// All that has come.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Whether the opening handshake is done.
    pub(super) is_open: bool,
    /// The status that there is no session for.
    pub(super) refused: Option<u16>,
    /// Why the case is not for this peer, which does not agree to compress, or not so.
    pub(super) declined: Option<String>,
    /// What is wrong with the proof of the handshake.
    pub(super) unproven: Option<String>,
    pub(super) findings: Vec<(Grade, String)>,
    pub(super) messages: Vec<(Kind, Vec<u8>)>,
    pub(super) pongs: Vec<Vec<u8>>,
    /// The body of the peer's close.
    pub(super) closed: Option<Vec<u8>>,
    /// Whether the kit has closed by itself.
    pub(super) has_left: bool,
    /// Whether it did so before the peer.
    pub(super) left_first: bool,
    /// What broke the rules of the dialect.
    pub(super) fault: Option<String>,
    /// Whether the peer's stream ended in order, when it has ended.
    pub(super) ended: Option<bool>,
    /// Whether it ended inside a frame or a message.
    pub(super) is_cut: bool,
    /// Whether the time was up.
    pub(super) is_late: bool,
    /// How many lulls have passed.
    pub(super) lulls: usize,
    /// What frames were masked with.
    pub(super) keys: Vec<Vec<u8>>,
}

impl Events {
    /// Whether so many messages and pongs have come, or no more will.
    pub(super) fn has(&self, count: usize) -> bool {
        self.messages.len() + self.pongs.len() >= count || self.closed.is_some()
    }
}

/// What came of a case.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The grade.
    pub grade: Grade,
    /// What should have come.
    pub expected: String,
    /// What came.
    pub came: String,
    /// Why the grade is not better.
    pub notes: Vec<String>,
    /// Whether there was a session.
    pub opened: bool,
    /// Whether the peer did not agree to what the case is about.
    pub declined: bool,
}

/// Whether a session is alive by what has come, so that it can be closed.
pub(super) fn is_alive(case: &Case, events: &Events) -> bool {
    // Where all is open, the first message tells enough.
    let is_any = case.courses.iter().all(|course| course.end == Ending::Any);
    let is_open = |course: &&Course| course.end == Ending::Open;
    case.courses.iter().filter(is_open).any(|course| has_all(course, events))
        || is_any && !events.messages.is_empty()
}

fn has_all(course: &Course, events: &Events) -> bool {
    events.messages.len() == course.messages.len()
        && begins(course, events)
        && course.pongs.last().is_none_or(|last| events.pongs.iter().any(|pong| last.is(pong)))
}

/// Whether nothing has come but what a course has, in its order.
fn begins(course: &Course, events: &Events) -> bool {
    let is = |(message, (kind, body)): (&Message, &(Kind, Vec<u8>))| {
        message.kind == *kind && message.body.is(body)
    };
    let mut pongs = course.pongs.iter();
    events.messages.len() <= course.messages.len()
        && course.messages.iter().zip(&events.messages).all(is)
        // "MAY elect to send a Pong frame for only the most recently processed Ping" (RFC 6455 section
        // 5.5.3).
        && events.pongs.iter().all(|pong| pongs.any(|expected| expected.is(pong)))
}

pub(super) fn verdict(case: &Case, own: Side, events: &Events) -> Verdict {
    let expected = case.courses.first().map(|course| describe(case.dialect, course));
    let came = told(case.dialect, events);
    let (mut grade, mut notes) = grade(case, own, events);
    let counted =
        |found: &&(Grade, String)| case.counts == Counts::Opening && found.0 > Grade::Pass;
    for (found, what) in events.findings.iter().filter(counted) {
        grade = grade.max(*found);
        if !notes.contains(what) {
            notes.push(what.clone());
        }
    }
    if case.counts == Counts::Masks && grade < Grade::Fail {
        let is_fresh = events.keys.windows(2).all(|pair| pair.first() != pair.last());
        if !is_fresh {
            grade = Grade::Fail;
            notes.push("two frames in a row are masked with the same key".to_owned());
        }
    }
    let expected = expected.unwrap_or_default();
    let (opened, declined) = (events.is_open, events.declined.is_some());
    Verdict { grade, expected, came, notes, opened, declined }
}

fn grade(case: &Case, own: Side, events: &Events) -> (Grade, Vec<String>) {
    if let Some(fault) = &events.fault {
        return (Grade::Fail, vec![format!("it breaks its dialect: {fault}")]);
    }
    if let Some(what) = &events.unproven {
        return (Grade::Fail, vec![what.clone()]);
    }
    if let Some(what) = &events.declined {
        return (Grade::Informational, vec![what.clone()]);
    }
    let mut why = None;
    for course in &case.courses {
        match course_grade(case, course, own, events) {
            Ok((grade, notes)) => return (grade, notes),
            Err(what) => why = why.or(Some(what)),
        }
    }
    (Grade::Fail, why.into_iter().collect())
}

/// The grade where the course is that of events.
///
/// # Errors
/// Where it is not, with what is amiss.
fn course_grade(
    case: &Case,
    course: &Course,
    own: Side,
    events: &Events,
) -> Result<(Grade, Vec<String>), String> {
    let mut notes = Vec::new();
    let mut grade = course.grade;
    let mut lax = |grade: &mut Grade, is_lax: bool, note: &str| {
        if is_lax {
            *grade = (*grade).max(Grade::NonStrict);
            notes.push(note.to_owned());
        }
    };
    match &course.end {
        Ending::Any => {}
        Ending::Refused(_) if own == Side::Backend => {
            // A client has no status to say: it leaves without a word.
            if !events.messages.is_empty() {
                return Err("it takes the answer for one".to_owned());
            }
            if events.ended.is_none() && events.closed.is_none() {
                return Err("it stays connected".to_owned());
            }
            lax(&mut grade, events.closed.is_some(), "it says a close without a session");
        }
        Ending::Refused(statuses) => {
            let status = match (events.is_open, events.refused, events.ended) {
                (true, ..) => return Err("it is accepted".to_owned()),
                (_, Some(status), _) => status,
                (_, None, Some(_)) => 0,
                (_, None, None) => return Err("no answer comes".to_owned()),
            };
            let is_other = !statuses.contains(&status);
            // Where there may be a session too, who refuses has to say that it is for the request.
            if is_other && course.grade > Grade::Pass && !(400..500).contains(&status) {
                return Err(refused(status));
            }
            lax(&mut grade, is_other, &refused(status));
        }
        _ if !events.is_open => {
            return Err(match (events.refused, events.ended) {
                (Some(status), _) => format!("no session: {}", refused(status)),
                (None, Some(_)) => "no session: the stream ends".to_owned(),
                (None, None) => "no session: no answer comes".to_owned(),
            });
        }
        Ending::Open => {
            if !has_all(course, events) || !events.left_first {
                return Err(match () {
                    () if events.closed.is_some() => "it closes the session".to_owned(),
                    () if events.ended.is_some() => "it ends the stream".to_owned(),
                    () if begins(course, events) => "not all comes".to_owned(),
                    () => "something else comes".to_owned(),
                });
            }
            let is_fin = close(case.dialect) == Close::Fin;
            let is_silent = events.closed.is_none() && !is_fin;
            lax(&mut grade, is_silent, "it does not answer the close");
            let body = events.closed.as_deref();
            lax(&mut grade, !is_echo(case.dialect, body), "it answers the close with another code");
            let stays = events.ended.is_none() && !is_silent && own == Side::Client;
            lax(&mut grade, stays, "it does not end the stream behind the closes");
        }
        Ending::Waits if events.messages.is_empty() && events.is_late => {}
        Ending::Waits => return Err("it takes what is no message for one".to_owned()),
        Ending::Failed(codes) => {
            if !begins(course, events) {
                return Err("something else comes".to_owned());
            }
            if events.left_first || events.closed.is_none() && events.ended.is_none() {
                return Err("the session goes on".to_owned());
            }
            let few = events.messages.len() < course.messages.len();
            lax(&mut grade, few, "not all that came before is echoed");
            lax(&mut grade, events.lulls > 0, "it waits for more before it ends the session");
            if close(case.dialect) == Close::Code && !codes.is_empty() {
                let code = code(events.closed.as_deref());
                lax(&mut grade, events.closed.is_none(), "it ends without a close");
                let is_other = events.closed.is_some() && !code.is_some_and(|c| codes.contains(&c));
                if is_other && code.is_some_and(|code| reserved_close(case) == Some(code)) {
                    return Err("it answers the close as if no reserved bit were set".to_owned());
                }
                lax(&mut grade, is_other, "it closes with another code");
            }
            let stays = events.ended.is_none() && own == Side::Client;
            lax(&mut grade, stays, "it does not end the stream");
        }
        Ending::Closed(bodies) => {
            if !has_all(course, events) {
                return Err("something else comes".to_owned());
            }
            match (&events.closed, close(case.dialect)) {
                (None, Close::Fin) if events.ended.is_some() => {}
                (None, Close::Ff00) if events.ended.is_some() => {
                    lax(&mut grade, true, "it ends the stream without FF 00");
                }
                (None, _) if events.ended.is_some() => {
                    return Err("it ends the stream without answering the close".to_owned());
                }
                (None, _) => return Err("it does not answer the close".to_owned()),
                // "The body must match" came with draft-ietf-hybi-03.
                (Some(body), Close::Echo | Close::Letter)
                    if !matches!(case.dialect, Dialect::Hybi(Version::V1 | Version::V2))
                        && !bodies.is_empty()
                        && !bodies.contains(body) =>
                {
                    return Err("it answers the close with another body".to_owned());
                }
                (Some(body), _) => {
                    let is_right = bodies.is_empty() || bodies.contains(body);
                    lax(&mut grade, !is_right, "it answers the close with another body");
                }
            }
            let stays = events.ended.is_none() && own == Side::Client;
            lax(&mut grade, stays, "it does not end the stream behind the closes");
        }
    }
    lax(&mut grade, events.is_cut && course.end != Ending::Any, "the stream ends inside a frame");
    Ok((grade, notes))
}

/// Whether the answer to our close echoes its code (RFC 6455 section 5.5.1).
fn is_echo(dialect: Dialect, body: Option<&[u8]>) -> bool {
    close(dialect) != Close::Code || body.is_none() || code(body) == Some(1000)
}

/// The code of a close that is said with reserved bits, for which the connection has to be failed (RFC 6455
/// section 5.2).
fn reserved_close(case: &Case) -> Option<u16> {
    let said = case.steps.iter().filter_map(|step| match step {
        Step::Say(frames, _) => Some(frames),
        _ => None,
    });
    said.flatten().find_map(|frame| match frame {
        Frame::Hybi { opcode: Opcode::Close, reserved: 1.., body, .. } => code(Some(&body.bytes())),
        _ => None,
    })
}

fn code(body: Option<&[u8]>) -> Option<u16> {
    Some(u16::from_be_bytes(*body?.first_chunk()?))
}

fn refused(status: u16) -> String {
    match status {
        0 => "the stream ends without an answer".to_owned(),
        status => format!("it is answered {status}"),
    }
}

/// What a course is, for a person.
fn describe(dialect: Dialect, course: &Course) -> String {
    let mut parts = Vec::new();
    let messages = course.messages.iter().map(|m| message(m.kind, &front(&m.body), m.body.len()));
    parts.extend(few(messages.collect()));
    parts.extend(few(course
        .pongs
        .iter()
        .map(|pong| shown("pong", &front(pong), pong.len()))
        .collect()));
    parts.push(match &course.end {
        Ending::Open => "the session goes on".to_owned(),
        Ending::Failed(codes) if close(dialect) == Close::Code && !codes.is_empty() => {
            let codes: Vec<_> = codes.iter().map(u16::to_string).collect();
            format!("it ends the session, with {}", codes.join(" or "))
        }
        Ending::Failed(_) => "it ends the session".to_owned(),
        Ending::Closed(bodies) => match bodies.first() {
            Some(body) if !body.is_empty() => {
                format!("the close is answered with {}", body.escape_ascii())
            }
            _ => "the close is answered".to_owned(),
        },
        Ending::Refused(statuses) => {
            let statuses: Vec<_> =
                { statuses }.iter().filter(|s| **s > 0).map(u16::to_string).collect();
            match statuses.is_empty() {
                true => "no session".to_owned(),
                false => format!("no session, and {}", statuses.join(" or ")),
            }
        }
        Ending::Waits => "nothing comes".to_owned(),
        Ending::Any => "left open".to_owned(),
    });
    parts.join(", ")
}

/// What came, for a person.
fn told(dialect: Dialect, events: &Events) -> String {
    let mut parts = Vec::new();
    parts.extend(events.refused.map(refused));
    parts.extend(few(events.messages.iter().map(|(k, b)| message(*k, b, b.len())).collect()));
    parts.extend(few(events.pongs.iter().map(|pong| shown("pong", pong, pong.len())).collect()));
    if let Some(body) = &events.closed {
        parts.push(match (close(dialect), code(Some(body))) {
            (Close::Code, Some(code)) => format!("close {code}"),
            _ if body.is_empty() => "close".to_owned(),
            _ => format!("close {}", body.escape_ascii()),
        });
    }
    match events.ended {
        Some(true) => parts.push("end of the stream".to_owned()),
        Some(false) => parts.push("reset".to_owned()),
        None if events.is_late => parts.push("then nothing until the time was up".to_owned()),
        None => {}
    }
    match parts.is_empty() {
        true => "nothing".to_owned(),
        false => parts.join(", "),
    }
}

fn few(mut shown: Vec<String>) -> Vec<String> {
    let all = shown.len();
    if all > MOST {
        shown.truncate(MOST);
        shown.push(format!("… {all} in all"));
    }
    shown
}

fn front(body: &Body) -> Vec<u8> {
    body.bytes().into_iter().take(SHOWN).collect()
}

fn message(kind: Kind, body: &[u8], length: usize) -> String {
    shown(if kind == Kind::Text { "text" } else { "binary" }, body, length)
}

fn shown(what: &str, body: &[u8], length: usize) -> String {
    let front = body.get(..SHOWN).unwrap_or(body).escape_ascii();
    match length {
        ..=SHOWN => format!("{what} \"{front}\""),
        _ => format!("{what} \"{front}…\" ({length} bytes)"),
    }
}
