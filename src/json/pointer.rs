//! Pointers into JSON (RFC 6901), with a step to each value and one to any depth. They find values where
//! they stand.

use super::leaves::DEPTH;
use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::fmt;
use std::str::FromStr;

/// A way to values: `/users/0/name`, with `*` for each member or element, and `**` for any number of
/// steps, none included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(Vec<Step>);

/// Why something is no pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPointer {
    /// It begins with something else.
    #[error("a JSON pointer begins with /, such as /password or /users/*/name")]
    Slash,
    /// It has an escape that is none.
    #[error("in a JSON pointer ~ stands before 0 or 1 only: ~0 is ~, and ~1 is /")]
    Escape,
}

/// From a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// To each of them.
    Any,
    /// To it, and to all that is inside.
    Deep,
    /// To the member of this name, or the element of this number.
    To(String),
}

impl FromStr for Pointer {
    type Err = NoPointer;

    fn from_str(text: &str) -> Result<Self, NoPointer> {
        let steps = text.strip_prefix('/').ok_or(NoPointer::Slash)?;
        steps.split('/').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Step {
    type Err = NoPointer;

    /// RFC 6901 section 4: `~1` before `~0`.
    fn from_str(text: &str) -> Result<Self, NoPointer> {
        match text {
            "*" => return Ok(Self::Any),
            "**" => return Ok(Self::Deep),
            _ => {}
        }
        if text.split('~').skip(1).any(|behind| !behind.starts_with(['0', '1'])) {
            return Err(NoPointer::Escape);
        }
        Ok(Self::To(text.replace("~1", "/").replace("~0", "~")))
    }
}

impl Pointer {
    /// Hands out the values that it leads to.
    pub fn find<'t>(&self, root: &'t RawValue, each: &mut impl FnMut(&'t RawValue)) {
        walk(root, &self.0, 0, each);
    }

    /// Whether it leads to the value at the end of these names and numbers.
    pub fn leads_to<N: AsRef<[u8]>>(&self, path: &[N]) -> bool {
        leads(&self.0, path)
    }
}

impl Step {
    fn leads_to(&self, name: &[u8]) -> bool {
        match self {
            Self::Any | Self::Deep => true,
            Self::To(wanted) => wanted.as_bytes() == name,
        }
    }
}

fn leads<N: AsRef<[u8]>>(steps: &[Step], path: &[N]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return path.is_empty() };
    if *step == Step::Deep && leads(rest, path) {
        return true;
    }
    let Some((name, inside)) = path.split_first() else { return false };
    step.leads_to(name.as_ref()) && leads(if *step == Step::Deep { steps } else { rest }, inside)
}

fn walk<'t>(
    value: &'t RawValue,
    steps: &[Step],
    depth: usize,
    each: &mut impl FnMut(&'t RawValue),
) {
    let Some((step, rest)) = steps.split_first() else { return each(value) };
    // What is inside might be meant where that is too deep to look at.
    if depth > DEPTH {
        return each(value);
    }
    let rest = if *step == Step::Deep {
        walk(value, rest, depth, each);
        steps
    } else {
        rest
    };
    // What is inside might be meant where that cannot be told.
    let Some(inside) = inside(value) else { return each(value) };
    for (name, value) in inside {
        if step.leads_to(&name) {
            walk(value, rest, depth + 1, each);
        }
    }
}

/// The members or elements of a value, with their names or numbers, each where it stands; `None` where
/// they cannot be told.
pub(super) fn inside<'t>(value: &'t RawValue) -> Option<Vec<(Vec<u8>, &'t RawValue)>> {
    let raw = value.get();
    let inside = if raw.starts_with('{') {
        serde_json::from_str::<Members<'t>>(raw).map(|members| members.0)
    } else if raw.starts_with('[') {
        let elements = serde_json::from_str::<Vec<&'t RawValue>>(raw);
        elements.map(|elements| {
            let number = |(number, value): (usize, _)| (number.to_string().into_bytes(), value);
            elements.into_iter().enumerate().map(number).collect()
        })
    } else {
        return Some(Vec::new());
    };
    inside.ok()
}

/// The members of an object, each where it stands. A name may be there twice.
struct Members<'t>(Vec<(Vec<u8>, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key_seed(Name)? {
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }

        from.deserialize_map(Each)
    }
}

/// A name as bytes, for half of a surrogate pair in it is no character.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Vec<u8>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<u8>, D::Error> {
        from.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<Vec<u8>, E> {
        Ok(name.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"a":{"b":[1,{"b":2}],"c/d":3},"b":4}"#;

    fn found(pointer: &str) -> Vec<&'static str> {
        let pointer: Pointer = pointer.parse().unwrap();
        let mut found = Vec::new();
        let root = serde_json::from_str(TEXT).unwrap();
        pointer.find(root, &mut |value| found.push(value.get()));
        found
    }

    #[test]
    fn finds_values() {
        assert_eq!(found("/a/b/0"), ["1"]);
        assert_eq!(found("/a/c~1d"), ["3"]);
        assert_eq!(found("/a/*"), [r#"[1,{"b":2}]"#, "3"]);
        assert_eq!(found("/**/b"), ["4", r#"[1,{"b":2}]"#, "2"]);
        assert_eq!(found("/a/**/b"), [r#"[1,{"b":2}]"#, "2"]);
        assert_eq!(found("/x"), [""; 0]);
    }

    #[test]
    fn leads_where_it_finds() {
        let leads =
            |pointer: &str, path: &[&str]| pointer.parse::<Pointer>().unwrap().leads_to(path);
        assert!(leads("/**/b", &["b"]) && leads("/**/b", &["a", "b", "1", "b"]));
        assert!(leads("/a/*/b", &["a", "x", "b"]) && !leads("/a/*/b", &["a", "b"]));
        assert!(!leads("/a", &["a", "b"]) && leads("/a/**", &["a", "b"]) && leads("/a/**", &["a"]));
    }
}
