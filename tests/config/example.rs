//! `config.example.toml` and the reference page, held against the settings of the program and
//! against each other.

use hybridge::config::Settings;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use toml::{Table, Value};

/// Tables whose keys are the writer's own.
const OPEN: [&str; 5] = ["add", "error_pages", "header", "set", "users"];

/// The tables that are off without a header, and the keys that have no default, with the values
/// that they have in the example.
const REQUIRED: &str = r#"
    [[listener]]
    name = "main"
    address = ["127.0.0.1:8080"]
    flash_policy = {}
    [[listener.tls.certificate]]
    chain = "tls/chat.example.pem"
    key = "tls/chat.example.key"

    [[backend]]
    name = "main"
    server = [{ url = "ws://127.0.0.1:9000" }]
    sticky = { cookie = "hybridge" }
    health = {}

    [[route]]
    name = "main"
    backend = "main"
    origins = {}
    basic_auth = { users = { alice = "${ALICE_PASSWORD}" } }
    respond = { status = 404 }
    redirect = { to = "https://{host}{target}" }
"#;

fn read(name: &str) -> String {
    fs::read_to_string(crate::top().join(name)).unwrap()
}

/// The example with all that is commented out in place. Before a key stands `#` alone, before a
/// sentence a space follows.
pub(crate) fn with_all_keys() -> String {
    let example = read("config.example.toml");
    let lines = example.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if !key.is_empty() && !key.starts_with(' ') => key,
        _ => line,
    });
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// All keys, as `route.limits.idle`, and the values of those that are no tables.
fn keys(table: &Table) -> BTreeMap<String, Option<Value>> {
    fn enter(table: &Table, at: &str, keys: &mut BTreeMap<String, Option<Value>>) {
        for (name, value) in table {
            let key = format!("{at}{name}");
            let inner: Vec<_> = match value {
                Value::Table(inner) if !OPEN.contains(&&**name) => vec![inner],
                Value::Array(values) => values.iter().filter_map(Value::as_table).collect(),
                _ => Vec::new(),
            };
            inner.iter().for_each(|inner| enter(inner, &format!("{key}."), keys));
            keys.insert(key, inner.is_empty().then(|| value.clone()));
        }
    }
    let mut all = BTreeMap::new();
    enter(table, "", &mut all);
    all
}

fn names(table: &Table) -> BTreeSet<String> {
    keys(table).into_keys().collect()
}

/// The keys that settings have, defaults among them.
fn effective(text: &str) -> BTreeMap<String, Option<Value>> {
    keys(&Table::try_from(toml::from_str::<Settings>(text).unwrap()).unwrap())
}

/// The keys with a default, and it.
fn defaults() -> BTreeMap<String, Value> {
    let given = keys(&REQUIRED.parse().unwrap());
    let with_default = effective(REQUIRED).into_iter();
    let with_default = with_default.filter(|(key, _)| !given.contains_key(key) && key != "workers");
    with_default.filter_map(|(key, value)| Some((key, value?))).collect()
}

#[test]
fn has_every_key_and_no_other() {
    let program = names(&Table::try_from(crate::full::settings()).unwrap());
    assert_eq!(names(&with_all_keys().parse().unwrap()), program);
}

#[test]
fn is_what_the_one_line_form_is() {
    let listen = "127.0.0.1:8080".parse().unwrap();
    let between = Settings::between(listen, "ws://127.0.0.1:9000".parse().unwrap());
    let loaded = Settings::load(&crate::top().join("config.example.toml")).unwrap();
    assert_eq!(loaded.settings, between);
    assert_eq!(loaded.warnings, []);
}

#[test]
fn shows_each_default() {
    let shown = effective(&with_all_keys());
    let as_it_stands = keys(&read("config.example.toml").parse().unwrap());
    let off = ["listener.tls", "listener.flash_policy", "backend.sticky", "backend.health"];
    let off = off.iter().chain(&["route.origins", "route.basic_auth"]);
    let off: Vec<_> = off.chain(&["route.respond", "route.redirect"]).collect();
    for (key, default) in defaults() {
        assert_eq!(shown[&key], Some(default), "{key}");
        let table_is_off = off.iter().any(|table| key.starts_with(&format!("{table}.")));
        assert!(table_is_off || as_it_stands.contains_key(&key), "{key} is commented out");
    }
}

#[test]
fn tells_of_each_key() {
    let mut sentence = false;
    for line in read("config.example.toml").lines() {
        let key = line.trim_start_matches('#');
        if key.split_once(" = ").is_some() && !line.starts_with("# ") {
            assert!(sentence, "no sentence above {line}");
        }
        sentence = line.starts_with("# ") && line.ends_with('.');
        assert!(line.chars().count() <= 100, "{line}");
    }
}

/// Serde would take an array for the table.
#[test]
fn a_table_is_no_array() {
    let text = with_all_keys();
    let headers = text.lines().filter(|line| line.starts_with('[') && !line.starts_with("[["));
    let headers: Vec<_> = headers.collect();
    assert!(headers.len() > 15);
    for header in headers {
        let file = format!("[{header}]\n");
        let path = crate::folder("arrays", &[("a.toml", &file)]).join("a.toml");
        let error = Settings::load(&path).unwrap_err().to_string();
        assert!(error.contains("an array where a table belongs"), "{header}: {error}");
    }
}

/// A row of the reference page.
#[derive(Debug)]
struct Row {
    key: String,
    default: String,
}

fn rows() -> Vec<Row> {
    let (mut table, mut rows) = (None, Vec::new());
    for line in read("docs/reference/configuration.md").lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let name = heading.trim_matches(['`', '[', ']']);
            table = match heading.starts_with("`[") {
                true => Some(format!("{name}.")),
                false => (heading == "Top of the file").then(String::new),
            };
        }
        let cells: Vec<_> = line.split(" | ").collect();
        if let (Some(table), Some(key)) = (&table, line.strip_prefix("| `"))
            && let [_, _, default, ..] = cells[..]
        {
            let key = format!("{table}{}", key.split('`').next().unwrap());
            rows.push(Row { key, default: default.to_owned() });
        }
    }
    rows
}

#[test]
fn the_reference_has_the_same_keys_and_defaults() {
    let example: BTreeMap<_, _> = keys(&with_all_keys().parse().unwrap());
    // Tables have a heading, keys a row; a table that the writer fills is a key.
    let due = example.iter().filter(|(_, value)| value.is_some()).map(|(key, _)| key.clone());
    let rows = rows();
    let told: BTreeSet<_> = rows.iter().map(|row| row.key.clone()).collect();
    assert_eq!(told, due.collect::<BTreeSet<_>>());
    assert_eq!(told.len(), rows.len(), "a key stands twice");
    let defaults = defaults();
    for Row { key, default } in rows {
        let told = default.strip_prefix('`').and_then(|default| default.strip_suffix('`'));
        let told = told.map(|told| format!("a = {told}").parse::<Table>().unwrap()["a"].clone());
        assert_eq!(told.as_ref(), defaults.get(&key), "{key}: {default}");
        assert!(!default.is_empty(), "{key}");
    }
}
