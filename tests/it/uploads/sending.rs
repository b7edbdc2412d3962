//! Texts with files: what can be sent, how the carrier fetches the files, and texts that are sent again.

use std::time::Duration;

use partyline::domain::{MediaState, MessageStatus};
use partyline::entity::{media, message};
use partyline::ports::Clock as _;
use partyline::service::purge_expired::purge_expired;
use partyline::service::sending::{NextStep, begin_next_attempt, resolve_unknown_texts, send_attempt};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use serde_json::{Value, json};

use super::{FORM, HTML, MB, PNG, form, local, picture, post, upload};
use crate::support::carrier::carrier;
use crate::support::directory::DESK;
use crate::support::recording_carrier::RecordingCarrier;
use crate::support::{TestApp, Text};

/// A server with one thread, and its carrier.
async fn start() -> (RecordingCarrier, TestApp, Value) {
    let carrier = RecordingCarrier::start().await;
    let app = TestApp::start_with_settings(vec![("TWILIO_API_BASE", carrier.base.clone())]).await;
    let pace = "pace: {perSecond: 100, burst: 100}";
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\", {pace}}}]}}]")).await;
    app.receive(Text::new("SM0")).await;
    let thread = app.all_threads(&app.token("acme", "ben")).await[0].clone();
    (carrier, app, thread)
}

/// Makes one attempt to send the next text of the front desk.
async fn send_one(app: &TestApp) {
    let directory = app.directory("acme").await;
    let number = directory.numbers.iter().find(|row| row.e164 == DESK).unwrap().id;
    match begin_next_attempt(app.services(), directory.agency_id(), number).await.unwrap() {
        NextStep::Send(attempt) => drop(send_attempt(app.services(), attempt, 0).await.unwrap()),
        other => panic!("{other:?}"),
    }
}

async fn files_of(app: &TestApp, message: &message::Model) -> Vec<media::Model> {
    let files = media::Entity::find().filter(media::Column::MessageId.eq(message.id));
    files.order_by_asc(media::Column::Ordinal).all(app.db()).await.unwrap()
}

#[tokio::test]
async fn the_carrier_fetches_the_files_of_a_text_at_urls_that_expire() {
    let (carrier, app, thread) = start().await;
    let ben = app.token("acme", "ben");
    let (one, two) = (upload(&app, &ben, PNG).await, upload(&app, &ben, b"BEGIN:VCARD\r\nEND:VCARD\r\n").await);
    // The URL and the id name an upload.
    let more = json!({"mediaUrls": [one["url"], two["id"]]});
    let sent = app.reply(&ben, &thread, "two files", more).await;
    assert_eq!((&sent["userErrors"], &sent["message"]["segments"]), (&json!([]), &json!(1)));
    let text = app.outbound().await.remove(0);
    let files = files_of(&app, &text).await;
    let types: Vec<_> = files.iter().map(|file| (file.content_type.as_str(), file.state)).collect();
    assert_eq!(types, [("image/png", MediaState::Ready), ("text/vcard", MediaState::Ready)]);
    assert!(files.iter().all(|file| file.source_url.is_empty() && file.due_at.is_none()));

    send_one(&app).await;
    let urls = carrier.last_media_urls();
    assert_eq!(urls.len(), 2);
    let fetch = async |url: &str| app.http.get(local(&app, &json!(url))).send().await.unwrap();
    let fetched = fetch(&urls[0]).await;
    assert_eq!(fetched.headers()["content-type"], "image/png");
    assert_eq!(fetched.bytes().await.unwrap(), PNG);
    assert_eq!(fetch(&urls[1]).await.headers()["content-type"], "text/vcard");

    let own_user = urls[0].replace("expires=", &format!("user={}&expires=", app.user("acme", "ben").await));
    let other_file = urls[0].replace(&files[0].id.to_string(), &files[1].id.to_string());
    for forged in [own_user, other_file, urls[0].replace("expires=1", "expires=2")] {
        assert_eq!(fetch(&forged).await.status().as_u16(), 403, "{forged}");
    }
    app.clock.advance(Duration::from_secs(6 * 3_600 - 1));
    assert_eq!(fetch(&urls[0]).await.status().as_u16(), 200);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(fetch(&urls[0]).await.status().as_u16(), 403);

    // The files of the text outlive the uploads.
    app.clock.advance_days(2);
    purge_expired(app.services()).await.unwrap();
    let digest = files[0].digest.as_deref().unwrap();
    assert_eq!(app.services().media.size(text.agency_id, digest).await.unwrap(), Some(PNG.len() as u64));
}

#[tokio::test]
async fn a_picture_reaches_the_phone_at_the_simulated_carrier() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    app.receive(Text::new("SM0")).await;
    let ben = app.token("acme", "ben");
    let thread = app.all_threads(&ben).await[0].clone();
    let (status, uploaded) = post(&app, &ben, FORM, form("file", "Über uns.png", PNG)).await;
    assert_eq!(status, 201, "{uploaded}");
    let wave = upload(&app, &ben, b"RIFF\x24\0\0\0WAVEfmt sound").await;
    let _workers = app.start_workers();
    let more = json!({"mediaUrls": [uploaded["url"], wave["url"]]});
    assert_eq!(app.reply(&ben, &thread, "look", more).await["userErrors"], json!([]));
    let sent = app.wait_until_all("the text is delivered", |message| message.status == MessageStatus::Delivered).await;
    let fetched = carrier.media(sent[0].provider_sid.as_deref().unwrap());
    let names: Vec<_> = fetched.iter().map(|file| (file.content_type.as_str(), file.file_name.is_some())).collect();
    assert_eq!(names, [("image/png", true), ("audio/vnd.wave", true)]);
    assert_eq!(fetched[0].bytes, PNG);
}

#[tokio::test]
async fn an_inbound_file_is_not_served_to_the_carrier() {
    let (_, app, _) = start().await;
    let photo = Text::new("SM1").field("NumMedia", "1").field("MediaUrl0", "https://media.example/1");
    app.receive(photo.field("MediaContentType0", "image/png")).await;
    let file = files_of(&app, &app.message("SM1").await).await.remove(0);
    let link = app.services().media_links.carrier_link(file.agency_id, &file.id.to_string(), app.clock.now());
    assert_eq!(app.http.get(local(&app, &json!(link))).send().await.unwrap().status().as_u16(), 404);
}

#[tokio::test]
async fn a_text_with_files_needs_no_words_also_in_a_new_thread() {
    let (carrier, app, thread) = start().await;
    let ben = app.token("acme", "ben");
    let picture = upload(&app, &ben, PNG).await;
    let files = json!({"mediaUrls": [picture["url"]]});
    assert_eq!(app.reply(&ben, &thread, "", files).await["userErrors"], json!([]));
    let first = json!({"body": "", "mediaUrls": [picture["url"]]});
    assert_eq!(app.start_thread(&ben, "+13035560009", first).await["userErrors"], json!([]));
    for to in ["+13035560001", "+13035560009"] {
        send_one(&app).await;
        let fields = carrier.sent().pop().unwrap();
        assert!(fields.contains(&("To".to_owned(), to.to_owned())), "{fields:?}");
        assert!(fields.contains(&("Body".to_owned(), String::new())), "{fields:?}");
        assert_eq!(carrier.last_media_urls().len(), 1);
    }
    for more in [json!({}), json!({"mediaUrls": []}), json!({"mediaUrls": null})] {
        assert_eq!(app.reply(&ben, &thread, " ", more).await["userErrors"][0]["code"], "INVALID");
    }
}

#[tokio::test]
async fn only_the_senders_own_uploads_of_types_and_sizes_that_can_be_sent_are_accepted() {
    let (_, app, thread) = start().await;
    let (ben, chloe, olga) = (app.token("acme", "ben"), app.token("acme", "chloe"), app.token("other", "olga"));
    let url = |uploaded: Value| uploaded["url"].clone();
    let good = url(upload(&app, &ben, PNG).await);
    let large = url(upload(&app, &ben, &picture(5 * MB)).await);
    let page = url(upload(&app, &ben, HTML).await);
    let (colleague, stranger) = (url(upload(&app, &chloe, PNG).await), url(upload(&app, &olga, PNG).await));
    let host = json!(good.as_str().unwrap().replace("partyline.test", "evil.example"));
    let mut unknown = Vec::new();
    for (urls, position) in [
        (vec![good.clone(), colleague], "1"),
        (vec![stranger, good.clone()], "0"),
        (vec![json!("upl_0192f000700080008000000000000000")], "0"),
        (vec![good.clone(), good.clone(), host], "2"),
        (vec![json!("")], "0"),
    ] {
        let error = app.reply(&ben, &thread, "hello", json!({"mediaUrls": urls})).await["userErrors"][0].take();
        assert_eq!((&error["code"], &error["path"]), (&json!("INVALID"), &json!(["input", "mediaUrls", position])));
        unknown.push(error["message"].clone());
    }
    unknown.dedup();
    assert_eq!(unknown.len(), 1, "uploads of others are like unknown ones: {unknown:?}");
    for (urls, path) in [
        (vec![good.clone(), page], json!(["input", "mediaUrls", "1"])),
        (vec![large, good.clone()], json!(["input", "mediaUrls", "1"])),
        (vec![good.clone(); 11], json!(["input", "mediaUrls"])),
    ] {
        let error = app.reply(&ben, &thread, "hello", json!({"mediaUrls": urls})).await["userErrors"][0].take();
        assert_eq!((&error["code"], &error["path"]), (&json!("INVALID"), &path), "{error}");
    }
    assert!(app.outbound().await.is_empty(), "a refused text leaves nothing");
    assert_eq!(
        app.reply(&ben, &thread, "10", json!({"mediaUrls": vec![good.clone(); 10]})).await["userErrors"],
        json!([])
    );
    app.clock.advance(Duration::from_secs(25 * 3_600));
    let ben = app.token("acme", "ben");
    let late = app.reply(&ben, &thread, "late", json!({"mediaUrls": [good]})).await;
    assert_eq!(late["userErrors"][0]["message"], unknown[0], "an upload can be sent for a day");
}

#[tokio::test]
async fn the_idempotency_key_covers_the_files_but_not_their_signatures() {
    let (_, app, thread) = start().await;
    let ben = app.token("acme", "ben");
    let (one, two) = (upload(&app, &ben, PNG).await, upload(&app, &ben, PNG).await);
    let ask =
        async |urls: Value| app.reply(&ben, &thread, "look", json!({"mediaUrls": urls, "idempotencyKey": "k"})).await;
    let first = ask(json!([one["url"]])).await;
    let unsigned = one["url"].as_str().unwrap().split('?').next().unwrap();
    for same in [json!([one["url"]]), json!([unsigned]), json!([one["id"]])] {
        assert_eq!(ask(same).await["message"]["id"], first["message"]["id"]);
    }
    for other in [json!([two["url"]]), json!([]), json!([one["url"], one["url"]])] {
        assert_eq!(ask(other).await["userErrors"][0]["code"], "CONFLICT");
    }
    assert_eq!(app.outbound().await.len(), 1);
}

const RESEND: &str =
    "mutation($message: ID!) { resendMessage(input: {messageId: $message, idempotencyKey: \"again\"}) {
    message { id extension { digits } } thread { extension { digits } } userErrors { code } } }";

#[tokio::test]
async fn a_text_is_sent_again_with_its_files_and_its_extension() {
    let (carrier, app, thread) = start().await;
    let ben = app.token("acme", "ben");
    let picture = upload(&app, &ben, PNG).await;
    let extension = app.extension_id("acme", "101").await;
    let more = json!({"mediaUrls": [picture["url"]], "asExtensionId": extension});
    let sent = app.reply(&ben, &thread, "", more).await;
    assert_eq!((&sent["userErrors"], &sent["message"]["extension"]["digits"]), (&json!([]), &json!("101")));
    let plain = app.reply(&ben, &thread, "not as an extension", json!({})).await;
    assert_eq!(plain["message"]["extension"], Value::Null);
    // The upload is gone when the text is sent again.
    app.clock.advance_days(2);
    purge_expired(app.services()).await.unwrap();
    let ben = app.token("acme", "ben");
    app.flag_a_message(&thread).await;
    let flagged = &plain["message"]["id"];
    let again = app.graphql(&ben, RESEND, json!({"message": flagged})).await;
    assert_eq!(again["data"]["resendMessage"]["message"]["extension"], Value::Null, "{again}");

    // The first text expires unsent.
    while let Some(row) = app
        .outbox()
        .await
        .iter()
        .find(|row| Some(row.message_id.to_string().as_str()) == sent["message"]["id"].as_str())
    {
        begin_next_attempt(app.services(), row.agency_id, row.phone_number_id).await.unwrap();
    }
    let document = RESEND.replace("\"again\"", "\"with files\"");
    let again = app.graphql(&ben, &document, json!({"message": sent["message"]["id"]})).await;
    let payload = &again["data"]["resendMessage"];
    assert_eq!(payload["userErrors"], json!([]), "{again}");
    assert_eq!(payload["message"]["extension"]["digits"], "101");
    assert_eq!(payload["thread"]["extension"]["digits"], "101");
    let repeated = app.graphql(&ben, &document, json!({"message": sent["message"]["id"]})).await;
    assert_eq!(repeated["data"]["resendMessage"]["message"]["id"], payload["message"]["id"]);
    let resent = app.outbound().await.pop().unwrap();
    let files = files_of(&app, &resent).await;
    assert_eq!((files.len(), files[0].byte_size), (1, i32::try_from(PNG.len()).ok()));
    while app.outbox().await.iter().any(|row| row.message_id == resent.id) {
        send_one(&app).await;
    }
    let fetched = app.http.get(local(&app, &json!(carrier.last_media_urls()[0]))).send().await.unwrap();
    assert_eq!(fetched.bytes().await.unwrap(), PNG);
}

/// A text in doubt is found in the carrier's list also if it has only files, and is not taken for another text.
#[tokio::test]
async fn a_text_in_doubt_is_told_apart_by_the_number_of_its_files() {
    for (body, listed, is_found) in [
        ("", ("", 1), true),
        ("", ("", 2), false),
        ("", ("", 0), false),
        ("look", ("look", 1), true),
        ("look", ("look", 0), false),
        ("look", ("", 1), true),
    ] {
        let (carrier, app, thread) = start().await;
        let ben = app.token("acme", "ben");
        let picture = upload(&app, &ben, PNG).await;
        app.reply(&ben, &thread, body, json!({"mediaUrls": [picture["url"]]})).await;
        carrier.lose_responses();
        send_one(&app).await;
        assert_eq!(app.outbound().await[0].status, MessageStatus::Unknown);
        let sid = format!("MM{:032}", 7);
        carrier.list(&sid, listed.0, listed.1, app.clock.now());
        app.clock.advance(Duration::from_secs(2));
        resolve_unknown_texts(app.services()).await.unwrap();
        let expected = is_found.then_some(sid);
        assert_eq!(app.outbound().await[0].provider_sid, expected, "{body:?} {listed:?}");
    }
    // A text without files that was not sent is not taken for one that has only files.
    let (carrier, app, thread) = start().await;
    app.reply(&app.token("acme", "ben"), &thread, "words", json!({})).await;
    carrier.lose_responses();
    send_one(&app).await;
    carrier.list(&format!("MM{:032}", 8), "", 1, app.clock.now());
    app.clock.advance(Duration::from_secs(2));
    resolve_unknown_texts(app.services()).await.unwrap();
    assert_eq!(app.outbound().await[0].provider_sid, None);
}
