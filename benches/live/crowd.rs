//! Ten thousand subscribers: what each costs while nothing happens, and whether all are reached.

use std::sync::Arc;
use std::time::Duration;

use super::audience::body;
use super::fanout::{Hall, PATIENCE, SHARED};
use super::figures::{millis, percentile, verdict};
use super::memory::resident;
use super::process::cpu_time;
use super::sender::Sender;
use super::server::{EVERYBODY, Server};
use super::socket::Introduction;
use super::{Sizes, next_number};

/// How long the server is left alone before its memory is looked at.
const SETTLE: Duration = Duration::from_secs(3);
/// Over how long its idle processor time is measured.
const IDLE: Duration = Duration::from_secs(5);
const BAR: f64 = 6.0;

pub(crate) fn run(sizes: &Sizes, server: &Server) {
    let tokens: Vec<Arc<str>> = (0..sizes.users).map(|user| server.token(user).into()).collect();
    let introduction = |n: usize| Some(Introduction { token: tokens[n % tokens.len()].clone(), query: SHARED });
    // A few come and go first, so that what the server needs once is not counted.
    Hall::fill(server.address, (0..50).map(introduction).collect()).warm(server, EVERYBODY);
    std::thread::sleep(SETTLE);
    let before = resident(server.process());
    let hall = Hall::fill(server.address, (0..sizes.crowd).map(introduction).collect());
    std::thread::sleep(SETTLE);
    let idle = resident(server.process());
    let cpu = cpu_time(server.process());
    std::thread::sleep(IDLE);
    let cpu = cpu_time(server.process()) - cpu;
    hall.warm(server, EVERYBODY);

    let (mut times, mut delivered) = (Vec::new(), 0);
    for _ in 0..sizes.texts {
        let number = next_number();
        hall.arrivals.expect(number, sizes.crowd);
        let sent = Sender::connect(server.address).send(EVERYBODY, &body(number));
        let (arrived, _) = hall.arrivals.wait(PATIENCE);
        delivered += arrived.len();
        times.extend(arrived.iter().map(|at| at.saturating_duration_since(sent.answered)));
    }
    times.sort();
    let after = resident(server.process());
    let wanted = sizes.texts * sizes.crowd;
    let each = |bytes: u64| bytes.saturating_sub(before) as f64 / sizes.crowd as f64 / 1024.0;

    println!("\n{} sockets of {} users, {} texts\n", sizes.crowd, sizes.users, sizes.texts);
    println!("| | |\n|---|---:|");
    println!("| server before | {:.1} MiB |", before as f64 / 1048576.0);
    println!("| memory per idle subscriber | {:.2} KiB |", each(idle));
    println!("| the same after {} texts | {:.2} KiB |", sizes.texts, each(after));
    println!("| CPU while nothing happens | {:.1} % of a core |", cpu.as_secs_f64() / IDLE.as_secs_f64() * 100.0);
    println!("| delivered | {delivered} of {wanted} |");
    println!("| cut off | {} |", hall.audience.lost());
    println!(
        "| p50, p99 from the answer | {:.0} ms, {:.0} ms |",
        millis(percentile(&times, 0.5)),
        millis(percentile(&times, 0.99))
    );
    println!();
    let bar = format!("C: memory per idle subscriber at {} ≤ {BAR} KiB", sizes.crowd);
    verdict(&bar, &format!("{:.2} KiB", each(idle)), each(idle) <= BAR);
    let bar = format!("C: {} texts reach all {} subscribers", sizes.texts, sizes.crowd);
    verdict(&bar, &format!("{delivered} of {wanted}"), delivered == wanted);
}
