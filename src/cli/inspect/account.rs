//! The account of a recording, for a person: nothing that was in it is left unsaid.

use super::shown::safe;
use crate::dialect::Dialect;
use crate::transcript::account::Account;
use std::io::{self, Write};

/// Writes an account; `dialects` are those of its sessions, and how many spoke them.
pub(super) fn write(
    out: &mut impl Write,
    account: &Account,
    dialects: &[(Dialect, u64)],
) -> io::Result<()> {
    let Account { packets, other_packets, truncated_packets, duplicates, conflicts, .. } = account;
    let Account { gap_bytes, flows, sessions, tls_flows, other_flows, mid_stream_flows, .. } =
        account;
    let Account { one_way_flows, forgotten_flows, sessions_with_gaps, unknown_events, .. } =
        account;
    let Account { stray_segments, lost_fragments, cut_flows, .. } = account;
    let named: Vec<_> = dialects.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let named = if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) };
    writeln!(
        out,
        "flows {flows}: {sessions} WebSocket{named}, {other_flows} other, {tls_flows} TLS, \
         {mid_stream_flows} from their middle, {cut_flows} cut; {one_way_flows} one-way, \
         {forgotten_flows} forgotten"
    )?;
    if *packets > 0 {
        writeln!(
            out,
            "packets {packets}: {other_packets} not TCP over IP, {truncated_packets} truncated, \
             {duplicates} duplicate, {conflicts} in conflict, {stray_segments} stray, \
             {lost_fragments} lost fragments"
        )?;
    }
    writeln!(out, "missing: {gap_bytes} bytes, in {sessions_with_gaps} sessions")?;
    for note in &account.notes {
        writeln!(out, "note: {}", safe(note))?;
    }
    if *unknown_events > 0 {
        writeln!(out, "skipped: {unknown_events} events of an unknown kind")?;
    }
    if let Some(damage) = &account.damage {
        writeln!(out, "damage: {}", safe(damage))?;
    }
    Ok(())
}
