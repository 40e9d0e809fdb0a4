//! Reloads under load lose, repeat and reorder no message and close no session.

use crate::load::{DEADLINE, End, Stage, TURN, beside};
use crate::program::Program;
use rustix::process::Signal;
use tokio::time::timeout;

/// How often the program is reloaded.
const RELOADS: usize = 20;

/// Sessions for each pair of dialects: 2,000 in all.
const EACH: usize = 80;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_disturb_no_session() {
    let _turn = TURN.lock().await;
    let test = async {
        let stage = Stage::set("", EACH).await;
        let Stage { mut program, load, text, file, .. } = stage;
        assert_eq!(load.len(), 2000);
        for number in 0..RELOADS {
            load.goes_on(2000).await;
            // Each time something else changes: a limit of the routes, an address, a broken file.
            let (changed, due) = match number % 3 {
                0 => (format!("{text}[route.limits]\nidle = \"{}s\"\n", 60 + number), "reloaded"),
                1 => (
                    text.replacen("[\"127.0.0.1:0\"]", "[\"127.0.0.1:0\", \"[::1]:0\"]", 1),
                    "reloaded",
                ),
                _ => (format!("{text}[[route]]\nbackend = \"none\"\n"), "not reloaded"),
            };
            std::fs::write(&file, changed).unwrap();
            program.signal(Signal::HUP);
            (program, ()) = beside(program, move |program| drop(program.line_with(due))).await;
        }
        load.goes_on(2000).await;
        let ends = load.stop().await;
        assert!(ends.iter().all(|end| *end == End::Stopped), "a session was closed");
        program.signal(Signal::TERM);
        let (_, status) = beside(program, Program::wait).await;
        assert!(status.success());
    };
    timeout(DEADLINE, test).await.expect("in time");
}
