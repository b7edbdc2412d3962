//! A user who took part in a call and lost access to it still sees their own part.

use std::sync::Arc;

use partyline::service::Viewer;
use partyline::store::calls::{self, CallFilter, VoicemailFilter};
use partyline::store::page::Window;
use serde_json::json;

use super::world::{Case, DESK, assert_accepted, start};
use crate::support::TestApp;

const CALL: &str = "id status direction phoneNumber { e164 } contact { id } thread { id } extension { id }
    answeredBy { key } startedBy { key } legs { user { key } } notRung { user { key } reason } wrongExtensions
    voicemail { id } voicemails { id } startedAt endedAt durationSeconds";

async fn remove(app: &TestApp, user: &str) {
    let document = "mutation($number: ID!, $user: ID!) {
        removePoolMember(input: {phoneNumberId: $number, userId: $user}) { userErrors { message } } }";
    let variables = json!({"number": app.number_id("acme", DESK).await, "user": app.user_id("acme", user).await});
    assert_accepted(&app.graphql(&app.token("acme", "ana"), document, variables).await);
}

#[tokio::test]
async fn a_former_member_sees_only_their_own_part_of_a_call() {
    let app = start().await;
    let (ben, eve) = (app.token("acme", "ben"), app.token("acme", "eve"));
    let call = app.call("CAzqdesk0").await.id.to_string();
    let node = format!("query($id: ID!) {{ node(id: $id) {{ ... on Call {{ {CALL} }} }} }}");
    let mine = format!("{{ calls {{ totalCount nodes {{ {CALL} }} }} }}");
    let whole = app.graphql(&ben, &node, json!({"id": call})).await["data"]["node"].take();
    assert!(whole["contact"]["id"].is_string() && whole["voicemail"]["id"].is_string(), "{whole}");
    assert_eq!(whole["notRung"].as_array().map(Vec::len), Some(2), "{whole}");
    for user in ["ben", "eve"] {
        remove(&app, user).await;
    }
    let own = app.graphql(&ben, &node, json!({"id": call})).await["data"]["node"].take();
    let expected = json!({
        "id": call, "status": whole["status"], "direction": "INBOUND", "phoneNumber": {"e164": DESK},
        "contact": null, "thread": null, "extension": null, "answeredBy": {"key": "ben"}, "startedBy": null,
        "legs": [], "notRung": [{"user": {"key": "ben"}, "reason": "NO_PHONE"}], "wrongExtensions": 0,
        "voicemail": null, "voicemails": [],
        "startedAt": whole["startedAt"], "endedAt": whole["endedAt"], "durationSeconds": whole["durationSeconds"],
    });
    assert_eq!(own, expected);
    let listed = app.graphql(&ben, &mine, json!({})).await;
    assert_eq!(listed["data"]["calls"], json!({"totalCount": 1, "nodes": [expected]}));
    // Eve was only notified of the call.
    let nothing = app.graphql(&eve, &node, json!({"id": call})).await;
    assert_eq!(nothing, json!({"data": {"node": null}}));
    let notifications = "{ notifications { nodes { kind thread { id } message { id } call { id } } } }";
    let notifications = app.graphql(&eve, notifications, json!({})).await;
    for notification in notifications["data"]["notifications"]["nodes"].as_array().unwrap() {
        let about = ["thread", "message", "call"].map(|about| notification[about].is_null());
        assert_eq!(about, [true; 3], "{notification}");
    }
}

#[tokio::test]
async fn a_user_who_sees_only_their_part_cannot_listen_to_the_voicemail() {
    let app = start().await;
    let ben = app.token("acme", "ben");
    let voicemail = app.voicemail_of(&app.call("CAzqdesk0").await).await.unwrap().id.to_string();
    remove(&app, "ben").await;
    let listen = "mutation($id: ID!) {
        markVoicemailListened(input: {voicemailId: $id}) { voicemail { id } userErrors { code } } }";
    let answer = app.graphql(&ben, listen, json!({"id": voicemail})).await;
    let refused = json!({"voicemail": null, "userErrors": [{"code": "NOT_FOUND"}]});
    assert_eq!(answer["data"]["markVoicemailListened"], refused);
}

/// The list of calls takes one statement; the visible part of each call is determined in memory.
#[tokio::test]
async fn the_list_of_calls_contains_exactly_the_calls_that_a_user_may_see_in_part() {
    let app = start().await;
    remove(&app, "ben").await;
    Case::of("zqdesk").create_events(&app, 1).await;
    let directory = app.directory("acme").await;
    let all = app.calls_of(directory.agency_id()).await;
    let ids: Vec<_> = all.iter().map(|call| call.id).collect();
    let (mut full, mut own) = (0, 0);
    for user in &directory.users {
        let scope = Viewer::of(Arc::clone(&directory), user.id).unwrap().scope();
        let mut listed = calls::page(app.db(), &scope, &CallFilter::default(), &Window::first(99)).await.unwrap().rows;
        let mut seen = calls::visible_among(app.db(), &scope, &ids).await.unwrap();
        for rows in [&mut listed, &mut seen] {
            rows.sort_by_key(|seen| seen.row().id);
        }
        let shown = |rows: &[partyline::store::call_visibility::VisibleCall]| -> Vec<_> {
            rows.iter().map(|seen| (seen.row().clone(), seen.is_full())).collect()
        };
        assert_eq!(shown(&listed), shown(&seen), "{}", user.key);
        let count = calls::count(app.db(), &scope, &CallFilter::default()).await.unwrap();
        assert_eq!(count, listed.len() as u64, "{}", user.key);
        // Filters by values that an own part does not show match only calls that are shown in full.
        for call in listed.iter().map(|seen| seen.row()) {
            let of_contact = CallFilter {
                contact: all.iter().find(|row| row.id == call.id).unwrap().contact_id,
                ..CallFilter::default()
            };
            let of_answerer = CallFilter {
                answered_by: all.iter().find(|row| row.id == call.id).unwrap().answered_by_id,
                ..CallFilter::default()
            };
            for filter in [of_contact, of_answerer] {
                if filter.contact.is_none() && filter.answered_by.is_none_or(|answerer| answerer == user.id) {
                    continue;
                }
                let found = calls::page(app.db(), &scope, &filter, &Window::first(99)).await.unwrap().rows;
                assert!(found.iter().all(|seen| seen.is_full()), "{} {filter:?}", user.key);
                let expected = listed.iter().find(|seen| seen.row().id == call.id).unwrap().is_full();
                assert_eq!(found.iter().any(|seen| seen.row().id == call.id), expected, "{} {filter:?}", user.key);
            }
        }
        let mut of_full_calls: Vec<_> = Vec::new();
        for seen in listed.iter().filter(|seen| seen.is_full()) {
            let rows = calls::voicemails_of(app.db(), scope.agency, &[seen.row().id]).await.unwrap();
            of_full_calls.extend(rows.into_iter().map(|row| row.id));
        }
        let voicemails =
            calls::voicemail_page(app.db(), &scope, &VoicemailFilter::default(), &Window::first(99)).await.unwrap();
        let mut shown: Vec<_> = voicemails.rows.into_iter().map(|row| row.id).collect();
        shown.sort();
        of_full_calls.sort();
        assert_eq!(shown, of_full_calls, "{}", user.key);
        full += listed.iter().filter(|seen| seen.is_full()).count();
        own += listed.iter().filter(|seen| !seen.is_full()).count();
    }
    assert!(full > 10 && own == 2, "{full} full calls, {own} own parts");
}
