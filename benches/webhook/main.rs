//! Throughput and latency of the text webhook, compared with the limit of its database in the same run.
//!
//! On SQLite, `cargo bench --bench webhook` compares the server over HTTP at 1, 16 and 64 clients with the raw limit:
//! the same statements, prepared by hand, in transactions of 64 texts and of one, on the same disk, with the same sync.
//! If `PARTYLINE_TEST_DATABASE_URL` is a PostgreSQL server, it compares the server with one statement per row there.
//! Rounds are interleaved and medians are printed, because machines are noisy. The environment variables `ROUNDS` and
//! `TEXTS` set the number of rounds and texts.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops on any failure")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::process::Command;

/// The allocator of the server binary, for the peer too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[path = "../support/client.rs"]
mod client;
mod clients;
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
#[path = "../support/stats.rs"]
mod stats;
#[path = "../support/text.rs"]
mod text;

use measured::{Measured, median_of};
use stats::{from_env, micros, millis};

fn main() {
    let (rounds, texts) = (from_env("ROUNDS", 5), from_env("TEXTS", 6_400));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let database = std::env::var("PARTYLINE_TEST_DATABASE_URL").unwrap_or_default();
    // On a worker thread, like the server's tasks: the main thread would be woken later on a busy machine.
    let bench = runtime.spawn(async move {
        if database.starts_with("postgres") {
            postgres::run(&database, rounds, texts).await;
        } else {
            sqlite::run(rounds, texts).await;
        }
    });
    runtime.block_on(bench).unwrap();
}

/// Runs a measurement after the kernel has written all dirty pages: otherwise its syncs would wait for the writes of
/// the previous measurement.
async fn after_sync(measurement: impl Future<Output = Measured>) -> Measured {
    assert!(Command::new("sync").status().unwrap().success());
    measurement.await
}

fn print_row(name: &str, rounds: &[Measured]) {
    println!(
        "| {name} | {:.0} | {:.2} ms | {:.2} ms | {:.0} µs |",
        median_of(rounds, |one| one.per_second),
        median_of(rounds, |one| millis(one.p50)),
        median_of(rounds, |one| millis(one.p99)),
        median_of(rounds, |one| micros(one.cpu)),
    );
}
