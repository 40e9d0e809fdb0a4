//! Files that are no capture, or are broken: what is said of them names the place, and no length in
//! them is believed.

use crate::base::{Addresses, Capture, small};
use crate::containers::{
    CONTAINERS, Container, Layout, Magic, Order, block, interface, pcap_head, section,
};
use crate::dice::Dice;
use crate::file::Form;
use crate::told::{Told, check};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::Write;

const PCAP: u32 = 0xa1b2_c3d4;

fn damage(bytes: &[u8]) -> String {
    match Told::read(bytes) {
        Ok(told) => {
            told.sessions();
            told.account.damage.unwrap_or_default()
        }
        Err(error) => format!("{error:#}"),
    }
}

/// Whether it says where.
fn names_a_place(damage: &str) -> bool {
    damage.contains(|letter: char| letter.is_ascii_digit())
}

#[test]
fn empty_and_cut_heads() {
    assert!(damage(b"").contains("empty"));
    for container in CONTAINERS {
        let capture = Capture::of(&small()[..1], Addresses::V4);
        let bytes = Form { container, ..Form::default() }.write(&capture).bytes;
        for end in 1..24 {
            let damage = damage(&bytes[..end]);
            assert!(!damage.is_empty(), "{container:?} cut at {end}");
        }
    }
}

#[test]
fn heads_without_packets() {
    let ng = [section(Order::Big, &[]), interface(Order::Big, 1, &[])].concat();
    for bytes in [pcap_head(PCAP, Order::Little, 1), section(Order::Little, &[]), ng] {
        let told = Told::read(&bytes[..]).unwrap();
        assert_eq!((told.account.packets, told.account.damage), (0, None));
    }
}

/// A link that nothing is known of is refused by its number, where it is that of all packets.
#[test]
fn unknown_links() {
    let mut bytes = pcap_head(PCAP, Order::Little, 147);
    bytes.extend([1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4]);
    let said = match Told::read(&bytes[..]) {
        Ok(told) => format!("{:?}", told.account),
        Err(error) => format!("{error:#}"),
    };
    assert!(said.contains("147") || said.contains("other_packets: 1"), "{said}");
}

/// Lengths that cannot be are damage, and what came before them is told.
#[test]
fn lengths_that_lie() {
    let capture = Capture::of(&small()[1..2], Addresses::V4);
    for order in [Order::Little, Order::Big] {
        for length in [u32::MAX, 1 << 31, 0x0800_0000] {
            for magic in [Magic::Micro, Magic::Nano, Magic::Modified] {
                let container = Container::Pcap { magic, order };
                let mut bytes = Form { container, ..Form::default() }.write(&capture).bytes;
                bytes.extend([0; 8]);
                bytes.extend([order.u32(length), order.u32(length)].concat());
                bytes.extend([0; 100]);
                lies(&bytes, &format!("{container:?}, {length:#x}"));
            }
            let container = Container::Pcapng { layout: Layout::Plain, order };
            let sound = Form { container, ..Form::default() }.write(&capture).bytes;
            // Of a block, and of the packet in one.
            let mut whole = sound.clone();
            whole.extend([order.u32(6), order.u32(length)].concat());
            whole.extend([0; 100]);
            lies(&whole, &format!("a block of {length:#x}"));
            let mut body = [0; 12].to_vec();
            body.extend([order.u32(length), order.u32(length)].concat());
            body.extend([0; 32]);
            let inside = [&sound[..], &block(order, 6, body)].concat();
            lies(&inside, &format!("a packet of {length:#x} in a block"));
        }
        let container = Container::Pcapng { layout: Layout::Plain, order };
        let sound = Form { container, ..Form::default() }.write(&capture).bytes;
        // Too short for its own length, no multiple of four, another length behind it.
        for length in [0, 4, 8, 11, 13, 30] {
            let mut bytes = sound.clone();
            bytes.extend([order.u32(6), order.u32(length)].concat());
            bytes.extend([0; 100]);
            lies(&bytes, &format!("a block of {length}"));
        }
        let mut bytes = sound.clone();
        let mut liar = block(order, 4, [0; 40].to_vec());
        let end = liar.len() - 4;
        liar[end..].copy_from_slice(&order.u32(44));
        bytes.extend(&liar);
        lies(&bytes, "a block whose lengths differ");
        // An interface that is not there.
        let mut body = order.u32(77).to_vec();
        body.extend([0; 24]);
        let bytes = [&sound[..], &block(order, 6, body)].concat();
        lies(&bytes, "an interface that is not there");
    }
}

/// The session before is told, and the place is named.
fn lies(bytes: &[u8], name: &str) {
    let told = Told::read(bytes).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    assert_eq!(told.sessions().len(), 1, "{name}: {:?}", told.account);
    let damage = told.account.damage.unwrap_or_else(|| panic!("{name}: no damage"));
    assert!(names_a_place(&damage), "{name}: {damage}");
}

#[test]
fn packed_captures() {
    for container in CONTAINERS {
        let capture = Capture::of(&small(), Addresses::Both);
        let mut written = Form { container, ..Form::default() }.write(&capture);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&written.bytes).unwrap();
        written.bytes = gzip.finish().unwrap();
        check(&capture, &written, &format!("{container:?} in gzip"));
        let cut = &written.bytes[..written.bytes.len() / 2];
        assert!(!damage(cut).is_empty(), "{container:?} in gzip, cut");
    }
}

#[test]
fn only_other_things() {
    let mut capture = Capture::default();
    crate::noise::add(&mut capture, &mut Dice::new(1));
    let written = Form::default().write(&capture);
    check(&capture, &written, "only other things");
    let told = Told::read(&written.bytes[..]).unwrap();
    assert!(told.events.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Any bytes behind any beginning come to an end.
    #[test]
    fn any_bytes(
        begin in 0..6_usize,
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let beginnings = [
            Vec::new(),
            pcap_head(PCAP, Order::Little, 1),
            pcap_head(0xa1b2_cd34, Order::Big, 113),
            [section(Order::Little, &[]), interface(Order::Little, 1, &[])].concat(),
            b"\x0a\x0d\x0d\x0a".to_vec(),
            b"\xd4\xc3\xb2\xa1".to_vec(),
        ];
        let bytes = [&beginnings[begin][..], &bytes].concat();
        if let Ok(told) = Told::read(&bytes[..]) {
            told.sessions();
        }
    }
}
