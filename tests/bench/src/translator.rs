//! The translation alone: a session with what its worker lends it, driven as the relay drives it, but
//! with no sockets around it.

use std::mem;

use hybridge::{
    dialect::{Agreement, Dialect, hixie::Draft, hybi::deflate::Sender},
    event::{Side, Sides},
    session::{
        Session, Turn,
        fact::{Fact, Observer},
        policy::Policy,
    },
    wire::{
        deflate::{Deflater, LARGEST_WINDOW},
        outbox::Outbox,
        spare::{Buffer, Spare},
    },
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::wire::{self, Framing};

/// A session and the buffers of its worker.
pub struct Translator {
    session: Session,
    policy: Policy,
    random: StdRng,
    spare: Spare,
    scratch: Sides<Vec<u8>>,
    messages: Messages,
}

impl Translator {
    #[must_use]
    pub fn new(client: wire::Dialect, backend: wire::Dialect) -> Self {
        let policy = Policy::default();
        let dialects = Sides { client: Dialect::from(client), backend: backend.into() };
        Self {
            session: Session::new(dialects, 0, &policy),
            policy,
            // The generator of the relay, but the same mask keys in every run.
            random: StdRng::seed_from_u64(0),
            spare: Spare::default(),
            scratch: Sides::default(),
            messages: Messages::default(),
        }
    }

    /// Both sides speak RFC 6455 and compress, with the context taken over or not.
    #[must_use]
    pub fn compressed(takeover: bool) -> Self {
        let sender = Sender { takeover, window_bits: LARGEST_WINDOW };
        let deflate = Some(Sides { client: sender, backend: sender });
        let agreed = Agreement { deflate, ..Dialect::RFC6455.into() };
        let mut translator = Self::new(wire::Dialect::Rfc6455, wire::Dialect::Rfc6455);
        let sides = Sides { client: agreed, backend: agreed };
        translator.session = Session::new(sides, 0, &translator.policy);
        translator
    }

    /// Takes what one read from `side` brought, in as many turns as that takes, and says how many bytes
    /// are to be written for it.
    ///
    /// # Panics
    /// When the session refuses it.
    pub fn receive_all(&mut self, side: Side, input: &mut [u8]) -> usize {
        let mut written = self.receive(side, input);
        while let Some(behind) = self.session.take_behind(side) {
            let input = &mut input[..behind.len()];
            input.copy_from_slice(behind.bytes());
            self.spare.give(behind);
            written += self.receive(side, input);
        }
        written
    }

    /// Takes what one read from `side` brought, and says how many bytes are to be written for it.
    ///
    /// # Panics
    /// When the session refuses it.
    pub fn receive(&mut self, side: Side, input: &mut [u8]) -> usize {
        let Self { session, policy, random, spare, scratch, messages } = self;
        let mut out = Sides {
            client: Outbox::new(mem::take(&mut scratch.client)),
            backend: Outbox::new(mem::take(&mut scratch.backend)),
        };
        let mut entropy = |bytes: &mut [u8]| random.fill_bytes(bytes);
        let mut turn = Turn { now: 0, entropy: &mut entropy, spare, policy, observer: messages };
        session.receive(side, input, &mut turn, &mut out);
        assert!(!session.is_closed(), "the session refused a message");
        let written = out[side.other()].slices().iter().map(|slice| slice.len()).sum();
        scratch.client = mem::take(out.client.scratch());
        scratch.backend = mem::take(out.backend.scratch());
        written
    }

    /// How many whole messages have come in.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages.0
    }
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

impl From<wire::Dialect> for Dialect {
    fn from(dialect: wire::Dialect) -> Self {
        match dialect {
            wire::Dialect::Hixie76 => Self::Hixie(Draft::H76),
            wire::Dialect::Rfc6455 => Self::RFC6455,
        }
    }
}

/// `count` messages on the wire, one behind the other.
#[must_use]
pub fn stream(framing: &Framing, count: usize) -> Vec<u8> {
    let text: Vec<u8> = (b' '..=b'~').cycle().take(framing.size).collect();
    let mut stream = Vec::new();
    for _ in 0..count {
        framing.encode(&text, [0x37, 0xfa, 0x21, 0x3d], &mut stream);
    }
    stream
}

/// `count` compressed messages on the wire, one behind the other.
#[must_use]
pub fn compressed_stream(framing: &Framing, count: usize, takeover: bool) -> Vec<u8> {
    let text: Vec<u8> = (b' '..=b'~').cycle().take(framing.size).collect();
    let (mut stream, mut deflater) = (Vec::new(), Deflater::new(LARGEST_WINDOW));
    let mut packed = Buffer::default();
    for _ in 0..count {
        deflater.finish(&text, &mut packed);
        let start = stream.len();
        framing.encode(packed.bytes(), [0x37, 0xfa, 0x21, 0x3d], &mut stream);
        // RFC 7692 section 6.
        stream[start] |= 0x40;
        packed.consume(packed.len());
        if !takeover {
            deflater.reset();
        }
    }
    stream
}
