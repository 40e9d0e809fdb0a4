//! Conformance: a list of cases for every dialect, and what is made of what a peer does in them.
//!
//! A case says what is said to a peer and which courses of events may come of it. The tables are data
//! (`cases`); `run` plays one of them, `judge` has the verdict. What the kit knows of the wire is its own
//! (`wire`, `reader`, `proof`; `agreement`, `deflate` and `inflate` for compression): it has to judge the
//! readers and writers of the proxy too.

mod agreement;
mod answer;
pub mod body;
pub mod case;
mod cases;
mod deflate;
mod head;
mod inflate;
mod judge;
mod proof;
mod reader;
mod request;
pub mod run;
mod wire;

pub use answer::Asked;
pub use cases::list;
pub use judge::Verdict;
pub use request::Site;

/// The version of the list. The first number changes when a case that was there may now have another
/// verdict, or is gone; the second when cases have come.
pub const VERSION: &str = "1.1";
