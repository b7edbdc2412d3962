//! Many sockets that listen, all on one thread of their own, so that the server has the rest.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use tokio::sync::oneshot;

use super::socket::{Introduction, Socket, find};

/// How many connect at a time.
const AT_A_TIME: usize = 64;
/// How long connecting all of them may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// What each socket does once it is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It reads as fast as it can.
    Listens,
    /// It never reads, and has room for little.
    Sleeps,
}

/// What is told of each text that arrives.
type OnText = dyn Fn(usize, &[u8], Instant) + Send + Sync;

/// Sockets that are open until this is dropped.
pub(crate) struct Audience {
    lost: Arc<AtomicUsize>,
    resumed: Arc<AtomicUsize>,
    leave: Option<oneshot::Sender<()>>,
    sitting: Option<JoinHandle<()>>,
}

impl Audience {
    /// Connects one socket for each introduction; without one it is a bare connection.
    pub(crate) fn gather(
        address: SocketAddr,
        introductions: Vec<Option<Introduction>>,
        manner: Manner,
        on_text: Arc<OnText>,
    ) -> Self {
        let (lost, resumed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (leave, left) = oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let member = Member { lost: lost.clone(), resumed: resumed.clone(), on_text };
        let sitting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let coming = stream::iter(introductions).map(|introduction| async move {
                    let mut socket = Socket::connect(address, manner == Manner::Sleeps).await.unwrap();
                    if let Some(introduction) = &introduction {
                        socket.subscribe(introduction).await.unwrap();
                    }
                    (socket, introduction)
                });
                let mut coming = coming.buffer_unordered(AT_A_TIME);
                while let Some((socket, introduction)) = coming.next().await {
                    tokio::spawn(member.clone().sit(socket, introduction, manner));
                }
                ready.send(()).unwrap();
                // Gone or told: both are the end.
                let _ = left.await;
            });
        });
        is_ready.recv_timeout(PATIENCE).expect("all sockets connect in time");
        Self { lost, resumed, leave: Some(leave), sitting: Some(sitting) }
    }

    /// How many were cut off.
    pub(crate) fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }

    /// How often one was told to resume from its cursor, and did.
    pub(crate) fn resumed(&self) -> usize {
        self.resumed.load(Ordering::Relaxed)
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        drop(self.leave.take());
        if let Some(sitting) = self.sitting.take() {
            // It has reported its own panic.
            let _ = sitting.join();
        }
    }
}

#[derive(Clone)]
struct Member {
    lost: Arc<AtomicUsize>,
    resumed: Arc<AtomicUsize>,
    on_text: Arc<OnText>,
}

impl Member {
    async fn sit(self, mut socket: Socket, introduction: Option<Introduction>, manner: Manner) {
        if manner == Manner::Sleeps {
            std::future::pending::<()>().await;
        }
        while let Ok(payload) = socket.next().await {
            let at = Instant::now();
            let text = socket.text(payload);
            if let Some(number) = number_in(text) {
                (self.on_text)(number, text, at);
                continue;
            }
            let shown = String::from_utf8_lossy(text).into_owned();
            let cursor = shown.split_once(r#""cursor":""#).and_then(|(_, rest)| rest.split_once('"'));
            match (&introduction, cursor) {
                (Some(introduction), Some((cursor, _))) if shown.contains("RESUME") => {
                    self.resumed.fetch_add(1, Ordering::Relaxed);
                    if socket.ask(introduction.query, &format!("\"{cursor}\"")).await.is_err() {
                        break;
                    }
                }
                _ => panic!("the server said {shown}"),
            }
        }
        self.lost.fetch_add(1, Ordering::Relaxed);
    }
}

/// The body of the text of this number. All are of one length.
pub(crate) fn body(number: usize) -> String {
    format!("{MARK}{number:08} Can I move my appointment on Thursday to the afternoon?")
}

const MARK: &str = "No. ";

fn number_in(text: &[u8]) -> Option<usize> {
    let start = find(text, MARK.as_bytes())? + MARK.len();
    std::str::from_utf8(text.get(start..start + 8)?).ok()?.parse().ok()
}

/// The text of a frame with another number in it.
pub(crate) fn renumbered(text: &[u8], number: usize) -> Vec<u8> {
    let mut text = text.to_vec();
    if let Some(start) = find(&text, MARK.as_bytes()).map(|at| at + MARK.len()) {
        text[start..start + 8].copy_from_slice(format!("{number:08}").as_bytes());
    }
    text
}

/// When the text that is awaited arrived, socket by socket.
#[derive(Default)]
pub(crate) struct Arrivals {
    heard: Mutex<Heard>,
    all: Condvar,
}

#[derive(Default)]
struct Heard {
    number: usize,
    expected: usize,
    times: Vec<Instant>,
    text: Vec<u8>,
}

impl Arrivals {
    /// Begins to await a text.
    pub(crate) fn expect(&self, number: usize, expected: usize) {
        let mut heard = self.heard.lock().unwrap();
        *heard = Heard { number, expected, times: Vec::with_capacity(expected), text: Vec::new() };
    }

    /// One arrived somewhere.
    pub(crate) fn note(&self, number: usize, text: &[u8], at: Instant) {
        let mut heard = self.heard.lock().unwrap();
        if heard.number != number {
            return;
        }
        if heard.times.is_empty() {
            heard.text = text.to_vec();
        }
        heard.times.push(at);
        if heard.times.len() == heard.expected {
            self.all.notify_all();
        }
    }

    /// Waits until it has arrived everywhere, at most so long: the times, and the payload.
    pub(crate) fn wait(&self, patience: Duration) -> (Vec<Instant>, Vec<u8>) {
        let heard = self.heard.lock().unwrap();
        let waiting = |heard: &mut Heard| heard.times.len() < heard.expected;
        let (mut heard, _) = self.all.wait_timeout_while(heard, patience, waiting).unwrap();
        (std::mem::take(&mut heard.times), std::mem::take(&mut heard.text))
    }
}
