//! The carrier's status callbacks.

use std::time::Duration;

use partyline::domain::{MessageStatus, NotificationKind};
use partyline::entity::message;
use partyline::service::sending::{begin_next_attempt, mark_interrupted_attempts, resolve_unknown_texts};
use reqwest::StatusCode;
use serde_json::json;

use crate::support::directory::{OTHER_ACCOUNT, OTHER_TOKEN};
use crate::support::outbound::receipt_query;
use crate::support::{TestApp, Text};

async fn queued(app: &TestApp, body: &str) -> message::Model {
    let ben = app.token("acme", "ben");
    let thread = app.all_threads(&ben).await[0].clone();
    assert_eq!(app.reply(&ben, &thread, body, json!({})).await["userErrors"], json!([]));
    app.outbound().await.pop().unwrap()
}

async fn reload(app: &TestApp, message: &message::Model) -> message::Model {
    app.outbound().await.into_iter().find(|row| row.id == message.id).unwrap()
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn every_order_of_callbacks_leads_to_the_same_status() {
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
            // Twice, because callbacks can be repeated.
            for _ in 0..2 {
                assert_eq!(app.receipt(&receipt_query(&message), &fields).await, StatusCode::OK);
            }
        }
        let message = reload(&app, &message).await;
        assert_eq!((message.status, message.error_code), (MessageStatus::Delivered, None), "{order:?}");
        assert_eq!(message.provider_sid, Some(sid));
    }
    // The callbacks came before the response to the request: the text is not sent again.
    assert!(app.outbox().await.is_empty());
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn a_failure_notifies_the_author_and_is_resolved_by_a_delivery() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    let message = queued(&app, "hello").await;
    let failed = [("MessageSid", "SMx"), ("MessageStatus", "undelivered"), ("ErrorCode", "30005")];
    assert_eq!(app.receipt(&receipt_query(&message), &failed).await, StatusCode::OK);
    let notifications = app.notifications_of(&message).await;
    let users = app.keys("acme", notifications.iter().map(|row| row.user_id)).await;
    assert_eq!((users, notifications[0].kind), (vec!["ben".to_owned()], NotificationKind::DeliveryFailed));
    let ben = app.token("acme", "ben");
    let asked = app
        .graphql(
            &ben,
            "{ notifications { nodes { kind message { status failure { reason carrierCode message } } } } }",
            json!({}),
        )
        .await;
    let shown = &asked["data"]["notifications"]["nodes"][0]["message"];
    assert_eq!((&shown["status"], &shown["failure"]["carrierCode"]), (&json!("UNDELIVERED"), &json!("30005")));
    assert!(shown["failure"]["message"].as_str().unwrap().contains("no longer in use"));
    // A callback that identifies the text only by its SID.
    let delivered = [("MessageSid", "SMx"), ("MessageStatus", "delivered")];
    assert_eq!(app.receipt("", &delivered).await, StatusCode::OK);
    assert_eq!(reload(&app, &message).await.status, MessageStatus::Delivered);
    assert!(app.notifications_of(&message).await.iter().all(|row| row.resolved_at.is_some()));
}

#[tokio::test]
async fn unknown_or_forged_callbacks_change_nothing() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    let message = queued(&app, "hello").await;
    let delivered = [("MessageSid", "SMx"), ("MessageStatus", "delivered")];
    let named = receipt_query(&message);
    assert_eq!(app.receipt_signed_with("another token", &named, &delivered).await, StatusCode::FORBIDDEN);
    assert_eq!(app.receipt(&named, &[("MessageStatus", "delivered")]).await, StatusCode::BAD_REQUEST);
    assert_eq!(app.receipt(&named, &[("MessageSid", "SMx")]).await, StatusCode::BAD_REQUEST);
    // Another account, an unknown text, an inbound text, and an unknown status.
    let others = [&delivered[..], &[("AccountSid", OTHER_ACCOUNT)]].concat();
    assert_eq!(app.receipt_signed_with(OTHER_TOKEN, &named, &others).await, StatusCode::OK);
    let inbound = app.message("SM0").await;
    for query in ["", "?agency=x&message=y", &receipt_query(&inbound)] {
        assert_eq!(app.receipt(query, &delivered).await, StatusCode::OK, "{query}");
    }
    let odd = [("MessageSid", "SMx"), ("MessageStatus", "partially_delivered")];
    assert_eq!(app.receipt(&named, &odd).await, StatusCode::OK);
    assert_eq!(reload(&app, &message).await, message);
    assert_eq!(app.message("SM0").await, inbound);
    assert_eq!(app.outbox().await.len(), 1);
}

#[tokio::test]
async fn a_carrier_block_applies_to_one_number_until_a_start_to_any_number() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    let message = queued(&app, "hello").await;
    let blocked = [("MessageSid", "SMx"), ("MessageStatus", "failed"), ("ErrorCode", "21610")];
    assert_eq!(app.receipt(&receipt_query(&message), &blocked).await, StatusCode::OK);
    let ben = app.token("acme", "ben");
    let thread = json!(message.thread_id.to_string());
    let refused = app.reply(&ben, &thread, "again", json!({})).await;
    assert_eq!(refused["userErrors"][0]["code"], "CARRIER_BLOCKED");
    // A block is not a STOP: another number may text the contact.
    let nurses = crate::support::directory::NURSES;
    assert!(app.contacts_at(message.agency_id, "+13035560001").await[0].opted_out_at.is_none());
    app.receive(Text::new("SM1").to(nurses)).await;
    let dev = app.token("acme", "dev");
    let other = json!(app.thread_of("SM1").await.id.to_string());
    assert_eq!(app.reply(&dev, &other, "hello", json!({})).await["userErrors"], json!([]));
    assert_eq!(app.reply(&ben, &thread, "again", json!({})).await["userErrors"][0]["code"], "CARRIER_BLOCKED");
    app.receive(Text::new("SM2").to(nurses).body("START")).await;
    assert_eq!(app.reply(&ben, &thread, "again", json!({})).await["userErrors"], json!([]));
}

#[tokio::test]
async fn a_block_reported_by_a_later_callback_counts_like_an_immediate_one() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    let blocked_at = async || app.thread_of("SM0").await.blocked_at;
    let send = async |query: &str, sid: &str, status: &str, code: Option<&str>| {
        let mut fields = vec![("MessageSid", sid), ("MessageStatus", status)];
        fields.extend(code.map(|code| ("ErrorCode", code)));
        assert_eq!(app.receipt(query, &fields).await, StatusCode::OK);
    };
    // First after the carrier has accepted the text, then after another error with the same status.
    for (n, before) in [None, Some("30008")].into_iter().enumerate() {
        let message = queued(&app, &format!("text {n}")).await;
        let (query, sid) = (receipt_query(&message), format!("SMx{n}"));
        send(&query, &sid, "sent", None).await;
        if before.is_some() {
            send(&query, &sid, "failed", before).await;
        }
        assert_eq!(blocked_at().await, None);
        send(&query, &sid, "failed", Some("21610")).await;
        assert!(blocked_at().await.is_some(), "{before:?}");
        app.receive(Text::new(format!("SMstart{n}")).body("START")).await;
        assert_eq!(blocked_at().await, None);
        // A repeated or older callback changes nothing.
        send(&query, &sid, "failed", Some("21610")).await;
        send(&query, &sid, "failed", Some("30008")).await;
        assert_eq!(blocked_at().await, None);
    }
}

#[tokio::test]
async fn a_block_is_recorded_from_a_callback_for_a_text_that_has_been_resent() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    let message = queued(&app, "in doubt").await;
    // The attempt is interrupted, and its outcome remains unknown.
    let row = app.outbox().await.remove(0);
    begin_next_attempt(app.services(), row.agency_id, row.phone_number_id).await.unwrap();
    app.clock.advance(Duration::from_secs(26));
    mark_interrupted_attempts(app.services()).await.unwrap();
    for _ in 0..80 {
        app.clock.advance(Duration::from_secs(5));
        resolve_unknown_texts(app.services()).await.unwrap();
    }
    let ben = app.token("acme", "ben");
    let resend =
        "mutation($id: ID!) { resendMessage(input: {messageId: $id, idempotencyKey: \"r\"}) { userErrors { code } } }";
    let resent = app.graphql(&ben, resend, json!({"id": message.id.to_string()})).await;
    assert_eq!(resent["data"]["resendMessage"]["userErrors"], json!([]));
    let blocked = [("MessageSid", "SMx"), ("MessageStatus", "failed"), ("ErrorCode", "21610")];
    for lifted in [false, true] {
        assert_eq!(app.receipt(&receipt_query(&message), &blocked).await, StatusCode::OK);
        assert_eq!(reload(&app, &message).await.error_code.as_deref(), Some("RESENT"));
        assert_eq!(app.thread_of("SM0").await.blocked_at.is_none(), lifted, "a repeated callback changes nothing");
        app.receive(Text::new(format!("SM{lifted}")).body("START")).await;
    }
}
