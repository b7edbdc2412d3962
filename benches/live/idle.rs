//! Ten thousand subscribers: the memory and CPU of each while idle, and whether every text reaches all of them.

use std::sync::Arc;
use std::time::Duration;

use super::fanout::{DELIVERY_TIMEOUT, SHARED_QUERY, Subscribers};
use super::memory::resident;
use super::process::cpu_time;
use super::sender::Sender;
use super::server::{EVERYONE, Server};
use super::socket::Subscription;
use super::sockets::body;
use super::stats::{millis, percentile, print_target};
use super::{Sizes, next_number};

/// Idle time before the memory of the server is read.
const SETTLE_TIME: Duration = Duration::from_secs(3);
/// The period over which the idle CPU time is measured.
const IDLE_PERIOD: Duration = Duration::from_secs(5);
const MAX_KIB_PER_SUBSCRIBER: f64 = 6.0;

pub(crate) fn run(sizes: &Sizes, server: &Server) {
    let tokens: Vec<Arc<str>> = (0..sizes.users).map(|user| server.token(user).into()).collect();
    let subscription = |n: usize| Some(Subscription { token: tokens[n % tokens.len()].clone(), query: SHARED_QUERY });
    // Some subscribers connect and disconnect first, so that one-time allocations of the server are not counted.
    Subscribers::connect(server.address, (0..50).map(subscription).collect()).warm_up(server, EVERYONE);
    std::thread::sleep(SETTLE_TIME);
    let before = resident(server.process());
    let subscribers = Subscribers::connect(server.address, (0..sizes.idle).map(subscription).collect());
    std::thread::sleep(SETTLE_TIME);
    let idle = resident(server.process());
    let cpu = cpu_time(server.process());
    std::thread::sleep(IDLE_PERIOD);
    let cpu = cpu_time(server.process()) - cpu;
    subscribers.warm_up(server, EVERYONE);

    let (mut times, mut delivered) = (Vec::new(), 0);
    for _ in 0..sizes.texts {
        let number = next_number();
        subscribers.arrivals.expect(number, sizes.idle);
        let sent = Sender::connect(server.address).send(EVERYONE, &body(number));
        let (arrived, _) = subscribers.arrivals.wait(DELIVERY_TIMEOUT);
        delivered += arrived.len();
        times.extend(arrived.iter().map(|at| at.saturating_duration_since(sent.answered)));
    }
    times.sort();
    let after = resident(server.process());
    let expected = sizes.texts * sizes.idle;
    let each = |bytes: u64| bytes.saturating_sub(before) as f64 / sizes.idle as f64 / 1024.0;

    println!("\n{} sockets of {} users, {} texts\n", sizes.idle, sizes.users, sizes.texts);
    println!("| | |\n|---|---:|");
    println!("| server without subscribers | {:.1} MiB |", before as f64 / 1048576.0);
    println!("| memory per idle subscriber | {:.2} KiB |", each(idle));
    println!("| memory per subscriber after {} texts | {:.2} KiB |", sizes.texts, each(after));
    println!("| CPU while idle | {:.1} % of a core |", cpu.as_secs_f64() / IDLE_PERIOD.as_secs_f64() * 100.0);
    println!("| delivered | {delivered} of {expected} |");
    println!("| lost connections | {} |", subscribers.sockets.lost());
    println!(
        "| p50, p99 after the response | {:.0} ms, {:.0} ms |",
        millis(percentile(&times, 0.5)),
        millis(percentile(&times, 0.99))
    );
    println!();
    let target = format!("memory per idle subscriber at {} ≤ {MAX_KIB_PER_SUBSCRIBER} KiB", sizes.idle);
    print_target(&target, &format!("{:.2} KiB", each(idle)), each(idle) <= MAX_KIB_PER_SUBSCRIBER);
    let target = format!("{} texts reach all {} subscribers", sizes.texts, sizes.idle);
    print_target(&target, &format!("{delivered} of {expected}"), delivered == expected);
}
