//! On PostgreSQL: the server, compared with one statement per row.

use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{AssertSqlSafe, Connection as _, Row as _, query};
use url::Url;

use super::measured::{Measured, ratio};
use super::row_by_row::RowByRow;
use super::stats::print_target;
use super::{after_sync, clients, print_row, server};

const CLIENTS: usize = 16;
const ROWS: [&str; 3] = [
    "one statement per row, 16 workers, no HTTP",
    "one statement per row behind a bare route, 16 clients",
    "webhook, 16 clients",
];

/// `admin` is the URL of an account that may create databases.
pub(crate) async fn run(admin: &str, rounds: usize, texts: usize) {
    let (server, peer) = (BenchDatabase::create(admin).await, BenchDatabase::create(admin).await);
    measure(admin, &server.url, &peer.url, rounds, texts).await;
    server.drop(admin).await;
    peer.drop(admin).await;
}

async fn measure(admin: &str, server_url: &str, peer_url: &str, rounds: usize, texts: usize) {
    let app = server::open(server_url).await;
    let server = server::start(&app).await;
    // Creates the same schema and directory for the peer, which has its own pool.
    let peer_app = server::open(peer_url).await;
    let peer = RowByRow::open(peer_url, u32::try_from(CLIENTS).unwrap()).await;
    let route = server::listen(&peer_app, peer.clone().router()).await;
    let mut results: [Vec<Measured>; 3] = Default::default();
    for round in 0..=rounds {
        let measured = [
            after_sync(peer.run(CLIENTS, texts / 2)).await,
            after_sync(clients::run(route, CLIENTS, texts / 2)).await,
            after_sync(clients::run(server, CLIENTS, texts / 2)).await,
        ];
        if round == 0 {
            // Autovacuum does this within a minute. Without statistics PostgreSQL assumes empty tables and may choose a
            // key that matches every row of the agency.
            for database in [server_url, peer_url] {
                execute(database, "ANALYZE".to_owned()).await;
            }
        } else {
            results.iter_mut().zip(measured).for_each(|(list, one)| list.push(one));
        }
    }
    println!("PostgreSQL, {}\n", durability_settings(admin).await);
    println!("| PostgreSQL | texts/s | p50 | p99 | CPU per text, without PostgreSQL's |\n|---|---:|---:|---:|---:|");
    ROWS.iter().zip(&results).for_each(|(name, list)| print_row(name, list));
    println!();
    let [direct, route, webhook] = &results;
    let faster = ratio(webhook, route, |found| found.per_second);
    print_target("PostgreSQL, 16 clients ≥ 3 × one statement per row", &format!("{faster:.2} ×"), faster >= 3.0);
    let faster = ratio(webhook, direct, |found| found.per_second);
    println!("  (compared with one statement per row without HTTP: {faster:.2} ×)");
}

/// Printed with the results, because a test server may run without syncs, and then commits are cheap.
async fn durability_settings(admin: &str) -> String {
    let mut conn = PgConnection::connect(admin).await.unwrap();
    let mut settings = Vec::new();
    for name in ["fsync", "synchronous_commit"] {
        let row = query(AssertSqlSafe(format!("SHOW {name}"))).fetch_one(&mut conn).await.unwrap();
        settings.push(format!("{name} = {}", row.get::<String, _>(0)));
    }
    settings.join(", ")
}

/// A database for this run.
struct BenchDatabase {
    name: String,
    url: String,
}

impl BenchDatabase {
    async fn create(admin: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("partyline_bench_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        execute(admin, format!("CREATE DATABASE {name}")).await;
        let mut url = Url::parse(admin).unwrap();
        url.set_path(&name);
        Self { name, url: url.into() }
    }

    /// Forces the drop, because the pools of this process are still connected.
    async fn drop(self, admin: &str) {
        execute(admin, format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

async fn execute(admin: &str, sql: String) {
    let mut conn = PgConnection::connect(admin).await.unwrap();
    query(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
}
