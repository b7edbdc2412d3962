//! Sockets that never read while events pass: what they cost the server, and others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Sizes;
use super::audience::{Audience, Manner, body};
use super::fanout::SHARED;
use super::figures::{millis, percentile, verdict};
use super::memory::{Peak, resident};
use super::sender::Sender;
use super::server::{DESK, Server};
use super::socket::Introduction;

const SENDERS: usize = 16;
/// No load takes longer. What has passed by then is what is reported.
const AT_MOST: Duration = Duration::from_secs(60);
/// How long the reader may take for what is left when the load is over.
const PATIENCE: Duration = Duration::from_secs(30);
const BAR: u64 = 64 << 20;

pub(crate) fn run(sizes: &Sizes, server: &Server) {
    let token: Arc<str> = server.token(0).into();
    let introduction = Introduction { token, query: SHARED };
    // Alone first: the same load, and the reader with the server to itself.
    load(server, &introduction, sizes.events / 20, sizes.rate);
    let alone = load(server, &introduction, sizes.events / 2, sizes.rate);
    let before = resident(server.process());
    let sleepers = vec![Some(introduction.clone()); sizes.sleepers];
    let sleepers = Audience::gather(server.address, sleepers, Manner::Sleeps, Arc::new(|_, _, _| {}));
    let peak = Peak::watch(server.process());
    let beside = load(server, &introduction, sizes.events, sizes.rate);
    let growth = peak.end().saturating_sub(before);
    drop(sleepers);

    println!("\none reader at {} texts a second, {} sockets that never read\n", sizes.rate, sizes.sleepers);
    println!("| | events | events/s | reader got | told to resume | p50 | p99 |\n|---|---:|---:|---:|---:|---:|---:|");
    alone.row("reader alone");
    beside.row("beside those that never read");
    println!("\nmemory of the server: {:.1} MiB more at most\n", growth as f64 / 1048576.0);
    let bar = format!("C: {} sockets that never read, {} events: server grows ≤ 64 MiB", sizes.sleepers, beside.events);
    verdict(&bar, &format!("{:.1} MiB", growth as f64 / 1048576.0), growth <= BAR);
    let (a, b) = (alone.p99(), beside.p99());
    verdict(
        "C: beside them a reader gets everything, its p99 ≤ 2 × (alone), or ≤ 25 ms",
        &format!("{} of {}, {:.1} ms, alone {:.1} ms", beside.times.len(), beside.events, millis(b), millis(a)),
        beside.times.len() == beside.events && b <= (a * 2).max(Duration::from_millis(25)),
    );
}

struct Loaded {
    events: usize,
    took: Duration,
    resumed: usize,
    /// From each answer to the reader, sorted.
    times: Vec<Duration>,
}

impl Loaded {
    fn p99(&self) -> Duration {
        percentile(&self.times, 0.99)
    }

    fn row(&self, name: &str) {
        println!(
            "| {name} | {} | {:.0} | {} | {} | {:.1} ms | {:.1} ms |",
            self.events,
            self.events as f64 / self.took.as_secs_f64(),
            self.times.len(),
            self.resumed,
            millis(percentile(&self.times, 0.5)),
            millis(self.p99()),
        );
    }
}

/// What is known of each text of a load, in nanoseconds since it began; 0 is not yet.
struct Log {
    begun: Instant,
    answered: Vec<AtomicU64>,
    heard: Vec<AtomicU64>,
}

impl Log {
    fn of(events: usize) -> Arc<Self> {
        let none = || (0..events).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { begun: Instant::now(), answered: none(), heard: none() })
    }

    fn note(&self, list: &[AtomicU64], number: usize, at: Instant) {
        if let Some(entry) = list.get(number) {
            let since = at.saturating_duration_since(self.begun).as_nanos();
            // A text that is told twice, after a resumption, counts when it was told first.
            let _ = entry.compare_exchange(0, since as u64, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn noted(list: &[AtomicU64]) -> usize {
        list.iter().filter(|entry| entry.load(Ordering::Relaxed) > 0).count()
    }
}

/// Sends so many texts, so many a second, with one that reads.
fn load(server: &Server, introduction: &Introduction, events: usize, rate: usize) -> Loaded {
    let log = Log::of(events);
    // Numbers of one load only: what another has left behind is not noted.
    static LOADS: AtomicUsize = AtomicUsize::new(1);
    let offset = LOADS.fetch_add(1, Ordering::Relaxed) * 10_000_000;
    let heard = log.clone();
    let on_text = Arc::new(move |number: usize, _: &[u8], at| {
        if let Some(number) = number.checked_sub(offset) {
            heard.note(&heard.heard, number, at);
        }
    });
    let reader = Audience::gather(server.address, vec![Some(introduction.clone())], Manner::Listens, on_text);
    // It has subscribed when its first text has come.
    let mut sender = Sender::connect(server.address);
    while log.heard.first().is_some_and(|entry| entry.load(Ordering::Relaxed) == 0) {
        let sent = sender.send(DESK, &body(offset));
        log.note(&log.answered, 0, sent.answered);
        std::thread::sleep(Duration::from_millis(200));
    }
    let (next, over) = (AtomicUsize::new(1), AtomicBool::new(false));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                let mut sender = Sender::connect(server.address);
                while !over.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= events || started.elapsed() > AT_MOST {
                        over.store(true, Ordering::Relaxed);
                        return;
                    }
                    // At a steady pace: at full speed one would measure how far a reader falls behind.
                    let turn = Duration::from_secs_f64(number as f64 / rate as f64);
                    std::thread::sleep(turn.saturating_sub(started.elapsed()));
                    let sent = sender.send(DESK, &body(offset + number));
                    log.note(&log.answered, number, sent.answered);
                }
            });
        }
    });
    let took = started.elapsed();
    let passed = Log::noted(&log.answered);
    let waited = Instant::now();
    while Log::noted(&log.heard) < passed && waited.elapsed() < PATIENCE && reader.lost() == 0 {
        std::thread::sleep(Duration::from_millis(50));
    }
    let pairs = log.answered.iter().zip(&log.heard).skip(1);
    let mut times: Vec<Duration> = pairs
        .map(|(answered, heard)| (answered.load(Ordering::Relaxed), heard.load(Ordering::Relaxed)))
        .filter(|(answered, heard)| *answered > 0 && *heard > 0)
        .map(|(answered, heard)| Duration::from_nanos(heard.saturating_sub(answered)))
        .collect();
    times.sort();
    Loaded { events: passed.saturating_sub(1), took, resumed: reader.resumed(), times }
}
