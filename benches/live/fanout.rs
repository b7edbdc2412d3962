//! A text to a thousand subscribers, beside the raw write loop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::audience::{Arrivals, Audience, Manner, body, renumbered};
use super::figures::{median, micros, millis, percentile, verdict};
use super::process::cpu_time;
use super::raw::Raw;
use super::sender::Sender;
use super::server::{DESK, EVERYBODY, Server};
use super::socket::{Introduction, server_frame};
use super::{Sizes, next_number};

/// How long a text may take to reach everybody. One that takes longer counts as not delivered.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Between two texts, so that each finds everybody idle.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) const SHARED: &str = "subscription($after: EventCursor) { inboundMessage(after: $after) { cursor \
     message { id body direction status createdAt } \
     thread { id status lastActivityAt contact { phone name } assignee { name } phoneNumber { label } } } }";
/// The same with a field that depends on who looks.
const OWN: &str = "subscription($after: EventCursor) { inboundMessage(after: $after) { cursor \
     message { id body direction status createdAt } \
     thread { id status lastActivityAt unreadCount contact { phone name } assignee { name } phoneNumber { label } } } }";

/// What one round found: seconds, or bytes of a frame.
#[derive(Default)]
struct Round {
    /// From the answer, or from the raw loop's word, to each socket.
    p50: f64,
    p99: f64,
    slowest: f64,
    /// From when the text was sent.
    p99_from_sending: f64,
    /// Processor time of the server for each socket's frame.
    cpu: f64,
    missed: usize,
}

struct Case {
    name: &'static str,
    to: &'static str,
    query: &'static str,
    /// How many users the sockets belong to.
    users: usize,
    /// Whether the bar is for it.
    judged: bool,
}

pub(crate) fn run(sizes: &Sizes, server: &Server) {
    let cases = [
        Case { name: "one user, one operation", to: DESK, query: SHARED, users: 1, judged: true },
        Case { name: "users of a pool, one operation", to: EVERYBODY, query: SHARED, users: sizes.users, judged: true },
        Case { name: "the same with `unreadCount`", to: EVERYBODY, query: OWN, users: sizes.users, judged: false },
    ];
    println!(
        "\n{} sockets, {} users in the pool, {} rounds of {} texts\n",
        sizes.subscribers, sizes.users, sizes.rounds, sizes.texts
    );
    println!("| | p50 | p99 | slowest | p99 from sending | CPU per frame | bytes | not delivered |");
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    let mut verdicts = Vec::new();
    for case in &cases {
        let (bar, measured, ok) = measure(sizes, server, case);
        if case.judged {
            verdicts.push((bar, measured, ok));
        }
    }
    println!();
    verdicts.iter().for_each(|(bar, measured, ok)| verdict(bar, measured, *ok));
}

fn measure(sizes: &Sizes, server: &Server, case: &Case) -> (String, String, bool) {
    let tokens: Vec<Arc<str>> = (0..case.users).map(|user| server.token(user).into()).collect();
    let introductions = (0..sizes.subscribers)
        .map(|n| Some(Introduction { token: tokens[n % tokens.len()].clone(), query: case.query }))
        .collect();
    let live = Hall::fill(server.address, introductions);
    let payload = live.warm(server, case.to);
    let mut raw = Raw::start();
    let beside = Hall::fill(raw.address, vec![None; sizes.subscribers]);
    let (mut of_raw, mut of_live) = (Vec::new(), Vec::new());
    for round in 0..=sizes.rounds {
        let one = beside.round(sizes.texts, raw.process(), |number| {
            let at = Instant::now();
            (at, raw.write(&server_frame(&renumbered(&payload, number))))
        });
        let two = live.round(sizes.texts, server.process(), |number| {
            let sent = Sender::connect(server.address).send(case.to, &body(number));
            (sent.at, sent.answered)
        });
        // The first round warms both up, and does not count.
        if round > 0 {
            of_raw.push(one);
            of_live.push(two);
        }
    }
    let bytes = server_frame(&payload).len();
    let raw_p99 = row(&format!("raw write loop beside: {}", case.name), bytes, &of_raw);
    let live_p99 = row(case.name, bytes, &of_live);
    let bound = (1.5 * raw_p99).max(0.025);
    (
        format!("C, {}: p99 to {} sockets ≤ {:.1} ms", case.name, sizes.subscribers, bound * 1e3),
        format!("{:.1} ms, {:.1} × raw", live_p99 * 1e3, live_p99 / raw_p99),
        live_p99 <= bound,
    )
}

/// Prints a line of the table; gives its p99.
fn row(name: &str, bytes: usize, rounds: &[Round]) -> f64 {
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

/// An audience, and what it has heard.
pub(crate) struct Hall {
    pub(crate) audience: Audience,
    pub(crate) arrivals: Arc<Arrivals>,
    pub(crate) seats: usize,
}

impl Hall {
    pub(crate) fn fill(address: std::net::SocketAddr, introductions: Vec<Option<Introduction>>) -> Self {
        let arrivals = Arc::new(Arrivals::default());
        let seats = introductions.len();
        let on_text = {
            let arrivals = arrivals.clone();
            Arc::new(move |number, text: &[u8], at| arrivals.note(number, text, at))
        };
        let audience = Audience::gather(address, introductions, Manner::Listens, on_text);
        Self { audience, arrivals, seats }
    }

    /// Sends texts until one has reached everybody: until then somebody was still subscribing. Gives
    /// its payload.
    pub(crate) fn warm(&self, server: &Server, to: &str) -> Vec<u8> {
        for _ in 0..20 {
            let number = next_number();
            self.arrivals.expect(number, self.seats);
            Sender::connect(server.address).send(to, &body(number));
            let (times, payload) = self.arrivals.wait(PATIENCE / 6);
            if times.len() == self.seats {
                return payload;
            }
        }
        panic!("a text does not reach all {} sockets", self.seats);
    }

    fn round(&self, texts: usize, process: u32, mut send: impl FnMut(usize) -> (Instant, Instant)) -> Round {
        let (mut from_answer, mut from_sending, mut missed) = (Vec::new(), Vec::new(), 0);
        let cpu = cpu_time(process);
        for _ in 0..texts {
            let number = next_number();
            self.arrivals.expect(number, self.seats);
            let (sent, answered) = send(number);
            let (times, _) = self.arrivals.wait(PATIENCE);
            missed += self.seats - times.len();
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
            cpu: micros(cpu) / 1e6 / (texts * self.seats) as f64,
            missed,
        }
    }
}
