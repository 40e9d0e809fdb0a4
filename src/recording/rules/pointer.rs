//! Pointers into JSON (RFC 6901), with a step to each value. They find values where they stand.

use super::NoRule;
use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::fmt;
use std::str::FromStr;

/// A way to values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pointer(Vec<Step>);

/// From a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// To each of them.
    Any,
    /// To the member of this name, or the element of this number.
    To(String),
}

impl FromStr for Pointer {
    type Err = NoRule;

    fn from_str(text: &str) -> Result<Self, NoRule> {
        let steps = text.strip_prefix('/').ok_or(NoRule::Kind)?;
        steps.split('/').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Step {
    type Err = NoRule;

    /// RFC 6901 section 4: `~1` before `~0`.
    fn from_str(text: &str) -> Result<Self, NoRule> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if text.split('~').skip(1).any(|behind| !behind.starts_with(['0', '1'])) {
            return Err(NoRule::Escape);
        }
        Ok(Self::To(text.replace("~1", "/").replace("~0", "~")))
    }
}

impl Pointer {
    /// Hands out the values that it leads to.
    pub(super) fn find<'t>(&self, root: &'t RawValue, each: &mut impl FnMut(&'t RawValue)) {
        walk(root, &self.0, each);
    }
}

impl Step {
    fn leads_to(&self, name: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::To(wanted) => wanted.as_bytes() == name,
        }
    }
}

fn walk<'t>(value: &'t RawValue, steps: &[Step], each: &mut impl FnMut(&'t RawValue)) {
    let Some((step, rest)) = steps.split_first() else { return each(value) };
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
        return;
    };
    // What is inside might be meant where that cannot be told.
    let Ok(inside) = inside else { return each(value) };
    for (name, value) in inside {
        if step.leads_to(&name) {
            walk(value, rest, each);
        }
    }
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
