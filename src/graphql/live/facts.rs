//! What an event is about, read once for all who follow it, and who of them may see it.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use sea_orm::DbErr;
use tokio::sync::OnceCell;

use crate::domain::access::{CallSight, Standing, is_handler};
use crate::domain::{ThreadStatus, UserId};
use crate::entity::{call, event, message, notification, thread};
use crate::service::Services;
use crate::service::Viewer;
use crate::store::call_sight::see;
use crate::store::stand_ins::StandIns;
use crate::store::{calls, messages, notifications, threads};

/// An event and what it is about, as it stands now.
pub(in crate::graphql) struct Facts {
    /// The event.
    pub(in crate::graphql) event: Arc<event::Model>,
    /// Its thread.
    pub(in crate::graphql) thread: Option<Arc<thread::Model>>,
    /// Its message.
    pub(in crate::graphql) message: Option<Arc<message::Model>>,
    /// Its call.
    pub(in crate::graphql) call: Option<Arc<call::Model>>,
    services: Arc<Services>,
    /// Whom a lower rung named: most events never need to know.
    stand_ins: OnceCell<StandIns>,
    told: OnceCell<HashMap<UserId, notification::Model>>,
}

impl Facts {
    /// Reads what an event is about.
    pub(super) async fn read(services: &Arc<Services>, event: &Arc<event::Model>) -> Result<Arc<Self>, DbErr> {
        let conn = services.request_reader();
        let thread = match event.thread_id {
            Some(id) => threads::by_id(conn, event.agency_id, id).await?.map(Arc::new),
            None => None,
        };
        let message = match event.message_id {
            Some(id) => messages::by_ids(conn, event.agency_id, &[id]).await?.pop().map(Arc::new),
            None => None,
        };
        let call = match event.call_id {
            Some(id) => calls::by_id(conn, event.agency_id, id).await?.map(Arc::new),
            None => None,
        };
        Ok(Arc::new(Self {
            event: Arc::clone(event),
            thread,
            message,
            call,
            services: Arc::clone(services),
            stand_ins: OnceCell::new(),
            told: OnceCell::new(),
        }))
    }

    /// Whether this user may see the event's thread.
    pub(super) async fn is_visible_to(&self, viewer: &Viewer, user: UserId) -> Result<bool, DbErr> {
        let Some(thread) = &self.thread else { return Ok(false) };
        let mut standing = Standing {
            // A viewer always is.
            active: true,
            role: viewer.role(),
            eligible: viewer.directory.is_eligible(thread.phone_number_id, user),
            assignee: thread.assignee_id == Some(user),
            stands_in: false,
            status: thread.status,
        };
        if !is_handler(&standing) && thread.status != ThreadStatus::Closed {
            standing.stands_in = self.stand_ins(thread).await?.include(&viewer.directory, user);
        }
        Ok(is_handler(&standing))
    }

    /// How much of the event's call the viewer may see.
    pub(super) async fn sight_of_call(&self, viewer: &Viewer, user: UserId) -> Result<Option<CallSight>, DbErr> {
        let Some(call) = &self.call else { return Ok(None) };
        let shares = || viewer.directory.pool_members(call.phone_number_id).any(|row| row.user_id == user);
        if viewer.is_admin() || shares() {
            return Ok(Some(CallSight::Full));
        }
        // Boxed, for it is rare and large.
        let seen = see(self.services.request_reader(), &viewer.scope(), [Arc::clone(call)]).boxed().await?.pop();
        Ok(seen.map(|seen| seen.sight()))
    }

    async fn stand_ins(&self, thread: &thread::Model) -> Result<&StandIns, DbErr> {
        made(&self.stand_ins, || StandIns::of(self.services.request_reader(), thread)).await
    }

    /// What the event tells each user.
    pub(in crate::graphql) async fn told(&self) -> Result<&HashMap<UserId, notification::Model>, DbErr> {
        let read = || async {
            let (conn, event) = (self.services.request_reader(), &self.event);
            let rows = notifications::of_event(conn, event.agency_id, event.position).await?;
            Ok(rows.into_iter().map(|row| (row.user_id, row)).collect())
        };
        made(&self.told, read).await
    }
}

/// What is in the cell, or is made now. Boxed, for it is rare and large, and thousands look.
async fn made<T, F>(cell: &OnceCell<T>, make: impl FnOnce() -> F + Send) -> Result<&T, DbErr>
where
    T: Send + Sync,
    F: Future<Output = Result<T, DbErr>> + Send,
{
    match cell.get() {
        Some(made) => Ok(made),
        None => cell.get_or_try_init(make).boxed().await,
    }
}
