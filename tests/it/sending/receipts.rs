//! What the carrier says of a text.

use partyline::domain::{MessageStatus, NotificationKind};
use partyline::entity::message;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::directory::{OTHER_ACCOUNT, OTHER_TOKEN};
use crate::support::outbound::named;
use crate::support::{TestApp, Text};

async fn queued(app: &TestApp, body: &str) -> message::Model {
    let ben = app.token("acme", "ben");
    let thread = app.all_threads(&ben).await[0].clone();
    assert_eq!(app.reply(&ben, &thread, body, json!({})).await["userErrors"], json!([]));
    app.outbound().await.pop().unwrap()
}

async fn now(app: &TestApp, message: &message::Model) -> message::Model {
    app.outbound().await.into_iter().find(|row| row.id == message.id).unwrap()
}

#[tokio::test]
async fn every_order_of_receipts_ends_in_the_same_status() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    let all = ["queued", "sent", "undelivered", "delivered"];
    let mut orders: Vec<Vec<&str>> = vec![vec![]];
    for status in all {
        orders = orders
            .iter()
            .flat_map(|order| {
                (0..=order.len())
                    .map(|at| {
                        let mut order = order.clone();
                        order.insert(at, status);
                        order
                    })
                    .collect::<Vec<_>>()
            })
            .collect();
    }
    assert_eq!(orders.len(), 24);
    for (n, order) in orders.iter().enumerate() {
        let message = queued(&app, &format!("text {n}")).await;
        let sid = format!("SMout{n}");
        for status in order {
            let mut fields = vec![("MessageSid", sid.as_str()), ("MessageStatus", status)];
            if *status == "undelivered" {
                fields.push(("ErrorCode", "30003"));
            }
            // Twice, as it may come.
            for _ in 0..2 {
                assert_eq!(app.receipt(&named(&message), &fields).await, StatusCode::OK);
            }
        }
        let message = now(&app, &message).await;
        assert_eq!((message.status, message.error_code), (MessageStatus::Delivered, None), "{order:?}");
        assert_eq!(message.provider_sid, Some(sid));
    }
    // Before the answer to the request came: there is nothing left to send.
    assert!(app.outbox().await.is_empty());
    app.assert_logs_are_whole().await;
}

#[tokio::test]
async fn a_failure_is_told_to_who_wrote_and_settled_by_a_delivery() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    let message = queued(&app, "hello").await;
    let failed = [("MessageSid", "SMx"), ("MessageStatus", "undelivered"), ("ErrorCode", "30005")];
    assert_eq!(app.receipt(&named(&message), &failed).await, StatusCode::OK);
    let told = app.notifications_of(&message).await;
    let users = app.keys("acme", told.iter().map(|row| row.user_id)).await;
    assert_eq!((users, told[0].kind), (vec!["ben".to_owned()], NotificationKind::DeliveryFailed));
    let ben = app.token("acme", "ben");
    let asked = app
        .graphql(&ben, "{ notifications { nodes { kind message { status errorCode errorMessage } } } }", json!({}))
        .await;
    let shown = &asked["data"]["notifications"]["nodes"][0]["message"];
    assert_eq!((&shown["status"], &shown["errorCode"]), (&json!("UNDELIVERED"), &json!("30005")));
    assert!(shown["errorMessage"].as_str().unwrap().contains("no longer in use"));
    // By the carrier's name alone, too.
    let delivered = [("MessageSid", "SMx"), ("MessageStatus", "delivered")];
    assert_eq!(app.receipt("", &delivered).await, StatusCode::OK);
    assert_eq!(now(&app, &message).await.status, MessageStatus::Delivered);
    assert!(app.notifications_of(&message).await.iter().all(|row| row.resolved_at.is_some()));
}

#[tokio::test]
async fn what_is_no_receipt_of_ours_changes_nothing() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    let message = queued(&app, "hello").await;
    let delivered = [("MessageSid", "SMx"), ("MessageStatus", "delivered")];
    let named = named(&message);
    assert_eq!(app.receipt_signed_with("another token", &named, &delivered).await, StatusCode::FORBIDDEN);
    assert_eq!(app.receipt(&named, &[("MessageStatus", "delivered")]).await, StatusCode::BAD_REQUEST);
    assert_eq!(app.receipt(&named, &[("MessageSid", "SMx")]).await, StatusCode::BAD_REQUEST);
    // Another account's word, a text that nobody knows, an inbound one, a word without meaning.
    let others = [&delivered[..], &[("AccountSid", OTHER_ACCOUNT)]].concat();
    assert_eq!(app.receipt_signed_with(OTHER_TOKEN, &named, &others).await, StatusCode::OK);
    let inbound = app.message("SM0").await;
    for query in ["", "?agency=x&message=y", &crate::support::outbound::named(&inbound)] {
        assert_eq!(app.receipt(query, &delivered).await, StatusCode::OK, "{query}");
    }
    let odd = [("MessageSid", "SMx"), ("MessageStatus", "partially_delivered")];
    assert_eq!(app.receipt(&named, &odd).await, StatusCode::OK);
    assert_eq!(now(&app, &message).await, message);
    assert_eq!(app.message("SM0").await, inbound);
    assert_eq!(app.outbox().await.len(), 1);
}

#[tokio::test]
async fn the_carriers_block_is_of_one_number_until_start_to_it() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    let message = queued(&app, "hello").await;
    let blocked = [("MessageSid", "SMx"), ("MessageStatus", "failed"), ("ErrorCode", "21610")];
    assert_eq!(app.receipt(&named(&message), &blocked).await, StatusCode::OK);
    let ben = app.token("acme", "ben");
    let thread = json!(message.thread_id.to_string());
    let refused = app.reply(&ben, &thread, "again", json!({})).await;
    assert_eq!(refused["userErrors"][0]["code"], "OPTED_OUT");
    // It is no STOP: from another number they may be texted, and START to that one lifts nothing here.
    let nurses = crate::support::directory::NURSES;
    assert!(app.contacts_at(message.agency_id, "+13035560001").await[0].opted_out_at.is_none());
    app.receive(Text::new("SM1").to(nurses).body("START")).await;
    assert_eq!(app.reply(&ben, &thread, "again", json!({})).await["userErrors"][0]["code"], "OPTED_OUT");
    let dev = app.token("acme", "dev");
    let other = json!(app.thread_of("SM1").await.id.to_string());
    assert_eq!(app.reply(&dev, &other, "hello", json!({})).await["userErrors"], json!([]));
    app.receive(Text::new("SM2").body("start")).await;
    assert_eq!(app.reply(&ben, &thread, "again", json!({})).await["userErrors"], json!([]));
}
