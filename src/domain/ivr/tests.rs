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

/// Open, three phones, `101` of the agency and of the number, `10` and `1012`, `102` whose user is AWAY.
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

/// A plan in a few letters: `menu`, `menu wrong 1`, `ring 1,2,3`, `ring again 2`, `mailbox`, `mailbox 12`, `bye`.
fn shown(plan: &Plan) -> String {
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

/// What happens in a script: `call`, `key 101`, `guess 101`, `lost` (nothing known), `early` (the same before the
/// time), `1:up 2:cut 3:end`, `talked`, `recorded`, `silent`.
fn happens(office: &Office<'_>, course: &Course, what: &str) -> Plan {
    let mut heard = Vec::new();
    for part in what.split_whitespace() {
        if let Some((who, how)) = part.split_once(':') {
            let how = match how {
                "up" => Heard::PickedUp,
                "cut" => Heard::CutOff,
                _ => Heard::ToTheEnd,
            };
            heard.push((user(who.parse().unwrap()), how));
        }
    }
    let keyed = |digits, guesses| Happened::Keyed { digits, guesses };
    let now = match what {
        _ if what.starts_with("early") => course.ring.as_ref().map_or(NOW, |ring| ring.began) + 9,
        "call" | "key" | "talked" | "recorded" | "silent" => NOW,
        _ if what.starts_with("key ") || what.starts_with("guess ") => NOW,
        // As long after the ring began as it rings.
        _ => course.ring.as_ref().map_or(NOW, |ring| ring.began) + 25,
    };
    let happened = match what {
        "call" => Happened::Called,
        "talked" => Happened::Talked,
        "recorded" => Happened::Recorded,
        "silent" => Happened::Silent,
        "key" => keyed("", false),
        _ if what.starts_with("key ") => keyed(&what[4..], false),
        _ if what.starts_with("guess ") => keyed(&what[6..], true),
        _ => Happened::NotConnected { heard: &heard },
    };
    plan(office, course, happened, now)
}

fn run(office: &Office<'_>, script: &[&str]) -> Vec<String> {
    let (mut course, mut plans) = (Course::default(), Vec::new());
    for what in script {
        let plan = happens(office, &course, what);
        plans.push(shown(&plan));
        course = plan.next().cloned().unwrap_or_default();
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
        // The greeting, and what is dialled.
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
        // All at once.
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
        // One after the other.
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
        // Digits that come along with the call.
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
fn what_becomes_of_callers() {
    let cases = cases();
    assert!(cases.len() >= 60, "{}", cases.len());
    for (office, script, expected) in cases {
        let plans = run(&office, script);
        assert_eq!(plans.last().map(String::as_str), Some(expected), "{script:?}: {plans:?}");
    }
}

#[test]
fn who_has_gone_meanwhile_is_not_rung() {
    let first = happens(&office(), &Course { step: 1, ..Course::default() }, "key");
    let course = first.next().unwrap();
    let without_two = Office { phones: vec![phone(1), phone(3)], ..office() };
    assert_eq!(shown(&happens(&without_two, course, "early 1:up 2:cut 3:cut")), "ring again 3");
    let alone = Office { phones: vec![phone(1)], ..office() };
    assert_eq!(shown(&happens(&alone, course, "early 1:up 2:cut 3:cut")), "mailbox");
}

#[test]
fn phones_show_the_caller_or_the_number_that_was_called() {
    let shown = |caller, leg_caller_id| {
        let office = Office { caller, leg_caller_id, ..office() };
        match happens(&office, &Course { step: 1, ..Course::default() }, "key") {
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
fn what_is_said() {
    let say = |plan: &Plan| match plan {
        Plan::Menu { say, .. } | Plan::Voicemail { say, .. } => say.clone(),
        Plan::Ring { say, .. } | Plan::HangUp { say } => say.clone().unwrap_or_default(),
    };
    let own = Office { greeting: Some("Hello there."), voicemail_greeting: Some("Speak."), ..office() };
    let begin = Course::default();
    assert!(say(&happens(&office(), &begin, "call")).contains("Front desk"));
    assert_eq!(say(&happens(&own, &begin, "call")), "Hello there.");
    let closed = Office { open: false, ..office() };
    assert!(say(&happens(&closed, &begin, "call")).contains("closed"));
    assert_eq!(say(&happens(&Office { open: false, ..own.clone() }, &begin, "call")), "Speak.");
    assert!(say(&happens(&own, &begin, "key 102")).contains("Dev Shah"));
    assert!(say(&happens(&own, &begin, "key 99")).contains("no such extension"));
}

/// All that can happen after a plan.
fn futures(plan: &Plan) -> Vec<&'static str> {
    match plan {
        Plan::Menu { .. } => vec!["key", "key 99", "key 101", "key 102"],
        Plan::Ring { .. } => vec!["talked", "lost", "early 1:up", "early 1:up 2:cut 3:cut", "1:end 2:end 3:end"],
        Plan::Voicemail { .. } => vec!["recorded", "silent"],
        Plan::HangUp { .. } => vec![],
    }
}

/// Walks every path; gives how many there are.
fn walk(office: &Office<'_>, plan: &Plan, steps: u8) -> u64 {
    assert!(steps <= MOST_STEPS, "a path of more than {MOST_STEPS} steps");
    let next = plan.next();
    if let Some(next) = next {
        assert_eq!(next.step, steps);
    }
    match plan {
        Plan::Ring { phones, .. } => assert!((1..=MOST_LEGS).contains(&phones.len())),
        Plan::Menu { say, .. } | Plan::Voicemail { say, .. } => assert!(!say.is_empty()),
        Plan::HangUp { .. } => {}
    }
    let futures = futures(plan);
    let Some(next) = next else { return 1 };
    futures
        .into_iter()
        .map(|what| {
            let after = happens(office, next, what);
            // Nobody is left without a word: only a conversation ends in silence.
            assert!(what == "talked" || shown(&after) != "hang up", "{what}");
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
                paths += walk(&office, &happens(&office, &Course::default(), "call"), 1);
            }
        }
    }
    assert!(paths > 10_000, "{paths}");
}
