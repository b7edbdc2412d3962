//! A waker per event source, so that a task polls only the sources that have woken it.
//!
//! The obvious version is `tokio::select!` over the socket, the close conditions and a `FuturesUnordered` of the
//! operations. It polls the socket and the close conditions at each wake-up, and allocates for each message of an
//! operation. This module, together with operations in one list and views of events that only borrow, gave 24.5 to
//! 29.0 µs per frame instead of 32.5 to 39.5 µs, and a p99 of 20.3 to 25.2 ms instead of 23.2 to 26.5 ms
//! (docs/benchmarks.md; `ONLY=fanout cargo bench --bench live`).
//!
//! To return to the obvious version, let [`SourceWaker::poll_if_woken`] call `poll(task)` unconditionally.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Records whether one of the sources that a task polls has woken the task since it was last polled.
pub(super) struct SourceWaker {
    signal: Arc<Signal>,
    waker: Waker,
}

struct Signal {
    woken: AtomicBool,
    task: AtomicWaker,
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
    /// A source counts as woken until it has been polled for the first time.
    pub(super) fn new() -> Self {
        let signal = Arc::new(Signal { woken: AtomicBool::new(true), task: AtomicWaker::new() });
        Self { waker: Waker::from(Arc::clone(&signal)), signal }
    }

    /// Polls the source if it has woken. A source that was ready counts as woken, because it may be ready again.
    pub(super) fn poll_if_woken<T>(
        &self,
        task: &Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        // Registered before the flag is read, so that a later wake-up reaches this task.
        self.signal.task.register(task.waker());
        if !self.signal.woken.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
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
        let source = SourceWaker::new();
        let task = Context::from_waker(noop_waker_ref());
        let mut polls = 0;
        let mut waker = None;
        let mut poll = |result: Poll<()>| {
            source.poll_if_woken(&task, |context| {
                polls += 1;
                waker = Some(context.waker().clone());
                result
            })
        };
        assert!(poll(Poll::Ready(())).is_ready(), "the first poll reaches the source");
        assert!(poll(Poll::Pending).is_pending(), "a source that was ready is polled again");
        assert!(poll(Poll::Ready(())).is_pending(), "a source that has not woken is not polled");
        waker.take().unwrap().wake();
        assert!(source.poll_if_woken(&task, |_| Poll::Ready(())).is_ready(), "a source that has woken is polled");
        assert_eq!(polls, 2);
    }
}
