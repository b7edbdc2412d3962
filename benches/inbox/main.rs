//! The inbox through GraphQL, compared with one hand-written SQL statement and structs for serde.
//!
//! `cargo bench --bench inbox`. Everything runs in this process. Each variant is compared with a peer of the same kind:
//! the router called in process with the statement called in process, and the server over one loopback connection with
//! a bare axum route over another. Their responses are first compared byte for byte. The environment variables
//! `ROUNDS`, `OPS`, `THREADS` and `MESSAGES` set the sizes.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops on any failure")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::time::Instant;

/// The allocator of the server binary, for the peer too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod client;
#[path = "../support/measured.rs"]
mod measured;
mod peer;
#[path = "../support/process.rs"]
mod process;
mod scenario;
mod seed;
mod server;
#[path = "../support/stats.rs"]
mod stats;

use measured::{Measured, median_of, ratio};
use scenario::{Scenario, VARIANTS};
use seed::Size;
use stats::{from_env, micros, millis, print_target};

/// The number of threads in an inbox.
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
        let mut scenarios = Vec::new();
        for (name, size) in [("few", few), ("many", many)] {
            let path = folder.path().join(format!("{name}.db"));
            for (role, user) in USERS {
                scenarios
                    .push((Scenario::open(&path, user, size).await, format!("{role}, {} messages", size.messages)));
            }
        }
        println!("{} messages in {} threads, filled in {:.0?}", many.messages, many.threads, started.elapsed());
        let mut results: Vec<Vec<Vec<Measured>>> =
            scenarios.iter().map(|_| VARIANTS.iter().map(|_| Vec::new()).collect()).collect();
        for round in 0..=rounds {
            for (scenario, scenario_results) in scenarios.iter().zip(&mut results) {
                for (variant, list) in VARIANTS.iter().zip(scenario_results) {
                    let one = scenario.0.measure(*variant, ops).await;
                    // The first round only fills the caches.
                    if round > 0 {
                        list.push(one);
                    }
                }
            }
        }
        let mut statements = Vec::new();
        for (scenario, _) in &scenarios {
            statements.push(scenario.statements().await);
        }
        report(&scenarios, &results, &statements);
    });
}

fn report(scenarios: &[(Scenario, String)], results: &[Vec<Vec<Measured>>], statements: &[u64]) {
    println!("\n| | inboxes/s | p50 | p99 | CPU per inbox |\n|---|---:|---:|---:|---:|");
    for ((_, name), scenario_results) in scenarios.iter().zip(results) {
        for (variant, list) in VARIANTS.iter().zip(scenario_results) {
            println!(
                "| {name}: {} | {:.0} | {:.2} ms | {:.2} ms | {:.0} µs |",
                variant.name(),
                median_of(list, |one| one.per_second),
                median_of(list, |one| millis(one.p50)),
                median_of(list, |one| millis(one.p99)),
                median_of(list, |one| micros(one.cpu)),
            );
        }
    }
    println!();
    let most = statements.iter().copied().max().unwrap_or_default();
    print_target("SQL statements per inbox ≤ 2", &format!("{most}"), most <= 2);
    for ((_, name), scenario_results) in scenarios.iter().zip(results) {
        // Each pair is the server and its peer.
        for (pair, lists) in VARIANTS.chunks(2).zip(scenario_results.chunks(2)) {
            let (server, peer) = (&lists[0], &lists[1]);
            // The median and not the mean, because other processes on the machine delay some requests.
            let speed = ratio(peer, server, |one| one.p50.as_secs_f64());
            let cpu = ratio(peer, server, |one| one.cpu.as_secs_f64());
            let target =
                format!("{name}, {}: at least 0.5 × the speed of one statement and serde", pair[0].transport());
            print_target(&target, &format!("{speed:.2} (by CPU: {cpu:.2})"), speed >= 0.5);
        }
    }
    let half = scenarios.len() / 2;
    for ((role, _), (few, many)) in USERS.iter().zip(results[..half].iter().zip(&results[half..])) {
        let growth = ratio(&many[0], &few[0], |one| one.p50.as_secs_f64());
        let peer_growth = ratio(&many[1], &few[1], |one| one.p50.as_secs_f64());
        let target = format!("{role}: with many messages ≤ 1.3 × with few");
        print_target(&target, &format!("{growth:.2} (hand-written statement: {peer_growth:.2})"), growth <= 1.3);
    }
}
