//! On SQLite: the server, compared with the raw limit of the same disk.

use super::measured::{Measured, ratio};
use super::raw::Raw;
use super::stats::{median, millis, print_target};
use super::{after_sync, clients, print_row, server};

const BATCH: usize = 64;
const ROWS: [&str; 5] =
    ["raw, batches of 64", "raw, one by one", "webhook, 1 client", "webhook, 16 clients", "webhook, 64 clients"];

pub(crate) async fn run(rounds: usize, texts: usize) {
    let folder = tempfile::tempdir_in(".").unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("server.db").display());
    let app = server::open(&url).await;
    let server = server::start(&app).await;
    let mut raw = Raw::open(folder.path()).await;
    let mut results: [Vec<Measured>; 5] = Default::default();
    for round in 0..=rounds {
        let measured = [
            after_sync(raw.run(texts, BATCH)).await,
            after_sync(raw.run(texts / 8, 1)).await,
            after_sync(clients::run(server, 1, texts / 8)).await,
            after_sync(clients::run(server, 16, texts / 2)).await,
            after_sync(clients::run(server, 64, texts)).await,
        ];
        // The first round only fills the caches and the file system.
        if round > 0 {
            results.iter_mut().zip(measured).for_each(|(list, one)| list.push(one));
        }
    }
    println!("| SQLite, `synchronous=FULL` | texts/s | p50 | p99 | CPU per text |\n|---|---:|---:|---:|---:|");
    ROWS.iter().zip(&results).for_each(|(name, list)| print_row(name, list));
    println!();
    let [raw, single, one, _, many] = &results;
    let share = ratio(many, raw, |found| found.per_second);
    print_target("64 clients ≥ 0.45 × raw batches of 64", &format!("{share:.2}"), share >= 0.45);
    let cpu = ratio(many, raw, |found| found.cpu.as_secs_f64());
    println!("  (CPU per text: {cpu:.2} × raw)");
    // With 64 clients in front of one writer, each client's turn comes every 64 texts.
    let turns = median(many.iter().map(|found| found.p99.as_secs_f64() * found.per_second / 64.0).collect());
    print_target("p99 at 64 clients ≤ 2.5 × (64 ÷ texts/s)", &format!("{turns:.2} ×"), turns <= 2.5);
    let slower = ratio(one, single, |found| millis(found.p50));
    print_target("p50 of 1 client ≤ 4 × raw, one by one", &format!("{slower:.2} ×"), slower <= 4.0);
}
