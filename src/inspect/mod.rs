//! The inspector: a watcher that takes both legs of every connection apart, and tells any number of
//! listeners what it sees. The frame view shows it in a browser.
//!
//! ```text
//! Watcher ──► Eye (one a server) ──► Anatomy of a direction ──► Feed ──► Listener ──► a program
//!                                                                              └──► a page
//! ```

pub mod event;
mod eye;
mod feed;
mod pairs;
pub mod stream;

use crate::watch::Watcher;
use eye::Eye;
use feed::Feed;
pub use feed::{Heard, Listener};
use std::sync::Arc;

/// The script of the custom element `<frame-view src="…">`, which shows an event stream.
pub const VIEW_SCRIPT: &str = include_str!("view.js");

/// The style of the frame view.
pub const VIEW_STYLE: &str = include_str!("view.css");

/// Watches servers and tells listeners.
#[derive(Debug, Clone, Default)]
pub struct Inspector {
    feed: Arc<Feed>,
}

impl Inspector {
    /// A watcher for one server, by a name that tells it from the others.
    pub fn watcher(&self, server: &'static str) -> Arc<dyn Watcher> {
        Arc::new(Eye::new(server, Arc::clone(&self.feed)))
    }

    /// Listens to all that comes, and first to what is still known of what came: behind the event
    /// of this number, or all of it.
    pub fn listen(&self, behind: Option<u64>) -> Listener {
        Listener::new(&self.feed, behind)
    }

    /// The number of the last event so far.
    pub fn last(&self) -> u64 {
        self.feed.last()
    }

    /// Tells all listeners that there will be nothing more.
    pub fn end(&self) {
        self.feed.end();
    }
}
