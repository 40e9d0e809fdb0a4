//! One session at a live server: the player says what is to be said, and here it is said.

use super::line::{Heard, Line};
use super::steps::Steps;
use super::target::{Opened, Target};
use crate::replay::compare::shown;
use crate::replay::player::{Ended, Next, Player};
use crate::replay::script::Body;
use std::io::{self, Write};
use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Says a session; ends early where it is told to.
pub(super) async fn play(
    target: &Target,
    player: &mut Player,
    clock: Instant,
    steps: Option<&mut Steps>,
    end: &CancellationToken,
) {
    // No name for what is waited for: a session that waits would have the room for it twice.
    let opened = tokio::select! {
        opened = target.open(&player.script().open) => opened,
        () = end.cancelled() => return player.interrupt(),
    };
    let now = since(clock);
    match opened {
        Err(error) => player.failed(format!("{error:#}")),
        Ok(Opened::Refused(status, fields)) => player.opened(now, status, &fields),
        Ok(Opened::Open(accepted)) => {
            player.opened(now, 101, &accepted.fields);
            talk(accepted.into_line(), player, clock, steps, end).await;
        }
    }
}

/// The time of a session, in nanoseconds since its clock began.
pub(super) fn since(clock: Instant) -> u64 {
    u64::try_from(clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// When that time is, or long from now.
pub(super) fn at(clock: Instant, time: u64) -> Instant {
    clock + Duration::from_nanos(time.min(1 << 60))
}

/// A session on its socket, to its end.
async fn talk(
    mut line: Line,
    player: &mut Player,
    clock: Instant,
    mut steps: Option<&mut Steps>,
    end: &CancellationToken,
) {
    hear(&mut line, player, clock);
    let mut asking = false;
    // Since when the server takes nothing.
    let mut full: Option<u64> = None;
    let mut told = pin!(end.cancelled());
    loop {
        if line.has_room() {
            full = None;
        } else {
            let now = since(clock);
            let until = full.get_or_insert(now).saturating_add(player.stall());
            let ended = match now < until {
                true => line.step(at(clock, until), true).await,
                false => Some(Ended::Lost),
            };
            match ended {
                _ if end.is_cancelled() => player.interrupt(),
                Some(how) => player.ended(how),
                None => hear(&mut line, player, clock),
            }
            if player.is_over() {
                break;
            }
            continue;
        }
        let until = match player.next(since(clock)) {
            Next::Done => break,
            Next::Say(body) => {
                line.say(&body);
                continue;
            }
            Next::Leave(code) => {
                line.leave(code, "");
                continue;
            }
            Next::Ask(body) => {
                if !std::mem::replace(&mut asking, true) {
                    ask(body);
                }
                u64::MAX
            }
            Next::Wait(until) => until,
        };
        tokio::select! {
            biased;
            () = &mut told => player.interrupt(),
            () = allowed(&mut steps), if asking => {
                asking = false;
                player.allow();
            }
            ended = line.step(at(clock, until), true) => match ended {
                Some(how) => player.ended(how),
                None => hear(&mut line, player, clock),
            },
        }
    }
    line.finish().await;
}

/// Tells the player all that has come.
fn hear(line: &mut Line, player: &mut Player, clock: Instant) {
    while let Some(heard) = line.hear() {
        match heard {
            Heard::Message(body) => player.heard(since(clock), body),
            Heard::Ended(how) => return player.ended(how),
        }
    }
}

/// Asks a person.
fn ask(body: &Body) {
    let text = String::from_utf8_lossy(&body.data);
    // Where nobody can be asked nobody answers either.
    writeln!(io::stderr(), "next: {}", shown(&text).replace(char::is_control, "·")).ok();
}

async fn allowed(steps: &mut Option<&mut Steps>) {
    if let Some(steps) = steps {
        steps.next().await;
    }
}
