//! Redaction: no secret comes through, equal ones stay equal, all else stays as it is.

use crate::any::recording;
use crate::{GOLDEN, Told};
use hybridge::recording::Sink;
use hybridge::recording::lines::{Writer, read};
use hybridge::recording::redact::{Key, Redact, Stand};
use hybridge::transcript::event::What;
use proptest::prelude::*;

fn redacted(stand: Stand) -> String {
    let mut sink = Redact::new(stand, Writer::new(Vec::new()));
    read(GOLDEN.as_bytes(), &mut sink).unwrap();
    String::from_utf8(sink.into_inner().into_inner()).unwrap()
}

#[test]
fn dots_stand_for_secrets_and_nothing_else() {
    let due = GOLDEN.replace("31d4d96e407aad42", "•••").replace("lang=en", "lang=•••");
    assert_eq!(redacted(Stand::Dots), due.replace("token=t0p", "token=•••"));
}

#[test]
fn equal_secrets_have_equal_pseudonyms() {
    let text = redacted(Stand::Pseudonym(Key::random()));
    let pseudonyms: Vec<_> = text
        .match_indices("‹r:")
        .map(|(at, _)| {
            let end = text[at..].find('›').unwrap();
            &text[at..at + end]
        })
        .collect();
    // In the request the token, the cookie `sid` and `lang`; in the answer the cookie and the token.
    let [token, sid, lang, sid_again, token_again] = pseudonyms[..] else { panic!("{text}") };
    assert_eq!((token, sid), (token_again, sid_again));
    assert!(token != sid && sid != lang);
    for pseudonym in pseudonyms {
        let hex = pseudonym.strip_prefix("‹r:").unwrap();
        assert!(hex.len() == 8 && hex.bytes().all(|b| b.is_ascii_hexdigit()), "{pseudonym}");
    }
    for secret in ["31d4d96e407aad42", "t0p"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert_ne!(text, redacted(Stand::Pseudonym(Key::random())), "each recording has its own key");
}

proptest! {
    #[test]
    fn what_was_said_stays(told in recording()) {
        let mut sink = Redact::new(Stand::Dots, Told::default());
        told.tell(&mut sink);
        let seen = sink.into_inner();
        prop_assert_eq!(&seen.header, &told.header);
        prop_assert_eq!(&seen.account, &told.account);
        prop_assert_eq!(seen.events.len(), told.events.len());
        for (seen, told) in seen.events.iter().zip(&told.events) {
            prop_assert_eq!((seen.session, seen.at, seen.packet), (told.session, told.at, told.packet));
            if !matches!(told.what, What::Open(_) | What::Accept(_)) {
                prop_assert_eq!(&seen.what, &told.what);
            }
        }
    }

    /// Whatever stands around it.
    #[test]
    fn no_secret_comes_through(name in "(token|key|secret|pass[a-z]{0,5}|sig|auth)", before in "[ -~]{0,20}") {
        let mut told = Told::default();
        read(GOLDEN.as_bytes(), &mut told).unwrap();
        if let What::Open(open) = &mut told.events[0].what {
            open.target = format!("/{before}?{before}&{name}=gehe1m&a=b");
            for field in ["Cookie", "cookie", "Authorization", "PROXY-Authorization"] {
                open.fields.push((field.to_owned(), "Basic gehe1m".to_owned()));
                open.fields.push((field.to_owned(), "gehe1m; a=gehe1m".to_owned()));
            }
            open.fields.push(("Referer".to_owned(), format!("http://a/?{name}=gehe1m")));
        }
        let mut sink = Redact::new(Stand::Dots, Told::default());
        told.tell(&mut sink as &mut dyn Sink);
        let shown = format!("{:?}", sink.into_inner());
        prop_assert!(!shown.contains("gehe1m"), "{}", shown);
    }
}
