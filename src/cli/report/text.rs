//! The report for a person.

use super::{Report, Totals};
use crate::cli::inspect::shown::{safe, shown};
use crate::replay::compare::Difference;
use crate::replay::verdict::{Place, Verdict};
use crate::transcript::account::Account;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::Duration;

/// How many sessions with differences are told.
const MOST_SESSIONS: usize = 50;

/// How many findings of one kind are told of a session, where not each is the first of its lane.
const MOST: usize = 10;

impl Report {
    /// Writes all that a person has to know.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(in crate::cli) fn tell(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}", shown(&self.subject))?;
        self.tell_lanes(out)?;
        let differing = self.verdicts.iter().filter(|(_, verdict)| !verdict.is_same());
        let mut rest = 0;
        for (number, (file, verdict)) in differing.enumerate() {
            if number < MOST_SESSIONS {
                self.tell_session(*file, verdict, out)?;
            } else {
                rest += 1;
            }
        }
        if rest > 0 {
            writeln!(out, "\n… and {rest} more sessions that are not as they were")?;
        }
        self.tell_delays(out)?;
        writeln!(out)?;
        self.tell_totals(out)
    }

    fn tell_lanes(&self, out: &mut impl Write) -> io::Result<()> {
        match &self.lane {
            Some(key) if self.pushes.is_empty() => writeln!(out, "lanes by {}", shown(key))?,
            Some(key) => {
                writeln!(
                    out,
                    "lanes by {}, unasked come {}",
                    shown(key),
                    shown(&self.pushes.join(", "))
                )?;
            }
            None if self.pushes.is_empty() => {}
            None => writeln!(out, "unasked come {}", shown(&self.pushes.join(", ")))?,
        }
        for ((from, to), count) in &self.carried {
            let (from, to) = (shown(from), shown(to));
            writeln!(
                out,
                "carried forward: {from} of the server to {to} of the client, in {count} sessions"
            )?;
        }
        Ok(())
    }

    fn tell_session(&self, file: usize, verdict: &Verdict, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "\n{}  {}", shown(&self.name(file, verdict)), shown(&verdict.target))?;
        if let Some(opening) = &verdict.opening {
            writeln!(out, "  not opened as then: {}", safe(opening))?;
        }
        // The first of each lane tells most.
        let mut lanes = BTreeSet::new();
        for differing in &verdict.differing.first {
            if lanes.len() > MOST || !lanes.insert(&differing.message.lane) {
                continue;
            }
            writeln!(out, "  differs: {}", place(&differing.message))?;
            differences(&differing.differences, out)?;
        }
        more(verdict.differing.count, lanes.len(), "differ", out)?;
        for missing in verdict.missing.first.iter().take(MOST) {
            writeln!(out, "  missing: {}  {}", place(&missing.message), shown(&missing.text))?;
        }
        more(verdict.missing.count, MOST, "are missing", out)?;
        for moved in verdict.moved.first.iter().take(MOST) {
            writeln!(out, "  in another place: {}  {}", place(&moved.message), shown(&moved.text))?;
        }
        more(verdict.moved.count, MOST, "came in another place", out)?;
        for extra in verdict.extra.first.iter().take(MOST) {
            writeln!(out, "  not expected: {}  {}", shown(&extra.lane), shown(&extra.text))?;
        }
        more(verdict.extra.count, MOST, "were not expected", out)?;
        for otherwise in verdict.otherwise.first.iter().take(MOST) {
            writeln!(out, "  the client says otherwise: > {}", otherwise.number)?;
            differences(&otherwise.differences, out)?;
        }
        more(verdict.otherwise.count, MOST, "of the client are otherwise", out)?;
        for stall in verdict.stalls.first.iter().take(MOST) {
            let awaited = place(&stall.awaited);
            writeln!(
                out,
                "  message {} of the client has waited in vain for {awaited}",
                stall.said
            )?;
        }
        more(verdict.stalls.count, MOST, "have waited in vain", out)?;
        if verdict.said < verdict.to_say {
            let (said, all) = (verdict.said, verdict.to_say);
            writeln!(out, "  said were {said} of {all} messages of the client")?;
        }
        if let Some(closing) = &verdict.closing {
            writeln!(out, "  not ended as then: {}", safe(closing))?;
        }
        if verdict.interrupted {
            writeln!(out, "  interrupted")?;
        }
        Ok(())
    }

    fn tell_delays(&self, out: &mut impl Write) -> io::Result<()> {
        let slower: Vec<_> = self.delays.iter().filter(|(_, delays)| delays.is_slower()).collect();
        if slower.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nslower than then, half of the answers and 95 of 100 within:")?;
        for (lane, delays) in slower {
            let [then, now] =
                delays.summary().map(|(half, most)| format!("{} {}", time(half), time(most)));
            writeln!(
                out,
                "  {}: then {then}, now {now} ({} answers)",
                shown(lane),
                delays.count()
            )?;
        }
        Ok(())
    }

    fn tell_totals(&self, out: &mut impl Write) -> io::Result<()> {
        let Totals { sessions, same, damaged, expected, matched, .. } = self.totals();
        let Totals { differing, missing, extra, moved, stalls, unopened, interrupted, .. } =
            self.totals();
        writeln!(out, "sessions {sessions}: {same} as then, {} not", sessions - same)?;
        writeln!(
            out,
            "messages {expected}: {matched} matched, {differing} differ, {missing} missing; {extra} not \
             expected, {moved} in another place, {stalls} waited for in vain"
        )?;
        if self.interrupted {
            writeln!(out, "interrupted: not all sessions were said")?;
        }
        if unopened > 0 {
            writeln!(out, "not opened: {unopened} sessions")?;
        }
        if interrupted > 0 {
            writeln!(out, "interrupted: {interrupted} sessions")?;
        }
        if damaged > 0 {
            writeln!(
                out,
                "damaged in the recording: {damaged} sessions, of which only what came before was said"
            )?;
            let damages = self.verdicts.iter().filter_map(|(file, verdict)| {
                Some(format!("{}: {}", self.name(*file, verdict), verdict.damage.as_ref()?))
            });
            for damage in damages.take(MOST) {
                writeln!(out, "  {}", safe(&damage))?;
            }
        }
        for (name, account) in &self.files {
            left_out(name, account, out)?;
        }
        for rule in &self.unused {
            writeln!(out, "warning: the rule {} has made no difference", shown(rule))?;
        }
        Ok(())
    }
}

/// What was not said again because it is no session.
fn left_out(name: &str, account: &Account, out: &mut impl Write) -> io::Result<()> {
    let Account { tls_flows, other_flows, mid_stream_flows, cut_flows, forgotten_flows, .. } =
        account;
    let counts = [
        (*tls_flows, "with TLS"),
        (*other_flows, "of other protocols"),
        (*mid_stream_flows, "from their middle"),
        (*cut_flows, "cut where they begin"),
        (*forgotten_flows, "forgotten"),
    ];
    let told: Vec<_> = { counts }
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if account.sessions == 0 {
        writeln!(out, "{}: nothing of it could be said", shown(name))?;
    }
    if !told.is_empty() {
        writeln!(out, "{}: left out are connections: {}", shown(name), told.join(", "))?;
    }
    if let Some(damage) = &account.damage {
        writeln!(out, "{}: damaged: {}", shown(name), safe(damage))?;
    }
    Ok(())
}

/// What was there then, and what is now.
fn differences(differences: &[Difference], out: &mut impl Write) -> io::Result<()> {
    for difference in differences {
        let told =
            |value: &Option<String>| value.as_deref().map_or_else(|| "nothing".to_owned(), shown);
        let path = match difference.path.is_empty() {
            true => String::new(),
            false => format!("{} ", shown(&difference.path)),
        };
        let space = " ".repeat(path.chars().count());
        writeln!(out, "    {path}then {}", told(&difference.expected))?;
        writeln!(out, "    {space}now  {}", told(&difference.actual))?;
    }
    Ok(())
}

fn more(count: u64, told: usize, what: &str, out: &mut impl Write) -> io::Result<()> {
    match count.saturating_sub(told as u64) {
        0 => Ok(()),
        rest => writeln!(out, "  … and {rest} more {what}"),
    }
}

fn place(place: &Place) -> String {
    let packet = place.packet.map_or_else(String::new, |packet| format!(" #{packet}"));
    format!("< {}{packet} {}", place.number, shown(&place.lane))
}

fn time(nanos: u64) -> String {
    let micros = Duration::from_micros(nanos / 1000);
    humantime::format_duration(micros).to_string()
}
