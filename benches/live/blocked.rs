//! Sockets that never read while events are sent: their effect on the server's memory and on another subscriber.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Sizes;
use super::fanout::SHARED_QUERY;
use super::memory::{PeakMemory, resident};
use super::sender::Sender;
use super::server::{DESK, Server};
use super::socket::Subscription;
use super::sockets::{ReadMode, SocketGroup, body};
use super::stats::{millis, percentile, print_target};

const SENDERS: usize = 16;
/// A load ends after this time, and the texts sent by then are reported.
const MAX_DURATION: Duration = Duration::from_secs(60);
/// The time that the reader has for the remaining events after the load has ended.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_GROWTH: u64 = 64 << 20;

pub(crate) fn run(sizes: &Sizes, server: &Server) {
    let token: Arc<str> = server.token(0).into();
    let subscription = Subscription { token, query: SHARED_QUERY };
    // First the same load with no other sockets, preceded by a short warm-up.
    load(server, &subscription, sizes.events / 20, sizes.rate);
    let alone = load(server, &subscription, sizes.events / 2, sizes.rate);
    let before = resident(server.process());
    let blocked = vec![Some(subscription.clone()); sizes.blocked];
    let blocked = SocketGroup::connect(server.address, blocked, ReadMode::NeverReads, Arc::new(|_, _, _| {}));
    let peak = PeakMemory::start(server.process());
    let with_blocked = load(server, &subscription, sizes.events, sizes.rate);
    let growth = peak.finish().saturating_sub(before);
    drop(blocked);

    println!("\none reader at {} texts per second, {} sockets that never read\n", sizes.rate, sizes.blocked);
    println!(
        "| | events | events/s | received by the reader | RESUME | p50 | p99 |\n|---|---:|---:|---:|---:|---:|---:|"
    );
    alone.print_row("reader alone");
    with_blocked.print_row("reader with the blocked sockets");
    println!("\npeak growth of the server's memory: {:.1} MiB\n", growth as f64 / 1048576.0);
    let target =
        format!("{} sockets that never read, {} events: server grows ≤ 64 MiB", sizes.blocked, with_blocked.events);
    print_target(&target, &format!("{:.1} MiB", growth as f64 / 1048576.0), growth <= MAX_GROWTH);
    let (a, b) = (alone.p99(), with_blocked.p99());
    print_target(
        "a reader with them gets every event, its p99 ≤ 2 × (alone), or ≤ 25 ms",
        &format!(
            "{} of {}, {:.1} ms, alone {:.1} ms",
            with_blocked.times.len(),
            with_blocked.events,
            millis(b),
            millis(a)
        ),
        with_blocked.times.len() == with_blocked.events && b <= (a * 2).max(Duration::from_millis(25)),
    );
}

struct LoadResult {
    events: usize,
    duration: Duration,
    resumed: usize,
    /// Latencies from each response to the arrival at the reader, sorted.
    times: Vec<Duration>,
}

impl LoadResult {
    fn p99(&self) -> Duration {
        percentile(&self.times, 0.99)
    }

    fn print_row(&self, name: &str) {
        println!(
            "| {name} | {} | {:.0} | {} | {} | {:.1} ms | {:.1} ms |",
            self.events,
            self.events as f64 / self.duration.as_secs_f64(),
            self.times.len(),
            self.resumed,
            millis(percentile(&self.times, 0.5)),
            millis(self.p99()),
        );
    }
}

/// The times of each text of a load, in nanoseconds since the start; 0 means not yet.
struct TextTimes {
    started: Instant,
    answered: Vec<AtomicU64>,
    received: Vec<AtomicU64>,
}

impl TextTimes {
    fn new(events: usize) -> Arc<Self> {
        let empty = || (0..events).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { started: Instant::now(), answered: empty(), received: empty() })
    }

    fn record(&self, list: &[AtomicU64], number: usize, at: Instant) {
        if let Some(entry) = list.get(number) {
            let since = at.saturating_duration_since(self.started).as_nanos();
            // After a resumption a text may arrive twice; the first arrival counts.
            let _ = entry.compare_exchange(0, since as u64, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn recorded(list: &[AtomicU64]) -> usize {
        list.iter().filter(|entry| entry.load(Ordering::Relaxed) > 0).count()
    }
}

/// Sends `events` texts at `rate` per second while one subscriber reads them.
fn load(server: &Server, subscription: &Subscription, events: usize, rate: usize) -> LoadResult {
    let log = TextTimes::new(events);
    // Each load has its own range of numbers, so that texts of an earlier load are ignored.
    static LOADS: AtomicUsize = AtomicUsize::new(1);
    let offset = LOADS.fetch_add(1, Ordering::Relaxed) * 10_000_000;
    let reader_log = log.clone();
    let on_text = Arc::new(move |number: usize, _: &[u8], at| {
        if let Some(number) = number.checked_sub(offset) {
            reader_log.record(&reader_log.received, number, at);
        }
    });
    let reader = SocketGroup::connect(server.address, vec![Some(subscription.clone())], ReadMode::Reads, on_text);
    // The reader has subscribed once its first text has arrived.
    let mut sender = Sender::connect(server.address);
    while log.received.first().is_some_and(|entry| entry.load(Ordering::Relaxed) == 0) {
        let sent = sender.send(DESK, &body(offset));
        log.record(&log.answered, 0, sent.answered);
        std::thread::sleep(Duration::from_millis(200));
    }
    let (next, finished) = (AtomicUsize::new(1), AtomicBool::new(false));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                let mut sender = Sender::connect(server.address);
                while !finished.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= events || started.elapsed() > MAX_DURATION {
                        finished.store(true, Ordering::Relaxed);
                        return;
                    }
                    // A steady rate: at full speed the result would be how far the reader falls behind.
                    let turn = Duration::from_secs_f64(number as f64 / rate as f64);
                    std::thread::sleep(turn.saturating_sub(started.elapsed()));
                    let sent = sender.send(DESK, &body(offset + number));
                    log.record(&log.answered, number, sent.answered);
                }
            });
        }
    });
    let duration = started.elapsed();
    let sent = TextTimes::recorded(&log.answered);
    let waited = Instant::now();
    while TextTimes::recorded(&log.received) < sent && waited.elapsed() < READ_TIMEOUT && reader.lost() == 0 {
        std::thread::sleep(Duration::from_millis(50));
    }
    let pairs = log.answered.iter().zip(&log.received).skip(1);
    let mut times: Vec<Duration> = pairs
        .map(|(answered, received)| (answered.load(Ordering::Relaxed), received.load(Ordering::Relaxed)))
        .filter(|(answered, received)| *answered > 0 && *received > 0)
        .map(|(answered, received)| Duration::from_nanos(received.saturating_sub(answered)))
        .collect();
    times.sort();
    LoadResult { events: sent.saturating_sub(1), duration, resumed: reader.resumed(), times }
}
