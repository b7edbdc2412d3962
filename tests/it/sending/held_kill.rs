//! Held texts of a server that is killed during the hold.

use partyline::domain::MessageStatus;
use partyline::domain::delivery_error::{CANCELED, STALE_VIEW};
use partyline::entity::{message, outbox};
use reqwest::{Client, StatusCode};
use sea_orm::{EntityTrait as _, PaginatorTrait as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::kill::ask;
use crate::kill::post;
use crate::support::carrier::{carrier, deliver};
use crate::support::directory::AGENCIES;
use crate::support::process::{Server, apply, database_url, run};
use crate::support::{Text, client, wait};

const SEND: &str = include_str!("../documents/support_outbound_send.graphql");
const CANCEL: &str =
    "mutation($input: CancelMessageInput!) { cancelMessage(input: $input) { userErrors { code message } } }";
const THREADS: &str = "{ threads(first: 100) { nodes { id contact { address } } } }";

/// The longest hold, so that the kill and the restart are over before it ends.
const HOLD_SECONDS: i32 = 10;
const TEXTS_PER_ENDING: usize = 3;

/// How a hold ends.
#[derive(Debug, Clone, Copy)]
enum HoldEnding {
    Due,
    Canceled,
    InboundText,
    Stop,
}

/// A held text. Its body names it.
#[derive(Debug)]
struct Held {
    ending: HoldEnding,
    contact: String,
    body: String,
}

fn held_texts() -> Vec<Held> {
    let endings = [HoldEnding::Due, HoldEnding::Canceled, HoldEnding::InboundText, HoldEnding::Stop];
    let each = endings.into_iter().flat_map(|ending| std::iter::repeat_n(ending, TEXTS_PER_ENDING));
    let held = |(n, ending): (usize, HoldEnding)| {
        let (contact, body) = (format!("+1303557{n:04}"), format!("{ending:?} {n}"));
        Held { ending, contact, body }
    };
    each.enumerate().map(held).collect()
}

/// Executes a mutation and returns its payload.
async fn mutate(http: &Client, server: &Server, token: &str, (name, document): (&str, &str), input: Value) -> Value {
    let answer = ask(http, server, token, document, json!({"input": input})).await.expect("a response without errors");
    let payload = answer["data"][name].clone();
    assert_eq!(payload["userErrors"], json!([]), "{name}");
    payload
}

async fn receive(http: &Client, server: &Server, contact: &str, sid: String, body: &str) {
    let text = Text::new(sid).from(contact).body(body);
    assert_eq!(post(http, server, &text).await, Some(StatusCode::OK), "{}", text.sid);
}

/// Queues each text with a hold and ends its hold, unless it is to become due. Everything is acknowledged.
async fn hold_and_stop(http: &Client, server: &Server, token: &str, texts: &[Held]) {
    for (n, text) in texts.iter().enumerate() {
        receive(http, server, &text.contact, format!("SM{n}"), "hello").await;
    }
    let listed = ask(http, server, token, THREADS, json!({})).await.expect("a response without errors");
    let threads = listed["data"]["threads"]["nodes"].as_array().expect("a list of threads");
    for (n, text) in texts.iter().enumerate() {
        let thread = threads.iter().find(|thread| thread["contact"]["address"] == text.contact.as_str());
        let thread = &thread.expect("the thread of the contact")["id"];
        let input = json!({"threadId": thread, "body": text.body, "holdSeconds": HOLD_SECONDS,
            "idempotencyKey": text.body});
        let sent = mutate(http, server, token, ("sendMessage", SEND), input).await;
        let next_sid = format!("SMnext{n}");
        match text.ending {
            HoldEnding::Due => {}
            HoldEnding::Canceled => {
                let input = json!({"messageId": sent["message"]["id"]});
                mutate(http, server, token, ("cancelMessage", CANCEL), input).await;
            }
            HoldEnding::InboundText => receive(http, server, &text.contact, next_sid, "one more question").await,
            HoldEnding::Stop => receive(http, server, &text.contact, next_sid, "STOP").await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "SQLite only: kills the server and reads its file; slow"]
async fn after_a_kill_held_texts_are_sent_once_and_not_early_and_stopped_ones_never_on_sqlite() {
    let carrier = carrier();
    let folder = TempDir::new().unwrap();
    apply(folder.path(), AGENCIES);
    let settings = [("TWILIO_API_BASE", carrier.base())];
    let token = run(folder.path(), &["token", "--agency", "acme", "--user", "ben"], "").stdout;
    let token = String::from_utf8(token).unwrap().trim().to_owned();
    let texts = held_texts();

    let server = Server::start_with_settings(folder.path(), &settings).await;
    deliver(&carrier, server.address);
    hold_and_stop(&client(), &server, &token, &texts).await;
    server.kill();
    assert!(carrier.ledger().is_empty(), "the kill was not during the hold, or a text was sent before its hold ended");

    let server = Server::start_with_settings(folder.path(), &settings).await;
    deliver(&carrier, server.address);
    let db = sea_orm::Database::connect(database_url(folder.path())).await.unwrap();
    wait::until("the outbox is empty", || async {
        (outbox::Entity::find().count(&db).await.unwrap() == 0).then_some(())
    })
    .await;
    server.terminate();
    assert_eq!(server.wait_for_exit().await.0, Some(0));

    let (ledger, messages) = (carrier.ledger(), message::Entity::find().all(&db).await.unwrap());
    for text in &texts {
        let rows: Vec<_> = messages.iter().filter(|message| message.body == text.body).collect();
        assert_eq!(rows.len(), 1, "{text:?}");
        let (status, error, sends_at) = (rows[0].status, rows[0].error_code.as_deref(), rows[0].sends_at);
        let sent_at: Vec<_> = ledger.iter().filter(|sent| sent.body == text.body).map(|sent| sent.at).collect();
        let expected_error = match text.ending {
            HoldEnding::Due => {
                assert_eq!(sent_at.len(), 1, "{text:?}");
                let hold_end = sends_at.expect("the end of the hold");
                assert!(sent_at[0] >= hold_end, "{text:?} was sent at {}, before {hold_end}", sent_at[0]);
                assert!(matches!(status, MessageStatus::Sent | MessageStatus::Delivered), "{text:?}: {status:?}");
                continue;
            }
            HoldEnding::Canceled => CANCELED,
            HoldEnding::InboundText | HoldEnding::Stop => STALE_VIEW,
        };
        assert!(sent_at.is_empty(), "{text:?} was sent at {sent_at:?}");
        assert_eq!((status, error), (MessageStatus::Failed, Some(expected_error)), "{text:?}");
    }
    assert_eq!(ledger.len(), TEXTS_PER_ENDING, "{ledger:?}");
}
