use uuid::Uuid;

use super::*;

const NOW: i64 = 1_795_446_000;

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn extension(n: u128) -> ExtensionId {
    ExtensionId(Uuid::from_u128(n))
}

fn phone(n: u128) -> Phone<'static> {
    Phone { user: user(n), e164: "+13035550111" }
}

fn line(n: u128, digits: &'static str, of_number: bool, rings: bool) -> Line<'static> {
    let phone = rings.then_some("+13035550112");
    Line { extension: extension(n), digits, of_number, user: user(n), name: "Dev Shah", phone }
}

/// An open number with three phones and five extensions: `101` of the agency and of the number, `10`, `1012`, and
/// `102`, whose user is AWAY.
fn office() -> Office<'static> {
    Office {
        number: "+13035550100",
        leg_caller_id: LegCallerId::Caller,
        caller: "+13035560001",
        label: "Front desk",
        greeting: None,
        voicemail_greeting: None,
        open: true,
        strategy: RingStrategy::Simultaneous,
        ring_seconds: 20,
        phones: vec![phone(1), phone(2), phone(3)],
        lines: vec![
            line(11, "101", false, true),
            line(12, "101", true, true),
            line(13, "10", false, true),
            line(14, "1012", false, true),
            line(15, "102", false, false),
        ],
    }
}

fn in_sequence() -> Office<'static> {
    Office { strategy: RingStrategy::Sequential, ..office() }
}

/// A short description of a plan: `menu`, `menu wrong 1`, `ring 1,2,3`, `ring again 2`, `mailbox`, `mailbox 12`, `bye`.
fn describe(plan: &Plan) -> String {
    let users = |list: &[(UserId, String)]| {
        list.iter().map(|(user, _)| user.0.as_u128().to_string()).collect::<Vec<_>>().join(",")
    };
    match plan {
        Plan::Menu { next, .. } if next.tries == 0 => "menu".to_owned(),
        Plan::Menu { next, pause, .. } => format!("menu wrong {} after {pause}", next.tries),
        Plan::Ring { phones, next, .. } => {
            let again = next.ring.as_ref().is_some_and(|ring| ring.again);
            format!("ring {}{}", if again { "again " } else { "" }, users(phones))
        }
        Plan::Voicemail { next, .. } => match next.ring.as_ref().map(|ring| ring.target) {
            Some(Target::Extension(id)) => format!("mailbox {}", id.0.as_u128()),
            _ => "mailbox".to_owned(),
        },
        Plan::HangUp { say: None } => "hang up".to_owned(),
        Plan::HangUp { say: Some(_) } => "bye".to_owned(),
    }
}

/// The plan after one event of a script: `call`, `key 101`, `guess 101`, `lost` (no leg has reported), `early` (the
/// same before the ring time ends), `1:up 2:cut 3:end`, `talked`, `recorded`, `silent`.
fn plan_after(office: &Office<'_>, state: &IvrState, what: &str) -> Plan {
    let mut outcomes = Vec::new();
    for part in what.split_whitespace() {
        if let Some((who, how)) = part.split_once(':') {
            let outcome = match how {
                "up" => LegOutcome::PickedUp,
                "cut" => LegOutcome::CutOff,
                _ => LegOutcome::Unanswered,
            };
            outcomes.push((user(who.parse().unwrap()), outcome));
        }
    }
    let keyed = |digits, guess_limit_reached| IvrEvent::DigitsEntered { digits, guess_limit_reached };
    let now = match what {
        _ if what.starts_with("early") => state.ring.as_ref().map_or(NOW, |ring| ring.began) + 9,
        "call" | "key" | "talked" | "recorded" | "silent" => NOW,
        _ if what.starts_with("key ") || what.starts_with("guess ") => NOW,
        // After the whole ring time.
        _ => state.ring.as_ref().map_or(NOW, |ring| ring.began) + 25,
    };
    let event = match what {
        "call" => IvrEvent::CallStarted,
        "talked" => IvrEvent::ConversationEnded,
        "recorded" => IvrEvent::VoicemailLeft,
        "silent" => IvrEvent::NoMessageLeft,
        "key" => keyed("", false),
        _ if what.starts_with("key ") => keyed(&what[4..], false),
        _ if what.starts_with("guess ") => keyed(&what[6..], true),
        _ => IvrEvent::NotConnected { outcomes: &outcomes },
    };
    plan(office, state, event, now)
}

fn run(office: &Office<'_>, script: &[&str]) -> Vec<String> {
    let (mut state, mut plans) = (IvrState::default(), Vec::new());
    for what in script {
        let plan = plan_after(office, &state, what);
        plans.push(describe(&plan));
        state = plan.next().cloned().unwrap_or_default();
    }
    plans
}

type Case = (Office<'static>, &'static [&'static str], &'static str);

fn cases() -> Vec<Case> {
    let closed = || Office { open: false, ..office() };
    let nobody = || Office { phones: vec![], ..office() };
    let one = || Office { phones: vec![phone(1)], ..office() };
    let bare = || Office { lines: vec![], ..office() };
    let many = |count: u128, strategy| Office { phones: (1..=count).map(phone).collect(), strategy, ..office() };
    let all = RingStrategy::Simultaneous;
    let each = RingStrategy::Sequential;
    vec![
        // The greeting and dialed digits.
        (office(), &["call"], "menu"),
        (closed(), &["call"], "mailbox"),
        (Office { open: false, ..nobody() }, &["call"], "mailbox"),
        (bare(), &["call"], "menu"),
        (nobody(), &["call"], "menu"),
        (office(), &["call", "key"], "ring 1,2,3"),
        (office(), &["call", "key 0"], "ring 1,2,3"),
        (office(), &["call", "key 101"], "ring 12"),
        (office(), &["call", "key 10"], "ring 13"),
        (office(), &["call", "key 1012"], "ring 14"),
        (office(), &["call", "key 102"], "mailbox 15"),
        (office(), &["call", "key 00"], "menu wrong 1 after 1"),
        (office(), &["call", "key 911"], "menu wrong 1 after 1"),
        (office(), &["call", "key 1"], "menu wrong 1 after 1"),
        (office(), &["call", "key *"], "menu wrong 1 after 1"),
        (office(), &["call", "key 3035560001"], "menu wrong 1 after 1"),
        (office(), &["call", "key 999", "key 998"], "menu wrong 2 after 2"),
        (office(), &["call", "key 99", "key 98", "key 97"], "ring 1,2,3"),
        (office(), &["call", "key 99", "key 98", "key"], "ring 1,2,3"),
        (office(), &["call", "key 99", "key 98", "key 0"], "ring 1,2,3"),
        (office(), &["call", "key 99", "key 101"], "ring 12"),
        (office(), &["call", "key 99", "key 98", "key 101"], "ring 12"),
        (office(), &["call", "key 99", "key 98", "key 102"], "mailbox 15"),
        (office(), &["call", "guess 99"], "ring 1,2,3"),
        (office(), &["call", "guess 101"], "ring 12"),
        (bare(), &["call", "key 101"], "menu wrong 1 after 1"),
        (nobody(), &["call", "key"], "mailbox"),
        (nobody(), &["call", "key 101"], "ring 12"),
        (nobody(), &["call", "key 99", "key 98", "key 97"], "mailbox"),
        // Simultaneous ringing.
        (office(), &["call", "key", "lost"], "mailbox"),
        (office(), &["call", "key", "1:end 2:end 3:end"], "mailbox"),
        (office(), &["call", "key", "early 1:end 2:end 3:end"], "mailbox"),
        (office(), &["call", "key", "talked"], "hang up"),
        (office(), &["call", "key", "early 1:up 2:cut 3:cut"], "ring again 2,3"),
        (office(), &["call", "key", "early 2:up 1:cut 3:cut"], "ring again 1,3"),
        (office(), &["call", "key", "early 1:up"], "ring again 2,3"),
        (office(), &["call", "key", "1:up"], "mailbox"),
        (office(), &["call", "key", "1:up 2:cut 3:cut"], "ring again 2,3"),
        (office(), &["call", "key", "early 1:up 2:up 3:cut"], "ring again 3"),
        (office(), &["call", "key", "early 1:up 2:up 3:up"], "mailbox"),
        (office(), &["call", "key", "early 1:up 2:end 3:end"], "mailbox"),
        (office(), &["call", "key", "1:up 2:end 3:cut"], "ring again 3"),
        (office(), &["call", "key", "early 1:up 2:cut 3:cut", "early 2:up 3:cut"], "mailbox"),
        (office(), &["call", "key", "early 1:up 2:cut 3:cut", "2:end 3:end"], "mailbox"),
        (office(), &["call", "key", "early 1:up 2:cut 3:cut", "talked"], "hang up"),
        (office(), &["call", "key", "early"], "mailbox"),
        (one(), &["call", "key", "early 1:up"], "mailbox"),
        (one(), &["call", "key", "1:end"], "mailbox"),
        (many(10, all), &["call", "key"], "ring 1,2,3,4,5,6,7,8,9,10"),
        (many(12, all), &["call", "key"], "ring 1,2,3,4,5,6,7,8,9,10"),
        (many(12, all), &["call", "key", "lost"], "ring 11,12"),
        (many(12, all), &["call", "key", "lost", "lost"], "mailbox"),
        // Sequential ringing.
        (in_sequence(), &["call", "key"], "ring 1"),
        (in_sequence(), &["call", "key", "1:end"], "ring 2"),
        (in_sequence(), &["call", "key", "early 1:up"], "ring 2"),
        (in_sequence(), &["call", "key", "1:end", "2:end"], "ring 3"),
        (in_sequence(), &["call", "key", "1:end", "2:end", "3:end"], "mailbox"),
        (in_sequence(), &["call", "key", "1:end", "talked"], "hang up"),
        (many(10, each), &["call", "key", "", "", "", "", ""], "ring 6"),
        (many(10, each), &["call", "key", "", "", "", "", "", ""], "ring 7,8,9,10"),
        (many(10, each), &["call", "key", "", "", "", "", "", "", ""], "mailbox"),
        (many(10, each), &["call", "key 99", "key 98", "key 97", "", "", ""], "ring 4"),
        (many(10, each), &["call", "key 99", "key 98", "key 97", "", "", "", ""], "ring 5,6,7,8,9,10"),
        // Digits that arrive with the call.
        (office(), &["key 101"], "ring 12"),
        (office(), &["key"], "ring 1,2,3"),
        (closed(), &["key 101"], "mailbox"),
        (closed(), &["key"], "mailbox"),
        // Extensions, voicemail, goodbye.
        (office(), &["call", "key 101", "12:end"], "mailbox 12"),
        (office(), &["call", "key 101", "early 12:up"], "mailbox 12"),
        (office(), &["call", "key 101", "lost"], "mailbox 12"),
        (office(), &["call", "key 101", "talked"], "hang up"),
        (in_sequence(), &["call", "key 101", "12:end"], "mailbox 12"),
        (office(), &["call", "key 101", "lost", "recorded"], "bye"),
        (office(), &["call", "key", "lost", "recorded"], "bye"),
        (office(), &["call", "key", "lost", "silent"], "bye"),
        (closed(), &["call", "recorded"], "bye"),
        (closed(), &["call", "silent"], "bye"),
    ]
}

#[test]
fn scripts_end_in_the_expected_plan() {
    let cases = cases();
    assert!(cases.len() >= 60, "{}", cases.len());
    for (office, script, expected) in cases {
        let plans = run(&office, script);
        assert_eq!(plans.last().map(String::as_str), Some(expected), "{script:?}: {plans:?}");
    }
}

#[test]
fn users_who_became_unavailable_are_not_rung_again() {
    let first = plan_after(&office(), &IvrState { step: 1, ..IvrState::default() }, "key");
    let state = first.next().unwrap();
    let without_two = Office { phones: vec![phone(1), phone(3)], ..office() };
    assert_eq!(describe(&plan_after(&without_two, state, "early 1:up 2:cut 3:cut")), "ring again 3");
    let alone = Office { phones: vec![phone(1)], ..office() };
    assert_eq!(describe(&plan_after(&alone, state, "early 1:up 2:cut 3:cut")), "mailbox");
}

#[test]
fn phones_show_the_caller_or_the_number_that_was_called() {
    let shown = |caller, leg_caller_id| {
        let office = Office { caller, leg_caller_id, ..office() };
        match plan_after(&office, &IvrState { step: 1, ..IvrState::default() }, "key") {
            Plan::Ring { caller_id, .. } => caller_id,
            other => panic!("{other:?}"),
        }
    };
    for (caller, setting, expected) in [
        ("+13035560001", LegCallerId::Caller, "+13035560001"),
        ("+13035560001", LegCallerId::Number, "+13035550100"),
        ("anonymous", LegCallerId::Caller, "+13035550100"),
        ("+266696687", LegCallerId::Caller, "+13035550100"),
        ("", LegCallerId::Caller, "+13035550100"),
    ] {
        assert_eq!(shown(caller, setting), expected, "{caller} {setting:?}");
    }
}

#[test]
fn prompts_use_custom_greetings_or_the_defaults() {
    let say = |plan: &Plan| match plan {
        Plan::Menu { say, .. } | Plan::Voicemail { say, .. } => say.clone(),
        Plan::Ring { say, .. } | Plan::HangUp { say } => say.clone().unwrap_or_default(),
    };
    let own = Office { greeting: Some("Hello there."), voicemail_greeting: Some("Speak."), ..office() };
    let begin = IvrState::default();
    assert!(say(&plan_after(&office(), &begin, "call")).contains("Front desk"));
    assert_eq!(say(&plan_after(&own, &begin, "call")), "Hello there.");
    let closed = Office { open: false, ..office() };
    assert!(say(&plan_after(&closed, &begin, "call")).contains("closed"));
    assert_eq!(say(&plan_after(&Office { open: false, ..own.clone() }, &begin, "call")), "Speak.");
    assert!(say(&plan_after(&own, &begin, "key 102")).contains("Dev Shah"));
    assert!(say(&plan_after(&own, &begin, "key 99")).contains("no such extension"));
}

/// The events that can follow a plan.
fn possible_events(plan: &Plan) -> Vec<&'static str> {
    match plan {
        Plan::Menu { .. } => vec!["key", "key 99", "key 101", "key 102"],
        Plan::Ring { .. } => vec!["talked", "lost", "early 1:up", "early 1:up 2:cut 3:cut", "1:end 2:end 3:end"],
        Plan::Voicemail { .. } => vec!["recorded", "silent"],
        Plan::HangUp { .. } => vec![],
    }
}

/// Walks every path and returns the number of paths.
fn walk(office: &Office<'_>, plan: &Plan, steps: u8) -> u64 {
    assert!(steps <= MAX_STEPS, "a path of more than {MAX_STEPS} steps");
    let next = plan.next();
    if let Some(next) = next {
        assert_eq!(next.step, steps);
    }
    match plan {
        Plan::Ring { phones, .. } => assert!((1..=MAX_LEGS).contains(&phones.len())),
        Plan::Menu { say, .. } | Plan::Voicemail { say, .. } => assert!(!say.is_empty()),
        Plan::HangUp { .. } => {}
    }
    let events = possible_events(plan);
    let Some(next) = next else { return 1 };
    events
        .into_iter()
        .map(|what| {
            let after = plan_after(office, next, what);
            // Every caller hears a closing sentence, except after a conversation.
            assert!(what == "talked" || describe(&after) != "hang up", "{what}");
            walk(office, &after, steps + 1)
        })
        .sum()
}

#[test]
fn every_path_ends_in_a_conversation_a_voicemail_or_a_goodbye_within_ten_steps() {
    let mut paths = 0;
    for strategy in [RingStrategy::Simultaneous, RingStrategy::Sequential] {
        for count in [0, 1, 3, 7, 10, 25] {
            for open in [true, false] {
                let phones = (1..=count).map(phone).collect();
                let office = Office { strategy, phones, open, ..office() };
                paths += walk(&office, &plan_after(&office, &IvrState::default(), "call"), 1);
            }
        }
    }
    assert!(paths > 10_000, "{paths}");
}

#[test]
fn a_plan_has_a_destination_unless_no_phone_is_to_ring() {
    let destination = |office: &Office<'_>, script: &[&str]| {
        let mut state = IvrState::default();
        let mut found = None;
        for what in script {
            let plan = plan_after(office, &state, what);
            found = plan.destination(office.open);
            state = plan.next().cloned().unwrap_or_default();
        }
        found
    };
    let (open, closed) = (office(), Office { open: false, ..office() });
    let nobody = Office { phones: Vec::new(), ..office() };
    for (office, script, expected) in [
        (&open, &["call"][..], None),
        (&open, &["call", "key"], Some(Target::MainLine)),
        (&open, &["call", "key", "1:end 2:end 3:end"], Some(Target::MainLine)),
        (&open, &["call", "key", "talked"], None),
        (&open, &["call", "key 10"], Some(Target::Extension(extension(13)))),
        (&open, &["call", "key 102"], Some(Target::Extension(extension(15)))),
        (&nobody, &["call", "key"], Some(Target::MainLine)),
        (&nobody, &["key"], Some(Target::MainLine)),
        (&closed, &["call"], None),
        (&closed, &["key 10"], None),
    ] {
        assert_eq!(destination(office, script), expected, "{script:?}");
    }
}
