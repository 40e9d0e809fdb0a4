//! JSON texts: pointers into them, and their leaves, each where it stands in the text.

mod leaves;
mod pointer;

pub use leaves::{Leaf, Leaves, leaves};
pub use pointer::{NoPointer, Pointer};
