//! Counts what a message allocates on its way through a session, in the steady state. The answer has
//! to be: nothing. Prints a line a case and fails when one of them allocates.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
};

use hybridge::{
    dialect::Dialect,
    event::{Side, Sides},
    limits::{Limits, READ_BUFFER},
    session::{
        Session, Turn,
        fact::{Fact, Observer},
        translate::BinaryPolicy,
    },
    wire::{outbox::Outbox, spare::Spare},
};
use hybridge_bench::wire::{self, Framing, Role};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes on to the system's allocator as it came.
#[expect(unsafe_code, reason = "the interface of an allocator is unsafe")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Rounds before the counting begins, in which the buffers grow to their size.
const WARM_UP: usize = 3;
const ROUNDS: usize = 20;
/// The bytes of messages in one round.
const ROUND: usize = 256 * 1024;

/// How the stream of messages reaches the session.
#[derive(Clone, Copy)]
enum Cut {
    /// A read buffer at a time, as from a socket that always has more.
    FullReads,
    /// Pieces that cut every message, so that each has to be gathered.
    Small,
}

#[derive(Default)]
struct Messages(u64);

impl Observer for Messages {
    fn observe(&mut self, fact: &Fact) {
        if let Fact::Message { .. } = fact {
            self.0 += 1;
        }
    }
}

fn main() -> ExitCode {
    let dialects = [wire::Dialect::Hixie76, wire::Dialect::Rfc6455];
    let mut spotless = true;
    for from in dialects {
        for to in dialects {
            for size in [64, 1024, 16 * 1024, 256 * 1024] {
                for (cut, name) in [(Cut::FullReads, "full reads"), (Cut::Small, "cut")] {
                    let (messages, allocations) = count(from, to, size, cut);
                    println!(
                        "{:9} → {:9} {size:7} B  {name:10} {messages:8} messages {allocations:5} allocations",
                        name_of(from),
                        name_of(to)
                    );
                    spotless &= allocations == 0 && messages > 0;
                }
            }
        }
    }
    if spotless { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn name_of(dialect: wire::Dialect) -> &'static str {
    match dialect {
        wire::Dialect::Hixie76 => "hixie-76",
        wire::Dialect::Rfc6455 | wire::Dialect::Raw => "rfc6455",
    }
}

/// How many messages passed in the counted rounds, and how many allocations they made.
fn count(from: wire::Dialect, to: wire::Dialect, size: usize, cut: Cut) -> (u64, u64) {
    let dialect = |name: wire::Dialect| name_of(name).parse::<Dialect>().expect("a dialect");
    let limits = Limits::default();
    let mut session = Session::new(dialect(from), dialect(to), 0, &limits);
    let stream = messages(from, size);
    let piece = match cut {
        Cut::FullReads => READ_BUFFER,
        Cut::Small => (size * 2 / 3).clamp(40, 9000),
    };
    let mut entropy = |bytes: &mut [u8]| bytes.fill(0x5a);
    let mut spare = Spare::default();
    let mut scratch = Sides::default();
    let mut input = vec![0; READ_BUFFER];
    let mut observer = Messages::default();
    let mut before = (0, 0);
    for round in 0..WARM_UP + ROUNDS {
        if round == WARM_UP {
            before = (observer.0, ALLOCATIONS.load(Ordering::Relaxed));
        }
        for bytes in stream.chunks(piece) {
            let input = &mut input[..bytes.len()];
            input.copy_from_slice(bytes);
            let Sides { client, backend } = std::mem::take(&mut scratch);
            let mut out = Sides { client: Outbox::new(client), backend: Outbox::new(backend) };
            let mut turn = Turn {
                now: 0,
                entropy: &mut entropy,
                spare: &mut spare,
                limits: &limits,
                binary: BinaryPolicy::Frame,
                observer: &mut observer,
            };
            session.receive(Side::Client, input, &mut turn, &mut out);
            assert!(!session.is_closed(), "the session refused a message");
            let Sides { client, backend } = out;
            scratch = Sides { client: client.into_scratch(), backend: backend.into_scratch() };
        }
    }
    (observer.0 - before.0, ALLOCATIONS.load(Ordering::Relaxed) - before.1)
}

/// A round of messages of one size, as a client sends them.
fn messages(dialect: wire::Dialect, size: usize) -> Vec<u8> {
    let text: Vec<u8> = (b' '..=b'~').cycle().take(size).collect();
    let framing = Framing { dialect, sender: Role::Client, size };
    let mut stream = Vec::new();
    for _ in 0..ROUND.div_ceil(size) {
        framing.encode(&text, [0x37, 0xfa, 0x21, 0x3d], &mut stream);
    }
    stream
}
