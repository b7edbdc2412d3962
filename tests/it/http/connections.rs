//! Peers that do not read, and the maximum number of connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use partyline::server::{self, ConnectionMetrics, Options};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::clock::MockClock;
use crate::support::wait;

const WRITE_SECONDS: u64 = 30;
const LARGE: &[u8] = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n";
const PARTIAL: &[u8] = b"GET /large HTTP/1.1\r\n";

struct Server {
    clock: Arc<MockClock>,
    address: SocketAddr,
    figures: ConnectionMetrics,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

fn start(max_connections: usize) -> Server {
    let (clock, figures) = (Arc::new(MockClock::new()), ConnectionMetrics::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let listener = server::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/large", get(async || "x".repeat(1 << 20)));
    let keep_alive = Duration::from_secs(1_000);
    let options = Options { keep_alive, max_connections, figures: figures.clone(), ..Options::default() };
    let stopped = async {
        let _ = stopped.await;
    };
    let serving = tokio::spawn(server::serve(listener, router, clock.clone(), options, stopped));
    Server { clock, address, figures, stop, serving }
}

impl Server {
    /// A connection with a small receive buffer.
    async fn connect(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    async fn wait_until_open(&self, count: i64) {
        wait::until("the connections are open", || async { (self.figures.open.get() == count).then_some(()) }).await;
    }

    /// Advances the clock second by second until `done` is true; returns the number of seconds.
    async fn seconds_until(&self, mut done: impl FnMut() -> bool) -> u64 {
        let mut ticks = wait::ticks(Duration::from_millis(20));
        let passing = async {
            for passed in 0.. {
                ticks.tick().await;
                if done() {
                    return passed;
                }
                self.clock.advance(Duration::from_secs(1));
            }
            unreachable!("the clock runs until the work is done")
        };
        wait::within("the condition is true", passing).await
    }
}

#[tokio::test]
async fn a_connection_that_pipelines_and_never_reads_is_closed() {
    let server = start(1_000);
    let mut connections = Vec::new();
    for _ in 0..20 {
        let mut connection = server.connect().await;
        connection.write_all(&LARGE.repeat(20)).await.unwrap();
        connections.push(connection);
    }
    server.wait_until_open(20).await;
    let seconds = server.seconds_until(|| server.figures.open.get() == 0).await;
    // The timeout starts when the kernel's buffers are full.
    assert!((WRITE_SECONDS..WRITE_SECONDS + 5).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_connection_that_reads_slowly_is_kept() {
    let server = start(1_000);
    let mut connection = server.connect().await;
    connection.write_all(LARGE).await.unwrap();
    let (mut read, mut buffer) = (0, vec![0; 64 * 1024]);
    while read < 1 << 20 {
        // The kernel frees buffer space only after several reads.
        server.clock.advance(Duration::from_secs(WRITE_SECONDS / 10));
        let more = wait::within("more of the response", connection.read(&mut buffer)).await.unwrap();
        assert!(more > 0, "closed after {read} bytes");
        read += more;
    }
}

#[tokio::test]
async fn connections_beyond_the_maximum_get_a_503() {
    let server = start(2);
    let (first, _second) = (server.connect().await, server.connect().await);
    server.wait_until_open(2).await;
    let mut third = server.connect().await;
    third.write_all(LARGE).await.unwrap();
    let mut answer = String::new();
    wait::within("the refusal", third.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 5\r\n"), "{answer}");
    assert_eq!(server.figures.refused.get(), 1);
    drop(first);
    server.wait_until_open(1).await;
    let mut fourth = server.connect().await;
    fourth.write_all(LARGE).await.unwrap();
    let mut head = [0; 12];
    wait::within("a response", fourth.read_exact(&mut head)).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
}

#[tokio::test]
async fn three_hundred_silent_connections_do_not_delay_the_shutdown() {
    let server = start(1_000);
    let mut connections = Vec::new();
    for sent in [b"".to_vec(), PARTIAL.to_vec(), LARGE.repeat(20)] {
        for _ in 0..100 {
            let mut connection = server.connect().await;
            connection.write_all(&sent).await.unwrap();
            connections.push(connection);
        }
    }
    server.wait_until_open(300).await;
    let Server { clock, figures, stop, serving, .. } = server;
    stop.send(()).unwrap();
    let mut ticks = wait::ticks(Duration::from_millis(50));
    let mut seconds = 0;
    let draining = async {
        while !serving.is_finished() {
            ticks.tick().await;
            clock.advance(Duration::from_secs(1));
            seconds += 1;
        }
    };
    wait::within("the drain", draining).await;
    assert!(seconds < 5, "{seconds}");
    assert_eq!(figures.open.get(), 0);
}
