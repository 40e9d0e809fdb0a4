//! The fuzz targets: each module takes any input and panics where the product breaks a promise.
//!
//! What the product wrote is read by the decoder that `tests/pure` has for this, by `httparse`, and
//! by the product's own reader of the other role.

pub mod capture;
pub mod compression;
pub mod conversation;
pub mod handshake;
pub mod har;
pub mod head;
pub mod kit;
pub mod reader;
pub mod recording;
pub mod script;
pub mod seeds;
pub mod segments;
pub mod session;

mod captures;
mod cut;
mod memory;
mod told;

#[path = "../../pure/cuts.rs"]
#[expect(dead_code, reason = "the vectors need more of it")]
mod cuts;
#[path = "../../pure/form.rs"]
#[expect(dead_code, reason = "the vectors need more of it")]
mod form;
#[path = "../../pure/oracle.rs"]
mod oracle;
#[path = "../../pure/packer.rs"]
#[expect(dead_code, reason = "the properties need more of it")]
mod packer;
#[path = "../../pure/peer.rs"]
mod peer;
#[path = "../../pure/rig.rs"]
mod rig;
#[path = "../../pure/said.rs"]
#[expect(dead_code, reason = "the vectors need more of it")]
mod said;
