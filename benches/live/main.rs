//! Live delivery: how fast a text reaches many subscribers, and what they cost.
//!
//! `cargo bench --bench live`. The server is a process of its own, so that its memory and processor
//! time are its own; so is the peer, a loop that writes the same bytes to as many connections. The
//! sockets are clients by hand on one thread here. `ROUNDS`, `TEXTS`, `SUBSCRIBERS`, `USERS`, `CROWD`,
//! `SLEEPERS`, `EVENTS` and `RATE` (events a second) in the environment change how many;
//! `ONLY=fanout`, `crowd` or `sleepers` runs one part.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and a failed one must stop")]
#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot measure must stop")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::sync::atomic::{AtomicUsize, Ordering};

mod audience;
mod crowd;
mod fanout;
#[path = "../support/figures.rs"]
mod figures;
#[path = "../support/memory.rs"]
mod memory;
#[path = "../support/process.rs"]
mod process;
mod raw;
mod sender;
mod server;
#[path = "../support/signed.rs"]
mod signed;
mod sleepers;
mod socket;
#[path = "../support/text.rs"]
mod text;

use figures::from_env;
use server::Server;

/// How many of everything.
struct Sizes {
    rounds: usize,
    texts: usize,
    subscribers: usize,
    users: usize,
    crowd: usize,
    sleepers: usize,
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
        crowd: from_env("CROWD", 10_000),
        sleepers: from_env("SLEEPERS", 200),
        events: from_env("EVENTS", 10_000),
        rate: from_env("RATE", 500),
    };
    let only = std::env::var("ONLY").unwrap_or_default();
    let (needed, allowed) = (sizes.crowd.max(2 * sizes.subscribers) + 100, open_files());
    assert!(needed <= allowed, "{needed} open files are needed and {allowed} allowed: raise `ulimit -n`");
    let parts: [(&str, Part); 3] = [("fanout", fanout::run), ("crowd", crowd::run), ("sleepers", sleepers::run)];
    for (name, part) in parts {
        if only.is_empty() || only == name {
            // A server of its own, so that no part finds the memory of another.
            let folder = tempfile::tempdir_in(".").unwrap();
            part(&sizes, &Server::start(folder.path(), sizes.users));
        }
    }
}

/// How many files a process may have open (proc_pid_limits(5)).
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap_or(usize::MAX)
}

/// No two texts of a run have the same number.
fn next_number() -> usize {
    static NUMBER: AtomicUsize = AtomicUsize::new(1);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}
