//! What a capture held beside sessions: every packet, flow and gap is accounted for.

/// The counts of one recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Packets read.
    pub packets: u64,
    /// Packets that are not TCP over IP, or whose headers cannot be read.
    pub other_packets: u64,
    /// Packets of which the capture kept a part only (snaplen).
    pub truncated_packets: u64,
    /// Segments that brought nothing new: retransmitted, duplicated, keep-alive probes.
    pub duplicates: u64,
    /// Segments whose bytes differ from those that came before at the same place; the first won.
    pub conflicts: u64,
    /// Segments whose sequence numbers are not of their connection, of which nothing was taken.
    pub stray_segments: u64,
    /// IP fragments whose packet never became whole.
    pub lost_fragments: u64,
    /// Bytes that are missing.
    pub gap_bytes: u64,
    /// TCP connections: each is one of the following five.
    pub flows: u64,
    /// Those whose client asked for a WebSocket.
    pub sessions: u64,
    /// Those that hold TLS.
    pub tls_flows: u64,
    /// Those that hold other things, or plain HTTP only.
    pub other_flows: u64,
    /// Those that were seen from their middle on only, so that what they hold is not known.
    pub mid_stream_flows: u64,
    /// Those of whose requests bytes are missing, any of which might have opened a session.
    pub cut_flows: u64,
    /// Those of which only one direction was seen.
    pub one_way_flows: u64,
    /// Those that were forgotten because there were too many, or they kept too much waiting.
    pub forgotten_flows: u64,
    /// Sessions that miss bytes.
    pub sessions_with_gaps: u64,
    /// What could not be read, or was read though it breaks a rule, and where; for a person. The first
    /// few of it.
    pub notes: Vec<String>,
    /// Events of a recording whose kind is not known here.
    pub unknown_events: u64,
    /// What ended the reading before the end of the file, for a person: damage, or a cut record.
    pub damage: Option<String>,
}
