//! Runs the vectors of whole sessions: what both peers send, what the proxy writes to each.

use super::{Verdict, same, same_bytes};
use crate::cuts;
use crate::form::{self, Case};
use crate::rig::{BOTH, Rig};
use hybridge::dialect::Dialect;
use hybridge::event::{Side, Sides};
use hybridge::session::fact::Fact;
use hybridge::session::policy::{Fragments, Keepalive, Policy};
use hybridge::session::translate::BinaryPolicy;

/// The mask key of all frames that the proxy writes, so that they can be told beforehand.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What one line of a session does.
enum Step {
    Sends(Side, Vec<u8>),
    Ends(Side, bool),
    Wrote(Side, Vec<u8>),
    Fin(Side),
    Wait(Option<u64>),
    Unsent(usize),
    Leave,
}

/// `session`: each line in turn.
pub(super) fn session(case: &Case) -> Verdict {
    let steps = steps(case)?;
    let whole = vec![Vec::new(); steps.len()];
    let mut plans =
        vec![whole.clone(), steps.iter().map(|step| (1..step.len()).collect()).collect()];
    for (at, step) in steps.iter().enumerate() {
        for cuts in cuts::ways(step.len()) {
            let mut plan = whole.clone();
            plan[at] = cuts;
            plans.push(plan);
        }
    }
    let backends = case.get("backend").ok_or("no backend")?;
    for client in case.get("client").ok_or("no client")?.split(' ') {
        for backend in backends.split(' ') {
            for plan in &plans {
                let how = plan.iter().map(|cuts| cuts::describe(cuts)).collect::<Vec<_>>();
                let dialect = |name: &str| name.parse().map_err(|_| format!("dialect {name}?"));
                let dialects = Sides { client: dialect(client)?, backend: dialect(backend)? };
                run(case, &steps, plan, dialects)
                    .map_err(|what| format!("{client} to {backend}, {}: {what}", how.join(", ")))?;
            }
        }
    }
    Ok(())
}

impl Step {
    fn len(&self) -> usize {
        if let Self::Sends(_, bytes) = self { bytes.len() } else { 0 }
    }
}

fn steps(case: &Case) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for line in &case.lines {
        let rest = line.rest.as_str();
        let bytes = || form::bytes(rest);
        steps.push(match (line.word.as_str(), rest) {
            ("c>", "fin" | "reset") => Step::Ends(Side::Client, rest == "fin"),
            ("<b", "fin" | "reset") => Step::Ends(Side::Backend, rest == "fin"),
            ("c<", "fin") => Step::Fin(Side::Client),
            (">b", "fin") => Step::Fin(Side::Backend),
            ("c>", _) => Step::Sends(Side::Client, bytes()),
            ("<b", _) => Step::Sends(Side::Backend, bytes()),
            ("c<", _) => Step::Wrote(Side::Client, bytes()),
            (">b", _) => Step::Wrote(Side::Backend, bytes()),
            ("wait", "") => Step::Wait(None),
            ("wait", _) => Step::Wait(Some(rest.parse().map_err(|_| "not a time")?)),
            ("unsent", _) => Step::Unsent(rest.parse().map_err(|_| "not a number")?),
            ("leave", _) => Step::Leave,
            ("client" | "backend" | "=", _) => continue,
            ("binary" | "collected" | "streamed" | "keepalive" | "fragments", _) => continue,
            (word, _) => return Err(format!("unknown line {word}")),
        });
    }
    Ok(steps)
}

fn run(case: &Case, steps: &[Step], plan: &[Vec<usize>], dialects: Sides<Dialect>) -> Verdict {
    let mut keys = MASK.into_iter().cycle();
    let entropy = Box::new(move |bytes: &mut [u8]| {
        // A mask key is four bytes, and what else is drawn is as many or eight.
        bytes.fill_with(|| keys.next().unwrap());
    });
    let mut rig = Rig::new(dialects, policy(case)?, entropy);
    let (mut wrote, mut fin) = (Sides::<Vec<u8>>::default(), Sides::<bool>::default());
    // What was written is compared behind the lines that tell it, and before time passes.
    let mut to_compare = false;
    for (step, cuts) in steps.iter().zip(plan) {
        let timed = matches!(step, Step::Wait(_) | Step::Unsent(_));
        if timed || (to_compare && !matches!(step, Step::Wrote(..) | Step::Fin(_))) {
            compare(&rig, &wrote, fin)?;
            to_compare = false;
        }
        match step {
            Step::Sends(from, bytes) => {
                for piece in cuts::pieces(bytes, cuts) {
                    rig.feed(*from, piece);
                }
            }
            Step::Ends(from, in_order) => rig.end(*from, *in_order),
            Step::Wait(None) => rig.wait_for_deadline(),
            Step::Wait(Some(time)) => rig.wait(*time),
            Step::Unsent(unsent) => rig.take(*unsent),
            Step::Leave => rig.leave(),
            Step::Wrote(to, bytes) => {
                wrote[*to].extend_from_slice(bytes);
                to_compare = true;
            }
            Step::Fin(to) => {
                fin[*to] = true;
                to_compare = true;
            }
        }
    }
    compare(&rig, &wrote, fin)?;
    if case.get("=").is_some() {
        same("facts", &case.all("=").map(str::to_owned).collect(), &told(&rig.facts.0))?;
    }
    rig.run_out();
    Ok(())
}

/// What binds the session of a case.
fn policy(case: &Case) -> Result<Policy, String> {
    let mut policy = Policy::default();
    if let Some(number) = case.get("collected") {
        policy.limits.collected = number.parse().unwrap();
    }
    if let Some(number) = case.get("streamed") {
        policy.limits.streamed = number.parse().unwrap();
    }
    policy.binary = match case.get("binary") {
        None | Some("frame") => BinaryPolicy::Frame,
        Some("base64") => BinaryPolicy::Base64,
        Some("refuse") => BinaryPolicy::Refuse,
        Some("drop") => BinaryPolicy::Drop,
        Some(other) => return Err(format!("unknown policy {other}")),
    };
    policy.fragments = match case.get("fragments") {
        None | Some("keep") => Fragments::Keep,
        Some("coalesce") => Fragments::Coalesce,
        Some(other) => return Err(format!("unknown policy {other}")),
    };
    if let Some(times) = case.get("keepalive") {
        let (every, patience) = times.split_once(' ').ok_or("two times")?;
        let time = |text: &str| text.parse().map_err(|_| format!("time {text}?"));
        policy.keepalive = Some(Keepalive { every: time(every)?, patience: time(patience)? });
    }
    Ok(policy)
}

fn compare(rig: &Rig, wrote: &Sides<Vec<u8>>, fin: Sides<bool>) -> Verdict {
    for side in BOTH {
        same_bytes(&format!("to the {side:?}"), &wrote[side], &rig.wrote[side])?;
        let wants = rig.session.wants_fin(side);
        same(&format!("fin to the {side:?}"), &fin[side], &wants)?;
    }
    Ok(())
}

/// The facts that a case tells if it tells any: how it ended, and what was lost.
fn told(facts: &[Fact]) -> Vec<String> {
    let line = |fact: &Fact| match fact {
        Fact::Ended { by: None, cause } => Some(format!("ended proxy {cause:?}")),
        Fact::Ended { by: Some(side), cause } => {
            Some(format!("ended {side:?} {cause:?}").to_lowercase())
        }
        Fact::Loss(loss) => Some(format!("loss {loss:?}")),
        _ => None,
    };
    facts.iter().filter_map(line).map(|line| line.to_lowercase()).collect()
}
