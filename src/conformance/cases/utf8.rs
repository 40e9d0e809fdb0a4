//! Text that is UTF-8 and text that is not (Autobahn section 6; its sequences are those of Markus Kuhn's
//! UTF-8 decoder stress test).

use super::{
    Body, Case, Course, Cut, Dialect, Frame, INVALID, INVALID_THEN, Kind, Message, Step, case,
    echo, more, text,
};
use crate::dialect::hybi::Version;

/// "kosme" in Greek letters, one of them accented.
const KOSME: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";

/// The same, the half of a surrogate pair, and more.
const SURROGATE: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited";

/// Two bytes of the four of a number beyond U+10FFFF tell it already.
const BEYOND: [&[u8]; 4] = [KOSME, b"\xf4\x90", b"\x80\x80", b"edited"];

/// The sequences of 6.5 to 6.23, but for those of 6.6, 6.13 and 6.22, which are computed.
const SEQUENCES: [(u8, &[&[u8]]); 16] = [
    (5, &[b"hello$world", b"hello\xc2\xa2world", b"hello\xe2\x82\xacworld", b"hello\xf0\xa4\xad\xa2world", KOSME]),
    (7, &[b"\0", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"]),
    (8, &[b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"]),
    (9, &[b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"]),
    (10, &[b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"]),
    (11, &[b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80"]),
    (12, &[
        b"\x80", b"\xbf", b"\x80\xbf", b"\x80\xbf\x80", b"\x80\xbf\x80\xbf", b"\x80\xbf\x80\xbf\x80",
        b"\x80\xbf\x80\xbf\x80\xbf",
        b"\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\
          \x98\x99\x9a\x9b\x9c\x9d\x9e\x9f\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf\
          \xb0\xb1\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xbb\xbc\xbd\xbe",
    ]),
    (14, &[
        b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80", b"\xdf",
        b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf",
    ]),
    (15, &[
        b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf\xfb\xbf\xbf\
          \xbf\xfd\xbf\xbf\xbf\xbf",
    ]),
    (16, &[b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]),
    (17, &[
        b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf",
    ]),
    (18, &[
        b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf",
    ]),
    (19, &[
        b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80",
    ]),
    (20, &[
        b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80", b"\xed\xbe\x80",
        b"\xed\xbf\xbf",
    ]),
    (21, &[
        b"\xed\xa0\x80\xed\xb0\x80", b"\xed\xa0\x80\xed\xbf\xbf", b"\xed\xad\xbf\xed\xb0\x80",
        b"\xed\xad\xbf\xed\xbf\xbf", b"\xed\xae\x80\xed\xb0\x80", b"\xed\xae\x80\xed\xbf\xbf",
        b"\xed\xaf\xbf\xed\xb0\x80", b"\xed\xaf\xbf\xed\xbf\xbf",
    ]),
    (23, &[
        b"\xef\xbf\xb9", b"\xef\xbf\xba", b"\xef\xbf\xbb", b"\xef\xbf\xbc", b"\xef\xbf\xbd", b"\xef\xbf\xbe",
        b"\xef\xbf\xbf",
    ]),
];

/// Bytes that begin a letter and are followed by a space, from the first to before the last of a length.
const LONELY: [(u8, u8); 5] =
    [(0xc0, 0xdf), (0xe0, 0xef), (0xf0, 0xf7), (0xf8, 0xfb), (0xfc, 0xfd)];

pub(super) fn add(dialect: Dialect, cases: &mut Vec<Case>) {
    if matches!(dialect, Dialect::Hybi(_)) {
        whole_and_cut(dialect, cases);
        fail_fast(dialect, cases);
    }
    let prefixes: Vec<_> = (1..=KOSME.len()).map(|end| KOSME.get(..end).unwrap_or(KOSME)).collect();
    let no_characters = no_characters();
    let no_characters: Vec<_> = no_characters.iter().map(Vec::as_slice).collect();
    let mut sections: Vec<(u8, Vec<&[u8]>)> =
        SEQUENCES.iter().map(|(number, sequences)| (*number, sequences.to_vec())).collect();
    let lonely: [Vec<u8>; 5] =
        LONELY.map(|(first, end)| (first..end).flat_map(|byte| [byte, b' ']).collect());
    let lonely: Vec<_> = lonely.iter().map(Vec::as_slice).collect();
    sections.extend([(6, prefixes), (13, lonely), (22, no_characters)]);
    sections.sort_by_key(|(number, _)| *number);
    for (section, sequences) in sections {
        for (at, bytes) in sequences.iter().enumerate() {
            let name = format!("utf8/6.{section}.{}", at + 1);
            cases.push(sequence(dialect, &name, bytes));
        }
    }
}

/// The numbers that are no characters, in the order of the planes.
fn no_characters() -> Vec<Vec<u8>> {
    let planes = (0..=16_u32).map(|plane| plane << 16);
    let numbers = planes.flat_map(|plane| [plane | 0xfffe, plane | 0xffff]);
    numbers.filter_map(char::from_u32).map(|c| c.to_string().into_bytes()).collect()
}

/// One text, which comes back or ends the session.
fn sequence(dialect: Dialect, name: &str, bytes: &[u8]) -> Case {
    let body = Body::from(bytes.to_vec());
    let shown = bytes.escape_ascii();
    if str::from_utf8(bytes).is_ok() {
        return case(dialect, name, "§8.1", format!("The text {shown}."))
            .autobahn()
            .says(vec![text(dialect, body.clone())])
            .comes(echo(vec![Message::text(body)]));
    }
    let case =
        case(dialect, name, "§8.1", format!("The text {shown}, which is no UTF-8.")).autobahn();
    // The byte FF ends a text of Hixie, and what follows it may be anything.
    if let Dialect::Hixie(_) = dialect {
        return case.says(vec![text(dialect, body)]).comes(Course::any());
    }
    invalid(case.says(vec![text(dialect, body)]))
}

fn invalid(case: Case) -> Case {
    // The code and the duty came with draft-ietf-hybi-10, which has the number 8 as 08 has.
    let codes = if case.dialect == Dialect::RFC6455 { INVALID } else { INVALID_THEN };
    case.comes(Course::failed(Vec::new(), codes)).since(Version::V13)
}

fn whole_and_cut(dialect: Dialect, cases: &mut Vec<Case>) {
    let new =
        |name: &str, about: &str| case(dialect, &format!("utf8/{name}"), "§5.6", about).autobahn();
    let valid = Body::from("Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!");
    let empty = || text(dialect, "");
    let none = || echo(vec![Message::text("")]);
    cases.push(new("6.1.1", "An empty text.").says(vec![empty()]).comes(none()));
    let frames = vec![empty().more(), more("").more(), more("")];
    cases.push(new("6.1.2", "An empty text in three fragments.").says(frames).comes(none()));
    let frames = vec![empty().more(), more("middle frame payload").more(), more("")];
    let course = echo(vec![Message::text("middle frame payload")]);
    cases.push(
        new("6.1.3", "Three fragments, only the second not empty.").says(frames).comes(course),
    );
    let all = || echo(vec![Message::text(valid.clone())]);
    let frames = vec![text(dialect, valid.clone())];
    cases.push(new("6.2.1", "A text with letters of two bytes.").says(frames).comes(all()));
    let bytes = valid.bytes();
    // Behind a letter of two bytes.
    let (front, back) = bytes.split_at(12.min(bytes.len()));
    let frames = vec![text(dialect, front.to_vec()).more(), more(back.to_vec())];
    cases.push(
        new("6.2.2", "The same in two fragments, cut between letters.").says(frames).comes(all()),
    );
    let fragments = |body: &Body| Step::Fragments(Kind::Text, body.clone(), 1);
    let about = "The same in fragments of one byte.";
    cases.push(new("6.2.3", about).does(fragments(&valid)).comes(all()));
    let kosme = Body::from(KOSME);
    let course = echo(vec![Message::text(kosme.clone())]);
    cases.push(
        new("6.2.4", "Letters of three bytes in fragments of one.")
            .does(fragments(&kosme))
            .comes(course),
    );
    let surrogate = Body::from(SURROGATE);
    let frames = vec![text(dialect, surrogate.clone())];
    cases.push(invalid(new("6.3.1", "A text with half a surrogate pair.").says(frames)));
    let about = "The same in fragments of one byte.";
    cases.push(invalid(new("6.3.2", about).does(fragments(&surrogate))));
}

/// Who fails before the message has ended is quick; who fails then is late, but right.
fn fail_fast(dialect: Dialect, cases: &mut Vec<Case>) {
    let codes = if dialect == Dialect::RFC6455 { INVALID } else { INVALID_THEN };
    let [good, two, other_two, rest] = BEYOND;
    let all = BEYOND.concat();
    let beyond = [two, other_two].concat();
    for (number, first, second, third) in [
        (1, good.to_vec(), beyond, rest.to_vec()),
        (2, [good, b"\xf4"].concat(), b"\x90".to_vec(), [other_two, rest].concat()),
    ] {
        let fragments = vec![
            text(dialect, first.clone()).more(),
            more(second.clone()).more(),
            more(third.clone()),
        ];
        let about = "A text in three fragments; the second shows that it is no UTF-8, and the third is \
                     held back for a while.";
        let name = format!("utf8/6.4.{number}");
        cases.push(slowly(case(dialect, &name, "§8.1", about), fragments, codes));
        let about = "The same in one frame, whose third part is held back.";
        let name = format!("utf8/6.4.{}", number + 2);
        let frames = raw_parts(dialect, &all, [first.len(), second.len()]);
        cases.push(slowly(case(dialect, &name, "§8.1", about), frames, codes));
    }
}

fn slowly(case: Case, parts: Vec<Frame>, codes: &'static [u16]) -> Case {
    let mut case = case.autobahn();
    let mut parts = parts.into_iter();
    case = case.says_cut(parts.by_ref().take(2).collect(), Cut::Frames).does(Step::Lull);
    case = case.says(parts.collect());
    case.comes(Course::failed(Vec::new(), codes)).since(Version::V13)
}

/// A text in one frame, in three parts.
fn raw_parts(dialect: Dialect, payload: &[u8], [first, second]: [usize; 2]) -> Vec<Frame> {
    let frame = text(dialect, payload.to_vec());
    let behind = payload.len() - first - second;
    [(0, first), (first, second), (first + second, behind)]
        .into_iter()
        .map(|(from, length)| Frame::Part { frame: Box::new(frame.clone()), from, length })
        .collect()
}
