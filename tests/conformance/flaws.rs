//! A kit that finds nothing would be green for ever: each flaw of a peer fails the case that is about it,
//! and no flaw does not.

use crate::echo::{Flaw, serve};
use crate::{IMPATIENT, Outcome, PATIENT, kit};

/// A dialect, a flaw of a server, and a case that it fails.
const OF_SERVERS: [(&str, Flaw, &str); 44] = [
    ("rfc6455", Flaw::AnyText, "rfc6455/utf8/6.3.1"),
    ("rfc6455", Flaw::AnyText, "rfc6455/utf8/6.20.1"),
    ("rfc6455", Flaw::WrongMask, "rfc6455/framing/1.1.2"),
    ("rfc6455", Flaw::Proof, "rfc6455/opening/plain"),
    ("rfc6455", Flaw::TwoConnections, "rfc6455/opening/plain"),
    ("rfc6455", Flaw::NoPong, "rfc6455/pings/2.2"),
    ("rfc6455", Flaw::Fragments, "rfc6455/fragments/5.3"),
    ("rfc6455", Flaw::ReservedBits, "rfc6455/reserved/3.2"),
    ("rfc6455", Flaw::Opcodes, "rfc6455/opcodes/4.1.3"),
    ("rfc6455", Flaw::NoClose, "rfc6455/closing/7.3.1"),
    ("rfc6455", Flaw::ShortLength, "rfc6455/framing/1.1.7"),
    ("rfc6455", Flaw::Unmasked, "rfc6455/masks/unmasked"),
    ("rfc6455", Flaw::LongControl, "rfc6455/pings/2.5"),
    ("rfc6455", Flaw::BehindClose, "rfc6455/closing/7.1.4"),
    ("rfc6455", Flaw::AnyVersion, "rfc6455/refused/version-99"),
    ("rfc6455", Flaw::AnyCode, "rfc6455/closing/7.9.4"),
    ("rfc6455", Flaw::AnyCode, "rfc6455/closing/7.3.2"),
    ("rfc6455", Flaw::AnyOffer, "rfc6455/negotiation/unknown-parameter"),
    ("rfc6455", Flaw::DeadlyOffer, "rfc6455/negotiation/unknown-parameter"),
    ("rfc6455", Flaw::DeadlyOffer, "rfc6455/negotiation/window-empty"),
    ("rfc6455", Flaw::Unconfirmed, "rfc6455/negotiation/server-no-takeover"),
    ("rfc6455", Flaw::Unconfirmed, "rfc6455/compression/13.3.1"),
    ("rfc6455", Flaw::Context, "rfc6455/deflate/takeover"),
    ("rfc6455", Flaw::Takeover, "rfc6455/negotiation/keeps-to-takeover"),
    ("rfc6455", Flaw::Window, "rfc6455/negotiation/keeps-to-window"),
    ("rfc6455", Flaw::AnyData, "rfc6455/deflate/stored-length"),
    ("rfc6455", Flaw::FinalBlock, "rfc6455/deflate/final-block"),
    ("rfc6455", Flaw::AnyText, "rfc6455/deflate/invalid-utf8"),
    ("rfc6455", Flaw::ReservedBits, "rfc6455/deflate/bit-on-continuation"),
    ("rfc6455", Flaw::ReservedBits, "rfc6455/deflate/bit-on-close"),
    ("rfc6455", Flaw::ReservedBits, "rfc6455/reserved/3.7"),
    ("hybi-07", Flaw::NoPong, "hybi-07/pings/2.4"),
    ("hybi-06", Flaw::ShortLength, "hybi-06/framing/1.2.7"),
    ("hybi-05", Flaw::EmptyClose, "hybi-05/closing/server-letter"),
    ("hybi-04", Flaw::EmptyClose, "hybi-04/closing/body"),
    ("hybi-04", Flaw::ConnectionKey, "hybi-04/framing/1.1.2"),
    ("hybi-03", Flaw::EmptyClose, "hybi-03/closing/body"),
    ("hybi-01", Flaw::Fragments, "hybi-01/fragments/5.5"),
    ("hixie-76", Flaw::Proof, "hixie-76/keys/published-2"),
    ("hixie-76", Flaw::AnyKey, "hixie-76/keys/no-spaces-1"),
    ("hixie-76", Flaw::SmallUpgrade, "hixie-76/opening/plain"),
    ("hixie-76", Flaw::Nul, "hixie-76/framing/nul"),
    ("hixie-75", Flaw::OtherReason, "hixie-75/opening/plain"),
    ("hixie-75", Flaw::SmallUpgrade, "hixie-75/opening/plain"),
];

/// The same of clients.
const OF_CLIENTS: [(&str, Flaw, &str); 10] = [
    ("rfc6455", Flaw::Proof, "rfc6455/answers/wrong-proof"),
    ("rfc6455", Flaw::SameMask, "rfc6455/masks/fresh"),
    ("rfc6455", Flaw::WrongMask, "rfc6455/framing/1.1.2"),
    ("rfc6455", Flaw::AnyText, "rfc6455/utf8/6.3.2"),
    ("rfc6455", Flaw::AnyAnswer, "rfc6455/negotiation/answer-window-16"),
    ("rfc6455", Flaw::Context, "rfc6455/deflate/takeover"),
    ("rfc6455", Flaw::Takeover, "rfc6455/compression/13.2.1"),
    ("rfc6455", Flaw::Window, "rfc6455/negotiation/keeps-to-window"),
    ("hybi-05", Flaw::EmptyClose, "hybi-05/closing/client-letter"),
    ("hixie-76", Flaw::Proof, "hixie-76/answers/wrong-proof"),
];

fn verdict(outcome: &Outcome, flaw: Flaw, case: &str) -> String {
    let [(name, verdict, _)] = &outcome.cases[..] else {
        panic!("{case} with {flaw:?}: {} cases: {}", outcome.cases.len(), outcome.told)
    };
    assert_eq!(name, case);
    verdict.clone()
}

#[test]
fn flaws_of_servers_are_found() {
    let at = |dialect: &str, flaw, case: &str| {
        let target = format!("ws://{}", serve(dialect, flaw));
        let name = format!("^{}$", case.replace('.', "[.]"));
        let arguments = ["--target", &target, "--dialect", dialect, "--case", &name];
        let patience = if flaw == Flaw::None { PATIENT } else { IMPATIENT };
        verdict(&Outcome::of(&mut kit(patience, &arguments)), flaw, case)
    };
    for (dialect, flaw, case) in OF_SERVERS {
        assert_eq!(at(dialect, flaw, case), "fail", "{case} with {flaw:?}");
        assert_ne!(at(dialect, Flaw::None, case), "fail", "{case} without a flaw");
    }
}

#[test]
fn flaws_of_clients_are_found() {
    let before = |dialect: &str, flaw, case: &str| {
        let name = format!("^{}$", case.replace('.', "[.]"));
        let arguments = ["--dialect", dialect, "--case", &name];
        verdict(&Outcome::of_clients(&arguments, (dialect, flaw), |_| None), flaw, case)
    };
    for (dialect, flaw, case) in OF_CLIENTS {
        assert_eq!(before(dialect, flaw, case), "fail", "{case} with {flaw:?}");
        assert_ne!(before(dialect, Flaw::None, case), "fail", "{case} without a flaw");
    }
}
