//! A drain closes every session in its dialect, none inside a message, spread over its window.

use crate::load::{DEADLINE, End, Stage, TURN, beside};
use crate::peers::wire::Wire;
use crate::program::Program;
use rustix::process::Signal;
use std::time::Duration;
use tokio::time::Instant;
use tokio::time::timeout;

/// Sessions for each pair of dialects: 5,000 in all.
const EACH: usize = 200;

const WINDOW: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_closes_all_over_its_window() {
    let _turn = TURN.lock().await;
    let test = async {
        let stage = Stage::set("drain_window = \"10s\"", EACH).await;
        let Stage { program, load, .. } = stage;
        assert_eq!(load.len(), 5000);
        load.goes_on(5000).await;
        let began = Instant::now();
        program.signal(Signal::QUIT);
        let (program, _) = beside(program, |program| program.line_with("draining")).await;
        // Who comes now is told so.
        let mut late = Wire::connect(program.address).await;
        let (answer, _) = late.rest().await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: "),
            "{answer}"
        );
        let mut tenths = [0_usize; 11];
        for end in load.ends().await {
            let End::Closed(at) = end else { panic!("a session was not closed") };
            let tenth = (at - began).as_millis() * 10 / WINDOW.as_millis();
            tenths[tenth.min(10) as usize] += 1;
        }
        let (_, status) = beside(program, Program::wait).await;
        assert!(status.success());
        // No timing is asserted but this: they do not come all at once, nor all at the end.
        assert!(tenths.iter().all(|count| *count < 2500), "{tenths:?}");
    };
    timeout(DEADLINE, test).await.expect("in time");
}
