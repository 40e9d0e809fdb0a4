//! The generator of captures that the tests have: conversations, packets, links and files.
#![expect(dead_code, reason = "the tests of captures need more of it")]

use crate::{peer, said};

#[path = "../../captures/base.rs"]
pub(crate) mod base;
#[path = "../../captures/containers.rs"]
pub(crate) mod containers;
#[path = "../../captures/conversation.rs"]
pub(crate) mod conversation;
#[path = "../../captures/file.rs"]
pub(crate) mod file;
#[path = "../../captures/links.rs"]
pub(crate) mod links;
#[path = "../../captures/packets.rs"]
pub(crate) mod packets;
