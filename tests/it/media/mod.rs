//! Pictures and other files of inbound texts: fetched from the carrier and shown to the users who see the thread.

use partyline::domain::MediaState;
use partyline::entity::media;
use partyline_simulator::{InboundText, MediaFault, MediaFile, ReceivedText, Simulator};
use reqwest::StatusCode;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::directory::DESK;
use crate::support::voice::CARLA;

mod addresses;
mod arrival;
mod failures;
mod kill;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and the rest of a picture";
const OF_MESSAGE: &str = include_str!("../documents/media_of_message.graphql");

fn picture() -> MediaFile {
    MediaFile::new("image/png", PNG)
}

/// A text from Carla to acme's front desk with these files.
fn mms(files: impl IntoIterator<Item = MediaFile>) -> InboundText {
    files.into_iter().fold(InboundText::new(CARLA, DESK, "Look"), InboundText::with_media)
}

/// Delivers a text with these files and asserts that it is accepted.
async fn send(carrier: &Simulator, files: impl IntoIterator<Item = MediaFile>) -> ReceivedText {
    let text = carrier.send_text(mms(files)).await.expect("a text that the carrier accepts");
    assert_eq!(text.status, Some(StatusCode::OK));
    text
}

/// Delivers a text with a picture whose download has this fault.
async fn send_faulty(carrier: &Simulator, fault: MediaFault) -> ReceivedText {
    send(carrier, [picture().with_fault(fault)]).await
}

/// The attachments of a text, as a user of acme sees them.
async fn shown(app: &TestApp, user: &str, text: &ReceivedText) -> Vec<Value> {
    let id = app.message(&text.sid).await.id.to_string();
    let mut answer = app.graphql(&app.token("acme", user), OF_MESSAGE, json!({"id": id})).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    assert_eq!(answer["data"]["node"]["body"], "Look", "the thread stays readable: {answer}");
    answer["data"]["node"]["media"].as_array_mut().expect("a list").drain(..).collect()
}

/// The state and the failure of the only attachment of a text.
async fn outcome(app: &TestApp, text: &ReceivedText) -> (String, Value) {
    let mut files = shown(app, "ben", text).await;
    assert_eq!(files.len(), 1, "{files:?}");
    let file = files.remove(0);
    assert_eq!(file["url"].is_string(), file["state"] == "READY", "{file}");
    (file["state"].as_str().unwrap().to_owned(), file["failure"].clone())
}

/// The rows of the attachments of a text, in their order.
async fn rows(app: &TestApp, text: &ReceivedText) -> Vec<media::Model> {
    let message = app.message(&text.sid).await;
    let query = media::Entity::find().filter(media::Column::MessageId.eq(message.id));
    query.order_by_asc(media::Column::Ordinal).all(app.db()).await.unwrap()
}

async fn row(app: &TestApp, text: &ReceivedText) -> media::Model {
    let mut all = rows(app, text).await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn is_pending(row: &media::Model) -> bool {
    assert_eq!(row.state == MediaState::Pending, row.due_at.is_some(), "{row:?}");
    row.state == MediaState::Pending
}

/// The path of a URL that Partyline gives out.
fn path(url: &Value) -> String {
    url.as_str().unwrap().strip_prefix("https://partyline.test").unwrap().to_owned()
}
