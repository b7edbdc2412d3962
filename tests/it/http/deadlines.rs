//! Requests that exceed their deadline, and their effect on other requests.

use std::time::Duration;

use futures_util::future::{join_all, select_all};
use partyline::store::cancel_on_drop;
use reqwest::StatusCode;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr};

use super::{GRAPHQL_RESPONSE, VIEWER, ask};
use crate::support::{TestApp, Text, wait};

/// The number of connections that serve API requests.
const CONNECTIONS: usize = partyline::store::REQUEST_CONNECTIONS as usize;

/// Executes a statement that does not finish during a test.
async fn run_endless_statement(conn: &DatabaseConnection) -> Result<(), DbErr> {
    let statement = match conn.get_database_backend() {
        DbBackend::Postgres => "SELECT count(*) FROM generate_series(1, 100000000000)",
        DbBackend::MySql => "SELECT BENCHMARK(100000000000, MD5('x'))",
        _ => "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
    };
    conn.execute_unprepared(statement).await.map(drop)
}

fn idle(conn: &DatabaseConnection) -> usize {
    match conn.get_database_backend() {
        DbBackend::Postgres => conn.get_postgres_connection_pool().num_idle(),
        DbBackend::MySql => conn.get_mysql_connection_pool().num_idle(),
        _ => conn.get_sqlite_connection_pool().num_idle(),
    }
}

/// Runs `work` while every request connection executes an endless statement.
async fn while_all_connections_are_busy<T>(app: &TestApp, work: impl Future<Output = T>) -> T {
    let conn = app.services().request_reader();
    // The pool opens connections lazily, so each is used once first.
    join_all((0..CONNECTIONS).map(|_| conn.execute_unprepared("SELECT 1"))).await;
    // Some databases abort the statement by themselves; the loop then starts the next one.
    let busy = (0..CONNECTIONS).map(|_| {
        Box::pin(cancel_on_drop(async {
            loop {
                let _ = run_endless_statement(conn).await;
            }
        }))
    });
    let mut busy = select_all(busy);
    tokio::select! {
        _ = &mut busy => unreachable!("the statements do not end"),
        done = async {
            wait::until("all connections are in use", || async { (idle(conn) == 0).then_some(()) }).await;
            work.await
        } => done,
    }
}

/// Runs a request while the clock advances second by second.
async fn with_advancing_clock<T>(app: &TestApp, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut ticks = wait::ticks(Duration::from_millis(20));
    let passing = async {
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = ticks.tick() => app.clock.advance(Duration::from_secs(1)),
            }
        }
    };
    wait::within("the response", passing).await
}

#[tokio::test]
async fn a_query_that_exceeds_its_deadline_gets_an_error() {
    let app = TestApp::start().await;
    let threads = serde_json::json!({"query": "{ threads { nodes { id } } }"});
    let answer =
        while_all_connections_are_busy(&app, with_advancing_clock(&app, ask(&app, GRAPHQL_RESPONSE, &threads))).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::SERVICE_UNAVAILABLE, "TIMEOUT"), "{}", answer.body);
    let answer = ask(&app, GRAPHQL_RESPONSE, &threads).await;
    assert!(answer.status == StatusCode::OK && answer.has_data(), "{}", answer.body);
}

#[tokio::test]
async fn statements_of_a_request_that_timed_out_are_canceled() {
    let app = TestApp::start().await;
    while_all_connections_are_busy(&app, async {}).await;
    let conn = app.services().request_reader();
    let all = join_all((0..CONNECTIONS).map(|_| conn.execute_unprepared("SELECT 1")));
    for result in wait::within("all connections are usable again", all).await {
        assert!(result.is_ok(), "{result:?}");
    }
}

#[tokio::test]
async fn webhooks_and_readiness_do_not_wait_for_queries() {
    let app = TestApp::start().await;
    while_all_connections_are_busy(&app, async {
        app.receive(Text::new("SMbusy").body("hello")).await;
        let ready = app.http.get(app.url("/readyz")).send().await.unwrap();
        assert_eq!(ready.status(), StatusCode::OK);
        let metrics = app.http.get(app.url("/metrics")).send().await.unwrap();
        assert_eq!(metrics.status(), StatusCode::OK);
    })
    .await;
    assert_eq!(app.messages_with("SMbusy").await.len(), 1);
    assert!(super::query(&app, VIEWER).await.has_data());
}

#[tokio::test]
async fn accounts_are_cached_before_the_first_webhook() {
    let app = TestApp::start().await.restart().await;
    let before = app.services().database.statements();
    let account = app.services().accounts.by_sid(crate::support::directory::ACCOUNT).await.unwrap();
    assert!(account.is_some());
    assert_eq!(app.services().database.statements(), before, "no statement was executed");
}
