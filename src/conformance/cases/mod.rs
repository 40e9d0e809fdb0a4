//! The list: tables of cases, each for the dialects that they make sense in.

mod abuse;
mod answers;
mod closing;
mod codes;
mod compression;
mod control;
mod deflate;
mod fragments;
mod framing;
mod hixie;
mod keys;
mod limits;
mod negotiation;
mod opening;
mod refused;
mod reserved;
mod samples;
mod utf8;

use super::body::{Body, Message};
use super::case::{Case, Counts, Course, Cut, Ending, Frame, Need, Opcode, Opening, Step, Tests};
use crate::dialect::Dialect;
use crate::dialect::hybi::Version;
use crate::event::{Kind, Side};

/// A protocol error (RFC 6455 section 7.4.1).
const PROTOCOL: &[u16] = &[1002];

/// Text that is not UTF-8. Older versions had no code of its own for it.
const INVALID: &[u16] = &[1007];
const INVALID_THEN: &[u16] = &[1007, 1002, 1003];

/// All cases of a dialect with messages of up to `largest` bytes, in order.
pub fn list(dialect: Dialect, largest: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    opening::add(dialect, &mut cases);
    keys::add(dialect, &mut cases);
    refused::add(dialect, &mut cases);
    answers::add(dialect, &mut cases);
    framing::add(dialect, &mut cases);
    match dialect {
        Dialect::Hixie(draft) => hixie::add(draft, &mut cases),
        Dialect::Hybi(version) => {
            control::add(version, &mut cases);
            reserved::add(version, &mut cases);
            fragments::add(version, &mut cases);
        }
    }
    utf8::add(dialect, &mut cases);
    closing::add(dialect, &mut cases);
    if let Dialect::Hybi(version) = dialect {
        codes::add(version, &mut cases);
    }
    limits::add(dialect, largest, &mut cases);
    abuse::add(dialect, largest, &mut cases);
    // The drafts before had no extension that lived on.
    if dialect == Dialect::RFC6455 {
        negotiation::add(&mut cases);
        deflate::add(largest, &mut cases);
        compression::add(largest, &mut cases);
    }
    cases.iter_mut().for_each(find_needs);
    cases
}

/// What a case asks of a peer is in what may come of a session.
fn find_needs(case: &mut Case) {
    let has_binary =
        |course: &&Course| course.messages.iter().any(|message| message.kind == Kind::Binary);
    let is_known = |course: &&Course| !matches!(course.end, Ending::Any | Ending::Refused(_));
    let courses: Vec<_> = case.courses.iter().filter(is_known).collect();
    // Who discards a binary message may have a course of its own.
    let discards = courses.iter().any(|course| course.end == Ending::Open && !has_binary(course));
    let echoes = courses.iter().any(|course| !course.messages.is_empty());
    let is_binary = courses.iter().any(has_binary) && !discards;
    case.needs.extend(echoes.then_some(Need::Echo));
    case.needs.extend(is_binary.then_some(Need::Binary));
}

/// The document of a dialect.
fn document(dialect: Dialect) -> String {
    match dialect {
        Dialect::Hybi(Version::V13) => "RFC 6455".to_owned(),
        Dialect::Hybi(_) => format!("draft-ietf-{dialect}"),
        Dialect::Hixie(_) => format!("draft-{dialect}"),
    }
}

/// A case without steps. `section` is that of RFC 6455, or of the draft where it has no such rule.
fn case(dialect: Dialect, name: &str, section: &str, about: impl Into<String>) -> Case {
    let document = document(dialect);
    let source = match (dialect, section.strip_prefix("§")) {
        (Dialect::Hybi(Version::V13), Some(number)) => format!("{document} section {number}"),
        (_, Some(number)) => format!("{document}, in the place of RFC 6455 section {number}"),
        (_, None) => format!("{document}, {section}"),
    };
    Case {
        id: format!("{dialect}/{name}"),
        dialect,
        tests: Tests::Both,
        source,
        about: about.into(),
        needs: Vec::new(),
        counts: Counts::Nothing,
        opening: Opening::Plain,
        steps: Vec::new(),
        courses: Vec::new(),
    }
}

/// A case about permessage-deflate, by a section of RFC 7692.
fn compressed(name: &str, section: &str, about: impl Into<String>) -> Case {
    Case {
        source: format!("RFC 7692 section {section}"),
        needs: vec![Need::Compression],
        ..case(Dialect::RFC6455, name, section, about)
    }
}

impl Case {
    /// The number of the case in the Autobahn testsuite, which ends the name.
    fn autobahn(mut self) -> Self {
        if let Some((_, number)) = self.id.rsplit_once('/') {
            self.source += &format!("; Autobahn {number}");
        }
        self
    }

    /// Frames are said in one segment.
    fn says(self, frames: Vec<Frame>) -> Self {
        self.says_cut(frames, Cut::Whole)
    }

    fn says_cut(self, frames: Vec<Frame>, cut: Cut) -> Self {
        self.does(Step::Say(frames, cut))
    }

    fn does(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// What may come; the first is what should.
    fn comes(mut self, course: Course) -> Self {
        self.courses.push(course);
        self
    }

    /// What should come is a rule since this version; before, whatever comes is told.
    fn since(self, version: Version) -> Self {
        match self.dialect {
            Dialect::Hybi(own) if own >= version => self,
            _ => self.comes(Course::any()),
        }
    }

    fn opened(mut self, opening: Opening) -> Self {
        self.opening = opening;
        self
    }

    fn only_for(mut self, side: Side) -> Self {
        self.tests = Tests::One(side);
        self
    }

    fn counting(mut self, counts: Counts) -> Self {
        self.counts = counts;
        self
    }
}

/// A text in one frame.
fn text(dialect: Dialect, body: impl Into<Body>) -> Frame {
    let body = body.into();
    match dialect {
        Dialect::Hixie(_) => Frame::Delimited(body),
        Dialect::Hybi(_) => Frame::new(Opcode::Text, body),
    }
}

fn binary(body: impl Into<Body>) -> Frame {
    Frame::new(Opcode::Binary, body)
}

fn more(body: impl Into<Body>) -> Frame {
    Frame::new(Opcode::Continuation, body)
}

fn ping(body: impl Into<Body>) -> Frame {
    Frame::new(Opcode::Ping, body)
}

/// A close with a code and a reason.
fn close(code: u16, reason: &[u8]) -> Frame {
    Frame::new(Opcode::Close, [&code.to_be_bytes(), reason].concat())
}

/// The messages come back.
fn echo(messages: Vec<Message>) -> Course {
    Course::open(messages, Vec::new())
}

/// The close that was said is answered with one of these, after these messages.
fn answered(messages: Vec<Message>, bodies: Vec<Vec<u8>>) -> Course {
    Course { end: Ending::Closed(bodies), ..Course::open(messages, Vec::new()) }
}

/// There is no session.
fn refuses(statuses: &'static [u16]) -> Course {
    Course { end: Ending::Refused(statuses), ..echo(Vec::new()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::case::Grade;
    use crate::dialect::ALL;
    use std::collections::BTreeSet;

    #[test]
    fn every_case_has_its_own_name_and_something_that_should_come() {
        for dialect in ALL {
            let cases = list(dialect, 1 << 20);
            let names: BTreeSet<_> = cases.iter().map(|case| case.id.as_str()).collect();
            assert_eq!(names.len(), cases.len(), "{dialect}");
            for case in &cases {
                assert!(case.id.starts_with(dialect.name()), "{}", case.id);
                assert!(!case.courses.is_empty(), "{}", case.id);
                let is_open = case.courses.iter().all(|course| course.end == Ending::Any);
                assert!(!is_open || case.courses[0].grade == Grade::Informational, "{}", case.id);
            }
        }
    }

    /// What only a later course asks for is asked for too.
    #[test]
    fn needs_are_those_of_all_courses() {
        for (id, needs) in [
            ("rfc6455/deflate/bomb", &[Need::Compression, Need::Echo, Need::Binary][..]),
            ("rfc6455/abuse/endless-fragments", &[Need::Echo]),
            ("rfc6455/abuse/huge-length", &[]),
            ("rfc6455/reserved/3.1", &[]),
            ("rfc6455/framing/1.2.1", &[Need::Echo, Need::Binary]),
            ("hixie-76/abuse/endless-text", &[Need::Echo]),
            ("hixie-76/length-frames/127", &[Need::Echo]),
        ] {
            let (dialect, _) = id.split_once('/').unwrap();
            let cases = list(dialect.parse().unwrap(), 1 << 16);
            let case = cases.iter().find(|case| case.id == id).unwrap();
            assert_eq!(case.needs, needs, "{id}");
        }
    }

    #[test]
    fn the_sections_of_autobahn_are_whole() {
        let cases = list(Dialect::RFC6455, 16 << 20);
        let count = |section: &str| {
            let numbers = cases.iter().filter_map(|case| case.source.split_once("Autobahn "));
            numbers.filter(|(_, number)| number.starts_with(section)).count()
        };
        let sections = ["1.", "2.", "3.", "4.", "5.", "6.", "7.", "9.", "10.", "12.", "13."];
        assert_eq!(sections.map(count), [16, 11, 7, 10, 20, 145, 37, 54, 1, 90, 126]);
    }
}
