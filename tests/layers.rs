//! Holds the rooms of `src/lib.rs` to its table: imports go upwards, the pure rooms stay pure, and
//! every file says what it is for. Reads the sources; code under `#[cfg(test)]` is free.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

/// What no pure room may name, as the beginnings of paths.
const IMPURE_PATHS: [&[&str]; 11] = [
    &["tokio"],
    &["tokio_util"],
    &["rand"],
    &["tracing"],
    &["rustix"],
    &["std", "net"],
    &["std", "io"],
    &["std", "fs"],
    &["std", "env"],
    &["std", "thread"],
    &["std", "process"],
];

/// What no pure room may name anywhere in a path.
const IMPURE_NAMES: [&str; 7] =
    ["Instant", "SystemTime", "println", "print", "eprintln", "eprint", "dbg"];

/// The one thing of `std::io` that is no I/O.
const PURE_IO: &[&str] = &["std", "io", "IoSlice"];

#[test]
fn imports_go_upwards() {
    let rooms = rooms();
    let mut faults = Vec::new();
    for file in sources() {
        let Some(own) = rooms.iter().position(|room| room.name == file.room) else { continue };
        for path in paths(&tokens(&file.text)) {
            let Some(target) = file.room_of(&path.names) else { continue };
            let Some(other) = rooms.iter().position(|room| room.name == target) else { continue };
            if other > own {
                faults.push(format!(
                    "{}:{}: `{}` imports `{target}`, which is below it ({})",
                    file.shown,
                    path.line,
                    file.room,
                    path.names.join("::"),
                ));
            }
        }
    }
    assert!(faults.is_empty(), "the table in src/lib.rs is broken:\n{}", faults.join("\n"));
}

#[test]
fn pure_rooms_are_pure() {
    let rooms = rooms();
    let mut faults = Vec::new();
    for file in sources() {
        if !rooms.iter().any(|room| room.pure && room.name == file.room) {
            continue;
        }
        for path in paths(&tokens(&file.text)) {
            let names: Vec<_> = path.names.iter().map(String::as_str).collect();
            let impure = IMPURE_PATHS.iter().any(|start| names.starts_with(start))
                && !names.starts_with(PURE_IO)
                || names.iter().any(|name| IMPURE_NAMES.contains(name));
            if impure {
                let named = names.join("::");
                faults.push(format!("{}:{}: a pure room names `{named}`", file.shown, path.line));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| file.shown)
        .collect();
    assert!(silent.is_empty(), "without a //! header: {}", silent.join(", "));
}

#[test]
fn the_table_has_every_room() {
    let lib = fs::read_to_string(src().join("lib.rs")).unwrap();
    let mut modules: Vec<_> = lib
        .lines()
        .filter_map(|line| {
            let (visibility, name) = line.strip_suffix(';')?.split_once("mod ")?;
            matches!(visibility, "" | "pub " | "pub(crate) ").then(|| name.to_owned())
        })
        .collect();
    let mut listed: Vec<_> = rooms().into_iter().map(|room| room.name).collect();
    modules.sort();
    listed.sort();
    assert_eq!(modules, listed, "the rooms of src/lib.rs and its table differ");
}

/// The scanner is a small one of our own, so that what it sees is tested too.
#[test]
fn the_scanner_sees_what_the_compiler_sees() {
    let text = "//! crate::a\nuse crate::{b::{self, C}, d as e};\n/* crate::f /* */ crate::g */\n\
        fn x<'a>(s: &'a str) { let _ = (\"crate::h\", '\"', r#\"crate::i\"#); crate::j::k(); }\n\
        #[cfg(test)]\nmod tests { use crate::l; }\n#[cfg(test)]\nuse crate::m;\nuse super::n;";
    let seen: Vec<_> = paths(&tokens(text))
        .into_iter()
        .filter(|path| matches!(path.names[0].as_str(), "crate" | "super"))
        .map(|path| (path.line, path.names.join("::")))
        .collect();
    let expect =
        [(2, "crate::b"), (2, "crate::b::C"), (2, "crate::d"), (4, "crate::j::k"), (9, "super::n")];
    assert_eq!(seen, expect.map(|(line, path)| (line, path.to_owned())));
}

#[derive(Debug)]
struct Room {
    name: String,
    pure: bool,
}

/// The rows of the table, in order.
fn rooms() -> Vec<Room> {
    let lib = fs::read_to_string(src().join("lib.rs")).unwrap();
    let rooms: Vec<_> = lib
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("//! | ")?.split_once(" |")?;
            // A private room has no brackets, which would be a link.
            let name = name.trim_start_matches('[').trim_end_matches(']');
            let name = name.strip_prefix('`')?.strip_suffix('`')?;
            Some(Room { name: name.to_owned(), pure: rest.trim_start().starts_with("yes") })
        })
        .collect();
    assert!(rooms.len() > 5, "no table of rooms in src/lib.rs");
    rooms
}

#[derive(Debug)]
struct Source {
    /// The path as it stands in messages.
    shown: String,
    /// The module it is, from the root of the crate.
    module: Vec<String>,
    room: String,
    text: String,
}

impl Source {
    /// The room that a path leads to, if it leads to one.
    fn room_of<'p>(&self, names: &'p [String]) -> Option<&'p str> {
        let ups = names.iter().take_while(|name| *name == "super").count();
        let rest = match names.first()?.as_str() {
            "crate" | "hybridge" => &names[1..],
            "super" if ups >= self.module.len() => &names[ups..],
            _ => return None,
        };
        rest.first().map(String::as_str)
    }
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    let mut folders = vec![src()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(source(&path));
            }
        }
    }
    files.sort_by(|a, b| a.shown.cmp(&b.shown));
    files
}

fn source(path: &Path) -> Source {
    let inside = path.strip_prefix(src()).unwrap().with_extension("");
    let mut module: Vec<_> =
        inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    module.retain(|name| !matches!(name.as_str(), "mod" | "lib" | "main"));
    let text = fs::read_to_string(path).unwrap();
    Source {
        shown: format!("src/{}", path.strip_prefix(src()).unwrap().display()),
        room: module.first().cloned().unwrap_or_default(),
        module,
        text,
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    line: usize,
    /// A name, or one character of punctuation; `::` is one.
    text: String,
}

/// The tokens of a file without comments, literals, and items under `#[cfg(test)]`.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut i, mut line, mut tokens) = (0, 1, Vec::new());
    while i < chars.len() {
        let start = i;
        i += match (at(i), at(i + 1)) {
            ('/', '/') => chars[i..].iter().take_while(|c| **c != '\n').count(),
            ('/', '*') => block_comment(&chars[i..]),
            ('"', _) => string(&chars[i..]),
            ('r', '"' | '#') => raw_string(&chars[i..]).unwrap_or(1),
            // A literal is closed two characters on, or escaped; else it is a lifetime.
            ('\'', '\\') => 3 + chars[i + 3..].iter().take_while(|c| **c != '\'').count(),
            ('\'', _) if at(i + 2) == '\'' => 3,
            (':', ':') => 2,
            (c, _) if c.is_alphanumeric() || c == '_' => {
                chars[i..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count()
            }
            _ => 1,
        };
        let word: String = chars[start..i.min(chars.len())].iter().collect();
        let first = at(start);
        let skipped = first.is_whitespace() || word.starts_with("//") || word.starts_with("/*");
        if !skipped && !word.contains(['"', '\'']) {
            tokens.push(Token { line, text: word.clone() });
        }
        line += word.matches('\n').count();
    }
    without_tests(&tokens)
}

fn block_comment(chars: &[char]) -> usize {
    let (mut depth, mut i) = (0_usize, 0);
    while i < chars.len() {
        match chars[i..] {
            ['/', '*', ..] => depth += 1,
            ['*', '/', ..] => depth -= 1,
            _ => {
                i += 1;
                continue;
            }
        }
        i += 2;
        if depth == 0 {
            break;
        }
    }
    i
}

fn string(chars: &[char]) -> usize {
    let mut i = 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn raw_string(chars: &[char]) -> Option<usize> {
    let hashes = chars[1..].iter().take_while(|c| **c == '#').count();
    (chars.get(1 + hashes) == Some(&'"')).then_some(())?;
    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = &chars[2 + hashes..];
    let end = body.windows(close.len()).position(|window| window == close)?;
    Some(2 + hashes + end + close.len())
}

fn without_tests(tokens: &[Token]) -> Vec<Token> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut i) = (Vec::new(), 0);
    while i < tokens.len() {
        let marked = MARK
            .iter()
            .enumerate()
            .all(|(k, text)| tokens.get(i + k).is_some_and(|token| token.text == *text));
        if !marked {
            kept.push(tokens[i].clone());
            i += 1;
            continue;
        }
        // The item ends at its semicolon or behind its braces.
        let mut depth = 0_i32;
        for token in &tokens[i..] {
            i += 1;
            match token.text.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(token.text.as_str(), "}" | ";") {
                break;
            }
        }
    }
    kept
}

#[derive(Debug)]
struct Named {
    line: usize,
    names: Vec<String>,
}

/// Every path that the tokens name, groups of `use` spelled out; a lone name is a path too.
fn paths(tokens: &[Token]) -> Vec<Named> {
    let (mut found, mut i) = (Vec::new(), 0);
    while i < tokens.len() {
        let inside = i > 0 && matches!(tokens[i - 1].text.as_str(), "::" | ".");
        if is_name(&tokens[i]) && !inside {
            i = path(tokens, i, &[], &mut found);
        } else {
            i += 1;
        }
    }
    found
}

fn is_name(token: &Token) -> bool {
    token.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads one path from `i` on and returns where it ends.
fn path(tokens: &[Token], mut i: usize, before: &[String], found: &mut Vec<Named>) -> usize {
    let text = |i: usize| tokens.get(i).map_or("", |token| token.text.as_str());
    let line = tokens.get(i).map_or(0, |token| token.line);
    let mut names = before.to_vec();
    while tokens.get(i).is_some_and(is_name) {
        if text(i) != "self" || names.is_empty() {
            names.push(text(i).to_owned());
        }
        i += 1;
        if text(i) != "::" {
            break;
        }
        i += 1;
    }
    if text(i) != "{" || i == 0 || text(i - 1) != "::" {
        found.push(Named { line, names });
        return i;
    }
    i += 1;
    while i < tokens.len() && text(i) != "}" {
        i = path(tokens, i, &names, found);
        while !matches!(text(i), "," | "}" | "") {
            i += 1;
        }
        if text(i) == "," {
            i += 1;
        }
    }
    i + 1
}
