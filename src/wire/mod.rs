//! Bytes: what every dialect is made of, and nothing that knows a dialect.

pub mod body;
pub mod deflate;
pub mod entropy;
pub mod few;
pub mod grammar;
pub mod head;
pub mod mask;
pub mod outbox;
pub mod spare;
pub mod utf8;
