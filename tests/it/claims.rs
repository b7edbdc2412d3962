//! Claims over the API: one user wins, and the others get an error with the winner.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::directory::DESK;

const CLAIM: &str = include_str!("documents/claims_claim.graphql");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: part of `make test-full`"]
async fn of_fifty_concurrent_claims_exactly_one_wins_for_each_of_two_hundred_threads() {
    const USERS: usize = 50;
    const THREADS: usize = 200;
    let app = TestApp::start().await;
    app.apply(&agency_with_users(USERS)).await;
    let mut tokens = Vec::new();
    for n in 0..USERS {
        tokens.push(app.token("acme", &format!("user{n}")));
    }
    join_all((0..THREADS).map(|n| app.text(format!("+1303557{n:04}"), DESK, "hello"))).await;
    let admin = app.token("acme", "ana");
    let mut threads = Vec::new();
    for half in ["first: 100", "last: 100"] {
        let listed = app.graphql(&admin, &format!("{{ threads({half}) {{ nodes {{ id }} }} }}"), json!({})).await;
        threads
            .extend(listed["data"]["threads"]["nodes"].as_array().unwrap().iter().map(|thread| thread["id"].clone()));
    }
    assert_eq!(threads.len(), THREADS);
    for thread in threads {
        let answers = join_all(tokens.iter().map(|token| app.graphql(token, CLAIM, json!({"thread": thread})))).await;
        let payloads: Vec<&Value> = answers.iter().map(|answer| &answer["data"]["claimThread"]).collect();
        let (won, lost): (Vec<_>, Vec<_>) =
            payloads.into_iter().partition(|payload| payload["userErrors"] == json!([]));
        assert_eq!((won.len(), lost.len()), (1, USERS - 1));
        assert_eq!(won[0]["thread"]["status"], "CLAIMED");
        let winner = &won[0]["thread"]["assignee"]["key"];
        for payload in lost {
            let error = &payload["userErrors"][0];
            assert_eq!(error["__typename"], "ThreadAlreadyClaimedError");
            assert_eq!((&error["code"], &error["claimedBy"]["key"]), (&json!("ALREADY_CLAIMED"), winner));
            assert!(error["claimedAt"].is_string() && payload["thread"].is_null());
        }
    }
    app.assert_logs_are_gapless().await;
}

fn agency_with_users(users: usize) -> String {
    let people: String = (0..users).map(|n| format!("      - {{key: user{n}, name: User {n}}}\n")).collect();
    let pool: String = (0..users).map(|n| format!("          - {{user: user{n}}}\n")).collect();
    format!(
        "agencies:\n  - key: acme\n    users:\n{people}    phoneNumbers:\n      - number: \"{DESK}\"\n        pool:\n{pool}"
    )
}

#[tokio::test]
async fn the_inbox_takes_at_most_two_statements() {
    let app = TestApp::start().await;
    app.populate().await;
    let ana = app.token("acme", "ana");
    let inbox = "{ threads(first: 50) { nodes { id status unreadCount viewerCanClaim lastActivityAt
        contact { name phone } lastMessage { body createdAt } assignee { name } phoneNumber { label } } } }";
    let warm = app.graphql(&ana, inbox, json!({})).await;
    assert!(warm["data"]["threads"]["nodes"].as_array().unwrap().len() > 1, "{warm}");
    let statements = app.statements_during(app.graphql(&ana, inbox, json!({}))).await;
    assert!((1..=2).contains(&statements), "{statements} statements");
}

#[tokio::test]
async fn pages_in_both_directions_cover_the_whole_list() {
    let app = TestApp::start().await;
    for n in 0..25 {
        app.text(format!("+1303558{n:04}"), DESK, "hello").await;
    }
    let ana = app.token("acme", "ana");
    let whole = app.graphql(&ana, "{ threads(first: 100) { totalCount nodes { id } } }", json!({})).await;
    assert_eq!(whole["data"]["threads"]["totalCount"], 25);
    let whole = whole["data"]["threads"]["nodes"].as_array().unwrap().clone();
    for (count, cursor, more, end) in
        [("first", "after", "hasNextPage", "endCursor"), ("last", "before", "hasPreviousPage", "startCursor")]
    {
        let query = format!(
            "query($at: String) {{ threads({count}: 7, {cursor}: $at) {{ nodes {{ id }} pageInfo {{ {more} {end} }} }} }}"
        );
        let (mut pages, mut at) = (Vec::new(), Value::Null);
        loop {
            let page = app.graphql(&ana, &query, json!({"at": at})).await["data"]["threads"].clone();
            pages.push(page["nodes"].as_array().unwrap().clone());
            at = page["pageInfo"][end].clone();
            if page["pageInfo"][more] == false {
                break;
            }
        }
        if count == "last" {
            pages.reverse();
        }
        assert_eq!(pages.concat(), whole, "{count}");
    }
}

#[tokio::test]
async fn a_user_notified_of_an_unclaimed_thread_may_see_it() {
    let app = TestApp::start().await;
    // Dev is Tom's provider, but not in the front desk's pool.
    app.text("+13035560002", DESK, "hello").await;
    let (ben, dev) = (app.token("acme", "ben"), app.token("acme", "dev"));
    app.graphql(&ben, CLAIM, json!({"thread": app.all_threads(&ben).await[0]})).await;
    assert_eq!(app.all_threads(&dev).await, Vec::<Value>::new());
    let muted = "{user: chloe, smsEnabled: false}, {user: ben, smsEnabled: false}";
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\", pool: [{muted}]}}]}}]")).await;
    let notifications = app.graphql(&dev, "{ notifications { nodes { kind thread { status } } } }", json!({})).await;
    let expected = json!([{"kind": "THREAD_UNCLAIMED", "thread": {"status": "UNCLAIMED"}}]);
    assert_eq!(notifications["data"]["notifications"]["nodes"], expected);
    assert_eq!(app.all_threads(&dev).await.len(), 1);
}
