//! Live delivery: the latency of a text to many subscribers, and the memory and CPU that subscribers use.
//!
//! `cargo bench --bench live`. The server runs in a separate process, so that its memory and CPU time can be measured;
//! so does the peer, a loop that writes the same bytes to the same number of connections. The sockets are minimal
//! clients on one thread of this process. The environment variables `ROUNDS`, `TEXTS`, `SUBSCRIBERS`, `USERS`, `IDLE`,
//! `BLOCKED`, `EVENTS` and `RATE` (events per second) set the sizes; `ONLY=fanout`, `ONLY=idle` or `ONLY=blocked` runs
//! one part.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops on any failure")]
#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark stops on any failure")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::sync::atomic::{AtomicUsize, Ordering};

mod blocked;
mod fanout;
mod idle;
#[path = "../support/memory.rs"]
mod memory;
#[path = "../support/process.rs"]
mod process;
mod raw;
mod sender;
mod server;
#[path = "../support/signed.rs"]
mod signed;
mod socket;
mod sockets;
#[path = "../support/stats.rs"]
mod stats;
#[path = "../support/text.rs"]
mod text;

use server::Server;
use stats::from_env;

struct Sizes {
    rounds: usize,
    texts: usize,
    subscribers: usize,
    users: usize,
    idle: usize,
    blocked: usize,
    events: usize,
    rate: usize,
}

type Part = fn(&Sizes, &Server);

fn main() {
    if std::env::args().nth(1).as_deref() == Some(raw::ARGUMENT) {
        return raw::run();
    }
    let sizes = Sizes {
        rounds: from_env("ROUNDS", 5),
        texts: from_env("TEXTS", 20),
        subscribers: from_env("SUBSCRIBERS", 1_000),
        users: from_env("USERS", 50),
        idle: from_env("IDLE", 10_000),
        blocked: from_env("BLOCKED", 200),
        events: from_env("EVENTS", 10_000),
        rate: from_env("RATE", 500),
    };
    let only = std::env::var("ONLY").unwrap_or_default();
    let (needed, allowed) = (sizes.idle.max(2 * sizes.subscribers) + 100, open_files());
    assert!(needed <= allowed, "{needed} open files are needed, but only {allowed} are allowed: raise `ulimit -n`");
    let parts: [(&str, Part); 3] = [("fanout", fanout::run), ("idle", idle::run), ("blocked", blocked::run)];
    for (name, part) in parts {
        if only.is_empty() || only == name {
            // Each part gets a new server, so that memory of another part is not measured.
            let folder = tempfile::tempdir_in(".").unwrap();
            part(&sizes, &Server::start(folder.path(), sizes.users));
        }
    }
}

/// The limit of open files of this process (proc_pid_limits(5)).
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap_or(usize::MAX)
}

/// Returns a new number for each text of the run.
fn next_number() -> usize {
    static NUMBER: AtomicUsize = AtomicUsize::new(1);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}
