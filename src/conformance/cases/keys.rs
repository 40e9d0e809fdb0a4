//! The keys of draft-hixie-76 and of the drafts that kept its handshake: published ones with their answers,
//! and such as no client makes.

use super::{Case, Cut, Dialect, Opening, Side, case, echo, refuses};
use crate::conformance::case::{Change, Grade};
use crate::conformance::request::has_key3;

/// Key1, key2 and key3: the examples of the draft, those that tests of servers and proxies have published,
/// and the largest number that a key can have.
const SOUND: [(&str, &str, &[u8]); 8] = [
    ("4 @1  46546xW%0l 1 5", "12998 5 Y3 1  .P00", b"^n:ds[4U"),
    ("18x 6]8vM;54 *(5:  {   U1]8  z [  8", "1_ tx7X d  <  nw  334J702) 7]o}` 0", b"Tm[K T2u"),
    (
        "P388 O503D&ul7 {K%gX( %7  15",
        "1 N ?|k UT0or 3o  4 I97N 5-S3O 31",
        b"\x47\x30\x22\x2d\x5a\x3f\x47\x58",
    ),
    ("3e6b263  4 17 80", "17  9 G`ZD9   2 2b 7X 3 /r90", b"WjN}|M(6"),
    ("4 @1  46546xW%0l 1 5", "12998 5 Y3 1  .P00", b"aaaaaaaa"),
    ("z1f V  M4n1J068  7240", "42|23 4o5 3N85 0=", b"\x87\xcf\x49\xec\xab\x46\x39\x72"),
    ("1   38 wZ3f9 23O0 3l 0r", "27   0E 6 2  1665:< ;U 1H", b"\x91\x25\x3e\xd3\xa9\xe7\x6a\x88"),
    ("42949 67295!", "0 !0", b"\0\0\0\0\0\0\0\0"),
];

/// Instead of key1, and what is wrong with it.
const BAD: [(&str, &str, &str); 5] = [
    ("no-spaces", "A key without a space.", "4@146546xW%0l15"),
    ("no-digits", "A key without a digit.", "a b c d"),
    ("remainder", "A key whose number is no multiple of its spaces.", "2 L785 8o% s9Sy9@V. 4<1P5"),
    ("too-large", "A key whose number has more than 32 bits.", "4 29496 72960 0"),
    ("far-too-large", "A key whose number has more than 64 bits.", "99999 99999999999999999999 9"),
];

const SECTION: &str = "opening handshake";

pub(super) fn add(dialect: Dialect, cases: &mut Vec<Case>) {
    if !has_key3(dialect) {
        return;
    }
    let new = |name: &str, about: &str| {
        case(dialect, &format!("keys/{name}"), SECTION, about).only_for(Side::Backend)
    };
    let set = |name, value: &str| Change::Set(name, value.as_bytes().to_vec());
    for (at, (key1, key2, key3)) in SOUND.into_iter().enumerate() {
        let keys = vec![
            set("Sec-WebSocket-Key1", key1),
            set("Sec-WebSocket-Key2", key2),
            Change::Behind(key3.to_vec()),
        ];
        let about = format!("The keys {key1:?} and {key2:?}.");
        let opening = Opening::Request(keys, Cut::Whole);
        let name = format!("published-{}", at + 1);
        cases.push(new(&name, &about).opened(opening).comes(echo(Vec::new())));
    }
    let about = "DEL as noise in a key, as a Java client has it.";
    let noise =
        Opening::Request(vec![set("Sec-WebSocket-Key1", "4 @1  46546xW%0l\x7f 1 5")], Cut::Whole);
    // The draft has noise from ! to ~.
    let may = refuses(&[400, 0]).graded(Grade::Informational);
    cases.push(new("delete", about).opened(noise).comes(echo(Vec::new())).comes(may));
    for (name, about, key) in BAD {
        for field in ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"] {
            let opening = Opening::Request(vec![set(field, key)], Cut::Whole);
            let which = if field.ends_with('1') { 1 } else { 2 };
            cases.push(
                new(&format!("{name}-{which}"), about).opened(opening).comes(refuses(&[400, 0])),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::proof::{answer, number};

    /// The answers as they were published, but for the last, which was computed from the draft.
    const ANSWERS: [&str; 8] = [
        "386a4b5327793a472a436f2c5778612d",
        "66514a2c664e2f344634217e4b7e4d48",
        "30737433526c26712d325a555e776575",
        "6e603965426b397a245238704f745662",
        "ca3400d8a50847972cd5715ababf437b",
        "35c39e5e5be62bad70fd163a062454eb",
        "b49c6e4053040426e51bbf6cb79f1df9",
        "696656bad06fe3f908e2d43ca762cc24",
    ];

    #[test]
    fn the_kit_answers_as_was_published() {
        for ((key1, key2, key3), published) in SOUND.into_iter().zip(ANSWERS) {
            let computed = answer(key1.as_bytes(), key2.as_bytes(), key3).unwrap();
            let hex: String = computed.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, published, "{key1} {key2}");
        }
        for (name, _, key) in BAD {
            assert_eq!(number(key.as_bytes()), None, "{name}");
        }
    }
}
