//! A waker per event source, so that a task polls only the sources that have woken it.
//!
//! The obvious version is `tokio::select!` over the socket, the close conditions and a `FuturesUnordered` of the
//! operations. It polls the socket and the close conditions at each wake-up, and allocates for each message of an
//! operation. This module, together with operations in one list and views of events that only borrow, gave 24.5 to
//! 29.0 µs per frame instead of 32.5 to 39.5 µs, and a p99 of 20.3 to 25.2 ms instead of 23.2 to 26.5 ms
//! (docs/benchmarks.md; `ONLY=fanout cargo bench --bench live`).
//!
//! To return to the obvious version, let [`SourceWaker::poll_if_woken`] call `poll` unconditionally.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Wakes a task for each of its sources.
#[derive(Default)]
pub(super) struct TaskWaker(Arc<AtomicWaker>);

impl TaskWaker {
    /// Sets the task that the sources wake. Called before the sources are polled, so that no wake-up is lost.
    pub(super) fn register(&self, task: &Context<'_>) {
        self.0.register(task.waker());
    }

    /// Adds a source. It counts as woken until it has been polled for the first time.
    pub(super) fn source(&self) -> SourceWaker {
        let signal = Arc::new(Signal { woken: AtomicBool::new(true), task: Arc::clone(&self.0) });
        SourceWaker { waker: Waker::from(Arc::clone(&signal)), signal }
    }
}

/// Records whether a source has woken the task since it was last polled.
pub(super) struct SourceWaker {
    signal: Arc<Signal>,
    waker: Waker,
}

struct Signal {
    woken: AtomicBool,
    task: Arc<AtomicWaker>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl SourceWaker {
    /// Polls the source if it has woken. A source that was ready counts as woken, because it may be ready again.
    pub(super) fn poll_if_woken<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        // Most sources have not woken, and a load is cheaper than a swap.
        if !self.signal.woken.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        self.signal.woken.swap(false, Ordering::AcqRel);
        let polled = poll(&mut Context::from_waker(&self.waker));
        if polled.is_ready() {
            self.signal.woken.store(true, Ordering::Release);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker_ref;

    use super::*;

    #[test]
    fn only_a_source_that_has_woken_is_polled() {
        let task = TaskWaker::default();
        task.register(&Context::from_waker(noop_waker_ref()));
        let source = task.source();
        let mut polls = 0;
        let mut waker = None;
        let mut poll = |result: Poll<()>| {
            source.poll_if_woken(|context| {
                polls += 1;
                waker = Some(context.waker().clone());
                result
            })
        };
        assert!(poll(Poll::Ready(())).is_ready(), "the first poll reaches the source");
        assert!(poll(Poll::Pending).is_pending(), "a source that was ready is polled again");
        assert!(poll(Poll::Ready(())).is_pending(), "a source that has not woken is not polled");
        waker.take().unwrap().wake();
        assert!(source.poll_if_woken(|_| Poll::Ready(())).is_ready(), "a source that has woken is polled");
        assert_eq!(polls, 2);
    }
}
