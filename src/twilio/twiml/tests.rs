//! Every kind of document, as it goes out. `make twiml` holds them against the grammar of Twilio's own library.

use insta::assert_snapshot;
use uuid::Uuid;

use super::*;
use crate::domain::ivr::{Course, Ring, Target, answer_press, ask_to_dial, screen};
use crate::domain::{AccountId, AgencyId, ExtensionId, PhoneNumberId, UserId};
use crate::service::calls::CallKey;

/// What somebody may put into a name or a greeting.
const NASTY: &str = "Ben & Chloe's \"<Desk>\" 😀 ]]> &amp; \u{7}\u{b}\u{1b}\u{fffe} 日本 \u{85}";

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn key() -> CallKey {
    CallKey {
        agency: AgencyId(Uuid::from_u128(1)),
        account: AccountId(Uuid::from_u128(2)),
        number: PhoneNumberId(Uuid::from_u128(3)),
        sid: "CA00000000000000000000000000000001".to_owned(),
        from: "+13035560001".to_owned(),
    }
}

fn shown(shown: &Plan) -> Document {
    plan(shown, &Links { public_url: "https://partyline.example", call: &key() })
}

fn course(step: u8, target: Target, users: &[u128]) -> Course {
    let users = users.iter().map(|n| user(*n)).collect();
    let ring = Ring { target, users, before: vec![user(9)], again: true, began: 1_795_446_000 };
    Course { step, tries: 0, ring: Some(ring) }
}

#[test]
fn menus() {
    let menu = |pause, say: &str, tries| Plan::Menu {
        pause,
        say: say.to_owned(),
        next: Course { step: 1, tries, ring: None },
    };
    assert_snapshot!(
        "menu",
        shown(&menu(0, "You have reached Front desk. Dial an extension now, or stay on the line.", 0))
    );
    assert_snapshot!("menu_again", shown(&menu(2, "There is no such extension.", 2)));
    assert_snapshot!("menu_nasty", shown(&menu(0, NASTY, 0)));
    let long = shown(&menu(0, &"a".repeat(9_000), 0));
    assert!(long.len() < 5_000, "a Say holds 4,096 characters");
}

#[test]
fn ringing() {
    let phones = |count: u128| (1..=count).map(|n| (user(n), format!("+1303555{n:04}"))).collect();
    let ring = |say: Option<&str>, count, next| Plan::Ring {
        say: say.map(str::to_owned),
        phones: phones(count),
        caller_id: "+13035560001".to_owned(),
        seconds: 20,
        next,
    };
    assert_snapshot!(
        "ring_one",
        shown(&ring(None, 1, course(2, Target::Extension(ExtensionId(Uuid::from_u128(7))), &[1])))
    );
    let ten: Vec<u128> = (1..=10).collect();
    let all = shown(&ring(Some("We connect you with the main line."), 10, course(4, Target::MainLine, &ten)));
    assert!(all.len() < 64 * 1024);
    assert_snapshot!("ring_ten", all);
}

#[test]
fn voicemail_and_goodbye() {
    let voicemail = |say: &str| Plan::Voicemail { say: say.to_owned(), next: course(5, Target::MainLine, &[]) };
    assert_snapshot!("voicemail", shown(&voicemail("Please leave a message after the tone.")));
    assert_snapshot!("voicemail_nasty", shown(&voicemail(NASTY)));
    assert_snapshot!("goodbye", shown(&Plan::HangUp { say: Some("Thank you. Goodbye.".to_owned()) }));
    assert_snapshot!("hang_up", shown(&Plan::HangUp { say: None }));
    assert_snapshot!("not_in_service", shown(&Plan::not_in_service()));
}

#[test]
fn phones_of_the_staff() {
    let action = "https://partyline.example/api/twilio/voice/press?agency=a&step=2";
    assert_snapshot!("screen", leg(&screen(NASTY), action));
    assert_snapshot!("connect", leg(&answer_press("1", Some(true)), ""));
    assert_snapshot!("already_taken", leg(&answer_press("1", Some(false)), ""));
    assert_snapshot!("declined", leg(&answer_press("7", None), ""));
    assert_snapshot!("ask_to_dial", leg(&ask_to_dial("Front desk"), action));
}

/// Twilio requests an address with its parameters sorted, and signs it as it was given.
#[test]
fn the_parameters_of_every_address_are_in_alphabetical_order() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/twilio/twiml/snapshots");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let document = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for address in document.split("https://").skip(1) {
            let address = address.split(['"', '<']).next().unwrap().replace("&amp;", "&");
            let Some((_, query)) = address.split('#').next().unwrap().split_once('?') else { continue };
            let names: Vec<&str> = query.split('&').map(|pair| pair.split('=').next().unwrap()).collect();
            assert!(names.is_sorted(), "{address}");
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn click_to_call() {
    let wanted =
        Dial { from: "+13035550100".to_owned(), to: "+13035560001".to_owned(), ring_seconds: 30, limit_seconds: 7_200 };
    let reports = "https://partyline.example/api/twilio/voice/outbound-leg?agency=a&call=c#rc=5&rp=5xx,ct,rt";
    assert_snapshot!("dial", dial(&wanted, "https://partyline.example/api/twilio/voice/outbound-dialled?a=b", reports));
}
