//! Recordings by chance: whatever a sink may be told.

use crate::Told;
use hybridge::dialect::ALL;
use hybridge::event::{Kind, Side};
use hybridge::transcript::account::Account;
use hybridge::transcript::event::{Accept, End, Event, Header, How, Message, Open, What};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A recording: each session opens first and ends last, and they overlap.
pub(crate) fn recording() -> impl Strategy<Value = Told> {
    let event = (0..4_u64, any::<u32>(), any::<Option<u64>>(), what());
    (header(), vec(event, 0..24), vec(open(), 4), vec(end(), 4), account()).prop_map(
        |(header, events, opens, ends, account)| {
            let mut at = 0;
            let mut told = Told { header: Some(header), account: Some(account), ..Told::default() };
            let mut tell = |session: u64, more: u64, packet, what| {
                at += more;
                told.events.push(Event { session: session + 1, at, packet, what });
            };
            for (session, open) in (0..).zip(opens) {
                tell(session, 7, Some(session), What::Open(open));
            }
            for (session, more, packet, what) in events {
                tell(session, more.into(), packet, what);
            }
            for (session, end) in (0..).zip(ends) {
                tell(session, 1, None, What::End(end));
            }
            told
        },
    )
}

fn header() -> impl Strategy<Value = Header> {
    (any::<u64>(), any::<String>()).prop_map(|(start, source)| Header { start, source })
}

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    vec(any::<(String, String)>(), 0..4)
}

fn open() -> impl Strategy<Value = Open> {
    (select(&ALL[..]), any::<[String; 3]>(), fields()).prop_map(
        |(dialect, [client, server, target], fields)| Open {
            dialect,
            client,
            server,
            target,
            fields,
        },
    )
}

fn side() -> impl Strategy<Value = Side> {
    select(&Side::BOTH[..])
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![any::<Vec<u8>>(), any::<String>().prop_map(String::into_bytes)]
}

fn what() -> impl Strategy<Value = What> {
    let kind = select(&[Kind::Text, Kind::Binary][..]);
    prop_oneof![
        (any::<u16>(), fields())
            .prop_map(|(status, fields)| What::Accept(Accept { status, fields })),
        (side(), kind, data(), any::<u64>()).prop_map(|(from, kind, data, seen)| {
            What::Message(Message { from, kind, data, seen })
        }),
        (side(), data()).prop_map(|(from, data)| What::Ping { from, data }),
        (side(), data()).prop_map(|(from, data)| What::Pong { from, data }),
        (side(), any::<Option<u16>>(), any::<String>())
            .prop_map(|(from, code, reason)| What::Close { from, code, reason }),
        (side(), any::<u64>()).prop_map(|(from, bytes)| What::Gap { from, bytes }),
        (side(), any::<String>()).prop_map(|(from, fault)| What::Fault { from, fault }),
    ]
}

fn end() -> impl Strategy<Value = End> {
    let by = proptest::option::of(side());
    let how = select(&[How::Fin, How::Reset, How::Cut][..]);
    (by, how, any::<bool>()).prop_map(|(by, how, clean)| End { by, how, clean })
}

fn account() -> impl Strategy<Value = Account> {
    (any::<[u64; 18]>(), any::<Vec<String>>(), any::<Option<String>>()).prop_map(
        |(n, notes, damage)| Account {
            packets: n[0],
            other_packets: n[1],
            truncated_packets: n[2],
            duplicates: n[3],
            conflicts: n[4],
            gap_bytes: n[5],
            flows: n[6],
            sessions: n[7],
            tls_flows: n[8],
            other_flows: n[9],
            mid_stream_flows: n[10],
            one_way_flows: n[11],
            forgotten_flows: n[12],
            sessions_with_gaps: n[13],
            unknown_events: n[14],
            stray_segments: n[15],
            lost_fragments: n[16],
            cut_flows: n[17],
            notes,
            damage,
        },
    )
}
