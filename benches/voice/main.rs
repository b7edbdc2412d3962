//! Throughput of answering calls, compared in the same run with a route that only checks the signature.
//!
//! `cargo bench --bench voice` runs over loopback with 64 clients, on SQLite. The bare signed route is the status
//! callback of a call in progress, which needs no work. A rush is as many simultaneous calls as the queue of unwritten
//! rows holds. A flood is several times that, so its speed is that of the database. Every call is new, from one of a
//! thousand callers. Rounds are interleaved and medians are printed; each round starts when all rows of the previous
//! one are written. The environment variables `ROUNDS`, `CALLS` and `FLOOD` set the number of rounds and of calls.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops on any failure")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::net::SocketAddr;
use std::process::Command;

use partyline::app::App;

/// The allocator of the server binary, for the peer too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[path = "../support/client.rs"]
mod client;
#[path = "../support/measured.rs"]
mod measured;
#[path = "../support/process.rs"]
mod process;
mod request;
#[path = "../webhook/server.rs"]
mod server;
#[path = "../support/signed.rs"]
mod signed;
#[path = "../support/stats.rs"]
mod stats;

use client::client;
use measured::{Measured, Measurement, median_of, ratio};
use request::{INBOUND, STATUS, call};
use stats::{from_env, micros, millis, print_target};

const CLIENTS: usize = 64;
const ROWS: [&str; 3] = ["bare signed route", "calls, rush", "calls, flood, until all rows are written"];

fn main() {
    let (rounds, calls, flood) = (from_env("ROUNDS", 9), from_env("CALLS", 3_840), from_env("FLOOD", 19_200));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(runtime.spawn(run(rounds, calls, flood))).unwrap();
}

async fn run(rounds: usize, calls: usize, flood: usize) {
    let folder = tempfile::tempdir_in(".").unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("server.db").display());
    let app = server::open(&url).await;
    let server = server::start(&app).await;
    let mut results: [Vec<Measured>; 3] = Default::default();
    for round in 0..=rounds {
        let bare = measure(server, STATUS, calls, async {}).await;
        let rush = measure(server, INBOUND, calls, async {}).await;
        wait_until_written(&app).await;
        let flood = measure(server, INBOUND, flood, wait_until_written(&app)).await;
        // The first round only fills the caches and the file system.
        if round > 0 {
            results.iter_mut().zip([bare, rush, flood]).for_each(|(list, one)| list.push(one));
        }
    }
    println!("| SQLite, {CLIENTS} clients | requests/s | p50 | p99 | CPU each |\n|---|---:|---:|---:|---:|");
    for (name, list) in ROWS.iter().zip(&results) {
        println!(
            "| {name} | {:.0} | {:.2} ms | {:.2} ms | {:.0} µs |",
            median_of(list, |one| one.per_second),
            median_of(list, |one| millis(one.p50)),
            median_of(list, |one| millis(one.p99)),
            median_of(list, |one| micros(one.cpu)),
        );
    }
    println!();
    let [bare, rush, flood] = &results;
    let share = ratio(rush, bare, |found| found.per_second);
    print_target("calls answered at 64 clients ≥ 0.65 × the bare signed route", &format!("{share:.2}"), share >= 0.65);
    println!("  (flood, until all rows are written: {:.2})", ratio(flood, bare, |found| found.per_second));
}

/// Waits until the rows of all calls are written.
async fn wait_until_written(app: &App) {
    app.services.calls.log.flush().await;
}

async fn measure(server: SocketAddr, path: &str, calls: usize, end: impl Future<Output = ()>) -> Measured {
    assert!(Command::new("sync").status().unwrap().success());
    let each = calls / CLIENTS;
    let prepared: Vec<Vec<Vec<u8>>> = (0..CLIENTS).map(|_| (0..each).map(|_| call(path)).collect()).collect();
    let measurement = Measurement::start();
    let running: Vec<_> = prepared.into_iter().map(|requests| tokio::spawn(client(server, requests))).collect();
    let mut times = Vec::with_capacity(calls);
    for client in running {
        times.extend(client.await.unwrap());
    }
    end.await;
    measurement.finish(times)
}
