//! Which ends of a stream need a word of TLS to count as a close.

use crate::rig::{BOTH, Rig};
use hybridge::dialect::{ALL, Dialect};
use hybridge::event::{Side, Sides};
use hybridge::session::policy::Policy;

fn session(client: Dialect, backend: Dialect) -> Rig {
    let dialects = Sides { client, backend };
    Rig::new(dialects, Policy::default(), Box::new(|key: &mut [u8]| key.fill(0)))
}

/// The dialects that have a closing handshake are to use it.
#[test]
fn an_end_that_nobody_vouches_for_is_the_close_of_hixie_75_only() {
    for client in ALL {
        for backend in ALL {
            let rig = session(client, backend);
            for (side, dialect) in BOTH.into_iter().zip([client, backend]) {
                let suffices = rig.session.fin_suffices(side);
                assert_eq!(suffices, dialect.name() == "hixie-75", "{side:?}: {dialect}");
            }
        }
    }
}

#[test]
fn behind_a_close_any_end_will_do() {
    // RFC 6455 section 5.5.1: a close of a client, masked with zeros.
    let closes: [(&str, &[u8]); 2] =
        [("hixie-76", &[0xFF, 0x00]), ("rfc6455", &[0x88, 0x80, 0, 0, 0, 0])];
    for (name, close) in closes {
        let dialect = name.parse().expect(name);
        let mut rig = session(dialect, dialect);
        assert!(!rig.session.fin_suffices(Side::Client), "{name}");
        rig.feed(Side::Client, close);
        assert!(rig.session.fin_suffices(Side::Client), "{name}");
        assert!(!rig.session.fin_suffices(Side::Backend), "{name}");
    }
}
