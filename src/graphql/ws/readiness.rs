//! Which of the things that a task waits for has called.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Whether one thing that a task waits for has called since it was last asked. A socket waits for much
/// and hears of little: whatever wakes it, only what has called is asked.
pub(super) struct Readiness {
    call: Arc<Call>,
    waker: Waker,
}

struct Call {
    called: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.called.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl Readiness {
    /// It was never asked, so it is asked first.
    pub(super) fn new() -> Self {
        let call = Arc::new(Call { called: AtomicBool::new(true), task: AtomicWaker::new() });
        Self { waker: Waker::from(Arc::clone(&call)), call }
    }

    /// Asks, if there was a call; it is to be asked again once it has given something.
    pub(super) fn ask<T>(&self, task: &Context<'_>, ask: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        // Before the look, so that a call after it wakes this task.
        self.call.task.register(task.waker());
        if !self.call.called.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let answer = ask(&mut Context::from_waker(&self.waker));
        if answer.is_ready() {
            self.call.called.store(true, Ordering::Release);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker_ref;

    use super::*;

    #[test]
    fn only_what_has_called_is_asked() {
        let readiness = Readiness::new();
        let task = Context::from_waker(noop_waker_ref());
        let mut asked = 0;
        let mut waker = None;
        let mut ask = |answer: Poll<()>| {
            readiness.ask(&task, |context| {
                asked += 1;
                waker = Some(context.waker().clone());
                answer
            })
        };
        assert!(ask(Poll::Ready(())).is_ready(), "asked first");
        assert!(ask(Poll::Pending).is_pending(), "asked again after it gave something");
        assert!(ask(Poll::Ready(())).is_pending(), "not asked without a call");
        waker.take().unwrap().wake();
        assert!(readiness.ask(&task, |_| Poll::Ready(())).is_ready(), "asked after a call");
        assert_eq!(asked, 2);
    }
}
