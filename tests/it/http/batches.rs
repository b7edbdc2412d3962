//! Lists of many threads, loaded in one statement per kind.

use serde_json::{Value, json};

use super::{JSON, ask, query};
use crate::support::TestApp;
use crate::support::directory::{DESK, NURSES};

const LISTS: &str = "messages(%m) { totalCount pageInfo { hasNextPage hasPreviousPage startCursor } nodes { id body } }
    activity(%a) { totalCount nodes { id kind } }
    calls(%c) { totalCount nodes { id status } }";

fn lists(messages: &str, activity: &str, calls: &str) -> String {
    LISTS.replace("%m", messages).replace("%a", activity).replace("%c", calls)
}

async fn threads_with_lists(app: &TestApp) {
    app.populate().await;
    for n in 1..6 {
        for serial in 0..n {
            app.text(format!("+1303556000{n}"), if n % 2 == 0 { DESK } else { NURSES }, format!("{n}.{serial}")).await;
        }
    }
}

/// Each list of each thread, queried separately.
async fn lists_of_each_thread(app: &TestApp, lists: &str) -> Vec<Value> {
    let ids = app.all_threads(&app.token("acme", "ana")).await;
    assert!(ids.len() > 5, "{}", ids.len());
    let mut alone = Vec::new();
    for id in ids {
        let query = format!("query($id: ID!) {{ node(id: $id) {{ ... on Thread {{ id {lists} }} }} }}");
        let answer = ask(app, JSON, &json!({"query": query, "variables": {"id": id}})).await;
        alone.push(answer.body["data"]["node"].clone());
    }
    alone
}

#[tokio::test]
async fn lists_loaded_together_equal_the_lists_loaded_separately() {
    let app = TestApp::start().await;
    threads_with_lists(&app).await;
    for (messages, activity, calls) in [
        ("first: 2", "first: 1", "first: 1"),
        ("last: 2", "last: 2", "last: 1"),
        ("first: 0", "first: 0", "first: 0"),
        ("first: 30", "first: 30", "first: 30"),
    ] {
        let lists = lists(messages, activity, calls);
        let together = query(&app, &format!("{{ threads(first: 20) {{ nodes {{ id {lists} }} }} }}")).await;
        let together =
            together.body["data"]["threads"]["nodes"].as_array().unwrap_or_else(|| panic!("{}", together.body)).clone();
        assert_eq!(together, lists_of_each_thread(&app, &lists).await, "{messages}");
    }
}

#[tokio::test]
async fn each_kind_of_list_takes_one_statement_for_all_threads_and_one_for_counts() {
    let app = TestApp::start().await;
    threads_with_lists(&app).await;
    let lists = lists("last: 2", "first: 2", "first: 2");
    let aliases: String = (0..5).map(|n| format!("a{n}: messages(last: 2) {{ totalCount nodes {{ id }} }} ")).collect();
    for (selection, expected) in [(lists, 6), (aliases, 2)] {
        let query_text = format!("{{ threads(first: 20) {{ nodes {{ id {selection} }} }} }}");
        let read = app.statements_during(async { query(&app, &query_text).await.body }).await;
        // One additional statement loads the threads themselves.
        assert!(read <= 1 + expected, "{read} statements: {selection}");
    }
}

#[tokio::test]
async fn pages_of_a_list_with_different_arguments_take_one_statement() {
    let app = TestApp::start().await;
    threads_with_lists(&app).await;
    let windows = ["first: 1", "first: 2", "last: 1", "last: 3"];
    let aliases =
        windows.iter().enumerate().map(|(n, window)| format!("a{n}: messages({window}) {{ nodes {{ body }} }} "));
    let query_text = format!("{{ threads(first: 20) {{ nodes {{ id {} }} }} }}", aliases.collect::<String>());
    let read = app.statements_during(async { query(&app, &query_text).await.body }).await;
    assert!(read <= 2, "{read} statements");
    let answer = query(&app, &query_text).await.body;
    for thread in answer["data"]["threads"]["nodes"].as_array().unwrap() {
        for (n, window) in windows.iter().enumerate() {
            let alone = format!(
                "query($id: ID!) {{ node(id: $id) {{ ... on Thread {{ messages({window}) {{ nodes {{ body }} }} }} }} }}"
            );
            let alone = ask(&app, JSON, &json!({"query": alone, "variables": {"id": thread["id"]}})).await.body;
            assert_eq!(thread[format!("a{n}")], alone["data"]["node"]["messages"], "{window}");
        }
    }
}
