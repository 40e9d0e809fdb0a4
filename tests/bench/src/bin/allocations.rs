//! Counts what a message allocates on its way through a session, in the steady state. The answer has
//! to be: nothing. Prints a line a case and fails when one of them allocates.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
};

use hybridge::{dialect, event::Side, limits::READ_BUFFER};
use hybridge_bench::{
    translator::{Translator, compressed_stream, stream},
    wire::{Dialect, Framing, Role},
};

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
const DIALECTS: [Dialect; 2] = [Dialect::Hixie76, Dialect::Rfc6455];
const SPEAKERS: [(Side, Role); 2] = [(Side::Client, Role::Client), (Side::Backend, Role::Server)];

/// How the stream of messages reaches the session.
#[derive(Clone, Copy)]
enum Cut {
    /// A read buffer at a time, as from a socket that always has more.
    FullReads,
    /// Pieces that cut every message, so that each has to be gathered.
    Small,
}

fn main() -> ExitCode {
    let mut spotless = true;
    for from in DIALECTS {
        for to in DIALECTS {
            for (side, sender) in SPEAKERS {
                for size in [64, 1024, 16 * 1024, 256 * 1024] {
                    for (cut, way) in [(Cut::FullReads, "full reads"), (Cut::Small, "cut")] {
                        let framing = Framing { dialect: from, sender, size };
                        let stream = stream(&framing, ROUND.div_ceil(size));
                        let translator = match side {
                            Side::Client => Translator::new(from, to),
                            Side::Backend => Translator::new(to, from),
                        };
                        let piece = piece(cut, size);
                        let (messages, allocations) = count(translator, &stream, side, piece);
                        let [from, to] = [from, to].map(|name| dialect::Dialect::from(name).name());
                        println!(
                            "{from:9} → {to:9} {:9} {size:7} B  {way:10} \
                             {messages:8} messages {allocations:5} allocations",
                            format!("{side:?}"),
                        );
                        spotless &= allocations == 0 && messages > 0;
                    }
                }
            }
        }
    }
    for takeover in [true, false] {
        for (side, sender) in SPEAKERS {
            for size in [300, 1024, 16 * 1024, 256 * 1024] {
                for (cut, way) in [(Cut::FullReads, "full reads"), (Cut::Small, "cut")] {
                    let framing = Framing { dialect: Dialect::Rfc6455, sender, size };
                    let stream = compressed_stream(&framing, ROUND.div_ceil(size), takeover);
                    let translator = Translator::compressed(takeover);
                    let piece = piece(cut, stream.len() / ROUND.div_ceil(size));
                    let (messages, allocations) = count(translator, &stream, side, piece);
                    let name = if takeover { "on" } else { "no_context_takeover" };
                    println!(
                        "compression {name:19} {:9} {size:7} B  {way:10} \
                         {messages:8} messages {allocations:5} allocations",
                        format!("{side:?}"),
                    );
                    spotless &= allocations == 0 && messages > 0;
                }
            }
        }
    }
    if spotless { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How much comes at a time of messages of a size on the wire.
fn piece(cut: Cut, size: usize) -> usize {
    match cut {
        Cut::FullReads => READ_BUFFER,
        Cut::Small => (size * 2 / 3).clamp(40, 9000),
    }
}

/// How many messages of `side` passed in the counted rounds, and how many allocations they made.
fn count(mut translator: Translator, stream: &[u8], side: Side, piece: usize) -> (u64, u64) {
    let mut input = vec![0; READ_BUFFER];
    let mut before = (0, 0);
    for round in 0..WARM_UP + ROUNDS {
        if round == WARM_UP {
            before = (translator.messages(), ALLOCATIONS.load(Ordering::Relaxed));
        }
        for bytes in stream.chunks(piece) {
            let input = &mut input[..bytes.len()];
            input.copy_from_slice(bytes);
            translator.receive_all(side, input);
        }
    }
    (translator.messages() - before.0, ALLOCATIONS.load(Ordering::Relaxed) - before.1)
}
