//! How fast the translation is by itself: a session without sockets, for each pair of framings, each
//! speaker and size; message by message and as a full read buffer brings them.
//!
//! The versions 7 and 8 share the framing of RFC 6455, and Hixie-75 that of Hixie-76: two dialects stand
//! for all five.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hybridge::{dialect, event::Side, limits::READ_BUFFER};
use hybridge_bench::{
    translator::{Translator, stream},
    wire::{
        Dialect::{self, Hixie76, Rfc6455},
        Framing, Role,
    },
};

/// Client and backend.
const PAIRS: [(Dialect, Dialect); 4] =
    [(Hixie76, Rfc6455), (Rfc6455, Hixie76), (Rfc6455, Rfc6455), (Hixie76, Hixie76)];
const SIZES: [usize; 4] = [64, 1024, 16 * 1024, 1024 * 1024];
const SPEAKERS: [(Side, Role); 2] = [(Side::Client, Role::Client), (Side::Backend, Role::Server)];

/// How much of a stream the session is handed at once.
#[derive(Clone, Copy)]
enum Read {
    /// One message, as in a ping-pong.
    Message,
    /// A whole read buffer, as from a peer that has much to say. The relay never reads more.
    Buffer,
}

/// A stream of messages, and how it is read.
struct Input {
    side: Side,
    stream: Vec<u8>,
    messages: u64,
    read: usize,
}

fn translator(criterion: &mut Criterion) {
    for (client, backend) in PAIRS {
        let [from, to] = [client, backend].map(|name| dialect::Dialect::from(name).name());
        let mut group = criterion.benchmark_group(format!("{from} client, {to} backend"));
        for (side, sender) in SPEAKERS {
            let dialect = if sender == Role::Client { client } else { backend };
            for size in SIZES {
                for (read, name) in [(Read::Message, "message"), (Read::Buffer, "buffer")] {
                    let framing = Framing { dialect, sender, size };
                    let Some(input) = Input::new(side, &framing, read) else { continue };
                    let (elements, bytes) = (input.messages, input.messages * size as u64);
                    group.throughput(Throughput::ElementsAndBytes { elements, bytes });
                    let id = BenchmarkId::new(format!("{side:?} speaks, a {name} a read"), size);
                    let mut translator = Translator::new(client, backend);
                    group.bench_function(id, |bencher| {
                        bencher.iter_custom(|rounds| {
                            (0..rounds).map(|_| input.translate(&mut translator)).sum()
                        });
                    });
                }
            }
        }
        group.finish();
    }
}

impl Input {
    /// At least a read buffer full; `None` where the message does not fit into one read.
    fn new(side: Side, framing: &Framing, read: Read) -> Option<Self> {
        let count = READ_BUFFER.div_ceil(framing.size);
        let stream = stream(framing, count);
        let read = match read {
            Read::Message => stream.len() / count,
            Read::Buffer => READ_BUFFER,
        };
        (read <= READ_BUFFER).then_some(Self { side, stream, messages: count as u64, read })
    }

    /// The time that the whole stream takes. What stands for the system, which fills the buffer, is
    /// not counted: a session unmasks in place, so that its input is new each time.
    fn translate(&self, translator: &mut Translator) -> Duration {
        let mut buffer = vec![0; READ_BUFFER];
        let before = translator.messages();
        let mut elapsed = Duration::ZERO;
        for filling in self.stream.chunks(READ_BUFFER / self.read * self.read) {
            let buffer = &mut buffer[..filling.len()];
            buffer.copy_from_slice(filling);
            let start = Instant::now();
            for input in buffer.chunks_mut(self.read) {
                black_box(translator.receive(self.side, black_box(input)));
            }
            elapsed += start.elapsed();
        }
        assert_eq!(translator.messages() - before, self.messages, "every message has to pass");
        elapsed
    }
}

criterion_group! {
    name = benches;
    // Fifty-six cases: short ones, so that all take two minutes.
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30);
    targets = translator
}
criterion_main!(benches);
