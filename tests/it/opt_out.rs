//! STOP and START apply per agency and contact.

use serde_json::json;

use crate::support::directory::{DESK, EMPTY, NURSES, SISTER};
use crate::support::outbound::receipt_query;
use crate::support::{TestApp, Text};

async fn is_opted_out(app: &TestApp, agency: &str, phone: &str) -> bool {
    let contacts = app.contacts_at(app.agency(agency).await, phone).await;
    assert_eq!(contacts.len(), 1);
    contacts[0].opted_out_at.is_some()
}

const CARLA: &str = "+13035560001";

#[tokio::test]
async fn a_stop_to_one_number_applies_to_the_agency_until_a_start_to_any_number() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1")).await;
    assert!(!is_opted_out(&app, "acme", CARLA).await);
    app.receive(Text::new("SM2").body(" stop ")).await;
    assert!(is_opted_out(&app, "acme", CARLA).await);
    // Later texts do not reverse it, not even one that contains "start".
    app.receive(Text::new("SM3").body("please start again")).await;
    assert!(is_opted_out(&app, "acme", CARLA).await);
    app.receive(Text::new("SM4").to(NURSES).body("START")).await;
    assert!(!is_opted_out(&app, "acme", CARLA).await);
    // They are stored as texts in their threads.
    assert_eq!((app.thread_of("SM1").await.inbound_count, app.thread_of("SM4").await.inbound_count), (3, 1));
}

#[tokio::test]
async fn a_stop_from_an_unknown_sender_is_recorded() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").from("+13035569999").body("STOPALL")).await;
    assert!(is_opted_out(&app, "acme", "+13035569999").await);
}

#[tokio::test]
async fn twilios_opt_out_type_is_recorded() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").body("arret").field("OptOutType", "STOP")).await;
    assert!(is_opted_out(&app, "acme", CARLA).await);
    app.receive(Text::new("SM2").body("encore").field("OptOutType", "START")).await;
    assert!(!is_opted_out(&app, "acme", CARLA).await);
}

#[tokio::test]
async fn a_stop_does_not_affect_another_agency() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").to(SISTER)).await;
    app.receive(Text::new("SM2").body("STOP")).await;
    assert!(is_opted_out(&app, "acme", CARLA).await);
    assert!(!is_opted_out(&app, "sister", CARLA).await);
}

#[tokio::test]
async fn of_simultaneous_stop_and_start_the_later_one_applies() {
    let app = TestApp::start().await;
    for (n, body) in ["STOP", "START", "STOP", "hello"].into_iter().enumerate() {
        app.receive(Text::new(format!("SM{n}")).body(body)).await;
    }
    assert!(is_opted_out(&app, "acme", CARLA).await);
}

#[tokio::test]
async fn a_stop_is_recognized_however_it_is_typed_but_not_inside_a_longer_text() {
    let app = TestApp::start().await;
    let stops =
        ["Stop.", "STOP!", "\"stop\"", "“Stop”", "stop\r\n", "OPT OUT", "Opt out", "OPT-OUT", "STOP ALL", "ＳＴＯＰ"];
    let others = [
        "Don't stop, I love these",
        "unstoppable",
        "STOP 12345",
        "Liked “Reply STOP to get no more texts.”",
        "please opt out my sister",
        "Start!",
    ];
    for (n, (body, expected)) in
        stops.iter().map(|body| (body, true)).chain(others.iter().map(|body| (body, false))).enumerate()
    {
        let from = format!("+1303556{n:04}");
        app.receive(Text::new(format!("SM{n}")).from(&from).body(body)).await;
        assert_eq!(is_opted_out(&app, "acme", &from).await, expected, "{body}");
    }
}

/// Makes the carrier block this number for Carla, through a status callback for a text from an admin.
async fn block(app: &TestApp, number: &str, sid: &str) {
    app.receive(Text::new(format!("{sid}in")).to(number)).await;
    let thread = json!(app.thread_of(&format!("{sid}in")).await.id.to_string());
    let ana = app.token("acme", "ana");
    let sent = app.reply(&ana, &thread, &format!("hello {sid}"), json!({})).await;
    assert_eq!(sent["userErrors"], json!([]));
    let message = app.outbound().await.pop().unwrap();
    let failed = [("MessageSid", sid), ("MessageStatus", "failed"), ("ErrorCode", "21610")];
    assert_eq!(app.receipt(&receipt_query(&message), &failed).await, 200);
}

/// The phone numbers of acme that the carrier blocks for Carla.
async fn blocked(app: &TestApp) -> Vec<String> {
    let directory = app.directory("acme").await;
    let threads = app.threads(app.agency("acme").await).await;
    let numbers = threads.iter().filter(|thread| thread.blocked_at.is_some()).map(|thread| thread.phone_number_id);
    let mut numbers: Vec<_> = numbers.map(|id| directory.number(id).unwrap().e164.clone()).collect();
    numbers.sort();
    numbers
}

const TOLL_FREE: &str = "+18885550100";

#[tokio::test]
async fn opting_in_at_any_number_lifts_every_block_but_yes_does_not_lift_a_toll_free_numbers_block() {
    let app = TestApp::start().await;
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: '{TOLL_FREE}'}}]}}]")).await;
    let numbers = [DESK, NURSES, TOLL_FREE];
    let cases: [(&str, &str, &[&str]); 6] = [
        ("START", DESK, &[]),
        ("unstop", EMPTY, &[]),
        ("START", TOLL_FREE, &[]),
        ("YES", EMPTY, &[TOLL_FREE]),
        ("yes", TOLL_FREE, &[TOLL_FREE]),
        ("please start", DESK, &numbers),
    ];
    for (n, (word, to, left)) in cases.into_iter().enumerate() {
        for (at, number) in numbers.into_iter().enumerate() {
            if !blocked(&app).await.contains(&number.to_owned()) {
                block(&app, number, &format!("SM{n}x{at}")).await;
            }
        }
        assert_eq!(blocked(&app).await, numbers);
        app.receive(Text::new(format!("SMword{n}")).to(to).body(word)).await;
        assert_eq!(blocked(&app).await, left, "{word} to {to}");
    }
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn subscribers_receive_an_event_when_a_threads_block_is_lifted_at_another_number() {
    let app = TestApp::start().await;
    block(&app, DESK, "SM1").await;
    let ben = app.token("acme", "ben");
    let mut socket = app.socket(&ben).await;
    let query = "subscription($after: EventCursor) { threadUpdated(after: $after) { thread { id } } }";
    socket.subscribe("1", query, json!({"after": app.cursor(&ben).await})).await;
    app.receive(Text::new("SM2").to(NURSES).body("START")).await;
    let desk = json!(app.thread_of("SM1in").await.id.to_string());
    assert_eq!(socket.event().await["threadUpdated"]["thread"]["id"], desk);
    assert!(blocked(&app).await.is_empty());
}

#[tokio::test]
async fn an_admin_lifts_blocks_by_recording_an_opt_in() {
    let app = TestApp::start().await;
    block(&app, DESK, "SM1").await;
    block(&app, NURSES, "SM2").await;
    let ana = app.token("acme", "ana");
    let contact = app.thread_of("SM1in").await.contact_id.to_string();
    let set = async |opted_out: bool| {
        let document = "mutation($id: ID!, $out: Boolean!) {
            setOptOut(input: {contactId: $id, optedOut: $out, reason: \"said so\"}) { contact { optedOut } userErrors { code } } }";
        let answer = app.graphql(&ana, document, json!({"id": contact, "out": opted_out})).await;
        assert_eq!(answer["data"]["setOptOut"]["userErrors"], json!([]));
        assert_eq!(answer["data"]["setOptOut"]["contact"]["optedOut"], opted_out);
    };
    // Opting out does not change the carrier's block.
    set(true).await;
    assert_eq!(blocked(&app).await, [DESK, NURSES]);
    set(false).await;
    assert!(blocked(&app).await.is_empty());
    // The block is lifted even if the contact is not opted out.
    block(&app, DESK, "SM3").await;
    set(false).await;
    assert!(blocked(&app).await.is_empty());
}
