//! Two recorded sessions compared: the first is what is expected, the second what came.

use super::player::{Ended, Plan, Player};
use super::script::Script;
use super::verdict::Verdict;
use crate::event::Side;
use std::sync::Arc;

/// Compares two sessions, by the times and the order of the second one.
pub fn compare(plan: &Arc<Plan>, then: Script, now: &Script) -> Verdict {
    let (ended, answered) = (then.closing.by, then.accept.is_some());
    let mut player = Player::new(Arc::clone(plan), then, 0);
    match &now.accept {
        Some((at, accept)) => player.opened(*at, accept.status, &accept.fields),
        None if answered => player.failed("it was not answered".to_owned()),
        None => {}
    }
    let mut heard = now.heard.iter().peekable();
    for (number, said) in now.said.iter().enumerate() {
        while let Some(heard) = heard.next_if(|heard| heard.after <= number) {
            player.heard(heard.at, heard.body.clone());
        }
        player.hear_client(said.at, &said.body);
    }
    heard.for_each(|heard| player.heard(heard.at, heard.body.clone()));
    if now.closing.by == Some(Side::Backend) {
        player.ended(Ended::Closed(now.closing.code));
    }
    let mut verdict = player.finish();
    // Where the recording ends before the session it is not known who would have ended it.
    if plan.closing && ended == Some(Side::Backend) && now.closing.by == Some(Side::Client) {
        verdict.closing = Some("the client closed, expected the server to".to_owned());
    }
    if let Some(damage) = &now.damage {
        let damage = format!("of what came: {damage}");
        let both = |first: &String| format!("{first}; {damage}");
        verdict.damage = Some(verdict.damage.as_ref().map_or_else(|| damage.clone(), both));
    }
    verdict
}

/// The verdict on a session that was said to two servers at the same time: what the second did is compared
/// with what the first did. Each comes with the verdict on it that the recording gives.
pub fn judge(plan: &Arc<Plan>, then: (Verdict, Script), now: (Verdict, Script)) -> Verdict {
    let ((base, then), (target, now)) = (then, now);
    let opened = (then.accept.is_some(), now.accept.is_some());
    let mut verdict = compare(plan, then, &now);
    verdict.copy = target.copy;
    verdict.interrupted = base.interrupted || target.interrupted;
    // What could not be said to one of them was not compared.
    (verdict.to_say, verdict.said) = (target.to_say, target.said.min(base.said));
    verdict.opened = base.opened && target.opened;
    let why = |of: &Verdict| of.opening.clone().unwrap_or_else(|| "not opened".to_owned());
    match opened {
        (false, _) => verdict.opening = Some(format!("the baseline: {}", why(&base))),
        (true, false) => verdict.opening = Some(why(&target)),
        (true, true) => verdict.opening = verdict.opening.or_else(|| target.opening.clone()),
    }
    let damage = target.damage.map(|damage| format!("in the recording: {damage}"));
    verdict.damage =
        damage.into_iter().chain(verdict.damage).reduce(|all, one| format!("{all}; {one}"));
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kind;
    use crate::replay::rules::Rules;
    use crate::replay::script::{Body, Closing, Heard, Said};
    use crate::transcript::event::{Accept, Open};

    /// A session of which `>` is said and `<` heard, a millisecond each.
    fn session(lines: &[&str]) -> Script {
        let (mut said, mut heard) = (Vec::new(), Vec::new());
        for (line, at) in lines.iter().zip((1..).map(|at| at * 1_000_000)) {
            let (side, text) = line.split_at(1);
            let body = Body { kind: Kind::Text, data: text.as_bytes().to_vec() };
            match side {
                ">" => said.push(Said { at, packet: None, seen: heard.len(), body }),
                _ => heard.push(Heard { at, packet: None, after: said.len(), body }),
            }
        }
        Script {
            session: 1,
            at: 0,
            open: Open {
                dialect: "rfc6455".parse().unwrap(),
                client: String::new(),
                server: String::new(),
                target: "/".to_owned(),
                fields: Vec::new(),
            },
            accept: Some((0, Accept { status: 101, fields: Vec::new() })),
            said,
            heard,
            closing: Closing { by: Some(Side::Client), ..Closing::default() },
            damage: None,
        }
    }

    fn plan(rules: &str) -> Arc<Plan> {
        let rules = Rules::parse(rules).unwrap();
        Arc::new(Plan { rules, carry: true, closing: true, ..Plan::default() })
    }

    #[test]
    fn the_same_is_the_same() {
        let one = session(&[">a", "<b", "<c", ">d", "<e"]);
        let verdict = compare(&plan(""), one.clone(), &one);
        assert!(verdict.is_same(), "{verdict:?}");
        assert_eq!((verdict.said, verdict.matched, verdict.delays.len()), (2, 3, 3));
        let nothing = session(&[]);
        assert!(compare(&plan(""), nothing.clone(), &nothing).is_same());
    }

    #[test]
    fn answers_that_differ_are_missing_or_too_many() {
        let then = session(&[">a", "<b", "<c"]);
        let verdict = compare(&plan(""), then.clone(), &session(&[">a", "<b", "<x"]));
        assert_eq!((verdict.matched, verdict.differing.count), (1, 1));
        let verdict = compare(&plan(""), then.clone(), &session(&[">a", "<c"]));
        assert_eq!((verdict.matched, verdict.missing.count), (1, 1));
        let verdict = compare(&plan(""), then, &session(&[">a", "<b", "<c", "<d"]));
        assert_eq!((verdict.matched, verdict.extra.count), (2, 1));
        assert!(!verdict.is_same());
    }

    #[test]
    fn a_token_may_be_another_where_both_say_it() {
        let lines = |token: &str| {
            vec![
                format!("<{{\"token\":\"{token}\"}}"),
                format!(">{{\"op\":\"go\",\"token\":\"{token}\"}}"),
            ]
        };
        let script =
            |lines: &[String]| session(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let then = script(&lines("abc123def"));
        let verdict = compare(&plan(""), then.clone(), &script(&lines("zyx987wvu")));
        assert!(!verdict.variables.is_empty());
        assert!(verdict.otherwise.is_empty(), "{verdict:?}");
        let mixed = [lines("zyx987wvu")[0].clone(), lines("abc123def")[1].clone()];
        assert_eq!(compare(&plan(""), then, &script(&mixed)).otherwise.count, 1);
    }

    #[test]
    fn clients_that_said_other_things_are_told() {
        let then = session(&[r#">{"n":1}"#, "<ok", r#">{"n":2}"#]);
        let now = session(&[r#">{"n":1}"#, "<ok", r#">{"n":3}"#, ">more"]);
        let verdict = compare(&plan(""), then.clone(), &now);
        let told: Vec<_> = verdict.otherwise.first.iter().map(|told| told.number).collect();
        assert_eq!(told, [2, 3]);
        assert!(!verdict.is_same());
        let few = compare(&plan(""), then.clone(), &session(&[r#">{"n":1}"#, "<ok"]));
        assert_eq!((few.said, few.to_say), (1, 2));
        let allowed = session(&[r#">{"n":1}"#, "<ok", r#">{"n":3}"#]);
        assert!(compare(&plan("[[ignore]]\npath = '/n'"), then, &allowed).is_same());
    }

    #[test]
    fn openings_and_ends() {
        let mut then = session(&[]);
        let mut now = session(&[]);
        now.accept = Some((0, Accept { status: 404, fields: Vec::new() }));
        let verdict = compare(&plan(""), then.clone(), &now);
        assert_eq!(verdict.opening.as_deref(), Some("answered with 404, expected 101"));
        now.accept = None;
        assert!(compare(&plan(""), then.clone(), &now).opening.is_some());
        now.accept = then.accept.clone();
        now.closing = Closing { by: Some(Side::Backend), code: Some(1011), ..Closing::default() };
        assert!(compare(&plan(""), then.clone(), &now).closing.is_some());
        assert!(compare(&plan(""), now.clone(), &now).is_same());
        assert!(compare(&plan(""), now.clone(), &then).closing.is_some());
        then.closing = Closing::default();
        assert_eq!(compare(&plan(""), now, &then).closing, None);
    }
}
