//! Messages and calls past their age, their threads, and what users still see.

use std::time::Duration;

use partyline::domain::{AgencyId, MessageId};
use partyline::entity::{activity, call, call_leg, delivery_step, media, message, notification, read_mark, thread};
use partyline::service::retention::PurgedKind;
use partyline::store::retention;
use partyline::store::writer::{Tx, Unit, UnitError};
use sea_orm::{EntityTrait as _, PaginatorTrait as _, QueryOrder as _};
use serde_json::{Value, json};

use super::{assert_nothing_left, purge, set};
use crate::support::carrier::carrier;
use crate::support::directory::{DESK, OTHER, OTHER_ACCOUNT, OTHER_TOKEN, SISTER};
use crate::support::random::Random;
use crate::support::voice::{STATUS, form};
use crate::support::{TestApp, Text};

async fn sids(app: &TestApp) -> Vec<String> {
    let rows = message::Entity::find().order_by_asc(message::Column::Id).all(app.db()).await.unwrap();
    rows.into_iter().filter_map(|row| row.provider_sid).collect()
}

#[tokio::test]
async fn old_messages_are_deleted_with_all_that_belongs_to_them_and_others_stay() {
    let app = TestApp::start().await;
    set(&app, "{messages: 30d}").await;
    let acme = app.agency("acme").await;
    let photo = Text::new("SM1").field("NumMedia", "1").field("MediaUrl0", "https://media.test/Media/ME1");
    app.receive(photo).await;
    app.receive(Text::new("SM2").from("+13035560009")).await;
    app.receive(Text::new("SMsister").to(SISTER)).await;
    app.receive(Text::new("SMother").account(OTHER_ACCOUNT, OTHER_TOKEN).to(OTHER)).await;
    let (kept, emptied) = (app.thread_of("SM1").await.id, app.thread_of("SM2").await);
    app.clock.advance_days(29);
    assert_nothing_left(&app).await;
    app.clock.advance_days(2);
    app.receive(Text::new("SM3").body("new")).await;

    let purged = purge(&app).await;
    assert_eq!((purged.count(PurgedKind::Messages), purged.count(PurgedKind::Notifications)), (2, 4));
    assert_eq!(sids(&app).await, ["SMsister", "SMother", "SM3"]);
    assert_eq!(media::Entity::find().count(app.db()).await.unwrap(), 0);
    let newest = app.message("SM3").await;
    assert_eq!(app.notifications_of(&newest).await.len(), 2);
    let thread = app.thread(acme, kept).await;
    assert_eq!((thread.inbound_count, thread.last_message_id), (1, Some(newest.id)));
    let thread = app.thread(acme, emptied.id).await;
    let none = (0, 0, None, None, None);
    let state = (thread.inbound_count, thread.answered_count, thread.last_message_id, thread.last_message_at);
    assert_eq!((state.0, state.1, state.2, state.3, thread.waiting_since), none);
    assert_eq!(thread.last_activity_at, emptied.last_activity_at, "no thread moves in the inbox");
    assert_eq!(app.contacts_at(acme, "+13035560009").await.len(), 1);
    assert_nothing_left(&app).await;
}

#[tokio::test]
async fn unread_counts_and_the_timeline_are_right_after_old_messages_are_gone() {
    let app = TestApp::start().await;
    set(&app, "{messages: 30d}").await;
    for sid in ["SM1", "SM2", "SM3"] {
        app.receive(Text::new(sid).body(sid)).await;
    }
    let thread = json!(app.thread_of("SM1").await.id.to_string());
    let read =
        "mutation($thread: ID!, $message: ID) { markThreadRead(input: {threadId: $thread, upToMessageId: $message}) {
        userErrors { message } } }";
    let up_to = json!({"thread": thread, "message": app.message("SM2").await.id.to_string()});
    let answer = app.graphql(&app.token("acme", "ben"), read, up_to).await;
    assert_eq!(answer["data"]["markThreadRead"]["userErrors"], json!([]), "{answer}");
    app.clock.advance_days(31);
    app.receive(Text::new("SM4").body("SM4")).await;
    let seen = async |user: &str| {
        let query = "query($id: ID!) { threads(first: 10) { nodes { unreadCount needsReply lastMessage { body } } }
            node(id: $id) { ... on Thread { unreadCount inboundCount
                messages(first: 10) { totalCount nodes { body } }
                timeline(first: 10) { nodes { ... on Message { body } } } } } }";
        let mut answer = app.graphql(&app.token("acme", user), query, json!({"id": thread})).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"].take()
    };
    assert_eq!(
        (&seen("ben").await["node"]["unreadCount"], &seen("chloe").await["node"]["unreadCount"]),
        (&json!(2), &json!(4))
    );
    purge(&app).await;
    for user in ["ben", "chloe"] {
        let seen = seen(user).await;
        let bodies = json!([{"body": "SM4"}]);
        let expected = json!({"unreadCount": 1, "inboundCount": 1, "messages": {"totalCount": 1, "nodes": bodies},
            "timeline": {"nodes": bodies}});
        assert_eq!(seen["node"], expected, "{user}");
        let listed = json!([{"unreadCount": 1, "needsReply": true, "lastMessage": {"body": "SM4"}}]);
        assert_eq!(seen["threads"]["nodes"], listed, "{user}");
    }
    let ana = app.token("acme", "ana");
    let answer = app.graphql(&ana, read, json!({"thread": thread, "message": null})).await;
    assert_eq!(answer["data"]["markThreadRead"]["userErrors"], json!([]), "{answer}");
    assert_eq!(seen("ana").await["node"]["unreadCount"], 0);
}

#[tokio::test]
async fn a_thread_without_messages_shows_an_empty_timeline_and_takes_new_texts() {
    let app = TestApp::start().await;
    set(&app, "{messages: 7d}").await;
    app.receive(Text::new("SM1")).await;
    app.clock.advance_days(8);
    purge(&app).await;
    let query = "{ threads(first: 10) { nodes { id unreadCount needsReply lastMessage { body } lastMessageAt
        timeline(first: 10) { nodes { __typename } } } } }";
    let token = app.token("acme", "ben");
    let answer = app.graphql(&token, query, json!({})).await;
    let thread = &answer["data"]["threads"]["nodes"][0];
    let expected = json!({"id": thread["id"], "unreadCount": 0, "needsReply": false, "lastMessage": null,
        "lastMessageAt": null, "timeline": {"nodes": []}});
    assert_eq!(thread, &expected, "{answer}");
    app.receive(Text::new("SM2").body("again")).await;
    let answer = app.graphql(&token, query, json!({})).await;
    let again = &answer["data"]["threads"]["nodes"][0];
    assert_eq!(
        (&again["id"], &again["unreadCount"], &again["lastMessage"]["body"]),
        (&thread["id"], &json!(1), &json!("again"))
    );
}

#[tokio::test]
async fn sent_texts_are_deleted_with_their_delivery_steps_and_a_text_that_waits_stays() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    set(&app, "{messages: 30d}").await;
    app.receive(Text::new("SM1")).await;
    let (ben, thread) = (app.token("acme", "ben"), json!(app.thread_of("SM1").await.id.to_string()));
    let workers = app.start_workers();
    assert_eq!(app.reply(&ben, &thread, "sent", json!({})).await["userErrors"], json!([]));
    app.wait_until_none_pending().await;
    workers.stop(Duration::from_secs(10)).await;
    assert_ne!(delivery_step::Entity::find().count(app.db()).await.unwrap(), 0);
    assert_eq!(app.reply(&ben, &thread, "waits", json!({})).await["userErrors"], json!([]));
    app.clock.advance_days(31);
    purge(&app).await;
    let left = message::Entity::find().all(app.db()).await.unwrap();
    assert_eq!(left.iter().map(|row| row.body.as_str()).collect::<Vec<_>>(), ["waits"]);
    assert_eq!(app.outbox().await.len(), 1);
    let row = app.thread(left[0].agency_id, left[0].thread_id).await;
    assert_eq!((row.last_message_id, row.inbound_count, row.answered_count), (Some(left[0].id), 0, 0));
    let steps = delivery_step::Entity::find().all(app.db()).await.unwrap();
    assert!(steps.iter().all(|step| step.message_id == left[0].id), "{steps:?}");
}

#[tokio::test]
async fn old_calls_are_deleted_with_their_legs_and_activity_too() {
    let app = TestApp::start_with_phones().await;
    set(&app, "{messages: 30d}").await;
    app.leave_voicemail("CA1").await;
    app.document(STATUS, &form("CA1", &[("CallStatus", "completed"), ("CallDuration", "31")])).await;
    let call = app.call("CA1").await;
    assert!(call.ended_at.is_some() && !app.voicemails_of(&call).await.is_empty());
    let thread = json!(call.thread_id.unwrap().to_string());
    let claim = "mutation($thread: ID!) { claimThread(input: {threadId: $thread}) { userErrors { code } } }";
    app.graphql(&app.token("acme", "ben"), claim, json!({"thread": thread})).await;
    let activities = activity::Entity::find().count(app.db()).await.unwrap();
    assert_ne!(activities, 0);
    app.clock.advance_days(31);
    let purged = purge(&app).await;
    assert_eq!((purged.count(PurgedKind::Calls), purged.count(PurgedKind::Activities)), (1, activities));
    assert_eq!(call::Entity::find().count(app.db()).await.unwrap(), 0);
    assert_eq!(call_leg::Entity::find().count(app.db()).await.unwrap(), 0);
    assert_eq!(notification::Entity::find().count(app.db()).await.unwrap(), 0);
    assert_eq!(activity::Entity::find().count(app.db()).await.unwrap(), 0);
    assert_eq!(thread::Entity::find().count(app.db()).await.unwrap(), 1);
    assert_nothing_left(&app).await;
}

/// Deletes these messages, as retention does.
struct Delete {
    agency: AgencyId,
    ids: Vec<MessageId>,
}

impl Unit for Delete {
    type Output = ();
    type Refusal = std::convert::Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let rows = retention::deletable_messages(tx.conn, self.agency, &self.ids, None).await?;
        assert_eq!(rows.len(), self.ids.len());
        retention::delete_messages(tx.conn, self.agency, &rows).await?;
        Ok(())
    }
}

/// The state of all rows that a deletion of messages touches.
type State = (Vec<message::Model>, Vec<thread::Model>, Vec<read_mark::Model>);

/// Receives random texts of a few contacts, which users read now and then, and deletes the older ones in batches of
/// these sizes, in turn.
async fn state_after(seed: u64, batches: &[usize]) -> State {
    let app = TestApp::start().await;
    let mut random = Random::new(seed);
    for n in 0..40 {
        let from = format!("+1303556{:04}", random.below(4));
        app.receive(Text::new(format!("SM{n}")).from(&from).to([DESK, "+13035550101"][random.below(2)])).await;
        if random.chance(3) {
            let thread = json!(app.thread_of(&format!("SM{n}")).await.id.to_string());
            let read = "mutation($thread: ID!) { markThreadRead(input: {threadId: $thread}) { userErrors { code } } }";
            let user = ["ana", "ben", "chloe"][random.below(3)];
            app.graphql(&app.token("acme", user), read, json!({"thread": thread})).await;
        }
    }
    let agency = app.agency("acme").await;
    let all = message::Entity::find().order_by_asc(message::Column::Id).all(app.db()).await.unwrap();
    let old: Vec<MessageId> = all.iter().take(25 + random.below(16)).map(|row| row.id).collect();
    let mut rest = old.as_slice();
    for size in batches.iter().cycle() {
        let (batch, later) = rest.split_at((*size).min(rest.len()));
        app.services().writer.run(agency, Delete { agency, ids: batch.to_vec() }).await.unwrap();
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    let messages = message::Entity::find().order_by_asc(message::Column::Id).all(app.db()).await.unwrap();
    let threads = app.threads(agency).await;
    let mut marks = read_mark::Entity::find().all(app.db()).await.unwrap();
    marks.sort_by_key(|mark| (mark.user_id, mark.thread_id));
    for thread in &threads {
        let inbound = messages.iter().filter(|row| row.thread_id == thread.id);
        assert_eq!(usize::try_from(thread.inbound_count).unwrap(), inbound.clone().count());
        assert_eq!(thread.last_message_id, inbound.map(|row| row.id).max());
        let unread = marks.iter().filter(|mark| mark.thread_id == thread.id);
        assert!(unread.into_iter().all(|mark| (0..=thread.inbound_count).contains(&mark.seen_count)));
    }
    (messages, threads, marks)
}

#[tokio::test]
async fn small_batches_leave_the_same_rows_as_one_large_batch() {
    for seed in 1..=4 {
        let at_once = state_after(seed, &[100]).await;
        assert_eq!(state_after(seed, &[1]).await, at_once, "seed {seed}");
        assert_eq!(state_after(seed, &[3, 7, 1]).await, at_once, "seed {seed}");
    }
}

#[tokio::test]
async fn a_contact_known_by_a_deleted_text_stays_visible() {
    let app = TestApp::start().await;
    set(&app, "{messages: 7d}").await;
    // Dev's contact texts Acme; Ben starts a thread with that phone on another number without seeing the contact.
    let tom = "+13035560002";
    let started = app.start_thread(&app.token("acme", "ben"), tom, json!({})).await;
    assert_eq!(started["userErrors"], json!([]), "{started}");
    app.receive(Text::new("SM1").from(tom)).await;
    let before = app.thread_of("SM1").await;
    assert!(before.started_blind && before.shows_contact());
    app.clock.advance_days(8);
    purge(&app).await;
    let after = app.thread(before.agency_id, before.id).await;
    assert_eq!((after.inbound_count, after.shows_contact()), (0, true));
    let query = "{ threads(first: 1) { nodes { contact { name } } } }";
    let shown = app.graphql(&app.token("acme", "ben"), query, json!({})).await;
    assert_eq!(shown["data"]["threads"]["nodes"], json!([{"contact": {"name": "Tom Becker"}}]));
}

#[tokio::test]
async fn many_messages_are_deleted_in_growing_batches_and_counted() {
    let app = TestApp::start().await;
    set(&app, "{messages: 7d}").await;
    let texts: Vec<Text> =
        (0..300).map(|n| Text::new(format!("SM{n}")).from(&format!("+1303557{:04}", n % 50))).collect();
    for chunk in texts.chunks(50) {
        app.post_all(chunk).await;
    }
    app.clock.advance_days(8);
    let purged = purge(&app).await;
    assert_eq!((purged.count(PurgedKind::Messages), purged.count(PurgedKind::Notifications)), (300, 600));
    app.metrics().purged(&purged);
    let shown = app.http.get(app.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(shown.contains("partyline_purged_total{kind=\"messages\"} 300"), "{shown}");
    let left: Value = app
        .graphql(&app.token("acme", "ana"), "{ threads(first: 1) { totalCount nodes { inboundCount } } }", json!({}))
        .await;
    assert_eq!(left["data"]["threads"], json!({"totalCount": 50, "nodes": [{"inboundCount": 0}]}));
}
