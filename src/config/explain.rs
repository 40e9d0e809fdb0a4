//! What serde says of a value, in the words of who writes the file.

use super::near::hint;

/// What is wrong with a key or its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// A table lacks this key.
    Missing(String),
    /// Anything else, told.
    Told(String),
}

/// Reads serde's words. They are its interface as much as its types are: it offers no other way to
/// learn which keys a table has.
pub(super) fn explain(message: &str) -> Fault {
    let message = message.trim_end();
    if let Some(name) = quoted(message, "missing field ").first() {
        return Fault::Missing((*name).to_owned());
    }
    Fault::Told(match quoted(message, "unknown field ")[..] {
        [typed, ref keys @ ..] => match hint(typed, keys.iter().copied()) {
            near if near.is_empty() => {
                format!("unknown key {typed:?}; the keys here are {}", keys.join(", "))
            }
            near => format!("unknown key {typed:?}{near}"),
        },
        [] => match quoted(message, "unknown variant ")[..] {
            [typed, ref values @ ..] => {
                format!("unknown value {typed:?}; give one of {}", values.join(", "))
            }
            [] => of_type(message).unwrap_or_else(|| message.to_owned()),
        },
    })
}

/// The words in back quotes of a message that begins so.
fn quoted<'a>(message: &'a str, start: &str) -> Vec<&'a str> {
    let words = message.strip_prefix(start).unwrap_or_default();
    words.split('`').skip(1).step_by(2).collect()
}

/// `invalid type: integer 5, expected a string` and its like.
fn of_type(message: &str) -> Option<String> {
    let message = message.strip_prefix("invalid ")?;
    let (_, message) = message.split_once("type: ").or_else(|| message.split_once("value: "))?;
    let (found, expected) = message.split_once(", expected ")?;
    if let (Some(typed), Some(range)) = (found.strip_prefix("integer "), range(expected)) {
        let typed = typed.split('`').nth(1).unwrap_or(typed);
        return Some(format!("{typed} cannot be; give a number {range}"));
    }
    let found = match found.split(' ').next() {
        Some("map") => "a table",
        Some("sequence") => "an array",
        Some("integer" | "floating") => "a number",
        Some("string") => "a string",
        Some("boolean") => "true or false",
        _ => found,
    };
    let (expected, fix) = match expected {
        "a sequence" if found == "a table" => ("an array of tables", "write its header with [[ ]]"),
        "a sequence" => ("an array", "put it into [ ]"),
        "a boolean" => ("true or false", "write it without quotes"),
        "a string" if found == "a number" => {
            ("a string", "put it into quotes, with its unit if it has one, such as \"30s\"")
        }
        "a string" => ("a string", "put it into quotes"),
        number if range(number).is_some() => ("a whole number", "write it without quotes"),
        _ => ("a table", "write its header with [ ]"),
    };
    Some(format!("{found} where {expected} belongs; {fix}"))
}

/// Which numbers a type of Rust has.
fn range(expected: &str) -> Option<String> {
    let least = if expected.contains("nonzero") { "from 1" } else { "from 0" };
    Some(match expected.split(' ').next_back()? {
        "u16" => format!("{least} to {}", u16::MAX),
        "u32" => format!("{least} to {}", u32::MAX),
        "u64" | "usize" => format!("{least} on"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From serde itself, so that a change of its words is noticed.
    fn of(text: &str) -> Fault {
        explain(toml::from_str::<crate::config::Settings>(text).unwrap_err().message())
    }

    fn told(text: &str) -> String {
        match of(text) {
            Fault::Told(told) => told,
            Fault::Missing(name) => panic!("{name} is missing"),
        }
    }

    #[test]
    fn is_plain() {
        let cases = [
            ("wrokers = 1", "unknown key \"wrokers\" (did you mean workers?)"),
            ("[admin]\nx = 1", "unknown key \"x\"; the keys here are address, allow_remote"),
            ("log.level = 'inof'", "unknown value \"inof\"; give one of error, warn, info, debug"),
            ("listener = [{address = '[::]:80'}]", "a string where an array belongs"),
            ("shutdown_deadline = 30", "a number where a string belongs; put it into quotes"),
            ("workers = '4'", "a string where a whole number belongs; write it without quotes"),
            ("workers = 1.5", "a number where a whole number belongs"),
            ("workers = 0", "0 cannot be; give a number from 1 on"),
            ("max_connections = -1", "-1 cannot be; give a number from 1 on"),
            ("workers = 99999999999999999999", "99999999999999999999 cannot be"),
            ("backend = [{retries = -1}]", "-1 cannot be; give a number from 0 to 4294967295"),
            ("log = 3", "a number where a table belongs"),
            ("admin.allow_remote = 1", "a number where true or false belongs"),
        ];
        for (text, due) in cases {
            let told = told(text);
            assert!(told.starts_with(due), "{text}: {told}");
        }
        assert_eq!(of("backend = [{server = [{}]}]"), Fault::Missing("url".to_owned()));
    }
}
