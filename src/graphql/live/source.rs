//! What a subscription's root field is executed for. The library executes it twice over: once when
//! the subscription begins, to read its arguments; then for each event, alone.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use async_graphql::Context;
use futures_util::stream::{self, BoxStream, StreamExt as _};

use super::facts::Facts;
use crate::domain::EventKind;
use crate::domain::access::CallSight;
use crate::domain::cursor::Cursor;
use crate::entity::event;
use crate::graphql::context::Caller;
use crate::graphql::errors::{Code, Failure, Result};
use crate::graphql::scalars::EventCursor;
use crate::graphql::types::{Call, Thread};
use crate::service::Viewer;
use crate::store::call_sight::SeenCall;

/// Which events a subscription is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::graphql) enum Topic {
    /// Texts that come in.
    InboundMessages,
    /// Changes of threads.
    Threads,
    /// What a user is told.
    Notifications,
    /// Changes of calls.
    Calls,
    /// Changes of the directory.
    Directory,
}

impl Topic {
    /// Whether it is about such an event at all.
    pub(super) fn concerns(self, event: &event::Model) -> bool {
        match self {
            Self::InboundMessages => event.kind == EventKind::InboundMessage,
            Self::Threads => event.thread_id.is_some(),
            Self::Notifications => event.kind != EventKind::DirectoryUpdated || event.is_about_agency(),
            Self::Calls => event.kind == EventKind::CallUpdated,
            Self::Directory => event.kind == EventKind::DirectoryUpdated,
        }
    }
}

/// What a subscription asks for: its topic, and after which place in the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) topic: Topic,
    pub(super) after: Option<EventCursor>,
}

/// One event, as somebody may look at it.
#[derive(Clone)]
pub(in crate::graphql) struct Sight {
    pub(in crate::graphql) caller: Caller,
    pub(in crate::graphql) viewer: Arc<Viewer>,
    pub(in crate::graphql) facts: Arc<Facts>,
    /// The place after the event.
    pub(in crate::graphql) cursor: Cursor,
    /// Whether it had happened before the subscription began.
    pub(in crate::graphql) replayed: bool,
    /// What they may see of the event's thread, or of its call where that is what is asked for.
    pub(super) sees: Sees,
}

/// How much of what an event is about somebody may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Sees {
    /// Nothing.
    Nothing,
    /// The thread; nobody sees a part of one.
    Thread,
    /// The call, as far as this.
    Call(CallSight),
}

impl Sight {
    /// The event's thread as it stands now, if they may see it.
    pub(in crate::graphql) fn thread(&self) -> Option<Thread> {
        let row = self.facts.thread.as_ref().filter(|_| self.sees == Sees::Thread)?;
        Some(Thread::new(&self.viewer, Arc::clone(row)))
    }

    /// The event's call as it stands now, as far as they may see it.
    pub(in crate::graphql) fn call(&self) -> Option<Call> {
        let Sees::Call(sight) = self.sees else { return None };
        let row = Arc::clone(self.facts.call.as_ref()?);
        Some(Call::new(&self.viewer, Arc::new(SeenCall::new(row, sight, || self.viewer.id()))))
    }
}

/// Stands in the data of an execution.
#[derive(Clone)]
pub(super) enum Source {
    /// The subscription begins: the field writes down what it is asked for.
    Begin(Arc<OnceLock<Wish>>),
    /// The field shows this event.
    Event(Box<Sight>),
}

/// Answers a root field of the subscription type: with what `pick` makes of the event, if anything.
pub(in crate::graphql) fn follow<T, F, Fut>(
    ctx: &Context<'_>,
    topic: Topic,
    after: Option<EventCursor>,
    pick: F,
) -> Result<BoxStream<'static, Result<T>>>
where
    T: Send + 'static,
    F: FnOnce(Sight) -> Fut,
    Fut: Future<Output = Result<Option<T>>> + Send + 'static,
{
    match ctx.data_opt::<Source>() {
        Some(Source::Begin(wish)) => {
            // There is one root field, so nobody else has written.
            let _ = wish.set(Wish { topic, after });
            Ok(stream::empty().boxed())
        }
        Some(Source::Event(sight)) => {
            let picked = pick((**sight).clone());
            Ok(stream::once(picked).filter_map(|picked| std::future::ready(picked.transpose())).boxed())
        }
        None => Err(Failure::new(Code::BadUserInput, "Subscriptions are served at /graphql/ws.")),
    }
}
