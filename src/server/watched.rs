//! How long a connection may wait for the head of a request, and for a peer that does not read.
//!
//! hyper has one timeout for it, which runs from the moment at which it waits for a head: it would bound idle connections
//! and slow heads alike. It takes the timer from us, though, and tells it when a wait begins and ends. [`HeadTimer`] gives
//! an idle connection its own time, and a head that has begun to arrive on the [`Watched`] stream another.
//!
//! A part of a pipelined head that arrived together with the request before it does not count as begun: such a connection
//! is idle until more of it arrives.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::activity::Activity;
use super::figures::OpenConnection;
use crate::ports::Clock;

/// How long a connection may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From the first byte of a head to its end; also from the start of a connection to the first byte.
    pub(super) head: Duration,
    /// Between two requests.
    pub(super) idle: Duration,
    /// From a write for which the kernel has no room until it has some.
    pub(super) write: Duration,
}

/// A stream that records when bytes arrive, and fails when none can be written for too long. It goes on to be the stream
/// of a WebSocket.
pub(super) struct Watched {
    stream: TcpStream,
    /// Whether bytes have arrived since the timer last started.
    has_read: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
    write_limit: Duration,
    /// Runs while the kernel has no room for a write.
    stalled: Option<Mutex<Running>>,
    activity: Arc<Activity>,
    _open: OpenConnection,
}

/// The timer of one connection. hyper uses it for the heads of requests alone, and asks for one at a time.
pub(super) struct HeadTimer {
    clock: Arc<dyn Clock>,
    limits: Limits,
    has_read: Arc<AtomicBool>,
    /// Whether the head of the first request is still to come.
    is_first: AtomicBool,
}

/// A stream and the timer that watches it.
pub(super) fn watch(
    stream: TcpStream,
    clock: Arc<dyn Clock>,
    limits: Limits,
    activity: Arc<Activity>,
    open: OpenConnection,
) -> (Watched, HeadTimer) {
    let has_read = Arc::<AtomicBool>::default();
    let watched = Watched {
        stream,
        has_read: has_read.clone(),
        clock: clock.clone(),
        write_limit: limits.write,
        stalled: None,
        activity,
        _open: open,
    };
    (watched, HeadTimer { clock, limits, has_read, is_first: AtomicBool::new(true) })
}

impl Watched {
    /// Passes on what came of a write, unless writes have waited for too long.
    fn written(&mut self, cx: &mut Context<'_>, write: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = write {
            self.stalled = None;
            self.activity.wrote(*written.as_ref().unwrap_or(&0));
            return Poll::Ready(written);
        }
        let stalled = self.stalled.get_or_insert_with(|| Mutex::new(run(&self.clock, self.write_limit)));
        let stalled = stalled.get_mut().unwrap_or_else(PoisonError::into_inner);
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        self.has_read.store(false, Ordering::Relaxed);
        let is_first = self.is_first.swap(false, Ordering::Relaxed);
        let limit = if is_first { self.limits.head } else { self.limits.idle };
        Box::pin(Wait {
            clock: self.clock.clone(),
            has_read: self.has_read.clone(),
            head: Some(self.limits.head),
            running: Mutex::new(run(&self.clock, limit)),
        })
    }

    /// The deadline is hyper's own, which knows one limit only.
    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(Duration::ZERO)
    }
}

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

fn run(clock: &Arc<dyn Clock>, limit: Duration) -> Running {
    let clock = clock.clone();
    Box::pin(async move { clock.sleep(limit).await })
}

/// The wait for one head. It is over when its time is up.
struct Wait {
    clock: Arc<dyn Clock>,
    has_read: Arc<AtomicBool>,
    /// The limit of a head, until one has begun to arrive.
    head: Option<Duration>,
    /// hyper wants a timer to be `Sync`; nobody shares it.
    running: Mutex<Running>,
}

impl Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // hyper reads before it asks the timer, so what has arrived is known here.
        if self.has_read.load(Ordering::Relaxed)
            && let Some(limit) = self.head.take()
        {
            self.running = Mutex::new(run(&self.clock, limit));
        }
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        running.as_mut().poll(cx)
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.has_read.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
