//! Names and passwords: basic authentication (RFC 7617).

use super::Denied;
use crate::config::route::BasicAuth;
use crate::handshake::Headers;
use anyhow::{Context, ensure};
use base64::prelude::{BASE64_STANDARD, Engine};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

type Sum = [u8; 32];

/// The users of a route. All is compared as digests, in a time that tells nothing of what is right.
#[derive(Debug)]
pub(super) struct Passwords {
    challenge: String,
    users: Vec<(Sum, Sum)>,
}

impl Passwords {
    pub(super) fn new(settings: &BasicAuth) -> anyhow::Result<Self> {
        let realm = &settings.realm;
        ensure!(!realm.contains(char::is_control), "realm: control character");
        let realm = realm.replace('\\', "\\\\").replace('"', "\\\"");
        let users = settings.users.iter().map(|(name, password)| {
            // "a user-id containing a colon character is invalid" (RFC 7617 section 2).
            ensure!(!name.contains(':'), "user {name}: a name has no colon");
            let password = match password.strip_prefix("sha256:") {
                Some(digits) => read_digest(digits).with_context(|| format!("user {name}"))?,
                None => sum(password.as_bytes()),
            };
            Ok((sum(name.as_bytes()), password))
        });
        Ok(Self {
            challenge: format!("Basic realm=\"{realm}\", charset=\"UTF-8\""),
            users: users.collect::<anyhow::Result<_>>()?,
        })
    }

    /// Lets in who has a name and its password.
    ///
    /// # Errors
    /// With the challenge.
    pub(super) fn check(&self, headers: &dyn Headers) -> Result<(), Denied> {
        let known = match *headers.all("Authorization") {
            [value] => read(value).is_some_and(|(name, password)| self.knows(&name, &password)),
            _ => false,
        };
        let denied = || Denied::Password { challenge: self.challenge.clone() };
        if known { Ok(()) } else { Err(denied()) }
    }

    /// Looks at all users, whether one was found or not.
    fn knows(&self, name: &[u8], password: &[u8]) -> bool {
        let (name, password) = (sum(name), sum(password));
        let found = self.users.iter().fold(Choice::from(0), |found, user| {
            found | (user.0.ct_eq(&name) & user.1.ct_eq(&password))
        });
        found.into()
    }
}

fn sum(bytes: &[u8]) -> Sum {
    Sha256::digest(bytes).into()
}

fn read_digest(digits: &str) -> anyhow::Result<Sum> {
    let how = "sha256: needs 64 hexadecimal digits";
    ensure!(digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()), how);
    let mut sum = Sum::default();
    for (byte, pair) in sum.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).context(how)?, 16).context(how)?;
    }
    Ok(sum)
}

/// `Basic` and `name:password` in base64; the scheme in any case (RFC 9110 section 11.1).
fn read(value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let credentials = BASE64_STANDARD.decode(rest.trim_ascii()).ok()?;
    let (name, rest) = credentials.split_at(memchr::memchr(b':', &credentials)?);
    Some((name.to_owned(), rest.get(1..)?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::Field;
    use std::collections::BTreeMap;

    fn passwords(password: &str) -> anyhow::Result<Passwords> {
        let users = BTreeMap::from([("ann".to_owned(), password.to_owned())]);
        Passwords::new(&BasicAuth { realm: "a \"b\"".to_owned(), users })
    }

    fn lets_in(passwords: &Passwords, values: &[String]) -> bool {
        let field = |value: &String| -> Field { ("authorization".into(), value.clone().into()) };
        let fields: Vec<_> = values.iter().map(field).collect();
        let checked = passwords.check(&fields);
        let challenge = "Basic realm=\"a \\\"b\\\"\", charset=\"UTF-8\"".to_owned();
        assert!(checked.is_ok() || checked == Err(Denied::Password { challenge }));
        checked.is_ok()
    }

    #[test]
    fn a_name_has_its_password() {
        // echo -n 's:cret' | sha256sum
        let digest =
            "sha256:02cbd72162e702be59ab310c9ced4e7eac410c9852c444cda2dc91b0c1954104".to_owned();
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        let clear = passwords("s:cret").unwrap();
        for (value, due) in [
            (basic("ann:s:cret"), true),
            (basic("ann:s:cret").replace("Basic", "bASIC"), true),
            (basic("ann:S:cret"), false),
            (basic("ann:"), false),
            (basic("bob:s:cret"), false),
            (basic("ann"), false),
            (format!("Basic {digest}"), false),
            ("Basic".to_owned(), false),
            ("Bearer YW5uOnM6Y3JldA==".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(lets_in(&clear, std::slice::from_ref(&value)), due, "{value}");
        }
        assert!(!lets_in(&clear, &[]));
        assert!(!lets_in(&clear, &[basic("ann:s:cret"), basic("ann:s:cret")]));
        let hashed = passwords(&digest).unwrap();
        assert!(lets_in(&hashed, &[basic("ann:s:cret")]));
        assert!(!lets_in(&hashed, &[basic(&format!("ann:{digest}"))]));
        for bad in ["sha256:", "sha256:12", &digest.replace("02", "+2")] {
            assert!(passwords(bad).is_err(), "{bad}");
        }
    }
}
