//! A case of `hybridge conformance` whose peer says any bytes: it comes to its end, and in any cutting to
//! the same verdict.
//!
//! Input: the dialect, the side of the peer and whether it knows how a session is opened and compressed;
//! the case; the length of the first piece and of every other one; then what the peer says.

use crate::cut::Cut;
use crate::memory;
use hybridge::conformance::case::{Case, Opening};
use hybridge::conformance::run::{Next, Run};
use hybridge::conformance::{Asked, Site, list};
use hybridge::dialect::{ALL, Dialect};
use hybridge::event::Side;
use std::sync::OnceLock;

/// The largest message of the list, in bytes.
const LARGEST: usize = 4096;

/// What a case may hold beside what it was fed, in bytes: what it has to say, and 1 MiB of what it hears.
const HELD: usize = 8 << 20;

/// More is nothing that comes to an end: what is said byte by byte has 8 KiB at most.
const STEPS: usize = 20_000;

/// Where the peer is.
#[derive(Debug, Clone, Copy)]
struct Scene<'c> {
    case: &'c Case,
    side: Side,
    /// Whether it opens the session as it has to.
    opens: bool,
    /// Whether it agrees to compress then.
    compresses: bool,
}

/// Runs one input.
///
/// # Panics
/// When a promise is broken.
pub fn run(data: &[u8]) {
    let Some((&[how, high, low, first, every], said)) = data.split_first_chunk() else { return };
    let side = if how & 0x10 == 0 { Side::Backend } else { Side::Client };
    let all = cases(ALL[usize::from(how & 0x0f) % ALL.len()]);
    let cases: Vec<_> = all.iter().filter(|case| case.tests.has(side)).collect();
    let case = cases[usize::from(u16::from_be_bytes([high, low])) % cases.len()];
    let scene = Scene { case, side, opens: how & 0x20 != 0, compresses: how & 0x40 != 0 };
    let before = memory::live();
    let mut verdicts = Vec::new();
    for pieces in (Cut { first, every }).ways(said) {
        let (Some(mut patient), Some(mut busy)) = (scene.begin(said), scene.begin(said)) else {
            return;
        };
        // All is said before the kit has its turn, so that the order of both does not matter.
        pieces.iter().for_each(|piece| patient.heard(piece));
        patient.ended(true);
        play(&mut patient, &[]);
        play(&mut busy, &pieces);
        let held = memory::live().saturating_sub(before);
        assert!(held <= HELD + 8 * said.len(), "{}: holds {held} bytes", case.id);
        busy.verdict();
        verdicts.push(format!("{:?}", patient.verdict()));
    }
    assert!(verdicts.iter().all(|other| *other == verdicts[0]), "{}: {verdicts:#?}", case.id);
}

/// The cases of a dialect.
fn cases(dialect: Dialect) -> &'static [Case] {
    static LISTS: [OnceLock<Vec<Case>>; ALL.len()] = [const { OnceLock::new() }; ALL.len()];
    let place = ALL.iter().position(|other| *other == dialect).expect("all are there");
    LISTS[place].get_or_init(|| list(dialect, LARGEST))
}

impl Scene<'_> {
    /// A case whose opening handshake is over, or is what the peer says; `None` where a client asks for nothing.
    fn begin(self, said: &[u8]) -> Option<Run> {
        if self.side == Side::Client {
            let mut request = if self.opens { self.plain_request() } else { said.to_vec() };
            let asked = Asked::read(&mut request).ok()??;
            return Some(Run::before_client(self.case.clone(), &asked));
        }
        let mut run = Run::at_server(self.case.clone(), &site());
        if self.opens {
            let mut request = writes(&mut run);
            if let Some(asked) = Asked::read(&mut request).ok().flatten() {
                run.heard(&writes(&mut Run::before_client(self.plain(), &asked)));
            }
        }
        Some(run)
    }

    fn plain_request(self) -> Vec<u8> {
        writes(&mut Run::at_server(self.plain(), &site()))
    }

    /// A case in which nothing is wrong with the opening handshake.
    fn plain(self) -> Case {
        let is_plain = |case: &&Case| match case.opening {
            Opening::Plain => !self.compresses,
            Opening::Compressed(_) => self.compresses,
            _ => false,
        };
        let all = cases(self.case.dialect);
        all.iter().find(is_plain).unwrap_or(&all[0]).clone()
    }
}

fn site() -> Site {
    Site { host: "kit.example".to_owned(), target: "/".to_owned(), secure: false }
}

/// What a case says before it hears something.
fn writes(run: &mut Run) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Next::Write(piece) = run.proceed() {
        bytes.extend(piece);
    }
    bytes
}

/// Plays a case to its end with a peer that says these pieces, each when it is waited for, and ends.
fn play(run: &mut Run, mut pieces: &[&[u8]]) {
    for _ in 0..STEPS {
        match (run.proceed(), pieces) {
            (Next::Done, _) => return,
            (Next::Write(_) | Next::Finish, _) => {}
            (Next::Lull, []) => run.time_is_up(),
            (Next::Read, []) => run.ended(true),
            (Next::Read | Next::Lull, [piece, rest @ ..]) => {
                run.heard(piece);
                pieces = rest;
            }
        }
    }
    panic!("it does not come to an end");
}
