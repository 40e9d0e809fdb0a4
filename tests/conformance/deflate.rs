//! The proxy is held to the cases of permessage-deflate in both roles, and who does not compress is left
//! alone with them.

use crate::echo::{Flaw, serve};
use crate::program::Program;
use crate::{Outcome, PATIENT, kit};
use std::fs;
use std::net::SocketAddr;

/// How the proxy compresses, which cases it is held to, and how many there are at least: all, and where it
/// keeps nothing some of the many that differ in size alone.
const HOW: [(&str, &str, usize); 2] = [
    ("on", "/(negotiation|deflate|compression)/", 270),
    ("no_context_takeover", "/(negotiation|deflate)/|/compression/.*[.](3|9|14)$", 90),
];

/// A proxy that compresses on both sides.
fn proxy(backend: SocketAddr, how: &str) -> Program {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hybridge.toml");
    let settings = format!(
        "[[listener]]\nname = \"main\"\naddress = [\"127.0.0.1:0\"]\n\n\
         [[backend]]\nname = \"echo\"\ndialect = \"rfc6455\"\n[[backend.server]]\nurl = \"ws://{backend}\"\n\n\
         [[route]]\nname = \"all\"\nbackend = \"echo\"\n\
         client_compression = \"{how}\"\nbackend_compression = \"{how}\"\n"
    );
    fs::write(&file, settings).unwrap();
    Program::with(&file)
}

#[test]
fn a_proxy_that_compresses_before_clients_and_a_backend_that_do() {
    for (how, cases, least) in HOW {
        let proxy = proxy(serve("rfc6455", Flaw::None), how);
        let target = format!("ws://{}", proxy.address);
        let arguments = ["--target", &target, "--dialect", "rfc6455", "--case", cases];
        Outcome::of(&mut kit(PATIENT, &arguments)).assert_good(least, how);
    }
}

#[test]
fn a_proxy_that_compresses_as_a_client() {
    for (how, cases, least) in HOW {
        let arguments = ["--dialect", "rfc6455", "--case", cases];
        let before = |kit| Some(proxy(kit, how));
        Outcome::of_clients(&arguments, ("rfc6455", Flaw::None), before).assert_good(least, how);
    }
}

/// Neither is a failure: a peer need not compress.
#[test]
fn who_does_not_compress_is_left_alone() {
    let target = format!("ws://{}", serve("rfc6455", Flaw::Uncompressed));
    let arguments = ["--dialect", "rfc6455", "--case", "/(deflate|pings|compression)/"];
    for outcome in [
        Outcome::of(kit(PATIENT, &arguments).args(["--target", &target])),
        Outcome::of_clients(&arguments, ("rfc6455", Flaw::Uncompressed), |_| None),
    ] {
        outcome.assert_good(12, "uncompressed");
        assert!(outcome.cases.len() < 15, "{}", outcome.told);
        assert!(
            outcome.told.contains("rfc6455: permessage-deflate not spoken"),
            "{}",
            outcome.told
        );
    }
}
