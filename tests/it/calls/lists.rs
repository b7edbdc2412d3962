//! The lists of calls and voicemails: their filters, and who has taken care of a voicemail.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::directory::{DESK, NURSES};
use crate::support::voice::{INBOUND, attribute, form};

async fn listed(app: &TestApp, user: &str, filter: &str) -> Vec<String> {
    let query = format!("{{ calls(filter: {{{filter}}}, first: 9) {{ totalCount nodes {{ id }} }} }}");
    let answer = app.graphql(&app.token("acme", user), &query, json!({})).await;
    let calls = &answer["data"]["calls"];
    let nodes = calls["nodes"].as_array().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(calls["totalCount"], nodes.len());
    nodes.iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_filter_of_calls_returns_its_calls_only() {
    let app = TestApp::start_with_phones().await;
    app.leave_voicemail("CAvoicemail").await;
    app.clock.advance(Duration::from_secs(60));
    let nurses = [("To", NURSES), ("From", "+13035560002")];
    app.document(INBOUND, &form("CAringing", &nurses)).await;
    let (left, ringing) = (app.call("CAvoicemail").await.id.to_string(), app.call("CAringing").await.id.to_string());
    let (desk, contact) = (app.number_id("acme", DESK).await, app.call("CAvoicemail").await.contact_id.unwrap());
    let ben = app.user_id("acme", "ben").await;
    for (filter, expected) in [
        (String::new(), vec![&ringing, &left]),
        ("direction: INBOUND".to_owned(), vec![&ringing, &left]),
        ("direction: OUTBOUND".to_owned(), vec![]),
        ("status: [VOICEMAIL, BUSY]".to_owned(), vec![&left]),
        ("missed: true".to_owned(), vec![&left]),
        ("missed: false".to_owned(), vec![&ringing]),
        (format!("phoneNumberIds: [\"{desk}\"]"), vec![&left]),
        ("phoneNumberIds: [\"num_x\"]".to_owned(), vec![]),
        (format!("contactId: \"{contact}\""), vec![&left]),
        ("contactId: \"con_x\"".to_owned(), vec![]),
        (format!("answeredById: \"{ben}\""), vec![]),
        ("startedAfter: \"2026-11-23T15:00:30Z\"".to_owned(), vec![&ringing]),
        ("startedBefore: \"2026-11-23T15:00:30Z\"".to_owned(), vec![&left]),
    ] {
        assert_eq!(listed(&app, "ana", &filter).await.iter().collect::<Vec<_>>(), expected, "{filter}");
    }
}

#[tokio::test]
async fn a_voicemail_is_handled_once_and_leaves_the_open_list() {
    let app = TestApp::start_with_phones().await;
    let prompt = app.reach_voicemail_prompt("CAone").await;
    let recorded = [("RecordingSid", "REone"), ("RecordingDuration", "5")];
    app.document(&attribute(&prompt, "action"), &form("CAone", &recorded)).await;
    let list = "query($filter: VoicemailFilter) { voicemails(filter: $filter) { totalCount nodes {
        id call { id } listenedAt handledAt handledBy { key } } } }";
    let voicemails = async |user: &str, filter: Value| {
        let answer = app.graphql(&app.token("acme", user), list, json!({"filter": filter})).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"]["voicemails"].clone()
    };
    let call = app.call("CAone").await;
    let open = voicemails("ben", json!({"handled": false, "unheard": true})).await;
    assert_eq!((&open["totalCount"], &open["nodes"][0]["call"]["id"]), (&json!(1), &json!(call.id.to_string())));
    assert_eq!(voicemails("dev", json!({})).await["totalCount"], 0, "Dev is not in the pool of the desk");
    assert_eq!(voicemails("ben", json!({"phoneNumberIds": ["num_x"]})).await["totalCount"], 0);
    let handle = "mutation($id: ID!) { markVoicemailHandled(input: {voicemailId: $id}) {
        voicemail { handledBy { key } } userErrors { code } } }";
    let id = json!({"id": open["nodes"][0]["id"]});
    for user in ["ben", "chloe"] {
        let answer = app.graphql(&app.token("acme", user), handle, id.clone()).await;
        let expected = json!({"voicemail": {"handledBy": {"key": "ben"}}, "userErrors": []});
        assert_eq!(answer["data"]["markVoicemailHandled"], expected, "{user}");
    }
    let refused = app.graphql(&app.token("acme", "dev"), handle, id).await;
    assert_eq!(refused["data"]["markVoicemailHandled"]["userErrors"][0]["code"], "NOT_FOUND");
    assert_eq!(voicemails("ben", json!({"handled": false})).await["totalCount"], 0);
    let handled = voicemails("ben", json!({"handled": true, "unheard": true})).await;
    assert_eq!(handled["nodes"][0]["listenedAt"], Value::Null);
    let notified = "{ notifications(first: 9) { nodes { kind resolvedAt } } }";
    let notified = app.graphql(&app.token("acme", "ben"), notified, json!({})).await;
    let notified = notified["data"]["notifications"]["nodes"].as_array().unwrap().clone();
    assert!(!notified.is_empty() && notified.iter().all(|row| row["resolvedAt"].is_string()), "{notified:?}");
    app.assert_logs_are_gapless().await;
}
