//! Delivery of inbound texts to many subscribers, over graphql-transport-ws.
//!
//!     fan "name=x addr=host:port path=/graphql/ws n=1000 msgs=10 pid=1 query=FILE bearers=FILE
//!          post=host:port postpath=/path url=… account=… token=…"
//!
//! Opens `n` sockets that subscribe with `query`, sends `msgs` texts one after the other to `post`, and measures when
//! each socket receives each text. The text before the first one proves that every subscription is active, and is not
//! counted. Prints one line of JSON.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use partyline_compare::contains;
use partyline_compare::options::Options;
use partyline_compare::process::{cpu_us, resident_kib};
use partyline_compare::twilio::Account;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{LocalSet, spawn_local};

/// Handshakes in progress at the same time.
const CONNECTING: usize = 64;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);
/// After the last handshake, before memory is measured.
const IDLE: Duration = Duration::from_millis(1200);
/// After each text, to notice duplicates.
const PAUSE: Duration = Duration::from_millis(100);

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// When the request was sent and when its response had been read, or the response that was an error.
type Answer = Result<(Instant, Instant), String>;

/// A WebSocket frame of a client.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    if payload.len() < 126 {
        frame.push(0x80 | payload.len() as u8);
    } else {
        frame.push(0x80 | 126);
        frame.extend((payload.len() as u16).to_be_bytes());
    }
    frame.extend([0, 0, 0, 0]); // a mask of zeros is valid and leaves the payload as it is
    frame.extend(payload);
    frame
}

/// The first frame in the bytes, if it is complete: opcode, payload, length of the frame.
fn parse(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (opcode, short_length) = (*bytes.first()? & 15, *bytes.get(1)? & 127);
    let (head, length) = match short_length {
        126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?) as usize),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
        short => (2, short as usize),
    };
    Some((opcode, bytes.get(head..head + length)?, head + length))
}

#[derive(Default)]
struct Results {
    subscribed: Cell<usize>,
    acknowledged: Cell<usize>,
    failed: Cell<usize>,
    /// The first failure.
    sample: RefCell<String>,
    /// When the current text arrived, one entry per socket.
    received: RefCell<Vec<Instant>>,
    frame_bytes: Cell<usize>,
}

impl Results {
    fn fail(&self, reason: String) {
        self.failed.set(self.failed.get() + 1);
        if self.sample.borrow().is_empty() {
            *self.sample.borrow_mut() = reason;
        }
    }

    /// Handles one frame and returns the reply to it.
    fn handle(&self, opcode: u8, payload: &[u8], query: &str) -> Option<Vec<u8>> {
        match opcode {
            TEXT if contains(payload, b"connection_ack") => {
                self.acknowledged.set(self.acknowledged.get() + 1);
                Some(frame(TEXT, format!("{{\"id\":\"1\",\"type\":\"subscribe\",\"payload\":{query}}}").as_bytes()))
            }
            TEXT if contains(payload, b"\"next\"") => {
                self.received.borrow_mut().push(Instant::now());
                self.frame_bytes.set(payload.len());
                if contains(payload, b"\"errors\":") {
                    self.fail(String::from_utf8_lossy(payload).into_owned());
                }
                None
            }
            TEXT if contains(payload, b"\"ping\"") => Some(frame(TEXT, b"{\"type\":\"pong\"}")),
            PING => Some(frame(PONG, payload)),
            TEXT | CLOSE => {
                self.fail(format!("opcode {opcode}: {}", String::from_utf8_lossy(payload)));
                None
            }
            _ => None,
        }
    }
}

/// One socket. It releases its permit when it has subscribed.
async fn subscriber(
    options: Rc<Options>,
    bearer: String,
    query: Rc<String>,
    results: Rc<Results>,
    permit: OwnedSemaphorePermit,
) {
    if let Err(reason) = subscribe(&options, &bearer, &query, &results, permit).await {
        results.fail(reason);
    }
}

async fn subscribe(
    options: &Options,
    bearer: &str,
    query: &str,
    results: &Results,
    permit: OwnedSemaphorePermit,
) -> Result<(), String> {
    let mut stream = TcpStream::connect(options.get("addr")).await.map_err(|_| "connect")?;
    let _ = stream.set_nodelay(true);
    let upgrade = format!(
        "GET {} HTTP/1.1\r\nhost: {}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n",
        options.get("path"),
        options.get("addr")
    );
    stream.write_all(upgrade.as_bytes()).await.map_err(|_| "upgrade")?;
    let mut buffer = Vec::with_capacity(1024);
    let head = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        match stream.read_buf(&mut buffer).await {
            Ok(read) if read > 0 => {}
            _ => return Err("closed during the upgrade".into()),
        }
    };
    if !buffer.starts_with(b"HTTP/1.1 101") {
        return Err(String::from_utf8_lossy(&buffer).into_owned());
    }
    buffer.drain(..head);
    let authorization = format!("Bearer {bearer}");
    let init = serde_json::json!({"type": "connection_init", "payload": {"authorization": authorization}});
    stream.write_all(&frame(TEXT, init.to_string().as_bytes())).await.map_err(|_| "connection_init")?;

    let mut permit = Some(permit);
    loop {
        while let Some((opcode, payload, length)) = parse(&buffer) {
            let reply = results.handle(opcode, payload, query);
            buffer.drain(..length);
            if let Some(reply) = reply {
                stream.write_all(&reply).await.map_err(|_| "write")?;
                if permit.take().is_some() {
                    results.subscribed.set(results.subscribed.get() + 1);
                }
            }
        }
        if buffer.is_empty() {
            buffer.shrink_to(512);
        }
        match stream.read_buf(&mut buffer).await {
            Ok(read) if read > 0 => {}
            _ => return Err("closed".into()),
        }
    }
}

/// Posts a text for each SID number that it receives. It has its own thread, so that the deliveries do not delay the
/// time at which the response is read.
fn poster(addr: String, path: String, account: Account, sids: mpsc::Receiver<u64>, answers: UnboundedSender<Answer>) {
    let mut stream = std::net::TcpStream::connect(&addr).unwrap();
    stream.set_nodelay(true).unwrap();
    for sid in sids {
        let (body, signature) = account.text(sid.into(), 0, 0);
        let sent = Instant::now();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: {addr}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             x-twilio-signature: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut buffer = [0u8; 4096];
        let length = stream.read(&mut buffer).unwrap_or(0);
        let _ = answers.send(if buffer.starts_with(b"HTTP/1.1 20") {
            Ok((sent, Instant::now()))
        } else {
            Err(String::from_utf8_lossy(&buffer[..length]).into_owned())
        });
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

async fn measure(
    options: Rc<Options>,
    sids: mpsc::Sender<u64>,
    mut answers: UnboundedReceiver<Answer>,
    kib_without_sockets: f64,
) {
    let n: usize = options.number("n", 1000);
    let (texts, pid): (u64, u32) = (options.number("msgs", 10), options.number("pid", 0));
    let (query, bearers) = (Rc::new(std::fs::read_to_string(options.get("query")).unwrap()), options.lines("bearers"));
    let results = Rc::new(Results::default());

    let gate = Arc::new(Semaphore::new(CONNECTING));
    let started = Instant::now();
    for i in 0..n {
        let permit = gate.clone().acquire_owned().await.unwrap();
        let bearer = if bearers.is_empty() { String::new() } else { bearers[i % bearers.len()].clone() };
        spawn_local(subscriber(options.clone(), bearer, query.clone(), results.clone(), permit));
    }
    let limit = Instant::now() + CONNECT_TIMEOUT;
    while results.subscribed.get() + results.failed.get() < n && Instant::now() < limit {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let connect_seconds = started.elapsed().as_secs_f64();
    tokio::time::sleep(IDLE).await;
    let kib_idle = resident_kib(pid);

    let first_sid = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64 * 1000;
    let (mut p50, mut p99, mut last) = (vec![], vec![], vec![]);
    let (mut missing, mut extra, mut delivered, mut cpu_before) = (0, 0, 0, 0.);
    for i in 0..=texts {
        if i == 1 {
            cpu_before = cpu_us(pid);
        }
        results.received.borrow_mut().clear();
        sids.send(first_sid + i).unwrap();
        let end = Instant::now() + DELIVERY_TIMEOUT;
        let answered = match answers.recv().await.unwrap() {
            Ok((_, answered)) => answered,
            Err(response) => {
                results.fail(response);
                break;
            }
        };
        while results.received.borrow().len() < n && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        tokio::time::sleep(PAUSE).await;
        let milliseconds = |at: &Instant| at.saturating_duration_since(answered).as_secs_f64() * 1e3;
        let mut delays: Vec<f64> = results.received.borrow().iter().map(milliseconds).collect();
        delays.sort_by(f64::total_cmp);
        missing += n.saturating_sub(delays.len());
        extra += delays.len().saturating_sub(n);
        if delays.is_empty() {
            break;
        }
        if i == 0 {
            continue;
        }
        delivered += delays.len();
        p50.push(delays[delays.len() / 2]);
        p99.push(delays[delays.len() * 99 / 100]);
        last.push(delays[delays.len() - 1]);
    }
    let cpu = (cpu_us(pid) - cpu_before) / delivered.max(1) as f64;
    println!(
        "{}",
        serde_json::json!({
            "name": options.get("name"),
            "n": n,
            "live": results.subscribed.get(),
            "acks": results.acknowledged.get(),
            "failed": results.failed.get(),
            "sample": results.sample.borrow().chars().take(300).collect::<String>(),
            "connect_per_s": n as f64 / connect_seconds,
            "idle_kib": (kib_idle - kib_without_sockets) / n as f64,
            "kib_after": (resident_kib(pid) - kib_without_sockets) / n as f64,
            "delivered": delivered,
            "expected": n as u64 * texts,
            "missing": missing,
            "extra": extra,
            "p50_ms": median(p50),
            "p99_ms": median(p99),
            "last_ms": median(last),
            "cpu_us": cpu,
            "frame": results.frame_bytes.get(),
        })
    );
}

fn main() {
    let options = Rc::new(Options::parse(&std::env::args().nth(1).unwrap()));
    let kib_without_sockets = resident_kib(options.number("pid", 0));
    let (sids, sids_to_post) = mpsc::channel();
    let (answers_of_posts, answers) = unbounded_channel();
    let (addr, path, account) = (options.get("post"), options.get("postpath"), options.account());
    std::thread::spawn(move || poster(addr, path, account, sids_to_post, answers_of_posts));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, measure(options, sids, answers, kib_without_sockets));
    std::process::exit(0); // the sockets are still open
}
