//! Captures of real peers, where a folder with some stands beside the project; else these tests say
//! that they are skipped. The interop run makes its own.

use crate::told::Told;
use hybridge::event::{Kind, Side};
use hybridge::transcript::event::{Event, Message, What};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The folder, if it is there.
fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    let is_there = folder.is_dir();
    if !is_there {
        let skipped = format!("skipped: there is no folder {}", folder.display());
        io::stderr().write_all(skipped.as_bytes()).unwrap();
    }
    is_there.then_some(folder)
}

fn told(file: &Path) -> Told {
    Told::read(fs::File::open(file).unwrap()).unwrap()
}

/// A line of a transcript: a session, or what a side said. Of a long text it has the beginning and,
/// behind two dots, the length.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Session(String),
    Text(Side, String, usize),
    Close(Side),
}

impl Line {
    fn written(line: &str) -> Self {
        if !line.starts_with(' ') {
            let words: Vec<_> = line.split(' ').collect();
            return Self::Session(format!("{} {}", words[0], words[2]));
        }
        let (_, said) = line.trim_start().split_once(' ').unwrap();
        let (way, said) = said.split_at(2);
        let side = if way == "C>" { Side::Client } else { Side::Backend };
        let Some(text) = said.strip_prefix(" text ") else {
            assert_eq!(said.trim(), "close");
            return Self::Close(side);
        };
        let long =
            text.rsplit_once("..").and_then(|(text, length)| Some((text, length.parse().ok()?)));
        let (text, length) = long.unwrap_or((text, text.len()));
        Self::Text(side, text.to_owned(), length)
    }

    fn is(&self, event: &Event) -> bool {
        match (self, &event.what) {
            (Self::Session(due), What::Open(open)) => {
                *due == format!("{} {}", open.dialect.name(), open.target)
            }
            (Self::Text(due, text, length), What::Message(Message { from, kind, data, .. })) => {
                due == from
                    && *kind == Kind::Text
                    && data.starts_with(text.as_bytes())
                    && data.len() == *length
            }
            (Self::Close(due), What::Close { from, .. }) => due == from,
            _ => false,
        }
    }
}

/// What was said, session by session, in the order of the packets.
fn said(told: &Told) -> Vec<&Event> {
    let is_said = |event: &&Event| !matches!(event.what, What::Accept(_) | What::End(_));
    let mut said: Vec<_> = told.events.iter().filter(is_said).collect();
    said.sort_by_key(|event| event.session);
    said
}

#[test]
fn captures_of_old_clients_say_what_their_transcripts_say() {
    let Some(folder) = folder() else { return };
    for (capture, transcript) in [
        ("hixie76-phantomjs-lo.pcap", "hixie76-phantomjs-lo.transcript.txt"),
        ("hixie76-phantomjs-any-sll2-ns.pcap", "hixie76-phantomjs-lo.transcript.txt"),
        ("hixie75-76-split-ipv6.pcap", "hixie75-76-split-ipv6.transcript.txt"),
    ] {
        let told = told(&folder.join(capture));
        let transcript = fs::read_to_string(folder.join(transcript)).unwrap();
        let due: Vec<_> = transcript.lines().map(Line::written).collect();
        let said = said(&told);
        assert_eq!(said.len(), due.len(), "{capture}");
        for (due, event) in due.iter().zip(said) {
            assert!(due.is(event), "{capture}: {due:?} is not {event:?}");
        }
        let account = &told.account;
        assert_eq!(
            (account.gap_bytes, account.duplicates, &account.damage),
            (0, 0, &None),
            "{capture}"
        );
    }
}

#[test]
fn a_capture_of_parts_names_what_is_missing() {
    let Some(folder) = folder() else { return };
    let told = told(&folder.join("hixie76-phantomjs-snap160.pcap"));
    let account = &told.account;
    assert_eq!((account.packets, account.truncated_packets, account.cut_flows), (128, 26, 5));
    for target in ["/quotes", "/echo", "/orders", "/quotes"] {
        let names = |note: &&String| note.contains(&format!("GET {target}"));
        assert!(account.notes.iter().any(|note| names(&note)), "{target}: {:?}", account.notes);
    }
}

#[test]
fn captures_of_others_are_read_without_a_fault() {
    let Some(folder) = folder() else { return };
    for file in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let is_capture =
            ["zeek-", "suricata-", "rfc6455-"].iter().any(|start| name.starts_with(start));
        if !is_capture {
            continue;
        }
        let told = told(&file);
        let faults: Vec<_> = told
            .events
            .iter()
            .filter(|event| matches!(event.what, What::Fault { .. } | What::Gap { .. }))
            .collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
        let account = &told.account;
        let is_tls = name.contains("tls");
        assert_eq!(
            (account.sessions, account.tls_flows),
            (u64::from(!is_tls), u64::from(is_tls)),
            "{name}"
        );
    }
}
