//! How fast the text webhook is beside the disk's own limit, in one run.
//!
//! `cargo bench --bench webhook` prints a table: the raw limit (the same statements, prepared by
//! hand, in transactions of 64 texts on the same disk, with the same sync) and the whole server over
//! HTTP at 1, 16 and 64 clients. Rounds are interleaved and medians shown, since machines are noisy.
//! `ROUNDS` and `TEXTS` in the environment change how many.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and a failed one must stop")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::time::Duration;

mod clients;
mod raw;
mod server;

/// What one measurement found.
struct Measured {
    per_second: f64,
    p50: Duration,
    p99: Duration,
    /// Processor time of this process per text, the clients' share included.
    cpu: Duration,
}

fn main() {
    let rounds = from_env("ROUNDS", 5);
    let texts = from_env("TEXTS", 6_400);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir_in(".").unwrap();
        let server = server::start(folder.path()).await;
        let mut raw = raw::Raw::open(folder.path()).await;
        let mut results: [Vec<Measured>; 4] = Default::default();
        for round in 0..=rounds {
            let measured = [
                raw.run(texts).await,
                clients::run(&server, 1, texts / 8).await,
                clients::run(&server, 16, texts / 2).await,
                clients::run(&server, 64, texts).await,
            ];
            // The first round fills caches and file system, and does not count.
            if round > 0 {
                results.iter_mut().zip(measured).for_each(|(list, one)| list.push(one));
            }
        }
        print_table(&mut results);
    });
}

fn print_table(results: &mut [Vec<Measured>; 4]) {
    let names = ["raw, batches of 64", "webhook, 1 client", "webhook, 16 clients", "webhook, 64 clients"];
    let ratios: Vec<f64> = (0..results[0].len()).map(|n| results[3][n].per_second / results[0][n].per_second).collect();
    println!("| | texts/s | p50 | p99 | CPU per text |\n|---|---:|---:|---:|---:|");
    for (name, list) in names.iter().zip(results.iter()) {
        let of = |value: fn(&Measured) -> f64| median(list.iter().map(value).collect());
        println!(
            "| {name} | {:.0} | {:.2} ms | {:.2} ms | {:.0} µs |",
            of(|one| one.per_second),
            of(|one| one.p50.as_secs_f64() * 1e3),
            of(|one| one.p99.as_secs_f64() * 1e3),
            of(|one| one.cpu.as_secs_f64() * 1e6),
        );
    }
    println!("\n64 clients ÷ raw, median of the rounds: {:.2}", median(ratios));
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn from_env(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Processor time that this process has used, from /proc/self/stat in ticks of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let fields: Vec<u64> = after_name.split_whitespace().skip(11).take(2).map(|field| field.parse().unwrap()).collect();
    Duration::from_millis(fields.iter().sum::<u64>() * 10)
}

/// Sums up a measurement from the time that each text took.
fn measured(mut each: Vec<Duration>, took: Duration, cpu: Duration) -> Measured {
    each.sort();
    let count = u32::try_from(each.len()).unwrap();
    Measured {
        per_second: f64::from(count) / took.as_secs_f64(),
        p50: each[each.len() / 2],
        p99: each[each.len() * 99 / 100],
        cpu: cpu / count,
    }
}
