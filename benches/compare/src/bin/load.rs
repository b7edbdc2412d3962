//! HTTP load from a fixed number of connections, each of which sends its next request after the previous response.
//!
//!     load "secs=1 conc=1,16,64" "name=x kind=sms addr=host:port path=/path pid=1 …" …
//!
//! The endpoints are measured one after the other, with each number of connections, and each measurement prints one
//! line of JSON. Kinds of requests:
//!
//! - `sms`, `voice`: a Twilio form with a SID of its own, signed (`url`, `account`, `token`)
//! - `gql`: the body in the file `body`; connections take turns with the tokens in the file `bearers`
//!
//! With a file `ids`, each connection goes through the same list of ids, which replace `$ID` in the body, and the
//! measurement ends with the list: all connections compete for each id. With `count`, it ends after as many requests.
//!
//! Texts and calls are from random contacts to random numbers, or with a file `pairs` from one of its lines, which have
//! the index of a number and that of a contact. SIDs ascend, or with `sids=scattered` have no order, as Twilio's.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use partyline_compare::contains;
use partyline_compare::options::Options;
use partyline_compare::process::cpu_us;
use partyline_compare::twilio::Account;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{LocalSet, spawn_local};

const WARM_UP: Duration = Duration::from_millis(250);
const SCATTER: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

struct Endpoint {
    name: String,
    kind: String,
    addr: String,
    path: String,
    body: String,
    account: Account,
    pid: u32,
    bearers: Vec<String>,
    ids: Vec<String>,
    /// Number of requests after which the measurement ends; 0 means no limit.
    count: u64,
    /// The numbers and contacts of texts and calls. If it is empty, both are random.
    pairs: Vec<(u32, u32)>,
    has_scattered_sids: bool,
}

impl Endpoint {
    fn parse(argument: &str) -> Self {
        let options = Options::parse(argument);
        let kind = options.get("kind");
        let body = if kind == "gql" { std::fs::read_to_string(options.get("body")).unwrap() } else { String::new() };
        Endpoint {
            name: options.get("name"),
            kind,
            addr: options.get("addr"),
            path: options.get("path"),
            body,
            account: options.account(),
            pid: options.number("pid", 0),
            bearers: options.lines("bearers"),
            ids: options.lines("ids"),
            count: options.number("count", 0),
            pairs: options.lines("pairs").iter().filter_map(|line| parse_pair(line)).collect(),
            has_scattered_sids: options.get("sids") == "scattered",
        }
    }

    /// The number and the contact of the next text or call.
    fn pair(&self) -> (u32, u32) {
        match self.pairs.len() {
            0 => (fastrand::u32(0..100), fastrand::u32(0..10_000)),
            count => self.pairs[fastrand::usize(0..count)],
        }
    }
}

fn parse_pair(line: &str) -> Option<(u32, u32)> {
    let (number, contact) = line.split_once(' ')?;
    Some((number.parse().ok()?, contact.parse().ok()?))
}

#[derive(Default)]
struct Results {
    latencies_us: Vec<u32>,
    errors: u64,
    response_bytes: usize,
    /// For each id, the number of connections whose request succeeded without a user error.
    wins: Vec<u32>,
    /// The first response that counted as an error.
    sample: String,
}

struct Run {
    endpoint: Endpoint,
    /// The time from which latencies count.
    warm: Instant,
    end: Instant,
    /// The number in the first SID.
    first_sid: u64,
    requests: Cell<u64>,
    results: RefCell<Results>,
}

impl Run {
    fn new(endpoint: Endpoint, seconds: f64) -> Self {
        let limited = !endpoint.ids.is_empty() || endpoint.count > 0;
        let warm = Instant::now() + if limited { Duration::ZERO } else { WARM_UP };
        let wins = vec![0; endpoint.ids.len()];
        Run {
            endpoint,
            warm,
            end: warm + Duration::from_secs_f64(seconds),
            first_sid: SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64 * 1000,
            requests: Cell::new(0),
            results: RefCell::new(Results { wins, ..Default::default() }),
        }
    }

    /// Builds the next request. Returns `None` at the end of the ids or of the count.
    fn request(&self, connection: usize, id: usize) -> Option<Vec<u8>> {
        let (endpoint, i) = (&self.endpoint, self.requests.get());
        self.requests.set(i + 1);
        if endpoint.count > 0 && i >= endpoint.count {
            return None;
        }
        let (number, contact) = endpoint.pair();
        let mut headers = String::new();
        let body = match endpoint.kind.as_str() {
            "gql" => {
                if !endpoint.bearers.is_empty() {
                    let bearer = &endpoint.bearers[connection % endpoint.bearers.len()];
                    headers = format!("authorization: Bearer {bearer}\r\n");
                }
                headers += "content-type: application/json\r\naccept: application/json\r\n";
                if endpoint.ids.is_empty() {
                    endpoint.body.clone()
                } else {
                    endpoint.body.replace("$ID", endpoint.ids.get(id)?)
                }
            }
            kind => {
                let sid = u128::from(self.first_sid + i);
                // Multiplication by an odd number keeps SIDs unique.
                let sid = if endpoint.has_scattered_sids { sid.wrapping_mul(SCATTER) } else { sid };
                let (body, signature) = if kind == "voice" {
                    endpoint.account.call(sid, number, contact)
                } else {
                    endpoint.account.text(sid, number, contact)
                };
                headers =
                    format!("content-type: application/x-www-form-urlencoded\r\nx-twilio-signature: {signature}\r\n");
                body
            }
        };
        let (path, addr, length) = (&endpoint.path, &endpoint.addr, body.len());
        let request =
            format!("POST {path} HTTP/1.1\r\nhost: {addr}\r\n{headers}content-length: {length}\r\n\r\n{body}");
        Some(request.into_bytes())
    }

    /// Sends requests until the end, and connects again if the server closes the connection.
    async fn connection(self: Rc<Self>, connection: usize) {
        let (mut buffer, mut id) = (vec![0u8; 65_536], 0);
        while Instant::now() < self.end {
            let Ok(mut stream) = TcpStream::connect(&self.endpoint.addr).await else {
                self.results.borrow_mut().errors += 1;
                return; // the server has ended, so that trying again is of no use
            };
            let _ = stream.set_nodelay(true);
            while Instant::now() < self.end {
                let Some(request) = self.request(connection, id) else { return };
                let sent = Instant::now();
                let length = match stream.write_all(&request).await {
                    Ok(()) => read_response(&mut stream, &mut buffer).await,
                    Err(_) => 0,
                };
                self.record(sent, &buffer[..length], id);
                id += 1;
                if length == 0 {
                    break;
                }
            }
        }
    }

    fn record(&self, sent: Instant, response: &[u8], id: usize) {
        let results = &mut *self.results.borrow_mut();
        if response.starts_with(b"HTTP/1.1 20") && !contains(response, b"\"errors\":") {
            if sent >= self.warm {
                results.latencies_us.push(sent.elapsed().as_micros() as u32);
            }
            if !self.endpoint.ids.is_empty() && contains(response, b"\"userErrors\":[]") {
                results.wins[id] += 1;
            }
        } else {
            results.errors += 1;
            if results.sample.is_empty() {
                results.sample = String::from_utf8_lossy(&response[..response.len().min(400)]).into_owned();
            }
        }
        results.response_bytes = response.len();
    }
}

/// Reads one response, with a content length or in chunks, and returns its length; 0 if the connection was closed.
async fn read_response(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> usize {
    let mut length = 0;
    let mut expected = None; // the length of the whole response; 0 if it comes in chunks
    loop {
        if length == buffer.len() {
            buffer.resize(length * 2, 0);
        }
        match stream.read(&mut buffer[length..]).await {
            Ok(read) if read > 0 => length += read,
            _ => return 0,
        }
        if expected.is_none()
            && let Some(head) = buffer[..length].windows(4).position(|window| window == b"\r\n\r\n")
        {
            expected = Some(content_length(&buffer[..head]).map_or(0, |body| head + 4 + body));
        }
        match expected {
            Some(0) if buffer[..length].ends_with(b"0\r\n\r\n") => return length,
            Some(whole) if whole > 0 && length >= whole => return length,
            _ => {}
        }
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    head.split("content-length: ").nth(1)?.split("\r\n").next()?.trim().parse().ok()
}

fn measure(runtime: &tokio::runtime::Runtime, endpoint: Endpoint, connections: usize, seconds: f64) {
    let run = Rc::new(Run::new(endpoint, seconds));
    let (pid, warm) = (run.endpoint.pid, run.warm);
    let cpu = LocalSet::new().block_on(runtime, async {
        let cpu_before = spawn_local(async move {
            tokio::time::sleep_until(warm.into()).await;
            cpu_us(pid)
        });
        let all: Vec<_> = (0..connections).map(|i| spawn_local(run.clone().connection(i))).collect();
        for connection in all {
            let _ = connection.await;
        }
        cpu_us(pid) - cpu_before.await.unwrap()
    });
    let elapsed = warm.elapsed().as_secs_f64();
    let results = &mut *run.results.borrow_mut();
    results.latencies_us.sort_unstable();
    let n = results.latencies_us.len();
    let percentile = |q: usize| (n > 0).then(|| f64::from(results.latencies_us[(n * q / 100).min(n - 1)]) / 1000.);
    let ids = run.endpoint.ids.len();
    println!(
        "{}",
        serde_json::json!({
            "name": run.endpoint.name,
            "c": connections,
            "n": n,
            "rps": n as f64 / elapsed,
            "p50_ms": percentile(50),
            "p99_ms": percentile(99),
            "cpu_us": (n > 0).then(|| cpu / n as f64),
            "errors": results.errors,
            "sample": results.sample,
            "bytes": results.response_bytes,
            "ids_won": results.wins.iter().filter(|wins| **wins > 0).count(),
            "max_wins": results.wins.iter().max(),
            "ids_sent": if ids == 0 { 0 } else { (run.requests.get() as usize / connections).min(ids) },
        })
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = Options::parse(&arguments[0]);
    let seconds: f64 = options.number("secs", 1.);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for connections in options.get("conc").split(',') {
        for argument in &arguments[1..] {
            measure(&runtime, Endpoint::parse(argument), connections.parse().unwrap(), seconds);
        }
    }
}
