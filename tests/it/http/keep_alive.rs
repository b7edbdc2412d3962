//! Connection timeouts: the configured keep-alive between requests, and 5 s for the rest of a header section.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use partyline::server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use crate::support::clock::MockClock;
use crate::support::wait;

const KEEP_ALIVE: Duration = Duration::from_secs(75);
const HEAD_TIMEOUT_SECONDS: u64 = 5;
/// The idle time for which common load balancers keep a connection for reuse.
const LOAD_BALANCER_IDLE_TIME: Duration = Duration::from_secs(60);

const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody";
const PARTIAL: &[u8] = b"POST / HTTP/1.1\r\nHost: x\r\n";

struct Server {
    clock: Arc<MockClock>,
    address: SocketAddr,
    /// Signaled when a request to `/slow` has started.
    started: Arc<Notify>,
    /// Lets that request finish.
    release: Arc<Notify>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

async fn start() -> Server {
    let clock = Arc::new(MockClock::new());
    let (started, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (stop, stopped) = oneshot::channel::<()>();
    let listener = server::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let slow = (started.clone(), release.clone());
    let router = Router::new().route("/", post(async |body: String| body)).route(
        "/slow",
        get(move || async move {
            slow.0.notify_one();
            slow.1.notified().await;
            "done"
        }),
    );
    let stopped = async {
        let _ = stopped.await;
    };
    let options = server::Options { keep_alive: KEEP_ALIVE, ..server::Options::default() };
    let serving = tokio::spawn(server::serve(listener, router, clock.clone(), options, stopped));
    Server { clock, address, started, release, stop, serving }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Advances the clock second by second until the connection is closed; returns the number of seconds.
    async fn seconds_until_closed(&self, stream: &mut TcpStream) -> u64 {
        self.seconds_until_closed_by(stream, b"").await
    }

    /// The same, sending some bytes each second.
    async fn seconds_until_closed_by(&self, stream: &mut TcpStream, bytes: &[u8]) -> u64 {
        let (mut reader, mut writer) = stream.split();
        let (mut passed, mut answer) = (0, [0; 64]);
        let mut ticks = wait::ticks(Duration::from_millis(20));
        let closing = async {
            loop {
                tokio::select! {
                    read = reader.read(&mut answer) => {
                        assert_eq!(read.unwrap_or(0), 0, "a response to a partial header section");
                        return passed;
                    }
                    _ = ticks.tick() => {
                        self.clock.advance(Duration::from_secs(1));
                        passed += 1;
                        // The server may have closed the connection.
                        let _ = writer.write_all(bytes).await;
                    }
                }
            }
        };
        wait::within("the connection is closed", closing).await
    }
}

/// Reads a complete response with this body.
async fn read(stream: &mut TcpStream, body: &str) {
    let mut answer = Vec::new();
    let reading = async {
        while !answer.ends_with(body.as_bytes()) {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).await.unwrap(), 1, "{}", String::from_utf8_lossy(&answer));
            answer.push(byte[0]);
        }
    };
    wait::within("a response", reading).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
}

async fn ask(stream: &mut TcpStream) {
    stream.write_all(REQUEST).await.unwrap();
    read(stream, "body").await;
}

/// The clock may advance once more before the server reacts.
fn assert_about(seconds: u64, expected: u64) {
    assert!((expected..expected + 4).contains(&seconds), "after {seconds} s, not {expected} s");
}

#[tokio::test]
async fn a_connection_is_reused_after_a_load_balancers_idle_time() {
    let server = start().await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        ask(&mut stream).await;
        server.clock.advance(LOAD_BALANCER_IDLE_TIME);
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_the_keep_alive() {
    let server = start().await;
    let mut stream = server.connect().await;
    ask(&mut stream).await;
    ask(&mut stream).await;
    assert_about(server.seconds_until_closed(&mut stream).await, KEEP_ALIVE.as_secs());
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_after_five_seconds() {
    let server = start().await;
    let mut stream = server.connect().await;
    assert_about(server.seconds_until_closed(&mut stream).await, HEAD_TIMEOUT_SECONDS);
}

#[tokio::test]
async fn a_slow_header_section_times_out_after_five_seconds_on_every_request() {
    let server = start().await;
    for requests_before in 0..3 {
        let mut stream = server.connect().await;
        for _ in 0..requests_before {
            ask(&mut stream).await;
        }
        // Bytes that keep arriving do not extend the timeout.
        stream.write_all(PARTIAL).await.unwrap();
        assert_about(server.seconds_until_closed_by(&mut stream, b"X").await, HEAD_TIMEOUT_SECONDS);
    }
}

#[tokio::test]
async fn a_request_may_start_just_before_the_keep_alive_ends() {
    let server = start().await;
    let mut stream = server.connect().await;
    ask(&mut stream).await;
    server.clock.advance(KEEP_ALIVE - Duration::from_secs(3));
    stream.write_all(PARTIAL).await.unwrap();
    assert_about(server.seconds_until_closed(&mut stream).await, HEAD_TIMEOUT_SECONDS);
}

#[tokio::test]
async fn a_running_request_is_not_subject_to_connection_timeouts() {
    let server = start().await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    wait::within("the request starts", server.started.notified()).await;
    let mut ticks = wait::ticks(Duration::from_millis(5));
    for _ in 0..10 {
        ticks.tick().await;
        server.clock.advance(KEEP_ALIVE);
    }
    server.release.notify_one();
    read(&mut stream, "done").await;
    ask(&mut stream).await;
}

#[tokio::test]
async fn pipelined_requests_are_all_answered() {
    let server = start().await;
    let mut stream = server.connect().await;
    stream.write_all(&[REQUEST, REQUEST, REQUEST, PARTIAL].concat()).await.unwrap();
    for _ in 0..3 {
        read(&mut stream, "body").await;
    }
    stream.write_all(b"Content-Length: 4\r\n\r\nbody").await.unwrap();
    read(&mut stream, "body").await;
    server.clock.advance(LOAD_BALANCER_IDLE_TIME);
    ask(&mut stream).await;
}

#[tokio::test]
async fn a_shutdown_closes_idle_connections_immediately() {
    let server = start().await;
    let (mut used, mut fresh, mut busy) = (server.connect().await, server.connect().await, server.connect().await);
    ask(&mut used).await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    wait::within("the request starts", server.started.notified()).await;
    // A response on another connection shows that all earlier connections were accepted.
    ask(&mut server.connect().await).await;
    let Server { clock: _clock, release, stop, serving, .. } = server;
    stop.send(()).unwrap();
    for idle in [&mut used, &mut fresh] {
        assert_eq!(wait::within("the connection is closed", idle.read(&mut [0; 16])).await.unwrap_or(0), 0);
    }
    release.notify_one();
    read(&mut busy, "done").await;
    wait::within("the server stops", serving).await.unwrap();
}
