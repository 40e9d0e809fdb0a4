//! Captures that are hard to read and say the same: what networks, hosts and capturing do to the
//! segments of a connection.

use crate::base::Capture;
use crate::dice::Dice;
use crate::packets::{ACK, FIN, Flow, Packet, RST, SYN, Segment, URG, len32};
use hybridge::event::{Side, Sides};
use std::collections::{BTreeMap, VecDeque};

/// The longest segment that is put together, in bytes: what one IP packet can carry.
const LONGEST: usize = 60_000;

/// What is done to a capture. Those that are done together are done in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Variant {
    SplitAnywhere,
    SplitToBytes,
    /// What one side says without an answer is one segment, its end as well.
    Coalesced,
    /// Segments begin with what was sent before, and several are sent again as one.
    Overlapping,
    Retransmitted,
    /// The first byte of what the window has no room for is sent by itself.
    ZeroWindow,
    /// The SYN of each side comes behind its first data.
    LateSyn,
    /// Packets change places with others near them; the first data of each side does not, nor a
    /// request with its answer.
    Reordered,
    /// The same, but answers may come before what they answer.
    ReorderedAcross,
    /// Probes: an old byte that is another one now, or none.
    KeptAlive,
    Twice,
    /// Sequence numbers begin again from 0 in the middle of each stream.
    Wrapping,
    Options,
    Urgent,
    NoSyn,
    NoClientSyn,
    NoSynAck,
    /// All connections at once, packet by packet.
    Interleaved,
    /// Packets and connections of other kinds in between.
    Noise,
}

impl Variant {
    /// Does it.
    pub(crate) fn apply(self, capture: &mut Capture, dice: &mut Dice) {
        match self {
            Self::SplitAnywhere => capture.replace(|segment| {
                let length = segment.data.len();
                let mut cuts: Vec<usize> = (0..2).map(|_| dice.length(length.max(1))).collect();
                cuts.sort_unstable();
                split(segment, &cuts)
            }),
            Self::SplitToBytes => capture.replace(|segment| {
                let cuts: Vec<usize> = (1..segment.data.len()).collect();
                split(segment, &cuts)
            }),
            Self::Coalesced => coalesce(capture),
            Self::Overlapping => overlap(capture, dice),
            Self::Retransmitted => retransmit(capture, dice),
            Self::ZeroWindow => zero_window(capture, dice),
            Self::LateSyn => late_syn(capture),
            Self::Reordered => reorder(capture, dice, false),
            Self::ReorderedAcross => reorder(capture, dice, true),
            Self::KeptAlive => keep_alive(capture, dice),
            Self::Twice => {
                let twice = capture.packets.drain(..).flat_map(|packet| [packet.clone(), packet]);
                capture.packets = twice.collect();
                capture.repeats = true;
            }
            Self::Wrapping => wrap(capture),
            Self::Options => options(capture),
            Self::Urgent => capture.segments_mut().filter(|one| one.has_data()).for_each(|one| {
                one.flags |= URG;
                one.urgent = 1;
            }),
            Self::NoSyn => remove(capture, |segment, spoken| {
                segment.has(SYN) || !(segment.has_data() || spoken)
            }),
            Self::NoClientSyn => remove(capture, |segment, _| segment.flags & (SYN | ACK) == SYN),
            Self::NoSynAck => remove(capture, |segment, _| segment.has(SYN | ACK)),
            Self::Interleaved => interleave(capture, dice),
            Self::Noise => crate::noise::add(capture, dice),
        }
    }
}

/// Cuts a segment; its flags but ACK belong to the last piece.
fn split(segment: Segment, cuts: &[usize]) -> Vec<Segment> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for cut in cuts.iter().copied().filter(|cut| *cut < segment.data.len()) {
        if cut > start {
            pieces.push(part(&segment, start, cut));
            start = cut;
        }
    }
    if start == 0 {
        return vec![segment];
    }
    let last = part(&segment, start, segment.data.len());
    pieces.push(Segment { flags: segment.flags, ..last });
    pieces
}

/// Some of the data of a segment, as a segment.
pub(crate) fn part(segment: &Segment, start: usize, end: usize) -> Segment {
    let data = segment.data[start..end].to_vec();
    let seq = segment.seq.wrapping_add(len32(&segment.data[..start]));
    Segment { seq, data, flags: ACK, ..segment.clone() }
}

fn coalesce(capture: &mut Capture) {
    let mut packets: Vec<Packet> = Vec::new();
    for packet in capture.packets.drain(..) {
        if let (Some(Packet::Segment(before)), Packet::Segment(segment)) =
            (packets.last_mut(), &packet)
        {
            let fits = before.connection == segment.connection
                && before.from == segment.from
                && before.end() == segment.seq
                && before.ack == segment.ack
                && (before.flags | segment.flags) & (SYN | RST) == 0
                && before.data.len() + segment.data.len() <= LONGEST;
            if fits && !before.has(FIN) {
                before.data.extend(&segment.data);
                before.flags |= segment.flags;
                continue;
            }
        }
        packets.push(packet);
    }
    capture.packets = packets;
}

fn overlap(capture: &mut Capture, dice: &mut Dice) {
    // What each side of each connection sent last, as far as it is in one piece.
    let mut before: BTreeMap<(usize, bool), Segment> = BTreeMap::new();
    let mut repeats = false;
    capture.replace(|segment| {
        if !segment.has_data() || segment.has(FIN) {
            return vec![segment];
        }
        let side = (segment.connection, segment.from == Side::Client);
        let old = before.get(&side).filter(|old| old.end() == segment.seq);
        let fits = |old: &Segment| old.data.len() + segment.data.len() <= LONGEST;
        let Some(old) = old.filter(|old| fits(old)).cloned() else {
            before.insert(side, segment.clone());
            return vec![segment];
        };
        let mut both = Segment { data: old.data.clone(), seq: old.seq, ..segment.clone() };
        both.data.extend(&segment.data);
        let from = dice.length(old.data.len());
        let tail = part(&both, from, both.data.len());
        let first = if dice.one_in(2) { tail } else { segment };
        let middle = part(&both, dice.length(old.data.len()), both.data.len() - 1);
        before.insert(side, both.clone());
        repeats = true;
        if dice.one_in(2) { vec![first, both] } else { vec![first, middle] }
    });
    capture.repeats |= repeats;
}

fn retransmit(capture: &mut Capture, dice: &mut Dice) {
    let mut packets = Vec::new();
    // Copies, and behind how many more packets they come.
    let mut waiting: Vec<(usize, Segment)> = Vec::new();
    for packet in capture.packets.drain(..) {
        if let Packet::Segment(segment) = &packet {
            // Behind a reset, or on a new connection, nobody sends what is old.
            let last = segment.has(RST) || segment.flags & (SYN | ACK) == SYN;
            let (ready, later) = waiting.into_iter().partition::<Vec<_>, _>(|(left, copy)| {
                *left == 0 || last && copy.flow == segment.flow
            });
            packets.extend(ready.into_iter().map(|(_, copy)| Packet::Segment(copy)));
            waiting = later.into_iter().map(|(left, copy)| (left - 1, copy)).collect();
            let matters = segment.has_data() || segment.has(FIN) || segment.has(SYN);
            if matters && !segment.has(RST) && dice.one_in(3) {
                capture.repeats |= segment.has_data();
                waiting.push((dice.length(4), segment.clone()));
            }
        }
        packets.push(packet);
    }
    packets.extend(waiting.into_iter().map(|(_, copy)| Packet::Segment(copy)));
    capture.packets = packets;
}

fn zero_window(capture: &mut Capture, dice: &mut Dice) {
    let mut ends: BTreeMap<usize, Sides<u32>> = BTreeMap::new();
    capture.replace(|segment| {
        let ends = ends.entry(segment.connection).or_default();
        let from = segment.from;
        let probed = segment.data.len() > 1 && ends[from] == segment.seq && dice.one_in(2);
        ends[from] = segment.end();
        if !probed {
            return vec![segment];
        }
        let answer = |window| Segment {
            from: from.other(),
            seq: segment.ack,
            ack: segment.seq,
            flags: ACK,
            window,
            data: Vec::new(),
            ..segment.clone()
        };
        vec![answer(0), part(&segment, 0, 1), answer(0), answer(64_240), segment.clone()]
    });
}

fn late_syn(capture: &mut Capture) {
    let mut held: Vec<Segment> = Vec::new();
    let mut over = Vec::new();
    capture.replace(|segment| {
        if segment.has(SYN) {
            held.push(segment);
            return Vec::new();
        }
        let side = |one: &Segment| (one.connection, one.from == Side::Client);
        // A side that says nothing has its SYN before its end.
        let at = held.iter().position(|syn| side(syn) == side(&segment));
        match at {
            Some(at) if segment.has_data() => vec![segment, held.remove(at)],
            Some(at) if segment.flags & (FIN | RST) != 0 => vec![held.remove(at), segment],
            _ => vec![segment],
        }
    });
    over.append(&mut held);
    // What is left belongs to a side of which nothing else was seen.
    capture.packets.extend(over.into_iter().map(Packet::Segment));
}

fn reorder(capture: &mut Capture, dice: &mut Dice, across: bool) {
    const WITHIN: usize = 6;
    // Of each pair of addresses: the latest place, and the earliest that is free.
    let mut places: Vec<(Flow, usize, usize)> = Vec::new();
    let mut begun: Vec<(usize, Side)> = Vec::new();
    // Who spoke last before a session.
    let mut speaker: BTreeMap<usize, (bool, Side)> = BTreeMap::new();
    let mut side_floors: BTreeMap<(usize, bool), usize> = BTreeMap::new();
    let mut keyed = Vec::new();
    for (at, packet) in capture.packets.drain(..).enumerate() {
        let mut key = at + dice.length(WITHIN);
        if let Packet::Segment(segment) = &packet {
            let known = places.iter().position(|(flow, ..)| *flow == segment.flow);
            let known = known.unwrap_or_else(|| {
                places.push((segment.flow, 0, 0));
                places.len() - 1
            });
            let (_, latest, free) = &mut places[known];
            let side = (segment.connection, segment.from);
            let is_first = segment.has_data() && !begun.contains(&side);
            if is_first {
                begun.push(side);
            }
            let floor = side_floors.entry((side.0, side.1 == Side::Client)).or_default();
            key = key.max(*free).max(*floor);
            let turn = (segment.is_opening, segment.from);
            let last = speaker.get(&segment.connection);
            let answers = segment.has_data() && last.is_some_and(|last| last.0 && *last != turn);
            if segment.has_data() {
                speaker.insert(segment.connection, turn);
            }
            if segment.flags & (SYN | RST) != 0 || (is_first || answers) && !across {
                key = key.max(*latest);
                *free = key;
            } else if is_first {
                *floor = key;
            }
            *latest = key.max(*latest);
        }
        keyed.push((key, packet));
    }
    keyed.sort_by_key(|(key, _)| *key);
    capture.packets = keyed.into_iter().map(|(_, packet)| packet).collect();
    capture.in_order = false;
}

fn keep_alive(capture: &mut Capture, dice: &mut Dice) {
    let mut repeats = false;
    let mut latest: BTreeMap<usize, Sides<Option<Segment>>> = BTreeMap::new();
    let mut ended: Vec<usize> = Vec::new();
    capture.replace(|segment| {
        let latest = latest.entry(segment.connection).or_default();
        if segment.flags & (FIN | RST) != 0 {
            ended.push(segment.connection);
        }
        latest[segment.from] = Some(segment.clone());
        let (Some(own), Some(other)) = (&latest[segment.from], &latest[segment.from.other()])
        else {
            return vec![segment];
        };
        if segment.has(SYN) || ended.contains(&segment.connection) || !dice.one_in(3) {
            return vec![segment];
        }
        let data = if dice.one_in(3) { Vec::new() } else { vec![0xa5] };
        repeats |= !data.is_empty();
        let seq = own.end().wrapping_sub(1);
        let probe = Segment { seq, flags: ACK, data, ..own.clone() };
        let (seq, ack) = (other.end(), own.end());
        let answer = Segment { seq, ack, flags: ACK, data: Vec::new(), ..other.clone() };
        // It acknowledges what had not been acknowledged before, so it is left out now and then.
        if own.ack == other.end() && other.ack == own.end() {
            vec![segment, probe, answer]
        } else {
            vec![segment, probe]
        }
    });
    capture.repeats |= repeats;
}

fn wrap(capture: &mut Capture) {
    let mut spans: BTreeMap<usize, Sides<Option<(u32, u32)>>> = BTreeMap::new();
    for segment in capture.segments() {
        let span = &mut spans.entry(segment.connection).or_default()[segment.from];
        let (start, end) = span.unwrap_or((segment.seq, segment.end()));
        let later = segment.end().wrapping_sub(start) > end.wrapping_sub(start);
        *span = Some((start, if later { segment.end() } else { end }));
    }
    for segment in capture.segments_mut() {
        let spans = &spans[&segment.connection];
        let shift = |side: Side| {
            let (start, end) = spans[side].unwrap_or_default();
            0_u32.wrapping_sub(start.wrapping_add(end.wrapping_sub(start) / 2))
        };
        segment.seq = segment.seq.wrapping_add(shift(segment.from));
        if segment.has(ACK) {
            segment.ack = segment.ack.wrapping_add(shift(segment.from.other()));
        }
    }
}

fn options(capture: &mut Capture) {
    for (at, segment) in capture.segments_mut().enumerate() {
        let now = len32(&[]).wrapping_add(u32::try_from(at).unwrap());
        let mut options = vec![1, 1, 8, 10];
        options.extend(now.to_be_bytes());
        options.extend(if segment.has(ACK) { now.to_be_bytes() } else { [0; 4] });
        if segment.has(SYN) {
            // The largest segment, that SACK is known, the scale of the window.
            options.extend([2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 7, 1, 1]);
        }
        options.resize(options.len().next_multiple_of(4), 0);
        segment.options = options;
    }
}

/// Removes segments; `which` also gets whether something was said before on the connection.
fn remove(capture: &mut Capture, which: impl Fn(&Segment, bool) -> bool) {
    let mut spoken = Vec::new();
    capture.replace(|segment| {
        let known = spoken.contains(&segment.connection);
        if segment.has_data() && !known {
            spoken.push(segment.connection);
        }
        if which(&segment, known) { Vec::new() } else { vec![segment] }
    });
}

fn interleave(capture: &mut Capture, dice: &mut Dice) {
    let mut queues: Vec<(Option<Flow>, VecDeque<Packet>)> = Vec::new();
    for packet in capture.packets.drain(..) {
        let flow = match &packet {
            Packet::Segment(segment) => Some(segment.flow),
            _ => None,
        };
        match queues.iter_mut().find(|(known, _)| *known == flow) {
            Some((_, queue)) => queue.push_back(packet),
            None => queues.push((flow, [packet].into())),
        }
    }
    while !queues.is_empty() {
        let at = dice.length(queues.len());
        capture.packets.extend(queues[at].1.pop_front());
        if queues[at].1.is_empty() {
            queues.swap_remove(at);
        }
    }
}
