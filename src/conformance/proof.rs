//! The proofs of the opening handshakes, computed from the documents for the kit alone.

use base64::prelude::{BASE64_STANDARD, Engine};
use md5::Md5;
use sha1::{Digest, Sha1};

/// RFC 6455 section 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// draft-ietf-hybi-04, where clients make the key of the connection.
const MASK_GUID: &str = "61AC5F19-FBBA-4540-B96F-6561F1AB40A8";

/// The number in a key of draft-hixie-76: its digits taken together, divided by the count of its spaces.
/// `None` for a key that no conforming client makes.
pub(super) fn number(key: &[u8]) -> Option<u32> {
    let digits: String =
        key.iter().filter(|b| b.is_ascii_digit()).map(|b| char::from(*b)).collect();
    let product: u64 = digits.parse().ok()?;
    let spaces = key.iter().filter(|b| **b == b' ').count() as u64;
    let is_sound = spaces > 0 && product.checked_rem(spaces)? == 0;
    let part = product.checked_div(spaces).filter(|_| is_sound)?;
    // The client's text bounds the product to 32 bits.
    u32::try_from(product).ok()?;
    u32::try_from(part).ok()
}

/// The 16 bytes that answer two keys and key3.
pub(super) fn answer(key1: &[u8], key2: &[u8], key3: &[u8]) -> Option<Vec<u8>> {
    let mut digest = Md5::new();
    digest.update(number(key1)?.to_be_bytes());
    digest.update(number(key2)?.to_be_bytes());
    digest.update(key3);
    Some(digest.finalize().to_vec())
}

/// `Sec-WebSocket-Accept`.
pub(super) fn accept(key: &[u8]) -> Vec<u8> {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    BASE64_STANDARD.encode(digest).into_bytes()
}

/// What a client of draft-ietf-hybi-04 masks the frames of a connection with, together with a nonce of
/// each frame.
pub(super) fn connection_key(key: &[u8], nonce: &[u8]) -> Vec<u8> {
    Sha1::new().chain_update(key).chain_update(nonce).chain_update(MASK_GUID).finalize().to_vec()
}

/// The 20 bytes that a frame is masked with in draft-ietf-hybi-04.
pub(super) fn frame_key(nonce: [u8; 4], connection_key: &[u8]) -> Vec<u8> {
    Sha1::new().chain_update(nonce).chain_update(connection_key).finalize().to_vec()
}

/// Whether a field is 16 bytes in base64.
pub(super) fn is_sixteen_bytes(base64: &[u8]) -> bool {
    base64.len() == 24 && BASE64_STANDARD.decode(base64).is_ok_and(|bytes| bytes.len() == 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proves_what_the_documents_say() {
        let keys = [&b"4 @1  46546xW%0l 1 5"[..], b"12998 5 Y3 1  .P00"];
        let [key1, key2] = keys;
        assert_eq!(answer(key1, key2, b"^n:ds[4U").unwrap(), b"8jKS'y:G*Co,Wxa-");
        assert_eq!(number(b"2 L785 8o% s9Sy9@V. 4<1P5"), None);
        assert_eq!(number(b"12345"), None);
        assert_eq!(number(b"a b"), None);
        let key = b"dGhlIHNhbXBsZSBub25jZQ==";
        assert_eq!(accept(key), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let key = connection_key(key, b"H+cNj5elaybfGIQv1esl2w==");
        assert_eq!(frame_key(*b"ABCD", &key)[..4], [0x11, 0xb7, 0x40, 0x23]);
    }
}
