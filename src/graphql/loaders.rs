//! Rows that nested fields need, read in batches.
//!
//! A set of loaders lives for one execution: one request, or one event of a subscription. So it never
//! shows one user what another asked for, nor what has changed since. The library's own data loader
//! stays off; of the `dataloader` crate only `cached` and only `try_load` are used, for the others
//! panic their waiters when a request is given up.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::{Arc, PoisonError, RwLock};

use dataloader::BatchFn;
use dataloader::cached::Loader;
use sea_orm::DbErr;

use super::context::Caller;
use super::errors::{Failure, Result};
use crate::domain::{CallId, ContactId, MessageId, ThreadId};
use crate::entity::{activity, call_leg, contact, media, message, thread, voicemail};
use crate::service::{Fault, Viewer};
use crate::store;
use crate::store::call_sight::SeenCall;
use crate::store::page::{Page, Window};

/// Something that is read for many keys at once. A key that is not in the answer has the default
/// value: nothing.
trait Source: Send + Sync + 'static {
    type Key: Copy + Eq + Hash + std::fmt::Debug + Send + Sync + 'static;
    type Value: Clone + Default + Send + Sync + 'static;

    fn read(
        caller: &Caller,
        viewer: &Viewer,
        keys: &[Self::Key],
    ) -> impl Future<Output = std::result::Result<HashMap<Self::Key, Self::Value>, Fault>> + Send;
}

struct Batch<S> {
    caller: Caller,
    source: PhantomData<S>,
}

impl<S: Source> BatchFn<S::Key, Result<S::Value>> for Batch<S> {
    async fn load(&mut self, keys: &[S::Key]) -> HashMap<S::Key, Result<S::Value>> {
        let read = async {
            let viewer = self.caller.viewer().await?;
            S::read(&self.caller, &viewer, keys).await.map_err(|fault| self.caller.fault(fault))
        };
        match read.await {
            Ok(mut found) => keys.iter().map(|key| (*key, Ok(found.remove(key).unwrap_or_default()))).collect(),
            Err(failure) => keys.iter().map(|key| (*key, Err(failure.clone()))).collect(),
        }
    }
}

type LoaderOf<S> = Loader<<S as Source>::Key, Result<<S as Source>::Value>, Batch<S>>;

async fn load<S: Source>(caller: &Caller, loader: &LoaderOf<S>, key: S::Key) -> Result<S::Value> {
    // A load is lost when the field that ran it is given up, because another failed: once more then.
    // Boxed: the future of each field of a type is as large as that of its largest field.
    for _ in 0..2 {
        if let Ok(loaded) = Box::pin(loader.try_load(key)).await {
            return loaded;
        }
    }
    Err(Failure::internal(&caller.request_id))
}

struct Set {
    threads: LoaderOf<Threads>,
    contacts: LoaderOf<Contacts>,
    contacts_as_seen: LoaderOf<ContactsAsSeen>,
    messages: LoaderOf<Messages>,
    media: LoaderOf<MediaOfMessages>,
    threads_of_contacts: LoaderOf<ThreadsOfContacts>,
    seen: LoaderOf<SeenCounts>,
    calls: LoaderOf<Calls>,
    legs: LoaderOf<LegsOfCalls>,
    voicemails: LoaderOf<VoicemailsOfCalls>,
    message_pages: LoaderOf<Pages<Messages>>,
    message_counts: LoaderOf<Counts<Messages>>,
    activity_pages: LoaderOf<Pages<Activity>>,
    activity_counts: LoaderOf<Counts<Activity>>,
    call_pages: LoaderOf<Pages<Calls>>,
    call_counts: LoaderOf<Counts<Calls>>,
}

impl Set {
    fn new(caller: &Caller) -> Arc<Self> {
        fn loader<S: Source>(caller: &Caller) -> LoaderOf<S> {
            Loader::new(Batch { caller: caller.clone(), source: PhantomData })
        }
        Arc::new(Self {
            threads: loader(caller),
            contacts: loader(caller),
            contacts_as_seen: loader(caller),
            messages: loader(caller),
            media: loader(caller),
            threads_of_contacts: loader(caller),
            seen: loader(caller),
            calls: loader(caller),
            legs: loader(caller),
            voicemails: loader(caller),
            message_pages: loader(caller),
            message_counts: loader(caller),
            activity_pages: loader(caller),
            activity_counts: loader(caller),
            call_pages: loader(caller),
            call_counts: loader(caller),
        })
    }
}

/// The loaders of one execution.
pub struct Loaders {
    caller: Caller,
    set: RwLock<Arc<Set>>,
}

impl Loaders {
    /// Loaders that have read nothing yet.
    pub fn new(caller: &Caller) -> Self {
        Self { caller: caller.clone(), set: RwLock::new(Set::new(caller)) }
    }

    /// Forgets what was read, for a mutation has changed it.
    pub fn forget(&self) {
        *self.set.write().unwrap_or_else(PoisonError::into_inner) = Set::new(&self.caller);
    }

    fn set(&self) -> Arc<Set> {
        Arc::clone(&self.set.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A thread, if the viewer may see it.
    pub async fn thread(&self, id: ThreadId) -> Result<Option<Arc<thread::Model>>> {
        load(&self.caller, &self.set().threads, id).await
    }

    /// A contact as the viewer may see it: in full, or only the phone. For threads and calls of which the viewer may not
    /// see the contact only because they may see the thread or the call.
    pub async fn contact_as_seen(&self, id: ContactId) -> Result<Option<Arc<contact::Model>>> {
        load(&self.caller, &self.set().contacts_as_seen, id).await
    }

    /// The contact of a visible thread or call that shows its contact too.
    pub async fn contact(&self, id: ContactId) -> Result<Option<Arc<contact::Model>>> {
        load(&self.caller, &self.set().contacts, id).await
    }

    /// A message. Its thread's visibility is the caller's to check.
    pub async fn message(&self, id: MessageId) -> Result<Option<Arc<message::Model>>> {
        load(&self.caller, &self.set().messages, id).await
    }

    /// The attachments of a message of a visible thread, in order.
    pub async fn media(&self, message: MessageId) -> Result<Vec<Arc<media::Model>>> {
        load(&self.caller, &self.set().media, message).await
    }

    /// The visible threads of a contact, newest activity first.
    pub async fn threads_of(&self, contact: ContactId) -> Result<Vec<Arc<thread::Model>>> {
        load(&self.caller, &self.set().threads_of_contacts, contact).await
    }

    /// A call, as far as the viewer may see it.
    pub async fn call(&self, id: CallId) -> Result<Option<Arc<SeenCall>>> {
        load(&self.caller, &self.set().calls, id).await
    }

    /// The legs of a call that the viewer may see, in the order in which they rang.
    pub async fn legs(&self, call: CallId) -> Result<Vec<Arc<call_leg::Model>>> {
        load(&self.caller, &self.set().legs, call).await
    }

    /// The voicemails of a call that the viewer sees in full, oldest first.
    pub async fn voicemails(&self, call: CallId) -> Result<Vec<Arc<voicemail::Model>>> {
        load(&self.caller, &self.set().voicemails, call).await
    }

    /// How many of a thread's inbound messages the viewer has seen; `None` if they never read it.
    pub async fn seen(&self, thread: ThreadId) -> Result<Option<i32>> {
        load(&self.caller, &self.set().seen, thread).await
    }

    /// A part of the messages of a visible thread, oldest first.
    pub async fn messages_of(&self, thread: ThreadId, window: Window) -> Result<PageOf<message::Model>> {
        load(&self.caller, &self.set().message_pages, (thread, window)).await
    }

    /// A part of the history of a visible thread, oldest first.
    pub async fn activity_of(&self, thread: ThreadId, window: Window) -> Result<PageOf<activity::Model>> {
        load(&self.caller, &self.set().activity_pages, (thread, window)).await
    }

    /// A part of the calls of a thread that the viewer may see, newest first.
    pub async fn calls_of(&self, thread: ThreadId, window: Window) -> Result<PageOf<SeenCall>> {
        load(&self.caller, &self.set().call_pages, (thread, window)).await
    }

    /// The number of items in one of the lists of a visible thread.
    pub async fn count(&self, list: ThreadList, thread: ThreadId) -> Result<i64> {
        let set = self.set();
        match list {
            ThreadList::Messages => load(&self.caller, &set.message_counts, thread).await,
            ThreadList::Activity => load(&self.caller, &set.activity_counts, thread).await,
            ThreadList::Calls => load(&self.caller, &set.call_counts, thread).await,
        }
    }
}

/// The lists that each thread has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadList {
    /// Its messages.
    Messages,
    /// Its history.
    Activity,
    /// Its calls.
    Calls,
}

/// A page of rows that several fields may show.
pub type PageOf<M> = Page<Arc<M>>;

type Found<S> = std::result::Result<HashMap<<S as Source>::Key, <S as Source>::Value>, Fault>;

struct Threads;

impl Source for Threads {
    type Key = ThreadId;
    type Value = Option<Arc<thread::Model>>;

    async fn read(caller: &Caller, viewer: &Viewer, keys: &[ThreadId]) -> Found<Self> {
        let rows = store::threads::visible_among(caller.services.request_reader(), &viewer.scope(), keys).await?;
        Ok(rows.into_iter().map(|row| (row.id, Some(Arc::new(row)))).collect())
    }
}

struct Contacts;

impl Source for Contacts {
    type Key = ContactId;
    type Value = Option<Arc<contact::Model>>;

    async fn read(caller: &Caller, viewer: &Viewer, keys: &[ContactId]) -> Found<Self> {
        let rows = store::contacts::by_ids(caller.services.request_reader(), viewer.agency(), keys).await?;
        Ok(rows.into_iter().map(|row| (row.id, Some(Arc::new(row)))).collect())
    }
}

struct ContactsAsSeen;

impl Source for ContactsAsSeen {
    type Key = ContactId;
    type Value = Option<Arc<contact::Model>>;

    async fn read(caller: &Caller, viewer: &Viewer, keys: &[ContactId]) -> Found<Self> {
        let rows = store::contacts::as_seen(caller.services.request_reader(), &viewer.scope(), keys).await?;
        Ok(rows.into_iter().map(|row| (row.id, Some(Arc::new(row)))).collect())
    }
}

struct Messages;

impl Source for Messages {
    type Key = MessageId;
    type Value = Option<Arc<message::Model>>;

    async fn read(caller: &Caller, viewer: &Viewer, keys: &[MessageId]) -> Found<Self> {
        let rows = store::messages::by_ids(caller.services.request_reader(), viewer.agency(), keys).await?;
        Ok(rows.into_iter().map(|row| (row.id, Some(Arc::new(row)))).collect())
    }
}

struct MediaOfMessages;

impl Source for MediaOfMessages {
    type Key = MessageId;
    type Value = Vec<Arc<media::Model>>;

    async fn read(caller: &Caller, viewer: &Viewer, keys: &[MessageId]) -> Found<Self> {
        let rows = store::messages::media_of(caller.services.request_reader(), viewer.agency(), keys).await?;
        let mut found = HashMap::<_, Vec<_>>::new();
        for row in rows {
            found.entry(row.message_id).or_default().push(Arc::new(row));
        }
        Ok(found)
    }
}

struct ThreadsOfContacts;

impl Source for ThreadsOfContacts {
    type Key = ContactId;
    type Value = Vec<Arc<thread::Model>>;

    async fn read(caller: &Caller, viewer: &Viewer, keys: &[ContactId]) -> Found<Self> {
        let rows = store::threads::of_contacts(caller.services.request_reader(), &viewer.scope(), keys).await?;
        let mut found = HashMap::<_, Vec<_>>::new();
        for row in rows {
            found.entry(row.contact_id).or_default().push(Arc::new(row));
        }
        Ok(found)
    }
}

struct SeenCounts;

impl Source for SeenCounts {
    type Key = ThreadId;
    type Value = Option<i32>;

    async fn read(caller: &Caller, viewer: &Viewer, keys: &[ThreadId]) -> Found<Self> {
        let conn = caller.services.request_reader();
        let rows = store::threads::read_marks(conn, viewer.agency(), viewer.id(), keys).await?;
        Ok(rows.into_iter().map(|row| (row.thread_id, Some(row.seen_count))).collect())
    }
}

struct Calls;

impl Source for Calls {
    type Key = CallId;
    type Value = Option<Arc<SeenCall>>;

    async fn read(caller: &Caller, viewer: &Viewer, keys: &[CallId]) -> Found<Self> {
        let rows = store::calls::visible_among(caller.services.request_reader(), &viewer.scope(), keys).await?;
        Ok(rows.into_iter().map(|seen| (seen.row().id, Some(Arc::new(seen)))).collect())
    }
}

struct LegsOfCalls;

impl Source for LegsOfCalls {
    type Key = CallId;
    type Value = Vec<Arc<call_leg::Model>>;

    async fn read(caller: &Caller, viewer: &Viewer, keys: &[CallId]) -> Found<Self> {
        let rows = store::calls::legs_of(caller.services.request_reader(), viewer.agency(), keys).await?;
        let mut found = HashMap::<_, Vec<_>>::new();
        for row in rows {
            found.entry(row.call_id).or_default().push(Arc::new(row));
        }
        Ok(found)
    }
}

struct VoicemailsOfCalls;

impl Source for VoicemailsOfCalls {
    type Key = CallId;
    type Value = Vec<Arc<voicemail::Model>>;

    async fn read(caller: &Caller, viewer: &Viewer, keys: &[CallId]) -> Found<Self> {
        let rows = store::calls::voicemails_of(caller.services.request_reader(), viewer.agency(), keys).await?;
        let mut found = HashMap::<_, Vec<_>>::new();
        for row in rows {
            found.entry(row.call_id).or_default().push(Arc::new(row));
        }
        Ok(found)
    }
}

/// A list that each thread has, read for many threads in one statement.
trait ListOfThread: Send + Sync + 'static {
    type Row: Send + Sync + 'static;

    fn pages(
        caller: &Caller,
        viewer: &Viewer,
        parts: &[(ThreadId, Window)],
    ) -> impl Future<Output = std::result::Result<Vec<Page<Self::Row>>, DbErr>> + Send;

    fn counts(
        caller: &Caller,
        viewer: &Viewer,
        threads: &[ThreadId],
    ) -> impl Future<Output = std::result::Result<Vec<(ThreadId, i64)>, DbErr>> + Send;
}

struct Pages<L>(PhantomData<L>);

impl<L: ListOfThread> Source for Pages<L> {
    type Key = (ThreadId, Window);
    type Value = PageOf<L::Row>;

    async fn read(caller: &Caller, viewer: &Viewer, keys: &[(ThreadId, Window)]) -> Found<Self> {
        let pages = L::pages(caller, viewer, keys).await?;
        Ok(keys.iter().copied().zip(pages.into_iter().map(|page| page.map(Arc::new))).collect())
    }
}

struct Counts<L>(PhantomData<L>);

impl<L: ListOfThread> Source for Counts<L> {
    type Key = ThreadId;
    type Value = i64;

    async fn read(caller: &Caller, viewer: &Viewer, keys: &[ThreadId]) -> Found<Self> {
        Ok(L::counts(caller, viewer, keys).await?.into_iter().collect())
    }
}

impl ListOfThread for Messages {
    type Row = message::Model;

    async fn pages(
        caller: &Caller,
        viewer: &Viewer,
        parts: &[(ThreadId, Window)],
    ) -> std::result::Result<Vec<Page<message::Model>>, DbErr> {
        store::messages::pages(caller.services.request_reader(), viewer.agency(), parts).await
    }

    async fn counts(
        caller: &Caller,
        viewer: &Viewer,
        threads: &[ThreadId],
    ) -> std::result::Result<Vec<(ThreadId, i64)>, DbErr> {
        store::messages::counts(caller.services.request_reader(), viewer.agency(), threads).await
    }
}

struct Activity;

impl ListOfThread for Activity {
    type Row = activity::Model;

    async fn pages(
        caller: &Caller,
        viewer: &Viewer,
        parts: &[(ThreadId, Window)],
    ) -> std::result::Result<Vec<Page<activity::Model>>, DbErr> {
        store::threads::activity_pages(caller.services.request_reader(), viewer.agency(), parts).await
    }

    async fn counts(
        caller: &Caller,
        viewer: &Viewer,
        threads: &[ThreadId],
    ) -> std::result::Result<Vec<(ThreadId, i64)>, DbErr> {
        store::threads::activity_counts(caller.services.request_reader(), viewer.agency(), threads).await
    }
}

impl ListOfThread for Calls {
    type Row = SeenCall;

    async fn pages(
        caller: &Caller,
        viewer: &Viewer,
        parts: &[(ThreadId, Window)],
    ) -> std::result::Result<Vec<Page<SeenCall>>, DbErr> {
        store::calls::pages(caller.services.request_reader(), &viewer.scope(), parts).await
    }

    async fn counts(
        caller: &Caller,
        viewer: &Viewer,
        threads: &[ThreadId],
    ) -> std::result::Result<Vec<(ThreadId, i64)>, DbErr> {
        store::calls::counts(caller.services.request_reader(), &viewer.scope(), threads).await
    }
}
