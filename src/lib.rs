//! A reverse proxy that lets WebSocket clients of 2010 and 2011 talk to modern servers, and modern
//! clients to servers of 2010 and 2011.
//!
//! # The way of a byte
//!
//! ```text
//!  socket ── head ── detect ── opening ──┐
//!                                        ▼
//!    bytes ──► Reader ──► Event ──► Session ──► Event ──► Writer ──► Outbox ──► socket
//!            (dialect A)          translate            (dialect B)  (one writev)
//!              pure                 pure                  pure        pure       I/O
//! ```
//!
//! One thread owns both sides of a session. Nothing walks back up the chain but an answer (a pong
//! or a close for the side that spoke), and that goes to the speaker's own writer.
//!
//! # Rooms
//!
//! In the order of the byte's way; imports go upwards in this list and never down
//! (`tests/layers.rs` holds it). The pure rooms name no socket, no clock, no randomness, no runtime
//! and no log: bytes, the time and mask keys come in as arguments.
//!
//! | room | pure | what lives there |
//! |------|------|------------------|
//! | [`limits`] | yes | every number that bounds a connection |
//! | [`wire`] | yes | bytes: heads, masks, UTF-8, the outbox |
//! | [`event`] | yes | the vocabulary that all dialects are translated through |
//! | [`json`] | yes | JSON texts: pointers, and values where they stand |
//! | [`fault`] | yes | what a peer can do wrong, and its close code |
//! | [`quirk`] | yes | what real peers get wrong, by name |
//! | [`handshake`] | yes | the vocabulary of opening handshakes |
//! | [`dialect`] | yes | the dialects: handshake, reader and writer of each |
//! | [`session`] | yes | two peers: translation, closing, facts |
//! | [`anatomy`] | yes | bytes of the wire taken apart and named, for a person |
//! | [`transcript`] | yes | what was said on a connection, read out of its bytes |
//! | [`replay`] | yes | recorded sessions said again, of either side: when, and what is made of the answers |
//! | [`conformance`] | yes | cases that a peer of any dialect is held to, and verdicts |
//! | [`capture`] | yes | packets of captures: links, IP, TCP streams, which connections are sessions |
//! | [`codec`] | | the dialects for other programs, with `Framed` |
//! | [`config`] | | the checked settings |
//! | [`net`] | | connections: listeners, TLS, the one type of stream |
//! | [`watch`] | | who sees the bytes and the facts of connections |
//! | `telemetry` | | the access log, the metrics, word to systemd |
//! | `worker` | | what the sessions of one thread share |
//! | `upstream` | | backends at run time: which server, how it is reached, what is known of it |
//! | [`proxy`] | | the way of one connection: open, find the route, pass or relay |
//! | `admin` | | metrics, health and reload over HTTP |
//! | [`server`] | | listeners, workers, shutdown |
//! | [`recording`] | | files of what was said: captures, HAR, our own form |
//! | `rerun` | | recordings on sockets: clients at a live server, a server for live clients |
//! | `trial` | | the cases of conformance on sockets: at a live server, before live clients |
//! | [`inspect`] | | a watcher that takes the bytes apart and tells listeners |
//! | `demo` | | the demo: backends, clients, the terminal, the page |
//! | [`cli`] | | the command line |

mod admin;
pub mod anatomy;
pub mod capture;
pub mod cli;
pub mod codec;
pub mod config;
pub mod conformance;
mod demo;
pub mod dialect;
pub mod event;
pub mod fault;
pub mod handshake;
pub mod inspect;
pub mod json;
pub mod limits;
pub mod net;
pub mod proxy;
pub mod quirk;
pub mod recording;
pub mod replay;
mod rerun;
pub mod server;
pub mod session;
mod telemetry;
pub mod transcript;
mod trial;
mod upstream;
pub mod watch;
pub mod wire;
mod worker;
