//! How fast a call is answered beside a route of the same binary that only checks the signature, in one run.
//!
//! `cargo bench --bench voice` prints a table, over loopback at 64 clients, on SQLite: the bare signed route is the
//! number's status callback while the call goes on, of which there is nothing to do; a morning's rush is as many calls
//! at once as the queue behind the answers holds; a flood is several times that, so that its end is the pace of the
//! database. Every call is a new one, of one of a thousand people. Rounds are interleaved and medians shown, and each
//! begins when all rows of the one before are written. `ROUNDS`, `CALLS` and `FLOOD` in the environment change how many.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and a failed one must stop")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::net::SocketAddr;
use std::process::Command;

use partyline::app::App;

/// The binary's allocator, for us and for the peer alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[path = "../support/client.rs"]
mod client;
#[path = "../support/figures.rs"]
mod figures;
#[path = "../support/measured.rs"]
mod measured;
#[path = "../support/process.rs"]
mod process;
mod request;
#[path = "../webhook/server.rs"]
mod server;
#[path = "../support/signed.rs"]
mod signed;

use client::client;
use figures::{from_env, micros, millis, verdict};
use measured::{Begun, Measured, ratio, typical};
use request::{INBOUND, STATUS, call};

const CLIENTS: usize = 64;
const ROWS: [&str; 3] = ["bare signed route", "calls, a morning's rush", "calls, a flood, rows written"];

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
        written(&app).await;
        let flood = measure(server, INBOUND, flood, written(&app)).await;
        // The first round fills caches and file system, and does not count.
        if round > 0 {
            results.iter_mut().zip([bare, rush, flood]).for_each(|(list, one)| list.push(one));
        }
    }
    println!("| SQLite, {CLIENTS} clients | requests/s | p50 | p99 | CPU each |\n|---|---:|---:|---:|---:|");
    for (name, list) in ROWS.iter().zip(&results) {
        println!(
            "| {name} | {:.0} | {:.2} ms | {:.2} ms | {:.0} µs |",
            typical(list, |one| one.per_second),
            typical(list, |one| millis(one.p50)),
            typical(list, |one| millis(one.p99)),
            typical(list, |one| micros(one.cpu)),
        );
    }
    println!();
    let [bare, rush, flood] = &results;
    let share = ratio(rush, bare, |found| found.per_second);
    verdict("calls answered at 64 clients ≥ 0.65 × a bare signed route", &format!("{share:.2}"), share >= 0.65);
    println!("  (a flood, to its last row: {:.2})", ratio(flood, bare, |found| found.per_second));
}

/// Waits until the rows of all calls are written, and the disk has nothing left to do.
async fn written(app: &App) {
    app.services.calls.log.written().await;
}

async fn measure(server: SocketAddr, path: &str, calls: usize, end: impl Future<Output = ()>) -> Measured {
    assert!(Command::new("sync").status().unwrap().success());
    let each = calls / CLIENTS;
    let prepared: Vec<Vec<Vec<u8>>> = (0..CLIENTS).map(|_| (0..each).map(|_| call(path)).collect()).collect();
    let begun = Begun::now();
    let running: Vec<_> = prepared.into_iter().map(|requests| tokio::spawn(client(server, requests))).collect();
    let mut times = Vec::with_capacity(calls);
    for client in running {
        times.extend(client.await.unwrap());
    }
    end.await;
    begun.end(times)
}
