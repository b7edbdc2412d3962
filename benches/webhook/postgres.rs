//! On PostgreSQL: the server beside the classic way, a statement per row.

use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{AssertSqlSafe, Connection as _, Row as _, query};
use url::Url;

use super::measured::{Measured, ratio};
use super::row_by_row::RowByRow;
use super::{clients, figures, print_row, rested, server};
use figures::verdict;

const CLIENTS: usize = 16;
const ROWS: [&str; 3] = [
    "a statement per row, 16 workers, no HTTP",
    "a statement per row behind a bare route, 16 clients",
    "webhook, 16 clients",
];

/// `admin` is the address of an account that may create databases.
pub(crate) async fn run(admin: &str, rounds: usize, texts: usize) {
    let (ours, theirs) = (Fresh::create(admin).await, Fresh::create(admin).await);
    measure(admin, &ours.url, &theirs.url, rounds, texts).await;
    ours.drop(admin).await;
    theirs.drop(admin).await;
}

async fn measure(admin: &str, ours: &str, theirs: &str, rounds: usize, texts: usize) {
    let app = server::open(ours).await;
    let server = server::start(&app).await;
    // The same schema and directory; its own pool does the rest.
    let beside = server::open(theirs).await;
    let peer = RowByRow::open(theirs, u32::try_from(CLIENTS).unwrap()).await;
    let route = server::listen(&beside, peer.clone().router()).await;
    let mut results: [Vec<Measured>; 3] = Default::default();
    for round in 0..=rounds {
        let measured = [
            rested(peer.run(CLIENTS, texts / 2)).await,
            rested(clients::run(route, CLIENTS, texts / 2)).await,
            rested(clients::run(server, CLIENTS, texts / 2)).await,
        ];
        if round == 0 {
            // As autovacuum does within a minute. Until then PostgreSQL takes tables for empty, and of the keys
            // that begin with the agency it may read by one that holds every row.
            for database in [ours, theirs] {
                execute(database, "ANALYZE".to_owned()).await;
            }
        } else {
            results.iter_mut().zip(measured).for_each(|(list, one)| list.push(one));
        }
    }
    println!("PostgreSQL, {}\n", how_durable(admin).await);
    println!("| PostgreSQL | texts/s | p50 | p99 | CPU per text, without PostgreSQL's |\n|---|---:|---:|---:|---:|");
    ROWS.iter().zip(&results).for_each(|(name, list)| print_row(name, list));
    println!();
    let [direct, route, webhook] = &results;
    let faster = ratio(webhook, route, |found| found.per_second);
    verdict("A: PostgreSQL, 16 clients ≥ 3 × a statement per row", &format!("{faster:.2} ×"), faster >= 3.0);
    let faster = ratio(webhook, direct, |found| found.per_second);
    println!("  (beside a statement per row that needs no HTTP: {faster:.2} ×)");
}

/// What the server syncs: a test server may leave it out, and then a commit costs nothing.
async fn how_durable(admin: &str) -> String {
    let mut conn = PgConnection::connect(admin).await.unwrap();
    let mut settings = Vec::new();
    for name in ["fsync", "synchronous_commit"] {
        let row = query(AssertSqlSafe(format!("SHOW {name}"))).fetch_one(&mut conn).await.unwrap();
        settings.push(format!("{name} = {}", row.get::<String, _>(0)));
    }
    settings.join(", ")
}

/// A database of our own.
struct Fresh {
    name: String,
    url: String,
}

impl Fresh {
    async fn create(admin: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("partyline_bench_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        execute(admin, format!("CREATE DATABASE {name}")).await;
        let mut url = Url::parse(admin).unwrap();
        url.set_path(&name);
        Self { name, url: url.into() }
    }

    /// Ours are still connected: there is no more to ask of them.
    async fn drop(self, admin: &str) {
        execute(admin, format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

async fn execute(admin: &str, sql: String) {
    let mut conn = PgConnection::connect(admin).await.unwrap();
    query(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
}
