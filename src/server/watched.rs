//! Timeouts for idle connections, for slow request heads, and for peers that do not read.
//!
//! hyper has one timeout for request heads, which starts when it begins to wait for a head. It would apply the same
//! limit to idle connections and slow heads. But hyper lets the server supply the timer. [`HeadTimer`] applies the idle
//! limit until the head begins to arrive on the [`WatchedStream`], and the head limit from then on.
//!
//! If a part of a pipelined head arrives together with the previous request, the connection still counts as idle until
//! more of the head arrives.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use hyper::rt::{Sleep, Timer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::activity::Activity;
use super::figures::OpenConnection;
use crate::ports::{Clock, owned_sleep};

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From the first byte of a request head to its end, or from the start of the connection to the end of the first
    /// head.
    pub(super) head: Duration,
    /// Between two requests.
    pub(super) idle: Duration,
    /// Without progress of a write.
    pub(super) write: Duration,
}

/// A stream that records when bytes arrive, and fails if no bytes can be written for too long. It also carries
/// WebSockets after an upgrade.
pub(super) struct WatchedStream {
    stream: TcpStream,
    /// Whether bytes have arrived since the timer last started.
    has_read: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
    write_limit: Duration,
    /// Runs while the send buffer of the kernel is full.
    write_timeout: Option<Mutex<BoxFuture<'static, ()>>>,
    activity: Arc<Activity>,
    _open: OpenConnection,
}

/// The timer of one connection. hyper uses it only for request heads, and one at a time.
pub(super) struct HeadTimer {
    clock: Arc<dyn Clock>,
    limits: Limits,
    has_read: Arc<AtomicBool>,
    /// Whether no request head has been awaited yet.
    is_first: AtomicBool,
}

/// A stream and the timer that watches it.
pub(super) fn watch(
    stream: TcpStream,
    clock: Arc<dyn Clock>,
    limits: Limits,
    activity: Arc<Activity>,
    open: OpenConnection,
) -> (WatchedStream, HeadTimer) {
    let has_read = Arc::<AtomicBool>::default();
    let watched = WatchedStream {
        stream,
        has_read: has_read.clone(),
        clock: clock.clone(),
        write_limit: limits.write,
        write_timeout: None,
        activity,
        _open: open,
    };
    (watched, HeadTimer { clock, limits, has_read, is_first: AtomicBool::new(true) })
}

impl WatchedStream {
    /// Returns the result of a write, or an error if writes have made no progress for too long.
    fn check_write(&mut self, cx: &mut Context<'_>, write: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = write {
            self.write_timeout = None;
            self.activity.record_written(*written.as_ref().unwrap_or(&0));
            return Poll::Ready(written);
        }
        let timeout = self.write_timeout.get_or_insert_with(|| Mutex::new(owned_sleep(&self.clock, self.write_limit)));
        let timeout = timeout.get_mut().unwrap_or_else(PoisonError::into_inner);
        timeout.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        self.has_read.store(false, Ordering::Relaxed);
        let is_first = self.is_first.swap(false, Ordering::Relaxed);
        let limit = if is_first { self.limits.head } else { self.limits.idle };
        Box::pin(HeadTimeout {
            clock: self.clock.clone(),
            has_read: self.has_read.clone(),
            head: Some(self.limits.head),
            running: Mutex::new(owned_sleep(&self.clock, limit)),
        })
    }

    /// Ignores the deadline, which hyper computes from its only limit.
    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(Duration::ZERO)
    }
}

/// The timeout of one request head.
struct HeadTimeout {
    clock: Arc<dyn Clock>,
    has_read: Arc<AtomicBool>,
    /// The head limit; `None` once the head has begun to arrive and the limit applies.
    head: Option<Duration>,
    /// A mutex only because hyper requires `Sync`.
    running: Mutex<BoxFuture<'static, ()>>,
}

impl Sleep for HeadTimeout {}

impl Future for HeadTimeout {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // hyper reads before it polls the timer, so `has_read` is up to date.
        if self.has_read.load(Ordering::Relaxed)
            && let Some(limit) = self.head.take()
        {
            self.running = Mutex::new(owned_sleep(&self.clock, limit));
        }
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        running.as_mut().poll(cx)
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.has_read.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.check_write(cx, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.check_write(cx, write)
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
