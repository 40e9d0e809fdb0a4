//! Whether permessage-deflate (RFC 7692) was negotiated, and the compressed messages of one side.

use crate::wire::deflate::{Inflater, Malformed};
use crate::wire::head::Fields;
use crate::wire::spare::Buffer;

/// About what an [`Inflation`] takes, in bytes: a window of 32 KiB, the tables of its codes, and a piece.
pub(super) const KEPT: usize = 64 * 1024;

/// How much is inflated at a time, in bytes.
const PIECE: usize = 16 * 1024;

/// Whether the extensions of a head have permessage-deflate. Its parameters change nothing for who
/// reads: the window that is kept here is the largest there is, and it is kept from message to
/// message, because a sender without context takeover refers to nothing in it.
pub(super) fn is_negotiated(fields: &Fields<'_>) -> bool {
    fields
        .all("Sec-WebSocket-Extensions")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .filter_map(|extension| extension.split(|byte| *byte == b';').next())
        .any(|name| name.trim_ascii().eq_ignore_ascii_case(b"permessage-deflate"))
}

/// Why a message cannot be inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not what DEFLATE makes.
    Malformed,
    /// It becomes too long.
    TooBig,
}

impl From<Malformed> for Fault {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

/// The compressed messages of one side.
#[derive(Debug, Default)]
pub(super) struct Inflation {
    inflater: Inflater,
    piece: Buffer,
}

impl Inflation {
    /// Inflates a run of a message, `last` the last of it, behind what `out` has of it, up to a length of
    /// `most`.
    pub(super) fn inflate(
        &mut self,
        data: &[u8],
        last: bool,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        self.inflater.pieces(data, last, PIECE, &mut self.piece, |piece, _| {
            if out.len() + piece.len() > most {
                return Err(Fault::TooBig);
            }
            out.extend_from_slice(piece);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::head::Response;

    #[test]
    fn reads_what_was_negotiated() {
        let name = "Sec-WebSocket-Extensions:";
        for (fields, expected) in [
            (String::new(), false),
            (format!("{name} \r\n"), false),
            (format!("{name} x-webkit-deflate-frame\r\n"), false),
            (format!("{name} a; permessage-deflate\r\n"), false),
            (format!("{name} permessage-deflate\r\n"), true),
            (format!("{name} a, Permessage-Deflate ; b=\"1\"\r\n"), true),
            (format!("{name} a\r\n{name} permessage-deflate;server_max_window_bits=10\r\n"), true),
        ] {
            let head = format!("HTTP/1.1 101 x\r\n{fields}\r\n");
            let response = Response::parse(head.as_bytes()).unwrap();
            assert_eq!(is_negotiated(&response.fields), expected, "{fields}");
        }
    }
}
