//! The rows that an event refers to, read once for all subscribers, and the permission checks on them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::FutureExt as _;
use sea_orm::DbErr;
use tokio::sync::OnceCell;

use crate::domain::access::{CallVisibility, ThreadRelation, is_handler};
use crate::domain::{AgencyId, AssignmentId, EventKind, NotificationId, PhoneNumberId, ThreadId, ThreadStatus, UserId};
use crate::entity::{activity, assignment, call, event, message, notification, thread};
use crate::service::Services;
use crate::service::Viewer;
use crate::store;
use crate::store::call_visibility::filter_visible;
use crate::store::stand_ins::StandIns;
use crate::store::{calls, messages, notifications, threads};

/// An event and the current state of the rows that it refers to.
pub(in crate::graphql) struct EventContext {
    pub(in crate::graphql) event: Arc<event::Model>,
    pub(in crate::graphql) thread: Option<Arc<thread::Model>>,
    pub(in crate::graphql) message: Option<Arc<message::Model>>,
    pub(in crate::graphql) call: Option<Arc<call::Model>>,
    /// The activity entry that the event added.
    pub(in crate::graphql) activity: Option<Arc<activity::Model>>,
    services: Arc<Services>,
    access: ThreadAccess,
    /// Notifications of the event by recipient, read lazily.
    notifications: OnceCell<HashMap<UserId, notification::Model>>,
    /// The users whose notifications the event resolved, read lazily.
    resolved: OnceCell<HashSet<UserId>>,
    /// The notification that a user read.
    read_notification: OnceCell<Option<notification::Model>>,
    /// The assignment that changed.
    assignment: OnceCell<Option<assignment::Model>>,
}

/// A thread, read once, and the permission to see it, checked for many users.
pub(super) struct ThreadAccess {
    thread: Option<Arc<thread::Model>>,
    services: Arc<Services>,
    /// Read lazily: most checks do not need it.
    stand_ins: OnceCell<StandIns>,
}

impl ThreadAccess {
    pub(super) async fn read(
        services: &Arc<Services>,
        agency: AgencyId,
        thread: Option<ThreadId>,
    ) -> Result<Self, DbErr> {
        let thread = match thread {
            Some(id) => threads::by_id(services.request_reader(), agency, id).await?.map(Arc::new),
            None => None,
        };
        Ok(Self { thread, services: Arc::clone(services), stand_ins: OnceCell::new() })
    }

    /// Whether this user may see the thread.
    pub(super) async fn is_visible(&self, viewer: &Viewer, user: UserId) -> Result<bool, DbErr> {
        let Some(thread) = &self.thread else { return Ok(false) };
        let mut relation = ThreadRelation {
            // Inactive users have no viewer.
            active: true,
            role: viewer.role(),
            eligible: viewer.directory.is_eligible(thread.phone_number_id, user),
            assignee: thread.assignee_id == Some(user),
            stands_in: false,
            status: thread.status,
        };
        if !is_handler(&relation) && thread.status != ThreadStatus::Closed {
            let load = || StandIns::load(self.services.request_reader(), thread);
            relation.stands_in = get_or_read(&self.stand_ins, load).await?.include(&viewer.directory, user);
        }
        Ok(is_handler(&relation))
    }
}

/// A change that is delivered only to one user's own subscriptions.
#[derive(Debug, Clone)]
pub(in crate::graphql) enum ViewerEvent {
    ThreadRead,
    Draft,
    NotificationRead(notification::Model),
    NotificationResolved,
    /// Access to this number, or to anything if it is `None`.
    Access(Option<PhoneNumberId>),
}

impl EventContext {
    pub(super) async fn read(services: &Arc<Services>, event: &Arc<event::Model>) -> Result<Arc<Self>, DbErr> {
        let conn = services.request_reader();
        let access = ThreadAccess::read(services, event.agency_id, event.thread_id).await?;
        let message = match event.message_id {
            Some(id) => messages::by_ids(conn, event.agency_id, &[id]).await?.pop().map(Arc::new),
            None => None,
        };
        let call = match event.call_id {
            Some(id) => calls::by_id(conn, event.agency_id, id).await?.map(Arc::new),
            None => None,
        };
        let activity = match event.activity() {
            Some(id) => threads::activity_by_id(conn, event.agency_id, id).await?.map(Arc::new),
            None => None,
        };
        Ok(Arc::new(Self {
            event: Arc::clone(event),
            thread: access.thread.clone(),
            message,
            call,
            activity,
            services: Arc::clone(services),
            access,
            notifications: OnceCell::new(),
            resolved: OnceCell::new(),
            read_notification: OnceCell::new(),
            assignment: OnceCell::new(),
        }))
    }

    /// Whether this user may see the event's thread.
    pub(super) async fn is_thread_visible(&self, viewer: &Viewer, user: UserId) -> Result<bool, DbErr> {
        self.access.is_visible(viewer, user).await
    }

    /// How much of the event's call the viewer may see; `None` if nothing.
    pub(super) async fn call_visibility(&self, viewer: &Viewer, user: UserId) -> Result<Option<CallVisibility>, DbErr> {
        let Some(call) = &self.call else { return Ok(None) };
        let is_pool_member = || viewer.directory.pool_members(call.phone_number_id).any(|row| row.user_id == user);
        if viewer.is_admin() || is_pool_member() {
            return Ok(Some(CallVisibility::Full));
        }
        // Boxed: a rare future, see "Boxed futures" in `graphql`.
        let conn = self.services.request_reader();
        let visible = filter_visible(conn, &viewer.scope(), [Arc::clone(call)]).boxed().await?.pop();
        Ok(visible.map(|call| call.sight()))
    }

    /// The change that the event delivers to this user's `viewerUpdated`; `None` if there is none.
    pub(in crate::graphql) async fn viewer_change(
        &self,
        viewer: &Viewer,
        user: UserId,
    ) -> Result<Option<ViewerEvent>, DbErr> {
        let event = &self.event;
        Ok(match event.kind {
            EventKind::ThreadRead => event.is_of(user).then_some(ViewerEvent::ThreadRead),
            EventKind::DraftChanged => event.is_of(user).then_some(ViewerEvent::Draft),
            EventKind::NotificationRead => {
                let row = self.read_notification().await?.filter(|row| row.user_id == user);
                row.map(|row| ViewerEvent::NotificationRead(row.clone()))
            }
            EventKind::ThreadActivity | EventKind::MessageStatus | EventKind::CallUpdated => {
                self.resolved().await?.contains(&user).then_some(ViewerEvent::NotificationResolved)
            }
            EventKind::DirectoryUpdated => self.access_change(viewer, user).await?.map(ViewerEvent::Access),
            EventKind::InboundMessage | EventKind::OutboundMessage | EventKind::ContactUpdated => None,
        })
    }

    /// The number to which the user's access may have changed, or `None` within `Some` if it may have changed anywhere.
    async fn access_change(&self, viewer: &Viewer, user: UserId) -> Result<Option<Option<PhoneNumberId>>, DbErr> {
        let Some(node) = self.event.node_id.as_deref() else { return Ok(None) };
        if let Ok(id) = node.parse::<AssignmentId>() {
            let read = || async {
                store::directory::assignment(self.services.request_reader(), self.event.agency_id, id).await
            };
            let row = get_or_read(&self.assignment, read).await?;
            return Ok(row.as_ref().filter(|row| row.user_id == user).map(|row| Some(row.phone_number_id)));
        }
        if let Ok(number) = node.parse::<PhoneNumberId>() {
            let is_member = viewer.directory.pool_members(number).any(|row| row.user_id == user);
            return Ok(is_member.then_some(Some(number)));
        }
        Ok((node.parse() == Ok(user)).then_some(None))
    }

    async fn resolved(&self) -> Result<&HashSet<UserId>, DbErr> {
        let read = || async {
            let (conn, event) = (self.services.request_reader(), &self.event);
            let about = (event.thread_id, event.call_id);
            let users = notifications::resolved_at(conn, event.agency_id, about, event.created_at).await?;
            Ok(users.into_iter().collect())
        };
        get_or_read(&self.resolved, read).await
    }

    async fn read_notification(&self) -> Result<Option<&notification::Model>, DbErr> {
        let read = || async {
            let id = self.event.node_id.as_deref().and_then(|id| id.parse::<NotificationId>().ok());
            match id {
                Some(id) => notifications::by_id(self.services.request_reader(), self.event.agency_id, id).await,
                None => Ok(None),
            }
        };
        Ok(get_or_read(&self.read_notification, read).await?.as_ref())
    }

    /// The notifications that the event created, by recipient.
    pub(in crate::graphql) async fn notifications(&self) -> Result<&HashMap<UserId, notification::Model>, DbErr> {
        let read = || async {
            let (conn, event) = (self.services.request_reader(), &self.event);
            let rows = notifications::of_event(conn, event.agency_id, event.position).await?;
            Ok(rows.into_iter().map(|row| (row.user_id, row)).collect())
        };
        get_or_read(&self.notifications, read).await
    }
}

/// Returns the value of the cell, and reads it first if necessary. The read is boxed because thousands of subscribers
/// await this function and only one of them reads; see "Boxed futures" in `graphql`.
async fn get_or_read<T, F>(cell: &OnceCell<T>, read: impl FnOnce() -> F + Send) -> Result<&T, DbErr>
where
    T: Send + Sync,
    F: Future<Output = Result<T, DbErr>> + Send,
{
    match cell.get() {
        Some(value) => Ok(value),
        None => cell.get_or_try_init(read).boxed().await,
    }
}
