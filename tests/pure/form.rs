//! The text form of the vectors: paragraphs to cases, items to bytes. `testdata/README.md` has the
//! grammar.

use std::path::Path;

/// One paragraph of a vector file.
#[derive(Debug)]
pub(crate) struct Case {
    /// File and line, for failures.
    pub(crate) place: String,
    /// What is tested, the word before the colon.
    pub(crate) kind: String,
    /// The name, behind the colon.
    pub(crate) name: String,
    /// The lines below it, those of `all:` first.
    pub(crate) lines: Vec<Line>,
}

/// One line: its first word, and what follows it.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) word: String,
    pub(crate) rest: String,
}

impl Case {
    /// What follows the first line that begins with `word`.
    pub(crate) fn get(&self, word: &str) -> Option<&str> {
        self.lines.iter().find(|line| line.word == word).map(|line| line.rest.as_str())
    }

    /// What follows each line that begins with `word`.
    pub(crate) fn all<'c>(&'c self, word: &'c str) -> impl Iterator<Item = &'c str> {
        self.lines.iter().filter(move |line| line.word == word).map(|line| line.rest.as_str())
    }

    /// The bytes of all lines that begin with `marker` or its text form, in order; `None` where
    /// there is no such line.
    pub(crate) fn bytes(&self, marker: &str) -> Option<Vec<u8>> {
        let mut lines = self.lines.iter().filter_map(|line| line.bytes(marker)).peekable();
        lines.peek()?;
        Some(lines.flatten().collect())
    }
}

impl Line {
    fn parse(line: &str) -> Self {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        Self { word: word.to_owned(), rest: rest.to_owned() }
    }

    /// The bytes of a line with this marker, or with its text form.
    pub(crate) fn bytes(&self, marker: &str) -> Option<Vec<u8>> {
        if self.word == marker {
            return Some(bytes(&self.rest));
        }
        let text = self.word.strip_suffix('|')? == marker;
        text.then(|| [self.rest.as_bytes(), b"\r\n"].concat())
    }
}

/// All cases of all vector files in a folder.
pub(crate) fn load(folder: &Path) -> Vec<Case> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|file| parse(file)).collect()
}

fn parse(file: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(file).unwrap();
    let file = file.file_name().unwrap().to_string_lossy().into_owned();
    assert!(text.starts_with("# From "), "{file}: the first line tells where the facts are from");
    let (mut cases, mut all): (Vec<Case>, Vec<Line>) = (Vec::new(), Vec::new());
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        let place = format!("{file}:{}", number + 1);
        if line.starts_with('#') {
            continue;
        }
        if line.is_empty() {
            inside = false;
        } else if inside {
            cases.last_mut().unwrap().lines.push(Line::parse(line));
        } else if let Some(lines) = line.strip_prefix("all: ") {
            all = lines.split("; ").map(Line::parse).collect();
        } else {
            let (kind, name) = line.split_once(": ").unwrap_or_else(|| panic!("{place}: no name"));
            let (kind, name) = (kind.to_owned(), name.to_owned());
            cases.push(Case { place, kind, name, lines: all.clone() });
            inside = true;
        }
    }
    cases
}

/// The bytes of a row of items.
pub(crate) fn bytes(items: &str) -> Vec<u8> {
    let (mut out, mut last, mut masked) = (Vec::new(), Vec::new(), None);
    let mut rest = items.trim_start();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            (last, rest) = string(quoted);
        } else {
            let (word, behind) = rest.split_once(' ').unwrap_or((rest, ""));
            rest = behind;
            if let Some(key) = word.strip_prefix('@') {
                last = hex(key);
                masked = Some((out.len() + last.len(), last.clone()));
            } else if let Some(times) = word.strip_prefix('*') {
                // The item stands there once already.
                last = last.repeat(times.parse::<usize>().unwrap() - 1);
            } else {
                last = hex(word);
            }
        }
        out.extend_from_slice(&last);
        rest = rest.trim_start();
    }
    if let Some((start, key)) = masked {
        for (byte, key) in out[start..].iter_mut().zip(key.iter().cycle()) {
            *byte ^= key;
        }
    }
    out
}

/// The strings of a row of quoted strings.
pub(crate) fn strings(mut items: &str) -> Vec<Vec<u8>> {
    let mut strings = Vec::new();
    while let Some(quoted) = items.trim_start().strip_prefix('"') {
        let (string, rest) = string(quoted);
        strings.push(string);
        items = rest;
    }
    assert!(items.trim().is_empty(), "not a quoted string: {items}");
    strings
}

/// One string up to its closing quote, and what is behind it.
fn string(quoted: &str) -> (Vec<u8>, &str) {
    let mut out = Vec::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (out, &quoted[at + 1..]),
            '\\' => match chars.next().unwrap().1 {
                'r' => out.push(b'\r'),
                'n' => out.push(b'\n'),
                't' => out.push(b'\t'),
                '0' => out.push(0),
                'x' => {
                    let digits = [chars.next().unwrap().1, chars.next().unwrap().1];
                    out.extend(hex(&String::from_iter(digits)));
                }
                escaped @ ('\\' | '"') => out.extend(escaped.to_string().bytes()),
                other => panic!("unknown escape \\{other} in {quoted}"),
            },
            char => out.extend(char.to_string().bytes()),
        }
    }
    panic!("no closing quote: {quoted}");
}

fn hex(word: &str) -> Vec<u8> {
    let digits = word.as_bytes();
    assert!(digits.len().is_multiple_of(2), "not hex: {word}");
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
    digits.chunks(2).map(|pair| byte(pair).unwrap_or_else(|_| panic!("not hex: {word}"))).collect()
}

#[test]
fn reads_items() {
    assert_eq!(bytes("00 \"H\\xe9\\r\\n\\\"\" ff00"), b"\x00H\xe9\r\n\"\xff\x00");
    assert_eq!(bytes("81 \"ab\" *3 00"), b"\x81ababab\x00");
    assert_eq!(bytes("81 85 @37fa213d \"Hello\""), b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
}
