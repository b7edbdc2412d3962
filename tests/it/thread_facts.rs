//! What a person wants to know about a thread and its messages: who handles it and why, what the viewer can do, how a
//! text was routed and delivered, and where a new text would start.

use serde_json::{Value, json};

use crate::support::directory::{DESK, NURSES};
use crate::support::{TestApp, Text};

async fn thread_fields(app: &TestApp, user: &str, thread: &Value, fields: &str) -> Value {
    let query = format!("query($id: ID!) {{ node(id: $id) {{ ... on Thread {{ {fields} }} }} }}");
    let answer = app.graphql(&app.token("acme", user), &query, json!({"id": thread})).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"]["node"].clone()
}

async fn receive(app: &TestApp, sid: &str, from: &str, to: &str, body: &str) -> Value {
    app.receive(Text::new(sid).from(from).to(to).body(body)).await;
    json!(app.thread_of(sid).await.id.to_string())
}

async fn switch_sms(app: &TestApp, user: &str, number: &str, on: bool) {
    let switch = "mutation($number: ID!, $user: ID!, $on: Boolean) {
        updatePoolMember(input: {phoneNumberId: $number, userId: $user, smsEnabled: $on}) { userErrors { code } } }";
    let (number, user) = (app.number_id("acme", number).await, app.user_id("acme", user).await);
    let variables = json!({"number": number, "user": user, "on": on});
    let answer = app.graphql(&app.token("acme", "ana"), switch, variables).await;
    assert_eq!(answer["data"]["updatePoolMember"]["userErrors"], json!([]), "{answer}");
}

#[tokio::test]
async fn handlers_are_exactly_the_users_who_see_the_thread() {
    let app = TestApp::start().await;
    // Dev is Tom's provider; the extension 101 is Ana's.
    let mut threads = vec![
        receive(&app, "SM1", "+13035560001", DESK, "hello").await,
        receive(&app, "SM2", "+13035560002", NURSES, "hello").await,
        receive(&app, "SM3", "+13035560003", DESK, "#102 hello").await,
    ];
    switch_sms(&app, "ben", DESK, false).await;
    switch_sms(&app, "chloe", DESK, false).await;
    threads.push(receive(&app, "SM4", "+13035560002", DESK, "to my provider").await);
    threads.push(receive(&app, "SM5", "+13035560005", DESK, "to the default user").await);
    for closed in [false, true] {
        for thread in &threads {
            if closed {
                let close = "mutation($id: ID!) { closeThread(input: {threadId: $id}) { userErrors { code } } }";
                app.graphql(&app.token("acme", "ana"), close, json!({"id": thread})).await;
            }
            let shown = thread_fields(&app, "ana", thread, "handlers { user { key } because }").await;
            let handlers = shown["handlers"].as_array().unwrap();
            let mut named: Vec<&str> = handlers.iter().map(|one| one["user"]["key"].as_str().unwrap()).collect();
            assert!(handlers.iter().all(|one| !one["because"].as_array().unwrap().is_empty()), "{shown}");
            let mut seeing = Vec::new();
            for user in ["ana", "ben", "chloe", "dev"] {
                let (token, query) = (app.token("acme", user), "query($id: ID!) { node(id: $id) { id } }");
                let node = app.graphql(&token, query, json!({"id": thread}));
                if node.await["data"]["node"].is_object() {
                    seeing.push(user);
                }
            }
            named.sort_unstable();
            assert_eq!(named, seeing, "{thread} closed: {closed}");
        }
    }
    let provider = thread_fields(&app, "ana", &threads[3], "status handlers { user { key } because }").await;
    assert_eq!(provider["handlers"], json!([{"user": {"key": "ana"}, "because": ["ADMIN"]}]));
}

#[tokio::test]
async fn an_action_that_is_listed_succeeds_and_one_that_is_not_is_refused_or_changes_nothing() {
    let app = TestApp::start().await;
    let dev = app.user_id("acme", "dev").await;
    for (n, (state, user)) in
        ["free", "mine", "theirs", "closed"].into_iter().flat_map(|state| [(state, "ana"), (state, "ben")]).enumerate()
    {
        let token = app.token("acme", user);
        for (m, (action, mutation)) in [
            ("CLAIM", "claimThread"),
            ("REPLY", "sendMessage"),
            ("RELEASE", "releaseThread"),
            ("CLOSE", "closeThread"),
            ("REOPEN", "reopenThread"),
            ("TRANSFER", "transferThread"),
        ]
        .into_iter()
        .enumerate()
        {
            let thread = receive(&app, &format!("SMact{n}{m}"), &format!("+13035561{n}{m}0"), DESK, "hello").await;
            let holder = if state == "mine" { user } else { "chloe" };
            if state != "free" {
                let claim = "mutation($id: ID!) { claimThread(input: {threadId: $id}) { userErrors { code } } }";
                app.graphql(&app.token("acme", holder), claim, json!({"id": thread})).await;
            }
            if state == "closed" {
                let close = "mutation($id: ID!) { closeThread(input: {threadId: $id}) { userErrors { code } } }";
                app.graphql(&app.token("acme", holder), close, json!({"id": thread})).await;
            }
            let before = thread_fields(&app, user, &thread, "viewerActions revision").await;
            let listed: Vec<&str> =
                before["viewerActions"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
            assert_eq!(listed.contains(&"SET_OPT_OUT"), user == "ana");
            assert_eq!(listed.contains(&"TAKE_OVER"), state == "theirs");
            let mut input = json!({"threadId": thread});
            match action {
                "REPLY" => {
                    input["body"] = json!("hi");
                    input["idempotencyKey"] = thread.clone();
                }
                "TRANSFER" => input["toUserId"] = json!(dev),
                _ => {}
            }
            let of = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
            let document =
                format!("mutation($input: {of}!) {{ {mutation}(input: $input) {{ userErrors {{ code }} }} }}");
            let answer = app.graphql(&token, &document, json!({"input": input})).await;
            let refused = answer["data"][mutation]["userErrors"] != json!([]);
            let ana = app.token("acme", "ana");
            let query = "query($id: ID!) { node(id: $id) { ... on Thread { revision } } }";
            let after = app.graphql(&ana, query, json!({"id": thread})).await["data"]["node"]["revision"].clone();
            let changed = !refused && after != before["revision"];
            let is_listed = listed.contains(&action) || (action == "TRANSFER" && listed.contains(&"ASSIGN"));
            assert_eq!(changed, is_listed, "{action} of {user} on a thread that is {state}: {answer}");
        }
    }
}

#[tokio::test]
async fn the_routing_of_a_text_is_shown_rung_by_rung() {
    let app = TestApp::start().await;
    let message = async |sid: &str| {
        let query = "query($id: ID!) { node(id: $id) { ... on Message { routing { rung outcome users { key } } } } }";
        let id = json!({"id": app.message(sid).await.id.to_string()});
        app.graphql(&app.token("acme", "ana"), query, id).await["data"]["node"]["routing"].clone()
    };
    let step = |rung: &str, outcome: &str, users: &[&str]| {
        let users: Vec<Value> = users.iter().map(|key| json!({"key": key})).collect();
        json!({"rung": rung, "outcome": outcome, "users": users})
    };
    let thread = receive(&app, "SMpool", "+13035560001", DESK, "hello").await;
    let pool = app.pool_keys(DESK).await;
    let pool: Vec<&str> = pool.iter().map(String::as_str).collect();
    let skipped = |from: usize| {
        ["PROVIDER", "DEFAULT_USER", "ADMINS"][from..]
            .iter()
            .map(|rung| step(rung, "NOT_TRIED", &[]))
            .collect::<Vec<_>>()
    };
    let mut expected = vec![step("EXTENSION", "EMPTY", &[]), step("POOL", "REACHED", &pool)];
    expected.extend(skipped(0));
    assert_eq!(message("SMpool").await, json!(expected));
    let claim = "mutation($id: ID!) { claimThread(input: {threadId: $id}) { userErrors { code } } }";
    app.graphql(&app.token("acme", "ben"), claim, json!({"id": thread})).await;
    app.receive(Text::new("SMheld").from("+13035560001")).await;
    assert_eq!(message("SMheld").await, json!([step("ASSIGNEE", "REACHED", &["ben"])]));
    switch_sms(&app, "ben", DESK, false).await;
    switch_sms(&app, "chloe", DESK, false).await;
    receive(&app, "SMprovider", "+13035560002", DESK, "hello").await;
    let mut expected =
        vec![step("EXTENSION", "EMPTY", &[]), step("POOL", "MUTED", &[]), step("PROVIDER", "REACHED", &["dev"])];
    expected.extend(skipped(1));
    assert_eq!(message("SMprovider").await, json!(expected));
}

#[tokio::test]
async fn the_delivery_of_a_text_is_shown_step_by_step_with_its_sources() {
    let app = TestApp::start().await;
    let ben = app.token("acme", "ben");
    let thread = receive(&app, "SM1", "+13035560001", DESK, "hello").await;
    let first = app.reply(&ben, &thread, "first", json!({})).await["message"]["id"].clone();
    let row = app.outbound().await.remove(0);
    for (status, code) in [("sent", None), ("undelivered", Some("30005"))] {
        let mut fields = vec![("MessageSid", "SMx"), ("MessageStatus", status)];
        fields.extend(code.map(|code| ("ErrorCode", code)));
        let query = format!("?agency={}&message={}", row.agency_id, row.id);
        assert_eq!(app.receipt(&query, &fields).await, axum::http::StatusCode::OK);
    }
    let resend = "mutation($id: ID!) { resendMessage(input: {messageId: $id, idempotencyKey: \"again\"}) {
        message { id } userErrors { code } } }";
    let again = app.graphql(&ben, resend, json!({"id": first})).await["data"]["resendMessage"].clone();
    assert_eq!(again["userErrors"], json!([]));
    let query = "query($id: ID!) { node(id: $id) { ... on Message {
        delivery { status source at } resends { id } resentAs { id } failure { reason } } } }";
    let shown = async |id: &Value| app.graphql(&ben, query, json!({"id": id})).await["data"]["node"].clone();
    let old = shown(&first).await;
    let steps: Vec<(&str, &str)> = old["delivery"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["status"].as_str().unwrap(), step["source"].as_str().unwrap()))
        .collect();
    let expected = [("QUEUED", "OUTBOX"), ("SENT", "RECEIPT"), ("UNDELIVERED", "RECEIPT"), ("FAILED", "PERSON")];
    assert_eq!(steps, expected);
    assert_eq!((&old["resentAs"]["id"], &old["resends"]), (&again["message"]["id"], &Value::Null));
    let new = shown(&again["message"]["id"]).await;
    assert_eq!((&new["resends"]["id"], &new["resentAs"]), (&first, &Value::Null));
    let inbound = json!(app.message("SM1").await.id.to_string());
    assert_eq!(shown(&inbound).await["delivery"], json!([]));
}

#[tokio::test]
async fn starting_point_matches_the_number_and_thread_of_start_thread() {
    let app = TestApp::start().await;
    receive(&app, "SM1", "+13035560001", NURSES, "hello").await;
    receive(&app, "SMstop", "+13035560003", DESK, "STOP").await;
    let query = "query($to: PhoneE164!) { startingPoint(to: $to) {
        phoneNumber { e164 } contact { address } thread { id } replyBlock } }";
    let of = async |user: &str, to: &str| {
        app.graphql(&app.token("acme", user), query, json!({"to": to})).await["data"]["startingPoint"].clone()
    };
    for (user, to) in [("chloe", "+13035560001"), ("ben", "+13035560001"), ("ben", "+13035560099")] {
        let point = of(user, to).await;
        let started = app.start_thread(&app.token("acme", user), to, json!({})).await;
        assert_eq!(started["userErrors"], json!([]), "{user} {to}");
        assert_eq!(started["thread"]["phoneNumber"]["e164"], point["phoneNumber"]["e164"], "{user} {to}");
        if point["thread"].is_object() {
            assert_eq!(started["thread"]["id"], point["thread"]["id"], "{user} {to}");
        }
        assert!(of(user, to).await["thread"].is_object(), "the thread exists now");
    }
    assert_eq!(of("ben", "+13035560003").await["replyBlock"], "OPTED_OUT");
    // Dev sees no thread of this contact, so its opt-out is not disclosed.
    let hidden = of("dev", "+13035560003").await;
    assert_eq!((&hidden["contact"], &hidden["replyBlock"]), (&Value::Null, &Value::Null));
    assert_eq!(of("ben", DESK).await["replyBlock"], "SENDER_CANNOT_RECEIVE");
    assert_eq!(of("ben", "+19005550123").await["replyBlock"], "SENDER_CANNOT_RECEIVE");
    let wrong = app.graphql(&app.token("acme", "ben"), query, json!({"to": "303 555 0100"})).await;
    assert_eq!(wrong["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
}

#[tokio::test]
async fn reply_extensions_are_those_that_send_message_accepts() {
    let app = TestApp::start().await;
    let ben = app.token("acme", "ben");
    let thread = receive(&app, "SM1", "+13035560001", DESK, "hello").await;
    let shown = thread_fields(&app, "ben", &thread, "replyExtensions { id digits }").await;
    let listed: Vec<Value> = shown["replyExtensions"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
    assert!(!listed.is_empty());
    for extension in &app.directory("acme").await.extensions {
        let id = json!(extension.id.to_string());
        let more = json!({"asExtensionId": id, "idempotencyKey": id});
        let sent = app.reply(&ben, &thread, "hello", more).await["userErrors"] == json!([]);
        assert_eq!(sent, listed.contains(&id), "{}", extension.digits);
    }
}

#[tokio::test]
async fn viewer_actions_are_the_same_in_a_list() {
    let app = TestApp::start().await;
    receive(&app, "SMhello", "+13035560001", DESK, "hello").await;
    receive(&app, "SMstop", "+13035560003", DESK, "STOP").await;
    let ben = app.token("acme", "ben");
    let list = app.graphql(&ben, "{ threads { nodes { id viewerActions } } }", json!({})).await;
    let rows = list["data"]["threads"]["nodes"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let shown = thread_fields(&app, "ben", &row["id"], "viewerActions").await;
        assert_eq!(shown["viewerActions"], row["viewerActions"]);
    }
    let replies = rows.iter().filter(|row| row["viewerActions"].as_array().unwrap().contains(&json!("REPLY")));
    assert_eq!(replies.count(), 1, "not to the contact who opted out");
}
