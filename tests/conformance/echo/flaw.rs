//! What may be wrong with a peer, on purpose.

/// What is wrong with a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// It does not look whether a text is UTF-8.
    AnyText,
    /// As a server it masks, or as a client it does not.
    WrongMask,
    /// The same mask for all frames.
    SameMask,
    /// It proves nothing, or asks for no proof.
    Proof,
    NoPong,
    /// It forgets all but the last fragment.
    Fragments,
    ReservedBits,
    Opcodes,
    NoClose,
    /// It has 16 bits for a length.
    ShortLength,
    Unmasked,
    LongControl,
    BehindClose,
    AnyVersion,
    SmallUpgrade,
    AnyKey,
    /// A text ends at NUL.
    Nul,
    OtherReason,
    /// It masks by what is said with a frame, not by the key of the connection.
    ConnectionKey,
    EmptyClose,
    AnyCode,
    TwoConnections,
    /// No flaw: it does not compress.
    Uncompressed,
    /// It takes offers to compress that it has to decline.
    AnyOffer,
    /// It ends the stream where it has to decline.
    DeadlyOffer,
    /// It does not confirm what it was asked for.
    Unconfirmed,
    /// It takes answers to its offer that are none.
    AnyAnswer,
    /// It inflates each message for itself, where contexts are taken over.
    Context,
    /// It refers to messages before, where it agreed not to.
    Takeover,
    /// It refers back beyond the window that it agreed to.
    Window,
    /// What cannot be inflated is the end of a message.
    AnyData,
    /// It does not go on behind a block that says that it is the last.
    FinalBlock,
}
