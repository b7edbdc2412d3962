//! The inbox through GraphQL, beside one SQL statement by hand with structs for serde.
//!
//! `cargo bench --bench inbox`. Everything is in this process. Each way is measured against a peer of
//! its own shape: the router called in process beside the statement called in process, and the server
//! over a kept connection of the loopback beside a bare axum route there. Answers are compared byte
//! for byte first. `ROUNDS`, `OPS`, `THREADS` and `MESSAGES` in the environment change how many.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and a failed one must stop")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::time::Instant;

/// The binary's allocator, for us and for the peer alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod client;
#[path = "../support/figures.rs"]
mod figures;
#[path = "../support/measured.rs"]
mod measured;
mod peer;
#[path = "../support/process.rs"]
mod process;
mod seed;
mod server;
mod stage;

use figures::{from_env, micros, millis, verdict};
use measured::{Measured, ratio, typical};
use seed::Size;
use stage::{Stage, WAYS};

/// How many threads an inbox shows.
const PAGE: usize = 50;
/// An admin sees every thread, a member those of their pool.
const USERS: [(&str, &str); 2] = [("admin", "ana"), ("member", "ben")];

fn main() {
    let (rounds, ops) = (from_env("ROUNDS", 15), from_env("OPS", 100));
    let many = Size { threads: from_env("THREADS", 20_000), messages: from_env("MESSAGES", 1_000_000) };
    let few = Size { threads: 200, messages: 1_000 };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir_in(".").unwrap();
        let started = Instant::now();
        let mut stages = Vec::new();
        for (name, size) in [("few", few), ("many", many)] {
            let path = folder.path().join(format!("{name}.db"));
            for (role, user) in USERS {
                stages.push((Stage::set(&path, user, size).await, format!("{role}, {} messages", size.messages)));
            }
        }
        println!("{} messages in {} threads, filled in {:.0?}", many.messages, many.threads, started.elapsed());
        let mut found: Vec<Vec<Vec<Measured>>> =
            stages.iter().map(|_| WAYS.iter().map(|_| Vec::new()).collect()).collect();
        for round in 0..=rounds {
            for (stage, of_stage) in stages.iter().zip(&mut found) {
                for (way, list) in WAYS.iter().zip(of_stage) {
                    let one = stage.0.measure(*way, ops).await;
                    // The first round fills caches, and does not count.
                    if round > 0 {
                        list.push(one);
                    }
                }
            }
        }
        let mut statements = Vec::new();
        for (stage, _) in &stages {
            statements.push(stage.statements().await);
        }
        report(&stages, &found, &statements);
    });
}

fn report(stages: &[(Stage, String)], found: &[Vec<Vec<Measured>>], statements: &[u64]) {
    println!("\n| | inboxes/s | p50 | p99 | CPU per inbox |\n|---|---:|---:|---:|---:|");
    for ((_, name), of_stage) in stages.iter().zip(found) {
        for (way, list) in WAYS.iter().zip(of_stage) {
            println!(
                "| {name}: {} | {:.0} | {:.2} ms | {:.2} ms | {:.0} µs |",
                way.name(),
                typical(list, |one| one.per_second),
                typical(list, |one| millis(one.p50)),
                typical(list, |one| millis(one.p99)),
                typical(list, |one| micros(one.cpu)),
            );
        }
    }
    println!();
    let most = statements.iter().copied().max().unwrap_or_default();
    verdict("B: SQL statements per inbox ≤ 2", &format!("{most}"), most <= 2);
    for ((_, name), of_stage) in stages.iter().zip(found) {
        // Ours stands before its peer.
        for (pair, lists) in WAYS.chunks(2).zip(of_stage.chunks(2)) {
            let (ours, peer) = (&lists[0], &lists[1]);
            // The usual inbox, and not all of them together: others on the machine stop some for long.
            let speed = ratio(peer, ours, |one| one.p50.as_secs_f64());
            let cpu = ratio(peer, ours, |one| one.cpu.as_secs_f64());
            let bar = format!("B, {name}, {}: as fast as 0.5 × one statement and serde", pair[0].place());
            verdict(&bar, &format!("{speed:.2} (by CPU: {cpu:.2})"), speed >= 0.5);
        }
    }
    let half = stages.len() / 2;
    for ((role, _), (few, many)) in USERS.iter().zip(found[..half].iter().zip(&found[half..])) {
        let growth = ratio(&many[0], &few[0], |one| one.p50.as_secs_f64());
        let of_peer = ratio(&many[1], &few[1], |one| one.p50.as_secs_f64());
        let bar = format!("B, {role}: with many messages ≤ 1.3 × with few");
        verdict(&bar, &format!("{growth:.2} (the statement by hand: {of_peer:.2})"), growth <= 1.3);
    }
}
