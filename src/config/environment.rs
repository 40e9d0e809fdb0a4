//! `${NAME}` in a string stands for a variable of the environment; `$${` for `${` itself.

use std::borrow::Cow;
use std::env::VarError;

/// Puts the values of variables into a string.
///
/// # Errors
/// With what to do where one is missing or its name is none.
pub(super) fn substitute(
    text: &str,
    lookup: impl Fn(&str) -> Result<String, VarError>,
) -> Result<Cow<'_, str>, String> {
    if !text.contains("${") {
        return Ok(Cow::Borrowed(text));
    }
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            out.extend([before, "${"]);
            rest = behind;
            continue;
        }
        let (name, behind) = behind
            .split_once('}')
            .ok_or("no } behind ${; write ${NAME} for a variable, or $${ for ${ itself")?;
        if !is_name(name) {
            return Err(format!(
                "{name:?} is no name of a variable; write $${{{name}}} for ${{{name}}} itself"
            ));
        }
        let value = lookup(name).map_err(|error| match error {
            VarError::NotPresent => {
                format!("the environment has no variable {name}; set it, or write $${{ for ${{")
            }
            VarError::NotUnicode(_) => {
                format!("the variable {name} of the environment is no UTF-8")
            }
        })?;
        out.extend([before, &value]);
        rest = behind;
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

/// Writes a string so that nothing in it is taken for a variable.
pub(super) fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

/// What a shell can name.
fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn substituted(text: &str) -> Result<String, String> {
        let lookup = |name: &str| match name {
            "USER" => Ok("\"x\"\n[log] ${HOME}".to_owned()),
            "EMPTY" => Ok(String::new()),
            _ => Err(VarError::NotPresent),
        };
        substitute(text, lookup).map(Cow::into_owned)
    }

    #[test]
    fn puts_values_in() {
        let cases = [
            ("", ""),
            ("no $ here $1 $", "no $ here $1 $"),
            // A value is not looked into again.
            ("a ${USER} b", "a \"x\"\n[log] ${HOME} b"),
            ("${EMPTY}${EMPTY}.", "."),
            ("$${USER}", "${USER}"),
            ("$$${EMPTY}", "$${EMPTY}"),
            ("~ ^/c[0-9]+$", "~ ^/c[0-9]+$"),
        ];
        for (text, due) in cases {
            assert_eq!(substituted(text).as_deref(), Ok(due), "{text}");
        }
    }

    #[test]
    fn says_what_it_cannot() {
        for (text, part) in [
            ("${NONE}", "no variable NONE"),
            ("${USER", "no }"),
            ("${}", "\"\" is no name"),
            ("/x/${1}", "write $${1} for ${1} itself"),
            ("${A-B}", "\"A-B\" is no name"),
        ] {
            let error = substituted(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_escaped_comes_back() {
        for text in ["${USER}", "$${", "a$", "$$${x", "$"] {
            assert_eq!(substituted(&escape(text)).as_deref(), Ok(text));
        }
    }
}
