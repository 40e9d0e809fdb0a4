//! One case in progress: what is to be done next, what has come, and in the end the verdict. Knows no
//! socket and no clock.

use super::agreement::{self, Agreed, FIELD, confirm};
use super::answer::{self, Asked};
use super::body::Body;
use super::case::{Case, Change, Course, Cut, Ending, Frame, Grade, Opening, Step};
use super::deflate::Deflater;
use super::head::{Head, LONGEST};
use super::inflate::Inflater;
use super::judge::{self, Events, Verdict};
use super::proof::connection_key;
use super::reader::{Heard, Reader};
use super::request::{self, Draught, Site, has_key3};
use super::wire::{Close, Voice, close, fragments, pieces};
use crate::event::{Kind, Side};
use std::collections::VecDeque;

/// How much a peer may say beyond what a case asks for, in bytes: room for a greeting and pings.
const ROOM: usize = 1 << 20;

/// The reserved bit of compressed messages (RFC 7692 section 6): of the three the first.
const COMPRESSED: u8 = 4;

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Write this, as one segment.
    Write(Vec<u8>),
    /// End our stream.
    Finish,
    /// Wait for bytes, for the end of the peer's stream, or until the time is up.
    Read,
    /// The same, but only for a part of the time.
    Lull,
    /// Nothing more.
    Done,
}

/// A case in progress.
#[derive(Debug)]
pub struct Run {
    case: Case,
    /// The side that the kit is.
    own: Side,
    voice: Voice,
    reader: Reader,
    /// What compresses our messages, where that was negotiated.
    deflater: Option<Deflater>,
    /// What is to be written.
    out: VecDeque<Vec<u8>>,
    /// The request or the answer of the kit.
    made: Draught,
    /// Key3, when it is still to be said.
    late: Vec<u8>,
    site: Site,
    /// What has come of the answer.
    bytes: Vec<u8>,
    head: Option<Head>,
    is_open: bool,
    /// How many steps are behind us.
    at: usize,
    events: Events,
    has_lulled: bool,
    has_finished: bool,
    is_over: bool,
}

impl Run {
    /// A case for a server under test.
    pub fn at_server(case: Case, site: &Site) -> Self {
        let mut made = request::request(case.dialect, site);
        let mut cut = Cut::Whole;
        match &case.opening {
            Opening::Request(changes, how) => {
                changes.iter().for_each(|change| made.change(change, &site.target));
                cut = *how;
            }
            Opening::Compressed(wishes) => made.add(FIELD, agreement::offer(wishes)),
            Opening::Plain | Opening::LateKey3 => {}
            Opening::Answer(..) | Opening::AnswerWith(_) => {}
        }
        let mut this = Self::new(case, Side::Client, site.clone());
        let head = made.head();
        if matches!(this.case.opening, Opening::LateKey3) {
            this.out.push_back(head);
            this.late.clone_from(&made.behind);
        } else {
            this.out.extend(pieces(&[&head, &made.behind[..]].concat(), cut));
        }
        this.made = made;
        this
    }

    /// A case for a client under test, which has asked for a session.
    pub fn before_client(case: Case, asked: &Asked) -> Self {
        let (host, target) = (String::new(), asked.target.clone());
        let mut this = Self::new(case, Side::Backend, Site { host, target, secure: false });
        let offers = asked.head.all(FIELD);
        let (changes, cut, first) = match &this.case.opening {
            Opening::Compressed(wishes) => {
                let answer = agreement::answer(&offers, wishes);
                let change = answer.map(|answer| Change::Add(FIELD, answer.into_bytes()));
                (change.into_iter().collect(), Cut::Whole, Vec::new())
            }
            Opening::Answer(changes, cut) => (changes.clone(), *cut, Vec::new()),
            Opening::AnswerWith(frames) => (Vec::new(), Cut::Whole, frames.clone()),
            Opening::Plain | Opening::Request(..) | Opening::LateKey3 => Default::default(),
        };
        let (made, key) = answer::respond(this.case.dialect, asked, &changes);
        this.events.findings = answer::judge(this.case.dialect, asked);
        this.answer_offers(&offers, &made.all(FIELD));
        this.voice.connection_key.clone_from(&key);
        this.reader.connection_key = key;
        let mut bytes = [made.head(), made.behind.clone()].concat();
        bytes.extend(first.iter().flat_map(|frame| this.voice.say(frame)));
        this.out.extend(pieces(&bytes, cut));
        this.made = made;
        this.is_open = true;
        this.heard(&asked.rest);
        this
    }

    fn new(case: Case, own: Side, site: Site) -> Self {
        let asked: usize =
            case.courses.iter().flat_map(|c| &c.messages).map(|m| m.body.len()).sum();
        Self {
            voice: Voice::new(case.dialect, own),
            reader: Reader::new(
                case.dialect,
                own.other(),
                asked.saturating_mul(2).saturating_add(ROOM),
            ),
            case,
            own,
            deflater: None,
            out: VecDeque::new(),
            made: Draught::default(),
            late: Vec::new(),
            site,
            bytes: Vec::new(),
            head: None,
            is_open: false,
            at: 0,
            events: Events::default(),
            has_lulled: false,
            has_finished: false,
            is_over: false,
        }
    }

    /// What is to be done next.
    pub fn proceed(&mut self) -> Next {
        if self.is_over {
            return Next::Done;
        }
        if let Some(bytes) = self.out.pop_front() {
            return Next::Write(bytes);
        }
        if self.events.ended.is_some() {
            self.is_over = true;
            return Next::Done;
        }
        if !self.is_open {
            return Next::Read;
        }
        if self.made.ends && !self.has_finished {
            self.has_finished = true;
            return Next::Finish;
        }
        while let Some(step) = self.case.steps.get(self.at) {
            match step {
                Step::Await(count) if !self.events.has(*count) => return Next::Read,
                Step::Lull if !self.has_lulled && self.events.closed.is_none() => {
                    return Next::Lull;
                }
                _ => {}
            }
            self.at += 1;
            self.has_lulled = false;
            match step.clone() {
                Step::Say(frames, cut) => return self.say(&frames, cut),
                Step::Fragments(kind, body, size) => {
                    return self.say(&fragments(kind, &body, size), Cut::Whole);
                }
                Step::Deflated(kind, body, size) => {
                    let frames = self.deflated(kind, &body, size);
                    return self.say(&frames, Cut::Whole);
                }
                Step::Finish => {
                    self.has_finished = true;
                    return Next::Finish;
                }
                Step::Await(_) | Step::Lull => {}
            }
        }
        self.end()
    }

    /// Takes on what our answer to the offers of a client means, if the case is one for it.
    fn answer_offers(&mut self, offers: &[&[u8]], answers: &[&[u8]]) {
        let agreed = confirm(offers, answers);
        let is_asked = matches!(self.case.opening, Opening::Compressed(_));
        if is_asked {
            let wrong = agreement::wrong_offers(offers).into_iter();
            self.events.findings.extend(wrong.map(|what| (Grade::Fail, what)));
        }
        // Whether an answer can be taken depends on the offers.
        let refuses = self.case.courses.iter().any(|c| matches!(c.end, Ending::Refused(_)));
        let is_other = !answers.is_empty() && agreed.is_ok() == refuses;
        if is_asked && answers.is_empty() || is_other {
            self.decline("its offers of compression have another answer");
        }
        if let Ok(Some(agreed)) = agreed {
            self.agree(&agreed);
        }
    }

    /// What both sides agreed on from now on holds.
    fn agree(&mut self, Agreed { owed, kept, .. }: &Agreed) {
        self.deflater = Some(Deflater::new(kept[self.own]));
        self.reader.inflater = Some(Inflater::new(owed[self.own.other()]));
    }

    /// The case is not one for this peer.
    fn decline(&mut self, why: &str) {
        self.events.declined = Some(why.to_owned());
        self.is_over = true;
    }

    /// A message as frames, compressed where that was negotiated.
    fn deflated(&mut self, kind: Kind, body: &Body, size: usize) -> Vec<Frame> {
        let Some(deflater) = &mut self.deflater else { return fragments(kind, body, size) };
        let mut frames = fragments(kind, &Body::from(deflater.deflate(&body.bytes())), size);
        if let Some(first) = frames.first_mut() {
            *first = first.clone().reserving(COMPRESSED);
        }
        frames
    }

    fn say(&mut self, frames: &[Frame], cut: Cut) -> Next {
        let said = frames.iter().map(|frame| self.voice.say(frame));
        match cut {
            Cut::Frames => self.out.extend(said),
            _ => {
                let bytes = said.collect::<Vec<_>>().concat();
                self.out.extend(pieces(&bytes, cut));
            }
        }
        self.proceed()
    }

    /// All steps are behind us: the session is closed in order, or the peer is waited for.
    fn end(&mut self) -> Next {
        let says_close = self.case.courses.iter().any(|c| matches!(c.end, Ending::Closed(_)));
        if says_close || self.events.has_left {
            // Of two ends of a stream the server's is the first (RFC 6455 section 7.1.1).
            if self.events.closed.is_some() && self.own == Side::Backend && !self.has_finished {
                self.has_finished = true;
                return Next::Finish;
            }
            return Next::Read;
        }
        let answer = match &self.events.closed {
            Some(body) if close(self.case.dialect) == Close::Letter => {
                [&self.voice.close_body(), body.get(1..).unwrap_or_default()].concat()
            }
            Some(body) => body.clone(),
            None if judge::is_alive(&self.case, &self.events) => self.voice.close_body(),
            None => {
                // Who takes for an answer what is none need not be waited for.
                let is_refusal = |c: &Course| matches!(c.end, Ending::Refused(_));
                self.is_over =
                    self.case.courses.iter().any(is_refusal) && !self.events.messages.is_empty();
                return if self.is_over { Next::Done } else { Next::Read };
            }
        };
        self.events.has_left = true;
        self.events.left_first = self.events.closed.is_none();
        if close(self.case.dialect) == Close::Fin {
            self.has_finished = true;
            return Next::Finish;
        }
        Next::Write(self.voice.close(&answer))
    }

    /// Takes what has come. Behind what ends the case nothing counts.
    pub fn heard(&mut self, bytes: &[u8]) {
        if self.is_over {
            return;
        }
        self.bytes.extend_from_slice(bytes);
        if !self.is_open {
            self.answered();
        }
        if self.is_open
            && !self.is_over
            && let Err(fault) = self.take()
        {
            self.events.fault = Some(fault);
            self.is_over = true;
        }
    }

    fn take(&mut self) -> Result<(), String> {
        self.reader.take(&std::mem::take(&mut self.bytes))?;
        // What comes behind a close does not count (RFC 6455 section 5.5.1).
        while self.events.closed.is_none() {
            match self.reader.hear()? {
                None => break,
                Some(Heard::Ping(_)) if self.events.has_left => {}
                Some(Heard::Ping(payload)) => {
                    let pong = Frame::new(super::case::Opcode::Pong, payload);
                    let pong = self.voice.say(&pong);
                    self.out.push_back(pong);
                }
                Some(Heard::Pong(payload)) => self.events.pongs.push(payload),
                Some(Heard::Message(kind, body)) => self.events.messages.push((kind, body)),
                Some(Heard::Close(body)) => self.events.closed = Some(body),
            }
        }
        self.events.keys.append(&mut self.reader.keys);
        Ok(())
    }

    /// Takes what has come of the answer to our request.
    fn answered(&mut self) {
        if self.head.is_none() {
            self.head = Head::take(&mut self.bytes);
            let Some(head) = &self.head else {
                if self.bytes.len() > LONGEST {
                    self.events.fault = Some("an answer without an end".to_owned());
                    self.is_over = true;
                }
                return;
            };
            let Some(101) = head.status() else {
                self.events.refused = Some(head.status().unwrap_or_default());
                self.is_over = true;
                return;
            };
            self.out.extend((!self.late.is_empty()).then(|| std::mem::take(&mut self.late)));
        }
        let Some(head) = &self.head else { return };
        let dialect = self.case.dialect;
        if has_key3(dialect) {
            if self.bytes.len() < 16 {
                return;
            }
            let proof: Vec<u8> = self.bytes.drain(..16).collect();
            if request::proof(&self.made).is_some_and(|right| right != proof) {
                let shown = proof.escape_ascii();
                self.events.unproven = Some(format!("wrong 16 bytes behind the head: {shown}"));
            }
        }
        match request::check_proof(dialect, &self.made, head) {
            Ok(nonce) => {
                let key = self.made.value("Sec-WebSocket-Key").unwrap_or_default();
                let key = connection_key(key, &nonce);
                self.voice.connection_key.clone_from(&key);
                self.reader.connection_key = key;
            }
            Err(what) => self.events.unproven = Some(what),
        }
        self.events.findings = request::judge(dialect, &self.site, &self.made, head);
        let agreed = confirm(&self.made.all(FIELD), &head.all(FIELD));
        self.is_open = true;
        // Where there should be no session, nothing is to be said in it.
        let is_refusal = |end: &Ending| matches!(end, Ending::Refused(_));
        let courses = &self.case.courses;
        self.is_over = courses.iter().any(|course| is_refusal(&course.end))
            && courses.iter().all(|c| is_refusal(&c.end) || c.end == Ending::Any);
        match (agreed, &self.case.opening) {
            (Ok(None), Opening::Compressed(_)) => self.decline("it declines to compress so"),
            // What is said with compression that was not agreed on tells nothing.
            (Err(what), Opening::Compressed(_) | Opening::Request(..)) => {
                self.events.unproven = Some(what);
                self.is_over = true;
            }
            (Ok(Some(agreed)), _) => self.agree(&agreed),
            _ => {}
        }
    }

    /// The peer's stream has ended, in order or by a reset.
    pub fn ended(&mut self, in_order: bool) {
        self.events.is_cut = self.reader.is_inside() && self.events.closed.is_none();
        self.events.ended = Some(in_order);
    }

    /// The time is up; after [`Next::Lull`] only a part of it.
    pub fn time_is_up(&mut self) {
        let in_steps = self.is_open && self.at < self.case.steps.len();
        if in_steps && matches!(self.case.steps.get(self.at), Some(Step::Lull)) {
            self.has_lulled = true;
            self.events.lulls += 1;
            return;
        }
        self.events.is_late = true;
        self.is_over = true;
    }

    /// What came of it.
    pub fn verdict(mut self) -> Verdict {
        self.events.is_open = self.is_open;
        judge::verdict(&self.case, self.own, &self.events)
    }
}
