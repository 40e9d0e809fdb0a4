//! The report as JSON, for programs; `docs/reference/replay.md` describes it.

use super::{Report, Totals};
use crate::replay::compare::Difference;
use crate::replay::verdict::{Place, Verdict};
use serde_json::{Value, json};

/// The version of the form.
const VERSION: u32 = 1;

/// The whole report.
///
/// # Errors
/// When it cannot be written, which does not happen in memory.
pub(super) fn write(report: &Report) -> anyhow::Result<Vec<u8>> {
    let Totals { sessions, same, damaged, unopened, interrupted, .. } = report.totals();
    let Totals { expected, matched, differing, missing, extra, moved, stalls, .. } =
        report.totals();
    let files = report.files.iter().map(|(name, account)| {
        json!({
            "name": name,
            "sessions": account.sessions,
            "tls": account.tls_flows,
            "other": account.other_flows,
            "mid_stream": account.mid_stream_flows,
            "cut": account.cut_flows,
            "forgotten": account.forgotten_flows,
            "damage": account.damage,
        })
    });
    let carried = report.carried.iter();
    let carried =
        carried.map(|((from, to), count)| json!({ "from": from, "to": to, "sessions": count }));
    let delays = report.delays.iter().map(|(lane, delays)| {
        let [then, now] = delays.summary().map(|(half, most)| json!({ "p50": half, "p95": most }));
        let slower = delays.is_slower();
        json!({ "lane": lane, "answers": delays.count(), "then": then, "now": now, "slower": slower })
    });
    let whole = json!({
        "version": VERSION,
        "subject": report.subject,
        "files": files.collect::<Vec<_>>(),
        "lane": report.lane,
        "push": report.pushes,
        "carried": carried.collect::<Vec<_>>(),
        "sessions": { "all": sessions, "same": same, "damaged": damaged, "unopened": unopened, "interrupted": interrupted },
        "messages": {
            "expected": expected, "matched": matched, "differing": differing, "missing": missing,
            "extra": extra, "moved": moved, "stalls": stalls,
        },
        "delays": delays.collect::<Vec<_>>(),
        "unused_rules": report.unused,
        "verdicts": report.verdicts.iter().map(|(file, verdict)| session(*file, verdict)).collect::<Vec<_>>(),
    });
    let mut text = serde_json::to_vec_pretty(&whole)?;
    text.push(b'\n');
    Ok(text)
}

fn session(file: usize, verdict: &Verdict) -> Value {
    let differing = verdict.differing.first.iter().map(|differing| {
        json!({
            "message": place(&differing.message), "differences": differences(&differing.differences),
        })
    });
    let otherwise =
        verdict.otherwise.first.iter().map(
            |said| json!({ "said": said.number, "differences": differences(&said.differences) }),
        );
    let expected = |missing: &crate::replay::verdict::Missing| json!({ "message": place(&missing.message), "text": missing.text });
    let extra =
        verdict.extra.first.iter().map(|extra| json!({ "lane": extra.lane, "text": extra.text }));
    let stalls = verdict.stalls.first.iter();
    let stalls =
        stalls.map(|stall| json!({ "said": stall.said, "awaited": place(&stall.awaited) }));
    json!({
        "file": file,
        "session": verdict.session,
        "copy": verdict.copy,
        "target": verdict.target,
        "same": verdict.is_same(),
        "to_say": verdict.to_say,
        "said": verdict.said,
        "expected": verdict.expected,
        "matched": verdict.matched,
        "counts": {
            "differing": verdict.differing.count, "missing": verdict.missing.count,
            "extra": verdict.extra.count, "moved": verdict.moved.count, "stalls": verdict.stalls.count,
            "otherwise": verdict.otherwise.count,
        },
        "differing": differing.collect::<Vec<_>>(),
        "missing": verdict.missing.first.iter().map(expected).collect::<Vec<_>>(),
        "moved": verdict.moved.first.iter().map(expected).collect::<Vec<_>>(),
        "extra": extra.collect::<Vec<_>>(),
        "stalls": stalls.collect::<Vec<_>>(),
        "otherwise": otherwise.collect::<Vec<_>>(),
        "opening": verdict.opening,
        "closing": verdict.closing,
        "damage": verdict.damage,
        "interrupted": verdict.interrupted,
    })
}

fn differences(differences: &[Difference]) -> Vec<Value> {
    let each = differences.iter().map(|difference| {
        json!({ "path": difference.path, "then": difference.expected, "now": difference.actual })
    });
    each.collect()
}

fn place(place: &Place) -> Value {
    json!({ "number": place.number, "packet": place.packet, "lane": place.lane })
}
