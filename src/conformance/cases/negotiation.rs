//! How permessage-deflate is negotiated: offers that a server may take and such as it has to decline,
//! answers that a client has to take and such as it has to fail for.

use super::compression::{PLAIN, WHOLE};
use super::{Case, Cut, Kind, Message, Need, Opening, Side, Step, compressed, echo, refuses};
use crate::conformance::agreement::FIELD;
use crate::conformance::case::{Change, Counts, Grade, Wish};

/// Offers that a server has to decline, whatever it can do.
const DECLINED: [(&str, &str); 12] = [
    ("unknown-parameter", "permessage-deflate; x-unknown"),
    ("unknown-value", "permessage-deflate; x-unknown=1"),
    ("twice", "permessage-deflate; server_no_context_takeover; server_no_context_takeover"),
    ("takeover-value", "permessage-deflate; server_no_context_takeover=1"),
    ("client-takeover-value", "permessage-deflate; client_no_context_takeover=true"),
    ("window-7", "permessage-deflate; server_max_window_bits=7"),
    ("window-16", "permessage-deflate; server_max_window_bits=16"),
    ("window-08", "permessage-deflate; server_max_window_bits=08"),
    ("window-no-number", "permessage-deflate; server_max_window_bits=large"),
    ("window-without-size", "permessage-deflate; server_max_window_bits"),
    ("client-window-7", "permessage-deflate; client_max_window_bits=7"),
    ("client-window-16", "permessage-deflate; client_max_window_bits=16"),
];

/// Offers that are against the grammar, which a server may also answer with a 400.
const MALFORMED: [(&str, &str); 2] = [
    ("window-empty", "permessage-deflate; server_max_window_bits="),
    ("window-empty-quotes", "permessage-deflate; server_max_window_bits=\"\""),
];

/// Offers that a server may take, if it answers what was asked.
const OFFERS: [(&str, &str); 14] = [
    ("no-parameters", "permessage-deflate"),
    ("server-no-takeover", "permessage-deflate; server_no_context_takeover"),
    ("client-no-takeover", "permessage-deflate; client_no_context_takeover"),
    ("server-window-8", "permessage-deflate; server_max_window_bits=8"),
    ("server-window-9", "permessage-deflate; server_max_window_bits=9"),
    ("server-window-15", "permessage-deflate; server_max_window_bits=15"),
    ("server-window-quoted", "permessage-deflate; server_max_window_bits=\"10\""),
    ("client-window", "permessage-deflate; client_max_window_bits"),
    ("client-window-8", "permessage-deflate; client_max_window_bits=8"),
    ("client-window-10", "permessage-deflate; client_max_window_bits=10"),
    (
        "all-parameters",
        "permessage-deflate; client_no_context_takeover; server_no_context_takeover; \
         client_max_window_bits=12; server_max_window_bits=11",
    ),
    ("no-spaces", "permessage-deflate;server_no_context_takeover;server_max_window_bits=12"),
    ("same-offer-twice", "permessage-deflate, permessage-deflate"),
    ("behind-another", "x-unknown; a=1, permessage-deflate"),
];

/// Answers that no offer can have.
const WRONG: [(&str, &str); 12] = [
    ("answer-unknown-parameter", "permessage-deflate; x-unknown"),
    ("answer-twice", "permessage-deflate; server_no_context_takeover; server_no_context_takeover"),
    ("answer-takeover-value", "permessage-deflate; server_no_context_takeover=1"),
    ("answer-window-7", "permessage-deflate; server_max_window_bits=7"),
    ("answer-window-16", "permessage-deflate; server_max_window_bits=16"),
    ("answer-window-08", "permessage-deflate; server_max_window_bits=08"),
    ("answer-window-without-size", "permessage-deflate; server_max_window_bits"),
    ("answer-client-window-7", "permessage-deflate; client_max_window_bits=7"),
    ("answer-client-window-16", "permessage-deflate; client_max_window_bits=16"),
    ("answer-client-window-without-size", "permessage-deflate; client_max_window_bits"),
    ("two-answers", "permessage-deflate, permessage-deflate"),
    ("answer-and-another", "permessage-deflate, x-unasked"),
];

/// Answers that have to be failed for by clients who did not offer them; others make nothing of it.
const UNOFFERED: [(&str, &str); 4] = [
    ("unasked", "permessage-deflate"),
    ("unasked-client-window", "permessage-deflate; client_max_window_bits=10"),
    ("unconfirmed-takeover", "permessage-deflate; server_max_window_bits=15"),
    ("unconfirmed-window", "permessage-deflate; server_no_context_takeover"),
];

/// Answers that clients have to take, unless they asked for more.
const ANSWERS: [(&str, &str); 5] = [
    ("answer-no-parameters", "permessage-deflate"),
    ("answer-server-no-takeover", "permessage-deflate; server_no_context_takeover"),
    ("answer-client-no-takeover", "permessage-deflate; client_no_context_takeover"),
    ("answer-server-window-9", "permessage-deflate; server_max_window_bits=9"),
    ("answer-window-quoted", "permessage-deflate; server_max_window_bits=\"10\""),
];

pub(super) fn add(cases: &mut Vec<Case>) {
    let about = "Compression is offered, or agreed to, with nothing asked for.";
    let plain = new("plain", "7.1", about).opened(Opening::Compressed(&[PLAIN]));
    cases.push(plain.counting(Counts::Opening).comes(echo(spoken())));
    servers(cases);
    clients(cases);
    for (name, wishes, about) in [
        (
            "keeps-to-window",
            &[Wish { forgets: false, window: Some(9) }] as &'static [Wish],
            "A message that repeats what was 4 KiB before it, to a peer that agreed to a window of 9 bits.",
        ),
        (
            "keeps-to-takeover",
            &[Wish { forgets: true, window: None }],
            "The same message three times, to a peer that agreed to compress each for itself.",
        ),
    ] {
        let said = Message::text(repetitive());
        let mut case = compressed(&format!("negotiation/{name}"), "7.1", about);
        case.opening = Opening::Compressed(wishes);
        for count in 1..=3 {
            case = case.does(Step::Deflated(said.kind, said.body.clone(), WHOLE));
            case = case.does(Step::Await(count));
        }
        cases.push(case.comes(echo(vec![said; 3])));
    }
}

fn servers(cases: &mut Vec<Case>) {
    let offers = |offers: &str| {
        let fields = offers.split('\n').map(|offer| Change::Add(FIELD, offer.as_bytes().to_vec()));
        Opening::Request(fields.collect(), Cut::Whole)
    };
    let offered = |name: &str, about: &str, text: &str| {
        let case = new(name, "7.1", about).only_for(Side::Backend).opened(offers(text));
        case.counting(Counts::Opening).comes(echo(spoken()))
    };
    for (name, offer) in DECLINED {
        let about = format!("The offer \"{offer}\", which has to be declined.");
        let refused = refuses(&[400]).graded(Grade::NonStrict);
        cases.push(offered(name, &about, offer).comes(refused));
    }
    for (name, offer) in MALFORMED {
        let about = format!("The offer \"{offer}\", which is none.");
        let refused = refuses(&[400]).graded(Grade::Informational);
        cases.push(offered(name, &about, offer).comes(refused));
    }
    for (name, offer) in OFFERS {
        let about = format!("The offer \"{offer}\": it is accepted as it is, or not at all.");
        cases.push(offered(name, &about, offer));
    }
    let offer = "permessage-deflate; x-unknown, permessage-deflate; client_max_window_bits";
    let about = format!("The offer \"{offer}\", of which the first has to be declined.");
    let refused = refuses(&[400]).graded(Grade::NonStrict);
    cases.push(offered("second-offer", &about, offer).comes(refused));
    let about = "Two offers in two fields.";
    cases.push(offered(
        "two-fields",
        about,
        "permessage-deflate; server_max_window_bits=10\npermessage-deflate",
    ));
}

fn clients(cases: &mut Vec<Case>) {
    let answered = |name: &str, section: &str, about: &str, answer: &str| {
        let changes = vec![Change::Add(FIELD, answer.as_bytes().to_vec())];
        let opening = Opening::Answer(changes, Cut::Whole);
        new(name, section, about).only_for(Side::Client).opened(opening)
    };
    for (name, answer) in WRONG {
        let about = format!("The answer \"{answer}\", for which the connection has to be failed.");
        cases.push(answered(name, "7.1", &about, answer).comes(refuses(&[0])));
    }
    for (name, answer) in UNOFFERED {
        let about = format!("The answer \"{answer}\", where it is none to what was offered.");
        let mut case = answered(name, "5.1", &about, answer).comes(refuses(&[0]));
        // Who offers nothing is asked too.
        case.needs.retain(|need| *need != Need::Compression);
        cases.push(case);
    }
    for (name, answer) in ANSWERS {
        let about = format!("The answer \"{answer}\", where it is one to what was offered.");
        cases.push(answered(name, "7.1", &about, answer).comes(echo(spoken())));
    }
}

/// A case that says the same text twice, compressed where that is agreed to.
fn new(name: &str, section: &str, about: &str) -> Case {
    let case = compressed(&format!("negotiation/{name}"), section, about);
    spoken().into_iter().zip(1..).fold(case, |case, (said, count)| {
        case.does(Step::Deflated(Kind::Text, said.body, WHOLE)).does(Step::Await(count))
    })
}

fn spoken() -> Vec<Message> {
    vec![Message::text("still here, still here, still here?"); 2]
}

/// 4 KiB without a repetition, twice.
fn repetitive() -> Vec<u8> {
    let once: String =
        (0..1024_u32).map(|number| format!("{:04x}", number * 40_503 % 65_536)).collect();
    [once.as_bytes(), once.as_bytes()].concat()
}
