//! Files of messages and recordings past their age.

use partyline::domain::MediaState;
use partyline::entity::{media, message};
use partyline::service::retention::PurgedKind;
use sea_orm::{EntityTrait as _, QueryOrder as _};
use serde_json::json;

use super::{FileRow, assert_nothing_left, file_exists, file_path, purge, set, store_file};
use crate::support::directory::{OTHER, OTHER_ACCOUNT, OTHER_TOKEN};
use crate::support::voice::{STATUS, form};
use crate::support::{TestApp, Text};

fn photo(sid: &str) -> Text {
    let url = format!("https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/{sid}/Media/ME{sid}");
    Text::new(sid).field("NumMedia", "1").field("MediaUrl0", &url).field("MediaContentType0", "image/png")
}

async fn media_rows(app: &TestApp) -> Vec<media::Model> {
    media::Entity::find().order_by_asc(media::Column::Id).all(app.db()).await.unwrap()
}

#[tokio::test]
async fn a_file_that_two_messages_share_is_removed_with_the_last_one() {
    let app = TestApp::start().await;
    set(&app, "{media: 30d}").await;
    let (acme, other) = (app.agency("acme").await, app.agency("other").await);
    app.receive(photo("SM1")).await;
    app.receive(photo("SMx").account(OTHER_ACCOUNT, OTHER_TOKEN).to(OTHER)).await;
    app.clock.advance_days(20);
    app.receive(photo("SM2")).await;
    let mut digests = Vec::new();
    for row in media_rows(&app).await {
        let file = FileRow::Media(row.id);
        digests.push(store_file(&app, row.agency_id, file, MediaState::Ready, b"the same picture").await);
    }
    let digest = digests[0].clone();
    assert!(digests.iter().all(|one| *one == digest));

    app.clock.advance_days(11);
    assert_eq!(purge(&app).await.count(PurgedKind::Files), 1);
    let states = async || media_rows(&app).await.into_iter().map(|row| (row.state, row.digest)).collect::<Vec<_>>();
    let ready = (MediaState::Ready, Some(digest.clone()));
    assert_eq!(states().await, [(MediaState::Deleted, None), ready.clone(), ready.clone()]);
    assert!(file_exists(&app, acme, &digest));
    app.clock.advance_days(20);
    assert_eq!(purge(&app).await.count(PurgedKind::Files), 1);
    assert!(!file_exists(&app, acme, &digest));
    assert!(file_exists(&app, other, &digest), "another agency's file");
    assert_eq!(message::Entity::find().all(app.db()).await.unwrap().len(), 3, "the messages stay");
    let shown = "{ threads(first: 1) { nodes { messages(first: 9) { nodes { media { state url } } } } } }";
    let shown = app.graphql(&app.token("acme", "ben"), shown, json!({})).await;
    let nodes = &shown["data"]["threads"]["nodes"][0]["messages"]["nodes"];
    let deleted = json!({"media": [{"state": "DELETED", "url": null}]});
    assert_eq!(nodes, &json!([deleted, deleted]), "{shown}");
    assert_nothing_left(&app).await;
}

#[tokio::test]
async fn a_file_goes_with_its_message_and_a_crash_in_between_leaves_none_behind() {
    let app = TestApp::start().await;
    set(&app, "{messages: 30d}").await;
    let acme = app.agency("acme").await;
    app.receive(photo("SM1")).await;
    app.receive(photo("SM2")).await;
    let rows = media_rows(&app).await;
    let whole = store_file(&app, acme, FileRow::Media(rows[0].id), MediaState::Ready, b"one").await;
    // As after a crash: the row no longer shows the file, and the file was not removed.
    let orphan = store_file(&app, acme, FileRow::Media(rows[1].id), MediaState::Deleted, b"two").await;
    let app = app.restart().await;
    app.clock.advance_days(31);
    assert_eq!(purge(&app).await.count(PurgedKind::Messages), 2);
    assert!(!file_exists(&app, acme, &whole) && !file_exists(&app, acme, &orphan));
    assert_eq!(media_rows(&app).await, []);
}

#[tokio::test]
async fn a_file_that_cannot_be_removed_keeps_its_row_until_it_can() {
    let app = TestApp::start().await;
    set(&app, "{media: 30d}").await;
    let acme = app.agency("acme").await;
    app.receive(photo("SM1")).await;
    let row = media_rows(&app).await.remove(0);
    let digest = store_file(&app, acme, FileRow::Media(row.id), MediaState::Ready, b"one").await;
    let path = file_path(&app, acme, &digest);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    app.clock.advance_days(31);
    purge(&app).await;
    assert_eq!(media_rows(&app).await[0].digest.as_ref(), Some(&digest));
    std::fs::remove_dir(&path).unwrap();
    std::fs::write(&path, b"one").unwrap();
    app.clock.advance_days(1);
    purge(&app).await;
    assert_eq!((media_rows(&app).await[0].digest.as_ref(), file_exists(&app, acme, &digest)), (None, false));
}

#[tokio::test]
async fn old_recordings_and_their_transcripts_are_deleted_and_the_call_stays() {
    let app = TestApp::start_with_phones().await;
    set(&app, "{recordings: 30d}").await;
    let acme = app.agency("acme").await;
    app.leave_voicemail("CA1").await;
    app.document(STATUS, &form("CA1", &[("CallStatus", "completed"), ("CallDuration", "31")])).await;
    let call = app.call("CA1").await;
    let voicemail = app.voicemail_of(&call).await.unwrap();
    let digest = store_file(&app, acme, FileRow::Voicemail(voicemail.id), MediaState::Ready, b"hello").await;
    app.clock.advance_days(29);
    assert_nothing_left(&app).await;
    app.clock.advance_days(2);
    assert_eq!(purge(&app).await.count(PurgedKind::Recordings), 1);
    let row = app.voicemail_of(&call).await.unwrap();
    assert_eq!((row.state, row.digest, row.transcript), (MediaState::Deleted, None, None));
    assert!(!file_exists(&app, acme, &digest));
    let shown = app.newest_call("acme", "ben").await;
    assert_eq!((&shown["voicemail"]["state"], &shown["voicemail"]["url"]), (&json!("DELETED"), &json!(null)));
    assert_nothing_left(&app).await;
}
