//! What values can look like: of which forms a rule can ask, and those that values seem to have.

use super::Pattern;
use serde_json::Value;
use serde_with::DeserializeFromStr;
use std::str::FromStr;

/// What a value has to look like.
#[derive(Debug, Clone, DeserializeFromStr)]
pub enum Form {
    /// It is there.
    Present,
    /// It is of the same type.
    Type,
    /// It is a UUID (RFC 9562 section 4).
    Uuid,
    /// It is a time: RFC 3339, or seconds, or milliseconds or finer since 1970.
    Timestamp,
    /// It is a number, or a string that is one.
    Number,
    /// The expression finds something in it.
    Pattern(Pattern),
}

impl Form {
    pub(super) fn fits(&self, expected: &Value, actual: &Value) -> bool {
        match self {
            Self::Present => true,
            Self::Type => std::mem::discriminant(expected) == std::mem::discriminant(actual),
            Self::Uuid => actual.as_str().is_some_and(is_uuid),
            Self::Timestamp => is_time(actual),
            Self::Number => is_number(actual),
            Self::Pattern(pattern) => match actual {
                Value::String(text) => pattern.0.is_match(text),
                other => pattern.0.is_match(&other.to_string()),
            },
        }
    }
}

pub(in crate::replay) fn is_number(value: &Value) -> bool {
    let text = value.as_str();
    value.is_number() || text.is_some_and(|text| text.parse::<f64>().is_ok())
}

pub(in crate::replay) fn is_uuid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    let is_hex = |group: &&str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    lengths.eq([8, 4, 4, 4, 12]) && groups.iter().all(is_hex)
}

pub(in crate::replay) fn is_time(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            humantime::parse_rfc3339_weak(text).is_ok()
                || text.len() > 19 && humantime::parse_rfc3339(&format!("{}Z", &cut(text))).is_ok()
                || text.parse().is_ok_and(is_epoch)
        }
        other => other.as_f64().is_some_and(is_epoch),
    }
}

/// A time of RFC 3339 without its offset, of which there are many.
fn cut(text: &str) -> String {
    text.chars().take(19).collect()
}

/// Whether a number is of this century, in seconds or some thousandth of them.
fn is_epoch(number: f64) -> bool {
    // From 2001 to 2100.
    let seconds = 978_307_200.0..4_102_444_800.0;
    [1.0, 1e3, 1e6, 1e9].iter().any(|unit| seconds.contains(&(number / unit)))
}

impl FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "present" => Self::Present,
            "type" => Self::Type,
            "uuid" => Self::Uuid,
            "timestamp" => Self::Timestamp,
            "number" => Self::Number,
            _ => match text.strip_prefix("re:") {
                Some(pattern) => Self::Pattern(pattern.parse()?),
                None => {
                    return Err(format!(
                        "{text}: a value is matched as present, type, uuid, timestamp, number or re:REGEX"
                    ));
                }
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times() {
        for time in
            [json!(1_795_186_973), json!(1_795_186_973_817_u64), json!("2026-11-20T15:02:11Z")]
        {
            assert!(is_time(&time), "{time}");
        }
        assert!(is_time(&json!("2026-11-20T15:02:11.123+01:00")));
        for other in [json!(17), json!("today"), json!(null), json!(true)] {
            assert!(!is_time(&other), "{other}");
        }
    }
}
