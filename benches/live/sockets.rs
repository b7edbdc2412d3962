//! Many client sockets on one separate thread, which leaves the other cores to the server.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use tokio::sync::oneshot;

use super::socket::{Socket, Subscription, find};

/// How many sockets connect at the same time.
const CONCURRENT_CONNECTS: usize = 64;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(300);

/// What each socket does after it has subscribed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadMode {
    /// Reads as fast as it can.
    Reads,
    /// Never reads, and has a small receive buffer.
    NeverReads,
}

/// Called for each text that arrives, with its number, the frame's payload and the time.
type OnText = dyn Fn(usize, &[u8], Instant) + Send + Sync;

/// Sockets that stay open until this is dropped.
pub(crate) struct SocketGroup {
    lost: Arc<AtomicUsize>,
    resumed: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl SocketGroup {
    /// Connects one socket per entry; an entry without a subscription is a bare TCP connection.
    pub(crate) fn connect(
        address: SocketAddr,
        subscriptions: Vec<Option<Subscription>>,
        mode: ReadMode,
        on_text: Arc<OnText>,
    ) -> Self {
        let (lost, resumed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let client = Client { lost: lost.clone(), resumed: resumed.clone(), on_text };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let connecting = stream::iter(subscriptions).map(|subscription| async move {
                    let mut socket = Socket::connect(address, mode == ReadMode::NeverReads).await.unwrap();
                    if let Some(subscription) = &subscription {
                        socket.subscribe(subscription).await.unwrap();
                    }
                    (socket, subscription)
                });
                let mut connecting = connecting.buffer_unordered(CONCURRENT_CONNECTS);
                while let Some((socket, subscription)) = connecting.next().await {
                    tokio::spawn(client.clone().run(socket, subscription, mode));
                }
                ready.send(()).unwrap();
                // Dropping the sender stops the thread.
                let _ = stopped.await;
            });
        });
        is_ready.recv_timeout(CONNECT_TIMEOUT).expect("not all sockets connected in time");
        Self { lost, resumed, stop: Some(stop), thread: Some(thread) }
    }

    /// How many sockets lost their connection.
    pub(crate) fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }

    /// How often a socket received RESUME and subscribed again from the cursor.
    pub(crate) fn resumed(&self) -> usize {
        self.resumed.load(Ordering::Relaxed)
    }
}

impl Drop for SocketGroup {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed already.
            let _ = thread.join();
        }
    }
}

#[derive(Clone)]
struct Client {
    lost: Arc<AtomicUsize>,
    resumed: Arc<AtomicUsize>,
    on_text: Arc<OnText>,
}

impl Client {
    async fn run(self, mut socket: Socket, subscription: Option<Subscription>, mode: ReadMode) {
        if mode == ReadMode::NeverReads {
            std::future::pending::<()>().await;
        }
        while let Ok(payload) = socket.next().await {
            let at = Instant::now();
            let text = socket.text(payload);
            if let Some(number) = number_in(text) {
                (self.on_text)(number, text, at);
                continue;
            }
            let message = String::from_utf8_lossy(text).into_owned();
            let cursor = message.split_once(r#""cursor":""#).and_then(|(_, rest)| rest.split_once('"'));
            match (&subscription, cursor) {
                (Some(subscription), Some((cursor, _))) if message.contains("RESUME") => {
                    self.resumed.fetch_add(1, Ordering::Relaxed);
                    if socket.send_subscribe(subscription.query, &format!("\"{cursor}\"")).await.is_err() {
                        break;
                    }
                }
                _ => panic!("unexpected message: {message}"),
            }
        }
        self.lost.fetch_add(1, Ordering::Relaxed);
    }
}

/// The body of text `number`. All bodies have the same length.
pub(crate) fn body(number: usize) -> String {
    format!("{NUMBER_PREFIX}{number:08} Can I move my appointment on Thursday to the afternoon?")
}

const NUMBER_PREFIX: &str = "No. ";

fn number_in(text: &[u8]) -> Option<usize> {
    let start = find(text, NUMBER_PREFIX.as_bytes())? + NUMBER_PREFIX.len();
    std::str::from_utf8(text.get(start..start + 8)?).ok()?.parse().ok()
}

/// Replaces the number in the payload of a frame.
pub(crate) fn renumbered(text: &[u8], number: usize) -> Vec<u8> {
    let mut text = text.to_vec();
    if let Some(start) = find(&text, NUMBER_PREFIX.as_bytes()).map(|at| at + NUMBER_PREFIX.len()) {
        text[start..start + 8].copy_from_slice(format!("{number:08}").as_bytes());
    }
    text
}

/// The arrival times of the expected text at all sockets.
#[derive(Default)]
pub(crate) struct Arrivals {
    delivery: Mutex<Delivery>,
    complete: Condvar,
}

#[derive(Default)]
struct Delivery {
    number: usize,
    expected: usize,
    times: Vec<Instant>,
    text: Vec<u8>,
}

impl Arrivals {
    pub(crate) fn expect(&self, number: usize, expected: usize) {
        let mut delivery = self.delivery.lock().unwrap();
        *delivery = Delivery { number, expected, times: Vec::with_capacity(expected), text: Vec::new() };
    }

    pub(crate) fn record(&self, number: usize, text: &[u8], at: Instant) {
        let mut delivery = self.delivery.lock().unwrap();
        if delivery.number != number {
            return;
        }
        if delivery.times.is_empty() {
            delivery.text = text.to_vec();
        }
        delivery.times.push(at);
        if delivery.times.len() == delivery.expected {
            self.complete.notify_all();
        }
    }

    /// Waits until the text has arrived at all sockets, or for `timeout`. Returns the arrival times and the payload.
    pub(crate) fn wait(&self, timeout: Duration) -> (Vec<Instant>, Vec<u8>) {
        let delivery = self.delivery.lock().unwrap();
        let incomplete = |delivery: &mut Delivery| delivery.times.len() < delivery.expected;
        let (mut delivery, _) = self.complete.wait_timeout_while(delivery, timeout, incomplete).unwrap();
        (std::mem::take(&mut delivery.times), std::mem::take(&mut delivery.text))
    }
}
