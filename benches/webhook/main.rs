//! How fast the text webhook is beside what its database can do, in one run.
//!
//! `cargo bench --bench webhook` prints a table: on SQLite the raw limit (the same statements, prepared
//! by hand, in transactions of 64 texts and of one, on the same disk, with the same sync) and the whole
//! server over HTTP at 1, 16 and 64 clients. When `PARTYLINE_TEST_DATABASE_URL` names a PostgreSQL
//! server, it runs there, beside a statement per row. Rounds are interleaved and medians shown, since
//! machines are noisy. `ROUNDS` and `TEXTS` in the environment change how many.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and a failed one must stop")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::process::Command;

/// The binary's allocator, for us and for the peer alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[path = "../support/client.rs"]
mod client;
mod clients;
#[path = "../support/figures.rs"]
mod figures;
#[path = "../support/measured.rs"]
mod measured;
mod postgres;
#[path = "../support/process.rs"]
mod process;
mod raw;
mod row_by_row;
mod server;
#[path = "../support/signed.rs"]
mod signed;
mod sqlite;
#[path = "../support/text.rs"]
mod text;

use figures::{from_env, micros, millis};
use measured::{Measured, typical};

fn main() {
    let (rounds, texts) = (from_env("ROUNDS", 5), from_env("TEXTS", 6_400));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let database = std::env::var("PARTYLINE_TEST_DATABASE_URL").unwrap_or_default();
    // On a worker as the server's tasks are: the main thread would wake up later on a busy machine.
    let bench = runtime.spawn(async move {
        if database.starts_with("postgres") {
            postgres::run(&database, rounds, texts).await;
        } else {
            sqlite::run(rounds, texts).await;
        }
    });
    runtime.block_on(bench).unwrap();
}

/// Measures on a disk that has nothing left to do: what one measurement has the kernel write later,
/// the syncs of the next one would wait for.
async fn rested(measurement: impl Future<Output = Measured>) -> Measured {
    assert!(Command::new("sync").status().unwrap().success());
    measurement.await
}

fn print_row(name: &str, rounds: &[Measured]) {
    println!(
        "| {name} | {:.0} | {:.2} ms | {:.2} ms | {:.0} µs |",
        typical(rounds, |one| one.per_second),
        typical(rounds, |one| millis(one.p50)),
        typical(rounds, |one| millis(one.p99)),
        typical(rounds, |one| micros(one.cpu)),
    );
}
