//! The report as XML of `JUnit`, which continuous integration shows: a suite a file, a case a session.

use super::Report;
use crate::replay::verdict::Verdict;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use std::io;

/// The whole report.
///
/// # Errors
/// When it cannot be written, which does not happen in memory.
pub(super) fn write(report: &Report) -> anyhow::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    writer.create_element("testsuites").write_inner_content(|writer| {
        for (file, (name, _)) in report.files.iter().enumerate() {
            suite(report, file, name, writer)?;
        }
        Ok(())
    })?;
    let mut text = writer.into_inner();
    text.push(b'\n');
    Ok(text)
}

fn suite(report: &Report, file: usize, name: &str, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
    let verdicts =
        || report.verdicts.iter().filter(|(of, _)| *of == file).map(|(_, verdict)| verdict);
    let failures = verdicts().filter(|verdict| !verdict.is_same()).count();
    let suite = writer.create_element("testsuite").with_attributes([
        ("name", text(name).as_str()),
        ("tests", verdicts().count().to_string().as_str()),
        ("failures", failures.to_string().as_str()),
    ]);
    suite.write_inner_content(|writer| {
        for verdict in verdicts() {
            let name = format!("{} {}", report.name(file, verdict), verdict.target);
            let case = writer.create_element("testcase").with_attributes([
                ("name", text(&name).as_str()),
                ("classname", text(&report.subject).as_str()),
            ]);
            if verdict.is_same() {
                case.write_empty()?;
                continue;
            }
            case.write_inner_content(|writer| {
                let message = summary(verdict);
                let failure =
                    writer.create_element("failure").with_attribute(("message", message.as_str()));
                failure.write_text_content(BytesText::new(&text(&findings(verdict))))?;
                Ok(())
            })?;
        }
        Ok(())
    })?;
    Ok(())
}

fn summary(verdict: &Verdict) -> String {
    format!(
        "{} of {} messages matched, {} differ, {} missing, {} not expected",
        verdict.matched,
        verdict.expected,
        verdict.differing.count,
        verdict.missing.count,
        verdict.extra.count
    )
}

fn findings(verdict: &Verdict) -> String {
    let mut lines = Vec::new();
    lines.extend(verdict.opening.iter().map(|opening| format!("opening: {opening}")));
    let differing = verdict.differing.first.iter();
    let differing = differing
        .map(|differing| (format!("message {}", differing.message.number), &differing.differences));
    let otherwise = verdict.otherwise.first.iter();
    let otherwise =
        otherwise.map(|said| (format!("message {} of the client", said.number), &said.differences));
    for (message, differences) in differing.chain(otherwise) {
        for difference in differences {
            let told =
                |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
            let (then, now) = (told(&difference.expected), told(&difference.actual));
            lines.push(format!("{message} {}: then {then}, now {now}", difference.path));
        }
    }
    let missing = verdict.missing.first.iter();
    lines.extend(
        missing.map(|missing| format!("missing {}: {}", missing.message.number, missing.text)),
    );
    let moved = verdict.moved.first.iter();
    lines.extend(
        moved.map(|moved| format!("in another place {}: {}", moved.message.number, moved.text)),
    );
    lines.extend(verdict.extra.first.iter().map(|extra| format!("not expected: {}", extra.text)));
    lines.extend(verdict.closing.iter().map(|closing| format!("closing: {closing}")));
    if verdict.interrupted {
        lines.push("interrupted".to_owned());
    }
    lines.join("\n")
}

/// A text without what may not be in XML 1.0, section 2.2.
pub(in crate::cli) fn text(text: &str) -> String {
    let is_allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if is_allowed(c) { c } else { '\u{fffd}' }).collect()
}
