//! Delivery of a text to a thousand subscribers, compared with a raw write loop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::process::cpu_time;
use super::raw::Raw;
use super::sender::Sender;
use super::server::{DESK, EVERYONE, Server};
use super::socket::{Subscription, server_frame};
use super::sockets::{Arrivals, ReadMode, SocketGroup, body, renumbered};
use super::stats::{median, micros, millis, percentile, print_target};
use super::{Sizes, next_number};

/// A frame that arrives later than this counts as not delivered.
pub(crate) const DELIVERY_TIMEOUT: Duration = Duration::from_secs(60);
/// The pause between two texts, so that all subscribers are idle when a text is sent.
const PAUSE: Duration = Duration::from_millis(20);

/// The result is the same for all users.
pub(crate) const SHARED_QUERY: &str = "subscription($after: EventCursor) { inboundMessage(after: $after) { cursor \
     message { id body direction status createdAt } \
     thread { id status lastActivityAt contact { phone name } assignee { name } phoneNumber { label } } } }";
/// Also selects `unreadCount`, which depends on the user.
const PER_USER_QUERY: &str = "subscription($after: EventCursor) { inboundMessage(after: $after) { cursor \
     message { id body direction status createdAt } \
     thread { id status lastActivityAt unreadCount contact { phone name } assignee { name } phoneNumber { label } } } }";

/// The results of one round, in seconds.
#[derive(Default)]
struct Round {
    /// Latencies from the webhook's response, or from the raw loop's acknowledgement, to the arrival at a socket.
    p50: f64,
    p99: f64,
    slowest: f64,
    /// Latency from the sending of the text.
    p99_from_sending: f64,
    /// CPU time of the server per frame.
    cpu: f64,
    missed: usize,
}

struct Case {
    name: &'static str,
    to: &'static str,
    query: &'static str,
    /// How many users the sockets belong to.
    users: usize,
    has_target: bool,
}

pub(crate) fn run(sizes: &Sizes, server: &Server) {
    let cases = [
        Case { name: "one user, one operation", to: DESK, query: SHARED_QUERY, users: 1, has_target: true },
        Case {
            name: "users of a pool, one operation",
            to: EVERYONE,
            query: SHARED_QUERY,
            users: sizes.users,
            has_target: true,
        },
        Case {
            name: "users of a pool, with `unreadCount`",
            to: EVERYONE,
            query: PER_USER_QUERY,
            users: sizes.users,
            has_target: false,
        },
    ];
    println!(
        "\n{} sockets, {} users in the pool, {} rounds of {} texts\n",
        sizes.subscribers, sizes.users, sizes.rounds, sizes.texts
    );
    println!("| | p50 | p99 | slowest | p99 from sending | CPU per frame | bytes | not delivered |");
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    let mut targets = Vec::new();
    for case in &cases {
        let (target, measured, ok) = measure(sizes, server, case);
        if case.has_target {
            targets.push((target, measured, ok));
        }
    }
    println!();
    targets.iter().for_each(|(target, measured, ok)| print_target(target, measured, *ok));
}

fn measure(sizes: &Sizes, server: &Server, case: &Case) -> (String, String, bool) {
    let tokens: Vec<Arc<str>> = (0..case.users).map(|user| server.token(user).into()).collect();
    let subscriptions = (0..sizes.subscribers)
        .map(|n| Some(Subscription { token: tokens[n % tokens.len()].clone(), query: case.query }))
        .collect();
    let live = Subscribers::connect(server.address, subscriptions);
    let payload = live.warm_up(server, case.to);
    let mut raw = Raw::start();
    let raw_readers = Subscribers::connect(raw.address, vec![None; sizes.subscribers]);
    let (mut raw_rounds, mut live_rounds) = (Vec::new(), Vec::new());
    for round in 0..=sizes.rounds {
        let raw_round = raw_readers.round(sizes.texts, raw.process(), |number| {
            let at = Instant::now();
            (at, raw.write(&server_frame(&renumbered(&payload, number))))
        });
        let live_round = live.round(sizes.texts, server.process(), |number| {
            let sent = Sender::connect(server.address).send(case.to, &body(number));
            (sent.at, sent.answered)
        });
        // The first round only warms up both sides.
        if round > 0 {
            raw_rounds.push(raw_round);
            live_rounds.push(live_round);
        }
    }
    let bytes = server_frame(&payload).len();
    let raw_p99 = print_row(&format!("raw write loop for: {}", case.name), bytes, &raw_rounds);
    let live_p99 = print_row(case.name, bytes, &live_rounds);
    let bound = (1.5 * raw_p99).max(0.025);
    (
        format!("{}: p99 to {} sockets ≤ {:.1} ms", case.name, sizes.subscribers, bound * 1e3),
        format!("{:.1} ms, {:.1} × raw", live_p99 * 1e3, live_p99 / raw_p99),
        live_p99 <= bound,
    )
}

/// Prints a row of the table and returns its p99.
fn print_row(name: &str, bytes: usize, rounds: &[Round]) -> f64 {
    let of = |value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
    let missed: usize = rounds.iter().map(|round| round.missed).sum();
    let p99 = of(|round| round.p99);
    println!(
        "| {name} | {:.1} ms | {:.1} ms | {:.1} ms | {:.1} ms | {:.1} µs | {bytes} | {missed} |",
        of(|round| round.p50) * 1e3,
        p99 * 1e3,
        of(|round| round.slowest) * 1e3,
        of(|round| round.p99_from_sending) * 1e3,
        of(|round| round.cpu) * 1e6,
    );
    p99
}

/// Connected sockets with their arrival times.
pub(crate) struct Subscribers {
    pub(crate) sockets: SocketGroup,
    pub(crate) arrivals: Arc<Arrivals>,
    pub(crate) count: usize,
}

impl Subscribers {
    pub(crate) fn connect(address: std::net::SocketAddr, subscriptions: Vec<Option<Subscription>>) -> Self {
        let arrivals = Arc::new(Arrivals::default());
        let count = subscriptions.len();
        let on_text = {
            let arrivals = arrivals.clone();
            Arc::new(move |number, text: &[u8], at| arrivals.record(number, text, at))
        };
        let sockets = SocketGroup::connect(address, subscriptions, ReadMode::Reads, on_text);
        Self { sockets, arrivals, count }
    }

    /// Sends texts until one reaches all sockets, which are then all subscribed. Returns the payload.
    pub(crate) fn warm_up(&self, server: &Server, to: &str) -> Vec<u8> {
        for _ in 0..20 {
            let number = next_number();
            self.arrivals.expect(number, self.count);
            Sender::connect(server.address).send(to, &body(number));
            let (times, payload) = self.arrivals.wait(DELIVERY_TIMEOUT / 6);
            if times.len() == self.count {
                return payload;
            }
        }
        panic!("no text reached all {} sockets", self.count);
    }

    fn round(&self, texts: usize, process: u32, mut send: impl FnMut(usize) -> (Instant, Instant)) -> Round {
        let (mut from_answer, mut from_sending, mut missed) = (Vec::new(), Vec::new(), 0);
        let cpu = cpu_time(process);
        for _ in 0..texts {
            let number = next_number();
            self.arrivals.expect(number, self.count);
            let (sent, answered) = send(number);
            let (times, _) = self.arrivals.wait(DELIVERY_TIMEOUT);
            missed += self.count - times.len();
            from_answer.extend(times.iter().map(|at| at.saturating_duration_since(answered)));
            from_sending.extend(times.iter().map(|at| at.saturating_duration_since(sent)));
            std::thread::sleep(PAUSE);
        }
        let cpu = cpu_time(process) - cpu;
        from_answer.sort();
        from_sending.sort();
        Round {
            p50: millis(percentile(&from_answer, 0.5)) / 1e3,
            p99: millis(percentile(&from_answer, 0.99)) / 1e3,
            slowest: millis(percentile(&from_answer, 1.0)) / 1e3,
            p99_from_sending: millis(percentile(&from_sending, 0.99)) / 1e3,
            cpu: micros(cpu) / 1e6 / (texts * self.count) as f64,
            missed,
        }
    }
}
