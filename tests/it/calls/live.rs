//! Live updates of calls, and their visibility.

use partyline::service::Viewer;
use partyline::store::calls;
use serde_json::json;

use crate::support::TestApp;
use crate::support::directory::{NURSES, SISTER};
use crate::support::voice::{INBOUND, STATUS, attribute, form};

const FOLLOW: &str = include_str!("../documents/calls_live_follow.graphql");

#[tokio::test]
async fn only_users_of_the_number_receive_updates_of_a_call() {
    let app = TestApp::start_with_phones().await;
    let (mut ben, mut dev) = (app.socket(&app.token("acme", "ben")).await, app.socket(&app.token("acme", "dev")).await);
    let mut sam = app.socket(&app.token("sister", "sam")).await;
    let begin = app.cursor(&app.token("acme", "ana")).await;
    ben.subscribe("1", FOLLOW, json!({"after": begin})).await;
    let there = app.cursor(&app.token("sister", "sam")).await;
    for (socket, after) in [(&mut dev, &begin), (&mut sam, &there)] {
        socket.subscribe("1", FOLLOW, json!({"after": after})).await;
    }
    let greeting = app.document(INBOUND, &form("CA1", &[])).await;
    app.wait_for_call_log().await;
    app.document(&attribute(&greeting, "action"), &form("CA1", &[("Digits", "")])).await;
    app.wait_for_call_log().await;
    app.document(STATUS, &form("CA1", &[("CallStatus", "completed")])).await;
    let mut seen = Vec::new();
    while seen.last() != Some(&"CANCELED".to_owned()) {
        let event = ben.event().await;
        seen.push(event["callUpdated"]["call"]["status"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen.first().map(String::as_str), Some("RINGING"));
    // The next event that the others receive is of a call that they may see.
    app.document(INBOUND, &form("CA2", &[("To", NURSES)])).await;
    app.document(INBOUND, &form("CA3", &[("To", SISTER)])).await;
    let (nurses, sisters) = (app.call("CA2").await.id.to_string(), app.call("CA3").await.id.to_string());
    assert_eq!(dev.event().await["callUpdated"]["call"]["id"], nurses);
    assert_eq!(sam.event().await["callUpdated"]["call"]["id"], sisters);
}

/// A call is in a user's list exactly if the user receives its events.
#[tokio::test]
async fn the_list_and_the_events_agree_on_who_sees_a_call() {
    let app = TestApp::start_with_phones().await;
    // Calls of the main line, of Dev's extension, and of a number with an empty pool, of which the admins are notified.
    app.leave_voicemail("CA1").await;
    let greeting = app.document(INBOUND, &form("CA2", &[])).await;
    app.document(&attribute(&greeting, "action"), &form("CA2", &[("Digits", "101")])).await;
    app.document(STATUS, &form("CA2", &[("CallStatus", "completed")])).await;
    app.document(INBOUND, &form("CA3", &[("To", "+13035550102")])).await;
    app.document(STATUS, &form("CA3", &[("To", "+13035550102"), ("CallStatus", "completed")])).await;
    let directory = app.directory("acme").await;
    for (sid, expected) in
        [("CA1", &["ana", "ben", "chloe"][..]), ("CA2", &["ana", "ben", "chloe", "dev"]), ("CA3", &["ana"])]
    {
        let call = app.call(sid).await;
        let mut seen = Vec::new();
        for user in &directory.users {
            let viewer = Viewer::of(directory.clone(), user.id).unwrap();
            let listed = calls::visible_among(app.db(), &viewer.scope(), &[call.id]).await.unwrap();
            if !listed.is_empty() {
                seen.push(user.key.as_str());
            }
            let mut socket = app.socket(&app.token("acme", &user.key)).await;
            let begin =
                partyline::domain::cursor::Cursor { agency: call.agency_id, epoch: directory.epoch, position: 0 };
            socket.subscribe("1", FOLLOW, json!({"after": begin.to_string()})).await;
            // Each user reads events up to the newest call that they may see.
            let visible = calls::page(
                app.db(),
                &viewer.scope(),
                &calls::CallFilter::default(),
                &partyline::store::page::Window::first(9),
            )
            .await
            .unwrap();
            let mut left: std::collections::BTreeSet<String> =
                visible.rows.iter().map(|row| row.row().id.to_string()).collect();
            while !left.is_empty() {
                let event = socket.event().await;
                let id = event["callUpdated"]["call"]["id"].as_str().unwrap().to_owned();
                assert!(
                    visible.rows.iter().any(|row| row.row().id.to_string() == id),
                    "{} received an event of {id}",
                    user.key
                );
                left.remove(&id);
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, expected, "{sid}");
    }
}
