//! The whole proxy in process, between foreign peers: tokio-websockets speaks RFC 6455, and small
//! scripted peers speak the drafts, byte by byte and without any code of the product.
//!
//! Nothing here sleeps: every wait is for an event, inside one deadline that names the test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

mod admin;
mod auto;
mod backends;
mod binary;
mod compression;
mod deadlines;
mod drafts;
mod fragments;
mod frames;
mod handshake;
mod harness;
mod headers;
mod keepalive;
mod listeners;
mod matrix;
mod peers;
mod plain;
mod pressure;
mod proxy_protocol;
mod quirks;
mod rates;
mod refusals;
mod routing;
mod shutdown;
mod streaming;
mod tls;
mod tunnel;
mod upstream;
mod watching;
