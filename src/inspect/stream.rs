//! An event stream for a browser: Server-Sent Events (WHATWG HTML, section 9.2), one JSON object an
//! event.

use super::{Heard, Inspector, Listener};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::time::Duration;
use tokio::time::timeout;

/// The media type of the stream.
pub const MEDIA_TYPE: &str = "text/event-stream";

/// How often a comment is sent when nothing else is: so a listener that has gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Tells this process from one before it at the same address, whose numbers mean nothing here.
static RUN: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));

/// The stream of an inspector, from behind the event that `Last-Event-ID` names, where it names one
/// of this process.
pub fn events(
    inspector: &Inspector,
    last_event_id: Option<&str>,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + use<> {
    let behind = last_event_id.and_then(number);
    // The page is to forget what it has from elsewhere.
    let begin = behind.is_none().then(|| Bytes::from_static(b"data: {\"event\":\"begin\"}\n\n"));
    unfold(State { begin, listener: Some(inspector.listen(behind)) }, |mut state| async {
        let bytes = state.next().await?;
        Some((Ok(bytes), state))
    })
}

struct State {
    begin: Option<Bytes>,
    /// `None` behind the last event.
    listener: Option<Listener>,
}

impl State {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(begin) = self.begin.take() {
            return Some(begin);
        }
        let listener = self.listener.as_mut()?;
        let text = match timeout(KEEP_ALIVE, listener.next()).await {
            Err(_) => ":\n\n".to_owned(),
            Ok(Some(Heard::Entry(entry))) => {
                // All of an entry has a form in JSON.
                let json = serde_json::to_string(&*entry).unwrap_or_default();
                format!("id: {:x}-{}\ndata: {json}\n\n", *RUN, entry.number)
            }
            Ok(Some(Heard::Lost(count))) => {
                format!("data: {{\"event\":\"lost\",\"count\":{count}}}\n\n")
            }
            Ok(None) => {
                self.listener = None;
                "data: {\"event\":\"over\"}\n\n".to_owned()
            }
        };
        Some(text.into())
    }
}

fn number(id: &str) -> Option<u64> {
    let (run, number) = id.split_once('-')?;
    (u64::from_str_radix(run, 16) == Ok(*RUN)).then(|| number.parse().ok())?
}
