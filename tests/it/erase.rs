//! Erasing a contact removes everything that is stored about them, and nothing else.

use std::convert::Infallible;

use partyline::domain::{AgencyId, MessageId, QuarantineReason};
use partyline::entity::{
    activity, audit, call, carrier_deletion, contact, draft, media, message, notification, quarantine, read_mark,
    thread, voicemail,
};
use partyline::service::erase_contact::{EraseError, erase_contact, find_contact_data};
use partyline::store::outbox;
use partyline::store::writer::{Tx, Unit, UnitError};
use sea_orm::{EntityTrait as _, PaginatorTrait as _, QueryOrder as _};
use serde_json::{Value, json};

use crate::support::directory::{EMPTY, NURSES, OTHER, OTHER_ACCOUNT, OTHER_TOKEN};
use crate::support::voice::{CARLA, STATUS, form};
use crate::support::{TestApp, Text, process};

const DRAFT: &str = "mutation($thread: ID!) { saveDraft(input: {threadId: $thread, body: \"Dear Carla\"}) {
    userErrors { code message } } }";

/// Carla with messages, a file, a call with a voicemail, a draft, a claim, and a quarantined text; and her neighbours.
async fn populate(app: &TestApp) -> Value {
    let url = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/SM1/Media/ME1";
    app.receive(Text::new("SM1").field("NumMedia", "1").field("MediaUrl0", url)).await;
    app.receive(Text::new("SM2").to(NURSES)).await;
    app.receive(Text::new("SMneighbour").from("+13035560009").body("neighbour")).await;
    app.receive(Text::new("SMother").account(OTHER_ACCOUNT, OTHER_TOKEN).to(OTHER).body("other")).await;
    app.leave_voicemail("CA1").await;
    app.document(STATUS, &form("CA1", &[("CallStatus", "completed"), ("CallDuration", "31")])).await;
    app.call("CA1").await;
    let thread = json!(app.thread_of("SM1").await.id.to_string());
    let ben = app.token("acme", "ben");
    for mutation in [
        DRAFT,
        "mutation($thread: ID!) { claimThread(input: {threadId: $thread}) { userErrors { code } } }",
        "mutation($thread: ID!) { markThreadRead(input: {threadId: $thread}) { userErrors { code } } }",
    ] {
        let answer = app.graphql(&ben, mutation, json!({"thread": thread})).await;
        assert!(answer.get("errors").is_none() && !answer.to_string().contains("\"code\""), "{answer}");
    }
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: '{EMPTY}', active: false}}]}}]")).await;
    for (sid, from) in [("SMheld1", CARLA), ("SMheld2", "+13035560009")] {
        app.receive(Text::new(sid).from(from).to(EMPTY)).await;
    }
    thread
}

#[tokio::test]
async fn everything_about_the_contact_is_deleted_and_everything_else_stays() {
    let app = TestApp::start_with_phones().await;
    let (acme, other) = (app.agency("acme").await, app.agency("other").await);
    let before = app.cursor(&app.token("acme", "ben")).await;
    let thread = populate(&app).await;
    let data = find_contact_data(app.services(), "acme", CARLA).await.unwrap();
    assert_eq!((data.rows.threads, data.rows.messages, data.rows.calls, data.rows.recordings), (2, 2, 1, 1));
    assert_eq!((data.rows.files, data.rows.drafts, data.quarantined, data.has_opted_out), (1, 1, 1, false));
    assert!(data.rows.activities > 0 && data.rows.notifications > 0, "{data:?}");
    let mut live = app.socket(&app.token("acme", "ana")).await;
    let follow = "subscription($after: EventCursor) { threadUpdated(after: $after) { threadId thread { id } } }";
    live.subscribe("1", follow, json!({"after": app.cursor(&app.token("acme", "ana")).await})).await;

    erase_contact(app.services(), "acme", CARLA).await.unwrap();
    let bodies: Vec<String> =
        message::Entity::find().all(app.db()).await.unwrap().into_iter().map(|row| row.body).collect();
    assert_eq!(bodies, ["neighbour", "other"]);
    assert!(app.contacts_at(acme, CARLA).await.is_empty());
    assert_eq!(app.contacts_at(other, CARLA).await.len(), 1, "another agency's contact");
    assert_eq!(app.threads(acme).await.len(), 1);
    for left in [
        media::Entity::find().count(app.db()).await.unwrap(),
        call::Entity::find().count(app.db()).await.unwrap(),
        voicemail::Entity::find().count(app.db()).await.unwrap(),
        draft::Entity::find().count(app.db()).await.unwrap(),
        read_mark::Entity::find().count(app.db()).await.unwrap(),
        activity::Entity::find().count(app.db()).await.unwrap(),
    ] {
        assert_eq!(left, 0);
    }
    let threads: Vec<_> =
        thread::Entity::find().all(app.db()).await.unwrap().into_iter().map(|row| Some(row.id)).collect();
    let notifications = notification::Entity::find().all(app.db()).await.unwrap();
    // One that names no thread is about the quarantine, where another sender's text is held.
    let is_of_others = |row: &notification::Model| row.thread_id.is_none() || threads.contains(&row.thread_id);
    assert!(!notifications.is_empty() && notifications.iter().all(is_of_others), "{notifications:?}");
    let held = quarantine::Entity::find().all(app.db()).await.unwrap();
    assert_eq!(held.iter().map(|row| row.provider_sid.as_str()).collect::<Vec<_>>(), ["SMheld2"]);
    assert_eq!(held[0].reason, QuarantineReason::UnmatchedNumber);

    let deletions = carrier_deletion::Entity::find().all(app.db()).await.unwrap();
    let mut paths: Vec<&str> = deletions.iter().map(|row| row.path.as_str()).collect();
    paths.sort_unstable();
    let expected = [
        "/Calls/CA1.json",
        "/Messages/SM1.json",
        "/Messages/SM1/Media/ME1.json",
        "/Messages/SM2.json",
        "/Messages/SMheld1.json",
        "/Recordings/RE1.json",
    ];
    assert_eq!(paths, expected, "whatever the agency's retention is");
    let entry = audit::Entity::find().order_by_desc(audit::Column::Id).one(app.db()).await.unwrap().unwrap();
    assert_eq!((entry.action.as_str(), entry.note), ("eraseContact", None));
    assert!(entry.node_id.starts_with("con_"), "{}", entry.node_id);

    // Live clients remove the threads.
    let mut lost = Vec::new();
    while lost.len() < 2 {
        let mut event = live.event().await["threadUpdated"].take();
        assert_eq!(event["thread"], Value::Null, "{event}");
        lost.push(event["threadId"].take());
    }
    assert!(lost.contains(&thread), "{lost:?}");
    // A replay skips what is gone.
    for query in [
        "subscription($after: EventCursor) { inboundMessage(after: $after) { message { body } } }",
        "subscription($after: EventCursor) { notificationAdded(after: $after) { notification { message { body } } } }",
    ] {
        let mut replay = app.socket(&app.token("acme", "ben")).await;
        replay.subscribe("1", query, json!({"after": before})).await;
        assert!(replay.event().await.to_string().contains("neighbour"), "{query}");
    }
    let missing = find_contact_data(app.services(), "acme", CARLA).await;
    assert!(matches!(missing, Err(EraseError::UnknownContact)), "{missing:?}");
    // The contact is a new one when they text again.
    app.receive(Text::new("SM9").body("again")).await;
    assert_eq!(app.contacts_at(acme, CARLA).await[0].name, None);
}

#[tokio::test]
async fn a_contact_who_opted_out_is_not_texted_after_the_erasure() {
    let app = TestApp::start().await;
    let acme = app.agency("acme").await;
    app.receive(Text::new("SM1").body("hello")).await;
    app.receive(Text::new("SM2").body("STOP")).await;
    let before = app.contacts_at(acme, CARLA).await.remove(0);
    erase_contact(app.services(), "acme", CARLA).await.unwrap();
    let after = app.contacts_at(acme, CARLA).await.remove(0);
    let expected = contact::Model {
        id: before.id,
        opted_out_at: before.opted_out_at,
        ..contact::Model::begin(acme, before.id, CARLA, before.created_at)
    };
    assert_eq!(contact::Model { updated_at: before.created_at, ..after }, expected);
    assert!(before.opted_out_at.is_some());
    assert_eq!((app.message_count().await, app.threads(acme).await.len()), (0, 0));
    let refused = app.start_thread(&app.token("acme", "ben"), CARLA, json!({})).await;
    assert_eq!(refused["userErrors"][0]["code"], "OPTED_OUT", "{refused}");
    // A second erasure changes nothing.
    erase_contact(app.services(), "acme", CARLA).await.unwrap();
    assert_eq!(app.contacts_at(acme, CARLA).await[0].opted_out_at, before.opted_out_at);
}

#[tokio::test]
async fn a_contact_with_a_waiting_text_or_a_call_in_progress_is_not_erased() {
    let app = TestApp::start_with_phones().await;
    app.receive(Text::new("SM1")).await;
    let (ben, thread) = (app.token("acme", "ben"), json!(app.thread_of("SM1").await.id.to_string()));
    app.reply(&ben, &thread, "on its way", json!({})).await;
    let refused = erase_contact(app.services(), "acme", CARLA).await;
    assert!(matches!(refused, Err(EraseError::Active)), "{refused:?}");
    app.receive(Text::new("SM2").from("+13035560009")).await;
    app.document("/api/twilio/voice/inbound", &form("CA1", &[("From", "+13035560009")])).await;
    app.call("CA1").await;
    let refused = erase_contact(app.services(), "acme", "+13035560009").await;
    assert!(matches!(refused, Err(EraseError::Active)), "{refused:?}");
    assert_eq!(message::Entity::find().count(app.db()).await.unwrap(), 3);
    for (agency, address) in [("nobody", CARLA), ("acme", "+13035560099"), ("sister", CARLA)] {
        assert!(erase_contact(app.services(), agency, address).await.is_err(), "{agency} {address}");
    }
}

/// Takes a text out of the outbox, as if it had been given up.
struct GiveUp {
    agency: AgencyId,
    message: MessageId,
}

impl Unit for GiveUp {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        Ok(outbox::remove(tx.conn, self.agency, self.message).await?)
    }
}

#[tokio::test]
async fn a_repeated_request_after_the_erasure_sends_nothing() {
    let app = TestApp::start().await;
    let ben = app.token("acme", "ben");
    let started = app.start_thread(&ben, "+13035560077", json!({})).await;
    let message = started["message"]["id"].as_str().unwrap().parse().unwrap();
    let acme = app.agency("acme").await;
    app.services().writer.run(acme, GiveUp { agency: acme, message }).await.unwrap();
    erase_contact(app.services(), "acme", "+13035560077").await.unwrap();
    let repeated = app.start_thread(&ben, "+13035560077", json!({})).await;
    assert_eq!(repeated["userErrors"][0]["code"], "NOT_FOUND", "{repeated}");
    assert_eq!((app.message_count().await, app.outbox().await.len()), (0, 0));
}

#[tokio::test]
async fn the_command_counts_first_and_deletes_with_yes() {
    let app = TestApp::start_with_phones().await;
    populate(&app).await;
    let settings = [
        ("DATABASE_URL", app.database.url.clone()),
        ("PARTYLINE_MEDIA", app.database.media()),
        ("PARTYLINE_JWT_SECRET", "the tests' secret that signs bearer tokens".to_owned()),
        ("PARTYLINE_SECRET_KEY", "the tests' secret that seals Twilio's tokens".to_owned()),
    ];
    let run = async |arguments: &'static [&'static str]| {
        let settings = settings.clone();
        let folder = tempfile::tempdir().unwrap();
        let run = move || process::run_with_settings(folder.path(), &settings, arguments, "");
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(
            !stdout.contains("Carla") && !stdout.contains("556") && !stderr.contains("5560001"),
            "{stdout}{stderr}"
        );
        (output.status.code(), stdout, stderr)
    };
    let (code, stdout, _) = run(&["erase", "--agency", "acme", "--contact", "+1 303-556-0001"]).await;
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("messages           2\n") && stdout.contains("Nothing was deleted."), "{stdout}");
    assert_eq!(app.message_count().await, 4);
    let (code, stdout, _) = run(&["erase", "--agency", "acme", "--contact", "+13035560001", "--yes"]).await;
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("Erased."), "{stdout}");
    assert_eq!(app.message_count().await, 2);
    let (code, _, stderr) = run(&["erase", "--agency", "acme", "--contact", "+13035560001", "--yes"]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("nothing is stored about this address"), "{stderr}");
}
