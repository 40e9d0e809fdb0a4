//! The form is found by content, packed or not, and what is none is named.

use crate::{GOLDEN, Told, golden_file};
use flate2::Compression;
use flate2::write::GzEncoder;
use hybridge::recording::source::{open, read};
use std::io::Write;

fn reading(bytes: &[u8]) -> anyhow::Result<Told> {
    let mut told = Told::default();
    read(bytes, &mut told)?;
    Ok(told)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn packed_or_not_it_is_the_same() {
    let whole = reading(GOLDEN.as_bytes()).unwrap();
    assert_eq!(whole.events.len(), 18);
    let (first, second) = GOLDEN.as_bytes().split_at(700);
    let zstd = include_bytes!("../../testdata/recordings/version-1.wsrec.zst");
    for bytes in [
        &format!("\u{feff} \n{GOLDEN}").into_bytes(),
        &gzip(GOLDEN.as_bytes()),
        &[gzip(first), gzip(second)].concat(),
        // Two frames with one to be passed over between them.
        &zstd[..],
        // The same behind one that is to be passed over.
        &[b"\x50\x2a\x4d\x18\x02\0\0\0hi", &zstd[..]].concat(),
    ] {
        assert_eq!(reading(bytes).unwrap(), whole);
    }
    let mut told = Told::default();
    read(open(&golden_file()).unwrap(), &mut told).unwrap();
    assert_eq!(told, whole);
}

#[test]
fn what_is_packed_and_cut_is_told_up_to_there() {
    let zstd = &include_bytes!("../../testdata/recordings/version-1.wsrec.zst")[..];
    let gzip = &gzip(GOLDEN.as_bytes())[..];
    for bytes in [zstd, gzip] {
        // Within the check sum behind the data: all has been read, and yet it is not whole.
        let told = reading(&bytes[..bytes.len() - 2]).unwrap();
        assert!(told.account.unwrap().damage.is_some());
    }
    // Within the second frame.
    let told = reading(&zstd[..zstd.len() - 100]).unwrap();
    assert!(told.events.len() > 2 && told.events.len() < 20);
    assert!(told.account.unwrap().damage.unwrap().starts_with("line "));
}

#[test]
fn what_is_none_is_named() {
    let twice = gzip(&gzip(GOLDEN.as_bytes()));
    for (bytes, due) in [
        (&b""[..], "it is empty"),
        (
            b"GET / HTTP/1.1\r\n",
            "no capture, HAR or .wsrec: it begins with \"GET / HTTP/1.1\\r\\n\"",
        ),
        (b"PK\x03\x04zip", "ZIP"),
        (b"\xfd7zXZ\0\0", "xz"),
        (b"\x16\x03\x01\x02\0", "TLS"),
        (b"\xa1\xb2\x3c\x4d\0\x02\0\x04", "the header of a pcap is cut: 8 of 24 bytes"),
        (b"\xa1\xb2\xcd\x34\0\x02\0\x04", "the header of a pcap is cut"),
        (b"[]", "it begins with"),
        (b"{\"a\":1}", "no HAR"),
        (b"\x1f\x8b\x08\0", "inside gzip"),
        (b"\x28\xb5\x2f\xfd", "inside zstd"),
        (&twice, "packed twice"),
    ] {
        let error = format!("{:#}", reading(bytes).unwrap_err());
        assert!(error.contains(due), "{}: {error}", bytes.escape_ascii());
    }
}
