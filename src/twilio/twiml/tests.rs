//! Snapshots of every kind of document. `make twiml` checks them against the grammar of Twilio's own library.

use insta::assert_snapshot;
use uuid::Uuid;

use super::*;
use crate::domain::ivr::{IvrState, Ring, Target, answer_press, ask_to_dial, screen};
use crate::domain::{AccountId, AgencyId, ExtensionId, PhoneNumberId, UserId};
use crate::service::calls::CallKey;

/// Text that a user may enter as a name or a greeting.
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

fn render(rendered: &Plan) -> Document {
    plan(rendered, &CallUrls { public_url: "https://partyline.example", call: &key() })
}

fn ivr_state(step: u8, target: Target, users: &[u128]) -> IvrState {
    let users = users.iter().map(|n| user(*n)).collect();
    let ring = Ring { target, users, before: vec![user(9)], again: true, began: 1_795_446_000 };
    IvrState { step, tries: 0, ring: Some(ring) }
}

#[test]
fn menus_are_rendered() {
    let menu = |pause, say: &str, tries| Plan::Menu {
        pause,
        say: say.to_owned(),
        next: IvrState { step: 1, tries, ring: None },
    };
    assert_snapshot!(
        "menu",
        render(&menu(0, "You have reached Front desk. Dial an extension now, or stay on the line.", 0))
    );
    assert_snapshot!("menu_again", render(&menu(2, "There is no such extension.", 2)));
    assert_snapshot!("menu_nasty", render(&menu(0, NASTY, 0)));
    let long = render(&menu(0, &"a".repeat(9_000), 0));
    assert!(long.len() < 5_000, "a Say holds 4,096 characters");
}

#[test]
fn ringing_is_rendered() {
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
        render(&ring(None, 1, ivr_state(2, Target::Extension(ExtensionId(Uuid::from_u128(7))), &[1])))
    );
    let ten: Vec<u128> = (1..=10).collect();
    let all = render(&ring(Some("We connect you with the main line."), 10, ivr_state(4, Target::MainLine, &ten)));
    assert!(all.len() < 64 * 1024);
    assert_snapshot!("ring_ten", all);
}

#[test]
fn voicemail_and_goodbye_are_rendered() {
    let voicemail = |say: &str| Plan::Voicemail { say: say.to_owned(), next: ivr_state(5, Target::MainLine, &[]) };
    assert_snapshot!("voicemail", render(&voicemail("Please leave a message after the tone.")));
    assert_snapshot!("voicemail_nasty", render(&voicemail(NASTY)));
    assert_snapshot!("goodbye", render(&Plan::HangUp { say: Some("Thank you. Goodbye.".to_owned()) }));
    assert_snapshot!("hang_up", render(&Plan::HangUp { say: None }));
    assert_snapshot!("not_in_service", not_in_service());
}

#[test]
fn screening_of_users_phones_is_rendered() {
    let action = "https://partyline.example/api/twilio/voice/press?agency=a&step=2";
    assert_snapshot!("screen", leg(&screen(NASTY), action));
    assert_snapshot!("connect", leg(&answer_press("1", Some(true)), ""));
    assert_snapshot!("already_taken", leg(&answer_press("1", Some(false)), ""));
    assert_snapshot!("declined", leg(&answer_press("7", None), ""));
    assert_snapshot!("ask_to_dial", leg(&ask_to_dial("Front desk"), action));
}

/// Twilio sorts the parameters of a URL when it requests it, but signs the URL as given.
#[test]
fn the_parameters_of_every_url_are_in_alphabetical_order() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/twilio/twiml/snapshots");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let document = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for url in document.split("https://").skip(1) {
            let url = url.split(['"', '<']).next().unwrap().replace("&amp;", "&");
            let Some((_, query)) = url.split('#').next().unwrap().split_once('?') else { continue };
            let names: Vec<&str> = query.split('&').map(|pair| pair.split('=').next().unwrap()).collect();
            assert!(names.is_sorted(), "{url}");
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn an_outbound_dial_is_rendered() {
    let outbound =
        Dial { from: "+13035550100".to_owned(), to: "+13035560001".to_owned(), ring_seconds: 30, limit_seconds: 7_200 };
    let reports = "https://partyline.example/api/twilio/voice/outbound-leg?agency=a&call=c#rc=5&rp=5xx,ct,rt";
    assert_snapshot!(
        "dial",
        dial(&outbound, "https://partyline.example/api/twilio/voice/outbound-dialled?a=b", reports)
    );
}
