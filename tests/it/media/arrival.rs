//! Files that arrive, and who sees them.

use std::time::Duration;

use partyline::domain::{EventKind, MediaState};
use partyline::service::fetch_media::fetch_media;
use partyline::service::show_media::show_media;
use partyline_simulator::{MediaFault, MediaFile};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{PNG, is_pending, outcome, path, picture, row, rows, send, send_faulty, shown};
use crate::support::carrier::carrier;
use crate::support::directory::TOKEN;
use crate::support::{TestApp, wait};

#[tokio::test]
async fn a_picture_arrives_and_is_shown_to_the_pool() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let text = send(&carrier, [picture().named("../IMG 1.jpeg")]).await;
    let pending = json!({"contentType": "image/png", "state": "PENDING", "failure": null, "fileName": null,
        "byteSize": null, "url": null, "urlExpiresAt": null});
    let mut before = shown(&app, "ben", &text).await.remove(0);
    let id = before.as_object_mut().unwrap().remove("id").unwrap();
    assert_eq!(before, pending);

    fetch_media(app.services()).await.unwrap();
    let file = shown(&app, "ben", &text).await.remove(0);
    assert_eq!((&file["id"], &file["state"], &file["failure"]), (&id, &json!("READY"), &Value::Null));
    assert_eq!((&file["contentType"], &file["byteSize"]), (&json!("image/png"), &json!(PNG.len())));
    assert_eq!(file["fileName"], "IMG 1.png");
    assert!(file["urlExpiresAt"].is_string(), "{file}");
    let answer = app.http.get(app.url(&path(&file["url"]))).send().await.unwrap();
    assert_eq!((answer.status(), &answer.headers()["content-type"]), (StatusCode::OK, &"image/png".parse().unwrap()));
    assert_eq!(answer.bytes().await.unwrap(), PNG);
    assert_eq!(carrier.leaked_credentials(), 0);

    // Clients are notified, once.
    let message = app.message(&text.sid).await;
    let events = app.events(message.agency_id).await;
    let changes = events.iter().filter(|event| event.message_id == Some(message.id));
    assert_eq!(
        changes.map(|event| event.kind).collect::<Vec<_>>(),
        [EventKind::InboundMessage, EventKind::MessageStatus]
    );
    app.assert_logs_are_gapless().await;
    app.clock.advance(Duration::from_secs(3600));
    fetch_media(app.services()).await.unwrap();
    assert_eq!(app.events(message.agency_id).await.len(), events.len());
}

#[tokio::test]
async fn subscribers_get_the_message_when_its_picture_is_ready() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let text = send(&carrier, [picture()]).await;
    let ben = app.token("acme", "ben");
    let mut socket = app.socket(&ben).await;
    let query = "subscription($after: EventCursor) { threadUpdated(after: $after) { change item { ... on Message {
        media { state url } } } } }";
    socket.subscribe("1", query, json!({"after": app.cursor(&ben).await})).await;
    fetch_media(app.services()).await.unwrap();
    let event = socket.event().await;
    assert_eq!(event["threadUpdated"]["change"], "STATUS", "{event}");
    let file = &event["threadUpdated"]["item"]["media"][0];
    assert_eq!(file["state"], "READY", "{event}");
    let own_url = file["url"].as_str().unwrap().to_owned();
    assert!(own_url.contains(&app.user_id("acme", "ben").await), "signed for the subscriber: {own_url}");
    assert_eq!(shown(&app, "chloe", &text).await[0]["state"], "READY");
}

#[tokio::test]
async fn only_users_who_see_the_thread_see_its_files() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let text = send(&carrier, [picture()]).await;
    fetch_media(app.services()).await.unwrap();
    let file = shown(&app, "ben", &text).await.remove(0);
    let id = file["id"].as_str().unwrap();
    for (agency, user) in [("acme", "dev"), ("sister", "sam"), ("other", "olga")] {
        let query = "query($id: ID!) { node(id: $id) { id } }";
        let answer = app.graphql(&app.token(agency, user), query, json!({"id": id})).await;
        assert_eq!(answer["data"]["node"], Value::Null, "{user}");
        // Even with a valid signature for this user.
        let whose = (app.agency(agency).await, app.user(agency, user).await);
        let link = app.services().media_links.link(whose, id, app.services().clock.now());
        let answer = app.http.get(app.url(&path(&json!(link)))).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{user}");
    }
    let url = app.url(&path(&file["url"]));
    assert_eq!(app.http.get(&url).send().await.unwrap().status(), StatusCode::OK);
    let muted = "{number: '+13035550100', pool: [{user: ben, smsEnabled: false}]}";
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{muted}]}}]")).await;
    app.clock.advance(Duration::from_secs(2));
    assert_eq!(app.http.get(&url).send().await.unwrap().status(), StatusCode::NOT_FOUND, "texts are off for Ben");
    let chloe = (app.agency("acme").await, app.user("acme", "chloe").await);
    assert!(show_media(app.services(), chloe, id).await.unwrap().is_some());
    for unknown in ["med_1", "med_00000000000000000000000000", "msg_1", ""] {
        assert!(show_media(app.services(), chloe, unknown).await.unwrap().is_none(), "{unknown}");
    }
}

#[tokio::test]
async fn the_content_decides_the_type_of_a_file() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let heic: &[u8] = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
    let film: &[u8] = b"\0\0\0\x18ftyp3gp4\0\0\0\x003gp4";
    /// The announced type and the content, and the type and the name that are shown.
    type Case<'a> = (&'a str, &'a [u8], Option<&'a str>, Option<&'a str>);
    let cases: [Case<'_>; 9] = [
        ("image/jpeg", PNG, Some("image/png"), Some("a.png")),
        ("image/heic", heic, Some("image/heif"), Some("a.heic")),
        ("video/3gpp", film, Some("video/3gpp"), Some("a.3gp")),
        ("text/x-vcard", b"BEGIN:VCARD\r\nFN:J\xfcrgen\r\n", Some("text/vcard"), Some("a.vcf")),
        ("application/pdf", b"%PDF-1.7\n%\xe2\xe3", Some("application/pdf"), Some("a.pdf")),
        ("text/plain", b"<!DOCTYPE html><script>alert(1)</script>", Some("text/html"), Some("a.html")),
        ("text/html", b"harmless", Some("text/plain"), Some("a.txt")),
        ("image/jpeg", b"<html><script>alert(1)</script></html>", None, None),
        ("image/png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", None, None),
    ];
    let files = cases.iter().map(|(declared, bytes, ..)| MediaFile::new(*declared, bytes.to_vec()).named("a.jpg"));
    let text = send(&carrier, files).await;
    fetch_media(app.services()).await.unwrap();
    let files = shown(&app, "ben", &text).await;
    assert_eq!(files.len(), cases.len());
    for ((declared, _, expected, name), file) in cases.into_iter().zip(files) {
        match expected {
            Some(expected) => {
                assert_eq!((&file["contentType"], &file["state"]), (&json!(expected), &json!("READY")), "{declared}");
                assert_eq!(file["fileName"], json!(name), "{declared}");
            }
            None => {
                assert_eq!((&file["state"], &file["failure"]), (&json!("FAILED"), &json!("WRONG_TYPE")), "{file}");
                assert_eq!(file["url"], Value::Null, "{file}");
            }
        }
    }
}

#[tokio::test]
async fn the_layout_of_an_mms_is_dropped() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let layout = || MediaFile::new("application/smil", "<smil/>");
    let text = send(&carrier, [layout(), picture(), layout(), MediaFile::new("text/plain", "two")]).await;
    fetch_media(app.services()).await.unwrap();
    let rows = rows(&app, &text).await;
    let stored: Vec<_> = rows.iter().map(|row| (row.ordinal, row.content_type.as_str())).collect();
    assert_eq!(stored, [(0, "image/png"), (1, "text/plain")]);
    assert!(rows.iter().all(|row| row.state == MediaState::Ready));
}

#[tokio::test]
async fn a_file_that_is_not_available_at_once_is_fetched_some_seconds_later() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let text = send_faulty(&carrier, MediaFault::not_yet_available(2)).await;
    for attempts in [1, 2] {
        fetch_media(app.services()).await.unwrap();
        let row = row(&app, &text).await;
        assert!(is_pending(&row));
        assert_eq!(row.attempts, attempts);
        app.clock.advance(Duration::from_secs(5));
    }
    fetch_media(app.services()).await.unwrap();
    assert_eq!(outcome(&app, &text).await, ("READY".to_owned(), Value::Null));
}

#[tokio::test]
async fn one_of_two_instances_fetches_a_file() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let other = app.start_second_server().await;
    let mut texts = Vec::new();
    for _ in 0..5 {
        texts.push(send(&carrier, [picture()]).await);
    }
    let (one, two) = tokio::join!(fetch_media(app.services()), fetch_media(other.services()));
    assert!(one.is_ok() && two.is_ok());
    let agency = app.agency("acme").await;
    let changes = app.events(agency).await.into_iter().filter(|event| event.kind == EventKind::MessageStatus);
    assert_eq!(changes.count(), texts.len(), "each outcome is recorded once");
    for text in &texts {
        assert_eq!(outcome(&app, text).await.0, "READY");
    }
    other.stop().await;
}

#[tokio::test]
async fn a_file_that_never_ends_does_not_delay_others() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let slow = send_faulty(&carrier, MediaFault::Stalled { after: 4 }).await;
    let workers = app.start_workers();
    let is_leased = async || (row(&app, &slow).await.due_at > Some(app.services().clock.now())).then_some(());
    app.with_running_clock(wait::until("the slow file is being fetched", is_leased)).await;
    let quick = send(&carrier, [picture()]).await;
    let is_ready = async || (row(&app, &quick).await.state == MediaState::Ready).then_some(());
    app.with_running_clock(wait::until("the other file is ready", is_ready)).await;
    assert!(is_pending(&row(&app, &slow).await));
    assert_eq!(row(&app, &slow).await.attempts, 0, "the first attempt has not ended");
    drop(workers);
}

#[tokio::test]
async fn a_file_is_fetched_with_the_other_token_during_a_rotation() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let text = send(&carrier, [picture()]).await;
    let rotated = "99999999999999999999999999999999";
    app.apply(&format!(
        "agencies: [{{key: acme, twilio: {{accountSid: AC00000000000000000000000000000001, authToken: '{rotated}', \
         secondaryAuthToken: '{TOKEN}'}}}}]"
    ))
    .await;
    app.clock.advance(Duration::from_secs(2));
    fetch_media(app.services()).await.unwrap();
    assert_eq!(outcome(&app, &text).await, ("READY".to_owned(), Value::Null));
}
