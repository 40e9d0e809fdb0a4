//! What the route of a session demands of it.

use super::translate::BinaryPolicy;
use crate::limits::{Limits, Millis};
use crate::quirk::Quirks;
use serde::{Deserialize, Serialize};

/// What a session is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// The bounds.
    pub limits: Limits,
    /// What to do with binary messages that a side cannot be told.
    pub binary: BinaryPolicy,
    /// Whether bytes pass as they come, unchecked, where both sides speak the same dialect.
    pub tunnel: bool,
    /// What to do with fragments on their way to the backend.
    pub fragments: Fragments,
    /// Which faults of peers are made up for.
    pub quirks: Quirks,
    /// Whether peers are asked if they are still there.
    pub keepalive: Option<Keepalive>,
}

/// What becomes of fragmented messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fragments {
    /// A message beyond 32 KiB streams as it comes.
    #[default]
    Keep,
    /// Each message is collected and leaves as one frame; it has to fit into the bound of what is
    /// collected. Not in a tunnel, and not towards a Hixie backend, which knows no fragments.
    Coalesce,
}

/// When peers are asked if they are still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// After how long a silence of a peer.
    pub every: Millis,
    /// How long it may then be silent before it counts as lost.
    pub patience: Millis,
}
