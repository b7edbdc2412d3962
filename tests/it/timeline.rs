//! The timeline of a thread: messages, calls and activity in one order, and the live changes that extend it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::directory::DESK;
use crate::support::{TestApp, Text};

const ITEM: &str = "__typename ... on Message { id createdAt } ... on Call { id startedAt status }
    ... on ThreadActivity { id createdAt kind }";

/// A thread with messages, calls and activity, several of them at the same moment.
async fn busy_thread(app: &TestApp) -> Value {
    let ben = app.token("acme", "ben");
    app.receive(Text::new("SMtimeline")).await;
    let thread = json!(app.thread_of("SMtimeline").await.id.to_string());
    for round in 0..4 {
        assert_eq!(app.reply(&ben, &thread, &format!("reply {round}"), json!({})).await["userErrors"], json!([]));
        app.leave_voicemail(&format!("CAtimeline{round}")).await;
        app.clock.advance(Duration::from_secs(60));
        let close = "mutation($id: ID!) { closeThread(input: {threadId: $id}) { userErrors { code } } }";
        app.graphql(&ben, close, json!({"id": thread})).await;
        app.receive(Text::new(format!("SMtimeline{round}"))).await;
    }
    thread
}

async fn page(app: &TestApp, thread: &Value, arguments: &str) -> Value {
    let query = format!(
        "query($id: ID!) {{ node(id: $id) {{ ... on Thread {{ timeline({arguments}) {{ totalCount
         edges {{ cursor at node {{ {ITEM} }} }} nodes {{ __typename }}
         pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }} }} }}"
    );
    let answer = app.graphql(&app.token("acme", "ben"), &query, json!({"id": thread})).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"]["node"]["timeline"].clone()
}

fn ids(page: &Value) -> Vec<String> {
    let edges = page["edges"].as_array().unwrap();
    edges.iter().map(|edge| edge["node"]["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_timeline_has_every_item_once_and_in_one_order() {
    let app = TestApp::start().await;
    let thread = busy_thread(&app).await;
    let whole = page(&app, &thread, "first: 100").await;
    let edges = whole["edges"].as_array().unwrap();
    assert_eq!(whole["totalCount"], edges.len());
    let order: Vec<(&str, &str)> =
        edges.iter().map(|edge| (edge["at"].as_str().unwrap(), &edge["node"]["id"].as_str().unwrap()[4..])).collect();
    assert!(order.is_sorted(), "{order:?}");
    for edge in edges {
        let (at, node) = (&edge["at"], &edge["node"]);
        assert!(at == &node["createdAt"] || at == &node["startedAt"], "{edge}");
    }
    let lists = "query($id: ID!) { node(id: $id) { ... on Thread { messages(first: 100) { nodes { id } }
        calls(first: 100) { nodes { id } } activity(first: 100) { nodes { id } } } } }";
    let lists = app.graphql(&app.token("acme", "ben"), lists, json!({"id": thread})).await["data"]["node"].clone();
    let mut apart: Vec<String> = Vec::new();
    for list in ["messages", "calls", "activity"] {
        let rows = lists[list]["nodes"].as_array().unwrap();
        assert!(!rows.is_empty(), "{list}");
        apart.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
    }
    let mut together = ids(&whole);
    together.sort();
    apart.sort();
    assert_eq!(together, apart);
}

#[tokio::test]
async fn pages_of_a_timeline_cover_it_in_both_directions() {
    let app = TestApp::start().await;
    let thread = busy_thread(&app).await;
    let whole = ids(&page(&app, &thread, "first: 100").await);
    for size in [1, 3, 7] {
        for (count, cursor, more, end) in
            [("first", "after", "hasNextPage", "endCursor"), ("last", "before", "hasPreviousPage", "startCursor")]
        {
            let (mut pages, mut arguments) = (Vec::new(), format!("{count}: {size}"));
            loop {
                let page = page(&app, &thread, &arguments).await;
                let info = &page["pageInfo"];
                pages.push(ids(&page));
                assert_eq!(page["nodes"].as_array().unwrap().len(), pages.last().unwrap().len());
                arguments = format!("{count}: {size}, {cursor}: {}", info[end]);
                if info[more] == false {
                    break;
                }
            }
            if count == "last" {
                pages.reverse();
            }
            assert_eq!(pages.concat(), whole, "{count}: {size}");
        }
    }
}

#[tokio::test]
async fn a_page_around_an_item_has_it_in_the_middle() {
    let app = TestApp::start().await;
    let thread = busy_thread(&app).await;
    let whole = ids(&page(&app, &thread, "first: 100").await);
    for (position, id) in whole.iter().enumerate() {
        let around = page(&app, &thread, &format!("first: 5, around: \"{id}\"")).await;
        let (from, to) = (position.saturating_sub(2), (position + 3).min(whole.len()));
        assert_eq!(ids(&around), whole[from..to], "around {position}");
        let info = &around["pageInfo"];
        assert_eq!((&info["hasPreviousPage"], &info["hasNextPage"]), (&json!(from > 0), &json!(to < whole.len())));
    }
    app.receive(Text::new("SMelsewhere").from("+13035560009")).await;
    let foreign = app.message("SMelsewhere").await.id.to_string();
    let ben = app.token("acme", "ben");
    for around in [foreign.as_str(), "msg_x", "thr_x", "cal_00000000000000000000000000000000"] {
        let query = "query($id: ID!, $around: ID) { node(id: $id) { ... on Thread { timeline(around: $around) { totalCount } } } }";
        let answer = app.graphql(&ben, query, json!({"id": thread, "around": around})).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{around}: {answer}");
    }
}

#[tokio::test]
async fn a_timeline_takes_four_statements_at_most() {
    let app = TestApp::start().await;
    let thread = busy_thread(&app).await;
    let ben = app.token("acme", "ben");
    let id = ids(&page(&app, &thread, "first: 100").await).remove(9);
    for (arguments, most) in [("last: 40".to_owned(), 3), (format!("first: 20, around: \"{id}\""), 4)] {
        let query = format!(
            "query($id: ID!) {{ node(id: $id) {{ ... on Thread {{ timeline({arguments}) {{ edges {{ node {{ {ITEM} }} }} }} }} }} }}"
        );
        let statements = app.statements_during(app.graphql(&ben, &query, json!({"id": thread}))).await;
        // One more for the thread itself.
        assert!(statements <= most + 1, "{statements} statements: {arguments}");
    }
    // Many threads take no more than one.
    app.receive(Text::new("SMother").from("+13035560009")).await;
    let query = "{ threads(first: 9) { nodes { timeline(last: 1) { nodes { __typename } } } } }";
    assert_eq!(app.statements_during(app.graphql(&ben, query, json!({}))).await, 1 + 3);
}

#[tokio::test]
async fn live_changes_extend_a_timeline_to_what_a_query_shows() {
    let app = TestApp::start().await;
    let ben = app.token("acme", "ben");
    let live =
        format!("subscription($after: EventCursor) {{ threadUpdated(after: $after) {{ change item {{ {ITEM} }} }} }}");
    let mut socket = app.socket(&ben).await;
    socket.subscribe("1", &live, json!({"after": app.cursor(&ben).await})).await;
    let thread = busy_thread(&app).await;
    app.text("+13035560001", DESK, "please take me off your list").await;
    let whole = page(&app, &thread, "first: 100").await;
    let (mut items, mut changes) = (std::collections::BTreeMap::new(), Vec::new());
    while items.len() < ids(&whole).len() {
        let event = socket.event().await["threadUpdated"].clone();
        let (change, item) = (event["change"].as_str().unwrap().to_owned(), &event["item"]);
        let of = match change.as_str() {
            "INBOUND" | "OUTBOUND" | "STATUS" => "Message",
            "CALL" => "Call",
            _ => "ThreadActivity",
        };
        assert_eq!(item["__typename"], of, "{event}");
        items.insert(item["id"].as_str().unwrap().to_owned(), item.clone());
        changes.push(change);
    }
    let shown: Vec<&Value> = whole["edges"].as_array().unwrap().iter().map(|edge| &edge["node"]).collect();
    for node in shown {
        assert_eq!(items[node["id"].as_str().unwrap()]["__typename"], node["__typename"]);
    }
    for change in ["INBOUND", "OUTBOUND", "ACTIVITY", "CALL"] {
        assert!(changes.iter().any(|seen| seen == change), "{change}: {changes:?}");
    }
}
