//! permessage-deflate of the peers: negotiated from the document, inflated and deflated by `flate2`.

use super::Flaw;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

const NAME: &str = "permessage-deflate";

/// What a client of these asks for.
pub(super) const OFFER: &str = "permessage-deflate; client_max_window_bits";

const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Beyond this a message is too large.
const MOST: usize = 1 << 25;

/// What compresses and inflates messages.
pub(super) struct Deflate {
    compress: Compress,
    decompress: Decompress,
    /// Whether we compress each message for itself.
    forgets: bool,
    flaw: Flaw,
}

/// The parameters of both sides, the client's first.
#[derive(Default)]
struct Terms {
    forget: [bool; 2],
    windows: [Option<Option<u8>>; 2],
}

impl Terms {
    fn read(extension: &str) -> Option<Self> {
        let mut terms = Self::default();
        for parameter in extension.split(';').skip(1) {
            let (name, value) = match parameter.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
                None => (parameter.trim(), None),
            };
            let (side, what) = name.split_once('_')?;
            let side = ["client", "server"].iter().position(|known| *known == side)?;
            match (what, value) {
                ("no_context_takeover", None) if !terms.forget[side] => terms.forget[side] = true,
                ("max_window_bits", None) if terms.windows[side].is_none() => {
                    terms.windows[side] = Some(None);
                }
                ("max_window_bits", Some(bits)) if terms.windows[side].is_none() => {
                    let known = (8..=15).find(|known: &u8| known.to_string() == bits)?;
                    terms.windows[side] = Some(Some(known));
                }
                _ => return None,
            }
        }
        Some(terms)
    }
}

impl Deflate {
    fn new(forgets: bool, window: Option<u8>, flaw: Flaw) -> Self {
        let window = window.filter(|_| flaw != Flaw::Window).unwrap_or(15);
        let compress = Compress::new_with_window_bits(Compression::default(), false, window);
        let forgets = forgets && flaw != Flaw::Takeover;
        Self { compress, decompress: Decompress::new(false), forgets, flaw }
    }

    /// Takes the first offer that can be, as a server: with the answer.
    pub(super) fn accept(offers: &str, flaw: Flaw) -> Option<(Self, String)> {
        if flaw == Flaw::Uncompressed {
            return None;
        }
        let offers = offers.split(',').map(str::trim);
        let mut own = offers.filter(|offer| offer.split(';').next().unwrap().trim() == NAME);
        own.find_map(|offer| {
            let read = Terms::read(offer);
            let terms = if flaw == Flaw::AnyOffer { read.unwrap_or_default() } else { read? };
            let window = match terms.windows[1] {
                Some(None | Some(8)) => return None,
                window => window.flatten(),
            };
            let mut answer = NAME.to_owned();
            for (side, name) in ["client", "server"].into_iter().enumerate() {
                if terms.forget[side] {
                    answer += &format!("; {name}_no_context_takeover");
                }
            }
            answer += &window.map(|b| format!("; server_max_window_bits={b}")).unwrap_or_default();
            if flaw == Flaw::Unconfirmed {
                answer = NAME.to_owned();
            }
            Some((Self::new(terms.forget[1], window, flaw), answer))
        })
    }

    /// Reads the answer to our offer, as a client; `None` for one that is none.
    pub(super) fn confirm(answer: &str, flaw: Flaw) -> Option<Self> {
        let is_ours = answer.split(';').next().unwrap().trim() == NAME && !answer.contains(',');
        let read = Terms::read(answer).filter(|terms| {
            // With a window of 8 bits zlib does not compress.
            let is_wrong = terms.windows.contains(&Some(None));
            is_ours && !is_wrong && terms.windows[0] != Some(Some(8))
        });
        let terms = if flaw == Flaw::AnyAnswer { read.unwrap_or_default() } else { read? };
        Some(Self::new(terms.forget[0], terms.windows[0].flatten(), flaw))
    }

    /// The message; or the code of what is wrong.
    pub(super) fn inflate(&mut self, payload: &[u8]) -> Result<Vec<u8>, u16> {
        if self.flaw == Flaw::Context {
            self.decompress.reset(false);
        }
        let input = [payload, &TAIL].concat();
        let (mut rest, mut message, mut room) = (&input[..], Vec::new(), vec![0; 1 << 16]);
        loop {
            let before = (self.decompress.total_in(), self.decompress.total_out());
            let result = self.decompress.decompress(rest, &mut room, FlushDecompress::None);
            let taken = (self.decompress.total_in() - before.0) as usize;
            let made = (self.decompress.total_out() - before.1) as usize;
            rest = &rest[taken..];
            message.extend(&room[..made]);
            if message.len() > MOST {
                return Err(1009);
            }
            match result {
                Err(_) if self.flaw == Flaw::AnyData => return Ok(message),
                Err(_) => return Err(1007),
                Ok(Status::StreamEnd) if self.flaw == Flaw::FinalBlock => return Ok(message),
                Ok(Status::StreamEnd) => self.decompress.reset(false),
                Ok(_) if made < room.len() && rest.is_empty() => return Ok(message),
                Ok(_) if made + taken == 0 => return Err(1007),
                Ok(_) => {}
            }
        }
    }

    pub(super) fn deflate(&mut self, message: &[u8]) -> Vec<u8> {
        if self.forgets {
            self.compress.reset();
        }
        let mut payload = Vec::with_capacity(message.len() + message.len() / 8 + 1024);
        self.compress.compress_vec(message, &mut payload, FlushCompress::Sync).unwrap();
        if payload.is_empty() {
            return vec![0];
        }
        payload.strip_suffix(&TAIL).unwrap().to_vec()
    }
}
