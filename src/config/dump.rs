//! The effective settings as a file: what `hybridge check --dump` prints.

use super::Settings;
use super::environment::escape;
use toml::{Table, Value};

/// What stands in the place of a secret.
const MASKED: &str = "(masked)";

/// Fields whose values are secrets.
const SECRET_FIELDS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "set-cookie"];

impl Settings {
    /// Writes them as TOML. Where it is loaded it gives these settings again, but for what is
    /// masked: passwords, and the values of header fields that hold such.
    ///
    /// # Errors
    /// When a value cannot be said in TOML, such as a path that is no UTF-8.
    pub fn dump(&self) -> Result<String, toml::ser::Error> {
        let mut masked = self.clone();
        for route in &mut masked.routes {
            let users = route.basic_auth.iter_mut().flat_map(|auth| auth.users.values_mut());
            users.for_each(|password| MASKED.clone_into(password));
            let edits = [&mut route.request_headers, &mut route.response_headers];
            let fields = edits.into_iter().flat_map(|edits| [&mut edits.set, &mut edits.add]);
            for (name, value) in fields.chain([&mut route.header]).flatten() {
                if SECRET_FIELDS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
                    MASKED.clone_into(value);
                }
            }
        }
        let mut table = Table::try_from(&masked)?;
        table.iter_mut().for_each(|(_, value)| escape_in(value));
        toml::to_string_pretty(&table)
    }
}

/// A `${` in the settings is no variable any more.
fn escape_in(value: &mut Value) {
    match value {
        Value::String(text) => *text = escape(text),
        Value::Array(values) => values.iter_mut().for_each(escape_in),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| escape_in(value)),
        _ => {}
    }
}
