//! Data loaders: the rows that nested fields need, read in batches.
//!
//! Loaders live for one execution, which is one request or one event of a subscription. So they never share rows
//! between users and never return stale rows. The `dataloader` feature of async-graphql is not used. Of the
//! `dataloader` crate, only `cached` and `try_load` are used, because the other loaders and methods panic in waiting
//! tasks when a request is canceled.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use dataloader::BatchFn;
use dataloader::cached::Loader;

use super::context::Requester;
use super::errors::{Failure, Result};
use crate::domain::{CallId, ContactId, MessageId, QuarantineId, RoutingRung, ThreadId, UserId};
use crate::entity::{activity, call_leg, contact, delivery_step, draft, media, message, quarantine, thread, voicemail};
use crate::service::{Fault, Viewer};
use crate::store;
use crate::store::call_visibility::VisibleCall;
use crate::store::page::{Page, Window};
use crate::store::stand_ins::StandIns;
use crate::store::timeline::TimelineRow;
use thread_lists::{Activity, Counts, Pages, Timeline};

mod thread_lists;

/// Reads the values of many keys at once. A key that is missing in the result has the default value.
trait BatchSource: Send + Sync + 'static {
    type Key: Copy + Eq + Hash + std::fmt::Debug + Send + Sync + 'static;
    type Value: Clone + Default + Send + Sync + 'static;

    fn read(
        requester: &Requester,
        viewer: &Viewer,
        keys: &[Self::Key],
    ) -> impl Future<Output = std::result::Result<HashMap<Self::Key, Self::Value>, Fault>> + Send;
}

struct Batch<S> {
    requester: Requester,
    source: PhantomData<S>,
}

impl<S: BatchSource> BatchFn<S::Key, Result<S::Value>> for Batch<S> {
    async fn load(&mut self, keys: &[S::Key]) -> HashMap<S::Key, Result<S::Value>> {
        let read = async {
            let viewer = self.requester.viewer().await?;
            S::read(&self.requester, &viewer, keys).await.map_err(|fault| self.requester.fault(fault))
        };
        match read.await {
            Ok(mut found) => keys.iter().map(|key| (*key, Ok(found.remove(key).unwrap_or_default()))).collect(),
            Err(failure) => keys.iter().map(|key| (*key, Err(failure.clone()))).collect(),
        }
    }
}

type LoaderOf<S> = Loader<<S as BatchSource>::Key, Result<<S as BatchSource>::Value>, Batch<S>>;

/// A loader that is created for the first key, because an execution uses only a few of them.
struct LazyLoader<S: BatchSource>(OnceLock<LoaderOf<S>>);

impl<S: BatchSource> Default for LazyLoader<S> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

async fn load<S: BatchSource>(requester: &Requester, loader: &LazyLoader<S>, key: S::Key) -> Result<S::Value> {
    let batch = || Batch { requester: requester.clone(), source: PhantomData };
    let loader = loader.0.get_or_init(|| Loader::new(batch()));
    // If another field fails, the field that runs a batch may be canceled and the batch is lost. So it is tried twice.
    // Boxed, because the future of each field of a type is as large as that of its largest field; see "Boxed futures"
    // in `graphql`.
    for _ in 0..2 {
        if let Ok(loaded) = Box::pin(loader.try_load(key)).await {
            return loaded;
        }
    }
    Err(Failure::internal(&requester.request_id))
}

#[derive(Default)]
struct LoaderSet {
    threads: LazyLoader<Threads>,
    contacts: LazyLoader<Contacts>,
    contacts_as_seen: LazyLoader<ContactsAsSeen>,
    messages: LazyLoader<Messages>,
    media: LazyLoader<MediaOfMessages>,
    recipients: LazyLoader<RecipientsOfMessages>,
    delivery_steps: LazyLoader<DeliveryStepsOfMessages>,
    stand_ins: LazyLoader<StandInsOfThreads>,
    drafts: LazyLoader<OwnDrafts>,
    threads_of_contacts: LazyLoader<ThreadsOfContacts>,
    seen_counts: LazyLoader<SeenCounts>,
    calls: LazyLoader<Calls>,
    legs: LazyLoader<LegsOfCalls>,
    voicemails: LazyLoader<VoicemailsOfCalls>,
    quarantined: LazyLoader<QuarantinedMessages>,
    message_pages: LazyLoader<Pages<Messages>>,
    message_counts: LazyLoader<Counts<Messages>>,
    activity_pages: LazyLoader<Pages<Activity>>,
    activity_counts: LazyLoader<Counts<Activity>>,
    call_pages: LazyLoader<Pages<Calls>>,
    call_counts: LazyLoader<Counts<Calls>>,
    timeline_pages: LazyLoader<Pages<Timeline>>,
    timeline_counts: LazyLoader<Counts<Timeline>>,
}

/// The loaders of one execution.
pub struct Loaders {
    requester: Requester,
    set: RwLock<Arc<LoaderSet>>,
}

impl Loaders {
    pub fn new(requester: &Requester) -> Self {
        Self { requester: requester.clone(), set: RwLock::default() }
    }

    /// Drops all loaded rows; called after a mutation.
    pub fn clear(&self) {
        *self.set.write().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }

    fn set(&self) -> Arc<LoaderSet> {
        Arc::clone(&self.set.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// `None` if the viewer may not see the thread.
    pub async fn thread(&self, id: ThreadId) -> Result<Option<Arc<thread::Model>>> {
        load(&self.requester, &self.set().threads, id).await
    }

    /// A contact as the viewer may see it: in full, or only the phone number. Used where the permission for a thread or
    /// a call does not include its contact.
    pub async fn redacted_contact(&self, id: ContactId) -> Result<Option<Arc<contact::Model>>> {
        load(&self.requester, &self.set().contacts_as_seen, id).await
    }

    /// A contact without a permission check, for threads and calls whose permission includes the contact.
    pub async fn contact(&self, id: ContactId) -> Result<Option<Arc<contact::Model>>> {
        load(&self.requester, &self.set().contacts, id).await
    }

    /// A message without a permission check. The calling function must check that its thread is visible.
    pub async fn message(&self, id: MessageId) -> Result<Option<Arc<message::Model>>> {
        load(&self.requester, &self.set().messages, id).await
    }

    /// The attachments of a message of a visible thread, in order.
    pub async fn media(&self, message: MessageId) -> Result<Vec<Arc<media::Model>>> {
        load(&self.requester, &self.set().media, message).await
    }

    /// The users who were alerted of an inbound message of a visible thread, with the rungs that named them.
    pub async fn recipients(&self, thread: ThreadId, message: MessageId) -> Result<Vec<(UserId, RoutingRung)>> {
        load(&self.requester, &self.set().recipients, (thread, message)).await
    }

    /// The changes of the delivery status of a message of a visible thread, oldest first.
    pub async fn delivery_steps(&self, message: MessageId) -> Result<Vec<delivery_step::Model>> {
        load(&self.requester, &self.set().delivery_steps, message).await
    }

    /// The users who may see a visible thread because a rung other than the pool routed it to them.
    pub async fn stand_ins(&self, thread: ThreadId) -> Result<Arc<StandIns>> {
        load(&self.requester, &self.set().stand_ins, thread).await
    }

    /// The viewer's own draft in a visible thread.
    pub async fn draft(&self, thread: ThreadId) -> Result<Option<draft::Model>> {
        load(&self.requester, &self.set().drafts, thread).await
    }

    /// The visible threads of a contact, newest activity first.
    pub async fn threads_of(&self, contact: ContactId) -> Result<Vec<Arc<thread::Model>>> {
        load(&self.requester, &self.set().threads_of_contacts, contact).await
    }

    /// The part of a call that the viewer may see; `None` if they may see none of it.
    pub async fn call(&self, id: CallId) -> Result<Option<Arc<VisibleCall>>> {
        load(&self.requester, &self.set().calls, id).await
    }

    /// The legs of a visible call, in ringing order.
    pub async fn legs(&self, call: CallId) -> Result<Vec<Arc<call_leg::Model>>> {
        load(&self.requester, &self.set().legs, call).await
    }

    /// The voicemails of a call that the viewer sees in full, oldest first.
    pub async fn voicemails(&self, call: CallId) -> Result<Vec<Arc<voicemail::Model>>> {
        load(&self.requester, &self.set().voicemails, call).await
    }

    /// A text in quarantine. `None` if it has been assigned or discarded, or if the viewer may not see it.
    pub async fn quarantined(&self, id: QuarantineId) -> Result<Option<quarantine::Model>> {
        load(&self.requester, &self.set().quarantined, id).await
    }

    /// The number of inbound messages of a thread that the viewer has read; `None` if they have never read it.
    pub async fn seen_count(&self, thread: ThreadId) -> Result<Option<i32>> {
        load(&self.requester, &self.set().seen_counts, thread).await
    }

    /// A page of the messages of a visible thread, oldest first.
    pub async fn messages_of(&self, thread: ThreadId, window: Window) -> Result<PageOf<message::Model>> {
        load(&self.requester, &self.set().message_pages, (thread, window)).await
    }

    /// A page of the history of a visible thread, oldest first.
    pub async fn activity_of(&self, thread: ThreadId, window: Window) -> Result<PageOf<activity::Model>> {
        load(&self.requester, &self.set().activity_pages, (thread, window)).await
    }

    /// A page of the calls of a thread that the viewer may see, newest first.
    pub async fn calls_of(&self, thread: ThreadId, window: Window) -> Result<PageOf<VisibleCall>> {
        load(&self.requester, &self.set().call_pages, (thread, window)).await
    }

    /// A page of the timeline of a visible thread, oldest first.
    pub async fn timeline_of(&self, thread: ThreadId, window: Window) -> Result<PageOf<TimelineRow>> {
        load(&self.requester, &self.set().timeline_pages, (thread, window)).await
    }

    /// The number of items in one of the lists of a visible thread.
    pub async fn count(&self, list: ThreadList, thread: ThreadId) -> Result<i64> {
        let set = self.set();
        match list {
            ThreadList::Messages => load(&self.requester, &set.message_counts, thread).await,
            ThreadList::Activity => load(&self.requester, &set.activity_counts, thread).await,
            ThreadList::Calls => load(&self.requester, &set.call_counts, thread).await,
            ThreadList::Timeline => load(&self.requester, &set.timeline_counts, thread).await,
        }
    }
}

/// The paginated lists of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadList {
    Messages,
    Activity,
    Calls,
    Timeline,
}

pub type PageOf<M> = Page<Arc<M>>;

type LoadedRows<S> = std::result::Result<HashMap<<S as BatchSource>::Key, <S as BatchSource>::Value>, Fault>;

struct Threads;

impl BatchSource for Threads {
    type Key = ThreadId;
    type Value = Option<Arc<thread::Model>>;

    async fn read(requester: &Requester, viewer: &Viewer, keys: &[ThreadId]) -> LoadedRows<Self> {
        let rows = store::threads::visible_among(requester.services.request_reader(), &viewer.scope(), keys).await?;
        Ok(rows.into_iter().map(|row| (row.id, Some(Arc::new(row)))).collect())
    }
}

struct Contacts;

impl BatchSource for Contacts {
    type Key = ContactId;
    type Value = Option<Arc<contact::Model>>;

    async fn read(requester: &Requester, viewer: &Viewer, keys: &[ContactId]) -> LoadedRows<Self> {
        let rows = store::contacts::by_ids(requester.services.request_reader(), viewer.agency(), keys).await?;
        Ok(rows.into_iter().map(|row| (row.id, Some(Arc::new(row)))).collect())
    }
}

struct ContactsAsSeen;

impl BatchSource for ContactsAsSeen {
    type Key = ContactId;
    type Value = Option<Arc<contact::Model>>;

    async fn read(requester: &Requester, viewer: &Viewer, keys: &[ContactId]) -> LoadedRows<Self> {
        let rows = store::contacts::redacted(requester.services.request_reader(), &viewer.scope(), keys).await?;
        Ok(rows.into_iter().map(|row| (row.id, Some(Arc::new(row)))).collect())
    }
}

struct Messages;

impl BatchSource for Messages {
    type Key = MessageId;
    type Value = Option<Arc<message::Model>>;

    async fn read(requester: &Requester, viewer: &Viewer, keys: &[MessageId]) -> LoadedRows<Self> {
        let rows = store::messages::by_ids(requester.services.request_reader(), viewer.agency(), keys).await?;
        Ok(rows.into_iter().map(|row| (row.id, Some(Arc::new(row)))).collect())
    }
}

struct MediaOfMessages;

impl BatchSource for MediaOfMessages {
    type Key = MessageId;
    type Value = Vec<Arc<media::Model>>;

    async fn read(requester: &Requester, viewer: &Viewer, keys: &[MessageId]) -> LoadedRows<Self> {
        let rows = store::media::of_messages(requester.services.request_reader(), viewer.agency(), keys).await?;
        let mut found = HashMap::<_, Vec<_>>::new();
        for row in rows {
            found.entry(row.message_id).or_default().push(Arc::new(row));
        }
        Ok(found)
    }
}

struct ThreadsOfContacts;

impl BatchSource for ThreadsOfContacts {
    type Key = ContactId;
    type Value = Vec<Arc<thread::Model>>;

    async fn read(requester: &Requester, viewer: &Viewer, keys: &[ContactId]) -> LoadedRows<Self> {
        let rows = store::threads::of_contacts(requester.services.request_reader(), &viewer.scope(), keys).await?;
        let mut found = HashMap::<_, Vec<_>>::new();
        for row in rows {
            found.entry(row.contact_id).or_default().push(Arc::new(row));
        }
        Ok(found)
    }
}

struct SeenCounts;

impl BatchSource for SeenCounts {
    type Key = ThreadId;
    type Value = Option<i32>;

    async fn read(requester: &Requester, viewer: &Viewer, keys: &[ThreadId]) -> LoadedRows<Self> {
        let conn = requester.services.request_reader();
        let rows = store::threads::read_marks(conn, viewer.agency(), viewer.id(), keys).await?;
        Ok(rows.into_iter().map(|row| (row.thread_id, Some(row.seen_count))).collect())
    }
}

struct Calls;

impl BatchSource for Calls {
    type Key = CallId;
    type Value = Option<Arc<VisibleCall>>;

    async fn read(requester: &Requester, viewer: &Viewer, keys: &[CallId]) -> LoadedRows<Self> {
        let rows = store::calls::visible_among(requester.services.request_reader(), &viewer.scope(), keys).await?;
        Ok(rows.into_iter().map(|seen| (seen.row().id, Some(Arc::new(seen)))).collect())
    }
}

struct LegsOfCalls;

impl BatchSource for LegsOfCalls {
    type Key = CallId;
    type Value = Vec<Arc<call_leg::Model>>;

    async fn read(requester: &Requester, viewer: &Viewer, keys: &[CallId]) -> LoadedRows<Self> {
        let rows = store::calls::legs_of(requester.services.request_reader(), viewer.agency(), keys).await?;
        let mut found = HashMap::<_, Vec<_>>::new();
        for row in rows {
            found.entry(row.call_id).or_default().push(Arc::new(row));
        }
        Ok(found)
    }
}

struct VoicemailsOfCalls;

impl BatchSource for VoicemailsOfCalls {
    type Key = CallId;
    type Value = Vec<Arc<voicemail::Model>>;

    async fn read(requester: &Requester, viewer: &Viewer, keys: &[CallId]) -> LoadedRows<Self> {
        let rows = store::calls::voicemails_of(requester.services.request_reader(), viewer.agency(), keys).await?;
        let mut found = HashMap::<_, Vec<_>>::new();
        for row in rows {
            found.entry(row.call_id).or_default().push(Arc::new(row));
        }
        Ok(found)
    }
}

struct QuarantinedMessages;

impl BatchSource for QuarantinedMessages {
    type Key = QuarantineId;
    type Value = Option<quarantine::Model>;

    async fn read(requester: &Requester, viewer: &Viewer, keys: &[QuarantineId]) -> LoadedRows<Self> {
        if !viewer.is_admin() {
            return Ok(HashMap::new());
        }
        let rows = store::quarantine::by_ids(requester.services.request_reader(), viewer.agency(), keys).await?;
        Ok(rows.into_iter().map(|row| (row.id, Some(row))).collect())
    }
}

struct RecipientsOfMessages;

impl BatchSource for RecipientsOfMessages {
    type Key = (ThreadId, MessageId);
    type Value = Vec<(UserId, RoutingRung)>;

    async fn read(requester: &Requester, viewer: &Viewer, keys: &[Self::Key]) -> LoadedRows<Self> {
        let conn = requester.services.request_reader();
        let mut of_message = HashMap::<_, Vec<_>>::new();
        for (message, user, rung) in store::notifications::recipients(conn, viewer.agency(), keys).await? {
            of_message.entry(message).or_default().push((user, rung));
        }
        let found = |key: &Self::Key| Some((*key, of_message.remove(&key.1)?));
        Ok(keys.iter().filter_map(found).collect())
    }
}

struct DeliveryStepsOfMessages;

impl BatchSource for DeliveryStepsOfMessages {
    type Key = MessageId;
    type Value = Vec<delivery_step::Model>;

    async fn read(requester: &Requester, viewer: &Viewer, keys: &[MessageId]) -> LoadedRows<Self> {
        let conn = requester.services.request_reader();
        let mut found = HashMap::<_, Vec<_>>::new();
        for row in store::messages::delivery_steps(conn, viewer.agency(), keys).await? {
            found.entry(row.message_id).or_default().push(row);
        }
        Ok(found)
    }
}

struct StandInsOfThreads;

impl BatchSource for StandInsOfThreads {
    type Key = ThreadId;
    type Value = Arc<StandIns>;

    async fn read(requester: &Requester, viewer: &Viewer, keys: &[ThreadId]) -> LoadedRows<Self> {
        let conn = requester.services.request_reader();
        let threads = store::threads::by_ids(conn, viewer.agency(), keys).await?;
        let found = StandIns::load_all(conn, viewer.agency(), &threads).await?;
        Ok(found.into_iter().map(|(thread, stand_ins)| (thread, Arc::new(stand_ins))).collect())
    }
}

struct OwnDrafts;

impl BatchSource for OwnDrafts {
    type Key = ThreadId;
    type Value = Option<draft::Model>;

    async fn read(requester: &Requester, viewer: &Viewer, keys: &[ThreadId]) -> LoadedRows<Self> {
        let conn = requester.services.request_reader();
        let rows = store::drafts::of_threads(conn, viewer.agency(), viewer.id(), keys).await?;
        Ok(rows.into_iter().map(|row| (row.thread_id, Some(row))).collect())
    }
}
