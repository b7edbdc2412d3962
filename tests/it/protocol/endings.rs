//! What ends a socket from our side, and what an operation leaves that is ended while it runs.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::peer::{Got, Peer, Upgrade};
use super::script::{case, closed, event, follow, hear, introduced, next, nothing, pass, run, text};
use crate::support::directory::DESK;
use crate::support::{TestApp, wait};

const SECOND: Duration = Duration::from_secs(1);
const TOKENS_LIFE: Duration = Duration::from_secs(3600);
const AWAY: &str = "mutation { setAvailability(input: {availability: AWAY}) { userErrors { code } } }";

/// A socket that is introduced.
pub(super) async fn introduced_as(app: &TestApp, user: &str, upgrade: Upgrade) -> Peer {
    let mut peer = upgrade.open(app.address).await;
    let authorization = format!("Bearer {}", app.token("acme", user).expose_secret());
    peer.say_json(&json!({"type": "connection_init", "payload": {"authorization": authorization}})).await;
    assert_eq!(peer.frame().await, json!({"type": "connection_ack"}));
    peer
}

/// A socket that is introduced and has heard of one text.
async fn following(app: &TestApp, user: &str) -> Peer {
    let mut peer = introduced_as(app, user, Upgrade::new()).await;
    let after = app.cursor(&app.token("acme", user)).await;
    let query = "subscription($after: EventCursor) { inboundMessage(after: $after) { message { body } } }";
    ask(&mut peer, "1", query, json!({"after": after})).await;
    app.text("+13035560001", DESK, "hello").await;
    assert_eq!(peer.frame().await, event("1", "hello"));
    peer
}

pub(super) async fn ask(peer: &mut Peer, id: &str, query: &str, variables: Value) {
    let payload = json!({"query": query, "variables": variables});
    peer.say_json(&json!({"type": "subscribe", "id": id, "payload": payload})).await;
}

#[tokio::test]
async fn a_socket_lives_as_long_as_its_token() {
    let (to_the_last_second, over) = (pass(TOKENS_LIFE - SECOND), pass(SECOND));
    run(vec![
        case("idle", [introduced(), to_the_last_second.clone(), nothing(), over.clone(), closed(4403)]),
        case(
            "with a subscription",
            [
                introduced(),
                follow("1"),
                text("one"),
                hear(event("1", "one")),
                to_the_last_second,
                nothing(),
                text("two"),
                hear(event("1", "two")),
                over,
                closed(4403),
            ],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_user_who_is_deactivated_loses_every_socket() {
    let app = TestApp::start().await;
    let mut idle = introduced_as(&app, "ben", Upgrade::new()).await;
    let mut bens = following(&app, "ben").await;
    let mut chloes = following(&app, "chloe").await;
    assert_eq!(bens.frame().await, event("1", "hello"));
    let ben = app.token("acme", "ben");
    app.apply("agencies: [{key: acme, users: [{key: ben, active: false}]}]").await;
    // Nothing happens that would tell the idle one: it finds out by itself.
    app.clock.advance(SECOND);
    assert_eq!(idle.next().await, Got::Closed(4403));
    assert_eq!(bens.next().await, Got::Closed(4403));
    let mut again = Upgrade::new().open(app.address).await;
    let payload = json!({"authorization": format!("Bearer {}", ben.expose_secret())});
    again.say_json(&json!({"type": "connection_init", "payload": payload})).await;
    assert_eq!(again.next().await, Got::Closed(4403));
    app.text("+13035560001", DESK, "to those who are left").await;
    assert_eq!(chloes.frame().await, event("1", "to those who are left"));
}

#[tokio::test]
async fn a_server_that_goes_away_says_so_to_every_socket() {
    let app = TestApp::start().await;
    let mut strange = Upgrade::new().open(app.address).await;
    let mut idle = introduced_as(&app, "ana", Upgrade::new()).await;
    let mut chloes = following(&app, "chloe").await;
    let mut waiting = introduced_as(&app, "ana", Upgrade::new()).await;
    let held = app.hold_writer(app.agency("acme").await).await;
    ask(&mut waiting, "1", AWAY, json!({})).await;
    held.until_waiting(1).await;
    app.drain.send_replace(true);
    let mut late = Upgrade::new().open(app.address).await;
    for peer in [&mut strange, &mut idle, &mut chloes, &mut waiting, &mut late] {
        assert_eq!(peer.next().await, Got::Closed(1012));
    }
    held.let_go().await;
}

#[tokio::test]
async fn a_database_that_is_away_is_no_verdict_on_a_token() {
    let app = TestApp::start().await;
    let mut peer = Upgrade::new().open(app.address).await;
    let token = app.token("acme", "ana");
    app.clock.advance(Duration::from_secs(2));
    app.db().close_by_ref().await.unwrap();
    let payload = json!({"authorization": format!("Bearer {}", token.expose_secret())});
    peer.say_json(&json!({"type": "connection_init", "payload": payload})).await;
    // Try again later: a client comes back for that, while 4403 may make it give up.
    assert_eq!(peer.next().await, Got::Closed(1013));
}

#[tokio::test]
async fn a_connection_ends_when_both_have_said_farewell() {
    let app = TestApp::start().await;
    let mut polite = introduced_as(&app, "ana", Upgrade::new()).await;
    polite.say_json(&json!({"type": "nothing"})).await;
    assert_eq!(polite.next().await, Got::Closed(4400));
    // The library answers the farewell; no time has to pass.
    assert_eq!(polite.next().await, Got::Cut);

    let mut silent = introduced_as(&app, "ana", Upgrade::new()).await;
    silent.say_json(&json!({"type": "nothing"})).await;
    assert_eq!(silent.next().await, Got::Closed(4400));
    let mut passed = 0;
    let stream = silent.stream();
    wait::until("the connection ends", || {
        let ended = matches!(stream.try_read(&mut [0; 16]), Ok(0));
        passed += u64::from(!ended);
        if !ended {
            app.clock.advance(SECOND);
        }
        async move { ended.then_some(()) }
    })
    .await;
    assert!(passed >= 2, "after {passed} s");
}

/// What an operation of one result comes to is not told once the client does not listen any more.
#[tokio::test]
async fn an_operation_that_was_ended_before_its_result_gives_none() {
    let app = TestApp::start().await;
    let mut peer = introduced_as(&app, "ana", Upgrade::new()).await;
    let held = app.hold_writer(app.agency("acme").await).await;
    ask(&mut peer, "1", AWAY, json!({})).await;
    held.until_waiting(1).await;
    // The socket is not kept from anything else meanwhile.
    peer.say_json(&json!({"type": "ping"})).await;
    assert_eq!(peer.frame().await, json!({"type": "pong"}));
    peer.say_json(&json!({"type": "complete", "id": "1"})).await;
    ask(&mut peer, "2", AWAY, json!({})).await;
    // The pong shows that the end was read.
    peer.say_json(&json!({"type": "ping"})).await;
    assert_eq!(peer.frame().await, json!({"type": "pong"}));
    held.let_go().await;
    let done = json!({"setAvailability": {"userErrors": []}});
    assert_eq!(peer.frame().await, next("2", done.clone()));
    assert_eq!(peer.frame().await, json!({"type": "complete", "id": "2"}));
    // Its id is free again.
    ask(&mut peer, "1", AWAY, json!({})).await;
    assert_eq!(peer.frame().await, next("1", done));
    assert_eq!(peer.frame().await, json!({"type": "complete", "id": "1"}));
}

#[tokio::test]
async fn an_id_is_taken_while_its_result_is_awaited() {
    let app = TestApp::start().await;
    let held = app.hold_writer(app.agency("acme").await).await;
    let mut peer = introduced_as(&app, "ana", Upgrade::new()).await;
    ask(&mut peer, "1", AWAY, json!({})).await;
    held.until_waiting(1).await;
    ask(&mut peer, "1", "{ viewer { key } }", json!({})).await;
    assert_eq!(peer.next().await, Got::Closed(4409));
    held.let_go().await;
}

/// Each socket has its own ids: the same on two of them is no duplicate.
#[tokio::test]
async fn two_sockets_know_nothing_of_each_other() {
    let app = TestApp::start().await;
    let (mut one, mut two) = (following(&app, "ana").await, following(&app, "ana").await);
    assert_eq!(one.frame().await, event("1", "hello"));
    one.say_json(&json!({"type": "complete", "id": "1"})).await;
    one.say_json(&json!({"type": "ping"})).await;
    assert_eq!(one.frame().await, json!({"type": "pong"}));
    app.text("+13035560001", DESK, "again").await;
    assert_eq!(two.frame().await, event("1", "again"));
    one.say_json(&json!({"type": "nothing"})).await;
    assert_eq!(one.next().await, Got::Closed(4400));
    app.text("+13035560001", DESK, "and again").await;
    assert_eq!(two.frame().await, event("1", "and again"));
}
