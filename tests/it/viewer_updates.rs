//! A user's own other windows: read marks, notifications and access, and the marks themselves.

use serde_json::{Value, json};

use crate::support::directory::{DESK, NURSES};
use crate::support::socket::Socket;
use crate::support::{TestApp, Text};

const LIVE: &str = "subscription($after: EventCursor) { viewerUpdated(after: $after) {
    change thread { id unreadCount viewerSeenCount } notification { id readAt } phoneNumber { e164 } } }";

async fn window(app: &TestApp, user: &str) -> Socket {
    let token = app.token("acme", user);
    let mut socket = app.socket(&token).await;
    socket.subscribe("1", LIVE, json!({"after": app.cursor(&token).await})).await;
    socket
}

async fn next(socket: &mut Socket) -> Value {
    socket.event().await["viewerUpdated"].clone()
}

async fn mark(app: &TestApp, user: &str, mutation: &str, input: Value) -> Value {
    let of = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let document = format!(
        "mutation($input: {of}!) {{ {mutation}(input: $input) {{ thread {{ unreadCount viewerSeenCount }} userErrors {{ code path }} }} }}"
    );
    let answer = app.graphql(&app.token("acme", user), &document, json!({"input": input})).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"][mutation].clone()
}

#[tokio::test]
async fn a_read_mark_reaches_the_same_users_windows_only() {
    let app = TestApp::start().await;
    for n in 0..3 {
        app.receive(Text::new(format!("SM{n}"))).await;
    }
    let thread = json!(app.thread_of("SM0").await.id.to_string());
    let (mut bens, mut chloes) = (window(&app, "ben").await, window(&app, "chloe").await);
    let first = json!(app.message("SM0").await.id.to_string());
    for (mutation, input, unread, seen) in [
        ("markThreadRead", json!({"threadId": thread, "upToMessageId": first}), 2, 1),
        ("markThreadRead", json!({"threadId": thread}), 0, 3),
        // What is read stays read.
        ("markThreadRead", json!({"threadId": thread, "upToMessageId": first}), 0, 3),
        ("markThreadUnread", json!({"threadId": thread}), 1, 2),
    ] {
        let expected = json!({"unreadCount": unread, "viewerSeenCount": seen});
        let marked = mark(&app, "ben", mutation, input.clone()).await;
        assert_eq!(marked, json!({"thread": expected, "userErrors": []}), "{mutation} {input}");
        let event = next(&mut bens).await;
        assert_eq!((&event["change"], &event["thread"]["id"]), (&json!("THREAD_READ"), &thread));
        assert_eq!(event["thread"]["viewerSeenCount"], seen, "{mutation} {input}");
    }
    app.reply(&app.token("acme", "ben"), &thread, "hello", json!({})).await;
    let event = next(&mut bens).await;
    assert_eq!((&event["change"], &event["thread"]["unreadCount"]), (&json!("THREAD_READ"), &json!(0)));
    // Ben's reply claims the thread, which resolves Chloe's notification.
    let event = next(&mut chloes).await;
    assert_eq!((&event["change"], &event["thread"]["id"]), (&json!("NOTIFICATION_RESOLVED"), &thread));
    chloes.assert_silent().await;
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn marks_never_turn_unread_messages_into_read_ones_or_back() {
    let app = TestApp::start().await;
    for n in 0..4 {
        app.receive(Text::new(format!("SM{n}"))).await;
    }
    let thread = json!(app.thread_of("SM0").await.id.to_string());
    let first = json!(app.message("SM0").await.id.to_string());
    let unread = json!({"unreadCount": 3, "viewerSeenCount": 1});
    for (mutation, input) in [
        ("markThreadRead", json!({"threadId": thread, "upToMessageId": first})),
        // Three messages are unread already.
        ("markThreadUnread", json!({"threadId": thread})),
    ] {
        assert_eq!(mark(&app, "ben", mutation, input).await["thread"], unread, "{mutation}");
    }
    app.reply(&app.token("acme", "ben"), &thread, "hello", json!({})).await;
    app.receive(Text::new("SM4")).await;
    // Ana has no mark, so the four answered messages do not count for her.
    let input = json!({"threadId": thread, "upToMessageId": first});
    let marked = mark(&app, "ana", "markThreadRead", input).await;
    assert_eq!(marked["thread"], json!({"unreadCount": 1, "viewerSeenCount": 4}));
}

#[tokio::test]
async fn a_message_of_another_thread_is_refused_as_a_read_mark() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1")).await;
    app.receive(Text::new("SM2").from("+13035560009")).await;
    let thread = json!(app.thread_of("SM1").await.id.to_string());
    let other = json!(app.message("SM2").await.id.to_string());
    let refused = mark(&app, "ben", "markThreadRead", json!({"threadId": thread, "upToMessageId": other})).await;
    assert_eq!(refused["userErrors"], json!([{"code": "NOT_FOUND", "path": ["input", "upToMessageId"]}]));
    // Dev is not in the pool of the desk.
    let refused = mark(&app, "dev", "markThreadUnread", json!({"threadId": thread})).await;
    assert_eq!(refused["userErrors"][0]["code"], "NOT_FOUND");
}

#[tokio::test]
async fn a_notification_that_is_read_is_read_in_every_window() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1")).await;
    let ben = app.token("acme", "ben");
    let list = "{ notifications(first: 1) { nodes { id } } }";
    let id = app.graphql(&ben, list, json!({})).await["data"]["notifications"]["nodes"][0]["id"].clone();
    let (mut bens, mut chloes) = (window(&app, "ben").await, window(&app, "chloe").await);
    let read = "mutation($ids: [ID!]!) { markNotificationsRead(input: {ids: $ids}) { userErrors { code } } }";
    for _ in 0..2 {
        app.graphql(&ben, read, json!({"ids": [id]})).await;
    }
    let event = next(&mut bens).await;
    assert_eq!((&event["change"], &event["notification"]["id"]), (&json!("NOTIFICATION_READ"), &id));
    assert!(event["notification"]["readAt"].is_string());
    bens.assert_silent().await;
    chloes.assert_silent().await;
}

#[tokio::test]
async fn gained_and_lost_numbers_are_announced_to_the_user() {
    let app = TestApp::start().await;
    let ana = app.token("acme", "ana");
    let (mut bens, mut devs) = (window(&app, "ben").await, window(&app, "dev").await);
    let (ben, desk, nurses) =
        (app.user_id("acme", "ben").await, app.number_id("acme", DESK).await, app.number_id("acme", NURSES).await);
    for (document, number) in [
        ("updatePoolMember(input: {phoneNumberId: $number, userId: $user, smsEnabled: false})", (&desk, DESK)),
        ("addPoolMember(input: {phoneNumberId: $number, userId: $user})", (&nurses, NURSES)),
        ("removePoolMember(input: {phoneNumberId: $number, userId: $user})", (&nurses, NURSES)),
    ] {
        let document = format!("mutation($number: ID!, $user: ID!) {{ {document} {{ userErrors {{ code }} }} }}");
        let answer = app.graphql(&ana, &document, json!({"number": number.0, "user": ben})).await;
        assert!(answer.to_string().contains("\"userErrors\":[]"), "{answer}");
        let event = next(&mut bens).await;
        assert_eq!((&event["change"], &event["phoneNumber"]["e164"]), (&json!("ACCESS"), &json!(number.1)));
    }
    devs.assert_silent().await;
}
