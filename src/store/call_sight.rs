//! What a user sees of a call. This is the one place that decides it, for lists, single calls, subscriptions and the
//! recordings; [`condition`] says in SQL which calls a list holds at all.

use std::collections::HashSet;
use std::sync::Arc;

use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _,
};

use super::bulk::list;
use super::threads::{self, Scope};
use crate::domain::access::{CallSight, CallStanding, call_sight};
use crate::domain::{CallId, RoutingRung, ThreadId, UserId};
use crate::entity::{call, notification, thread};

/// A call as one user may see it.
#[derive(Debug, Clone)]
pub struct SeenCall {
    row: Arc<call::Model>,
    sight: CallSight,
}

impl SeenCall {
    /// The call as a user sees it who has this sight of it; of an own part, the row holds nothing else.
    pub fn new(row: Arc<call::Model>, sight: CallSight, user: impl FnOnce() -> UserId) -> Self {
        let row = match sight {
            CallSight::Full => row,
            CallSight::OwnPart => Arc::new(row.part_of(user())),
        };
        Self { row, sight }
    }

    /// What the user may see of the row.
    pub fn row(&self) -> &call::Model {
        &self.row
    }

    /// How much of it they see.
    pub fn sight(&self) -> CallSight {
        self.sight
    }

    /// Whether the user sees all of the call: its legs and voicemails too.
    pub fn is_full(&self) -> bool {
        self.sight == CallSight::Full
    }
}

/// Of these calls, those that the user may see, in their order, each as far as the user may see it.
///
/// # Errors
/// When the database fails.
pub async fn see(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    rows: impl IntoIterator<Item = Arc<call::Model>>,
) -> Result<Vec<SeenCall>, DbErr> {
    let rows: Vec<_> = rows.into_iter().map(|row| (scope.standing(&row), row)).collect();
    // Most calls are on the viewer's own numbers. Only the others cost statements.
    let open = || rows.iter().filter(|(standing, _)| !standing.has_number).map(|(_, row)| row);
    let in_threads: Vec<ThreadId> = open().filter_map(|row| row.thread_id).collect();
    let seen_threads: HashSet<ThreadId> = match in_threads.is_empty() {
        true => HashSet::new(),
        false => threads::visible_among(conn, scope, &in_threads).await?.into_iter().map(|row| row.id).collect(),
    };
    let ids: Vec<CallId> = open().map(|row| row.id).collect();
    let stood_in: HashSet<CallId> = match scope.is_default_user && !ids.is_empty() {
        true => told_as_default_user(conn, scope, &ids).await?,
        false => HashSet::new(),
    };
    let seen = rows.into_iter().filter_map(|(standing, row)| {
        let sees_thread = row.thread_id.is_some_and(|id| seen_threads.contains(&id));
        let standing = CallStanding { sees_thread, stands_in: stood_in.contains(&row.id), ..standing };
        call_sight(&standing).map(|sight| SeenCall::new(row, sight, || scope.user))
    });
    Ok(seen.collect())
}

impl Scope {
    /// What the directory alone says of the viewer and a call.
    fn standing(&self, call: &call::Model) -> CallStanding {
        let is_viewer = |user: Option<UserId>| user == Some(self.user);
        CallStanding {
            has_number: self.is_admin || self.pool_numbers.contains(&call.phone_number_id),
            has_mailbox: is_viewer(call.mailbox_user_id)
                && call.extension_id.is_some_and(|id| self.extensions.contains(&id)),
            took_part: [call.answered_by_id, call.started_by_id, call.mailbox_user_id].into_iter().any(is_viewer),
            ..CallStanding::default()
        }
    }
}

async fn told_as_default_user(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    ids: &[CallId],
) -> Result<HashSet<CallId>, DbErr> {
    use notification::Column as N;
    let told: Vec<CallId> = notification::Entity::find()
        .select_only()
        .column(N::CallId)
        .filter(N::AgencyId.eq(scope.agency))
        .filter(N::UserId.eq(scope.user))
        .filter(N::Rung.eq(RoutingRung::DefaultUser))
        .filter(N::CallId.is_in(list(ids.iter().copied())))
        .into_tuple()
        .all(conn)
        .await?;
    Ok(told.into_iter().collect())
}

/// The calls of which the user sees anything, as SQL.
pub(super) fn condition(scope: &Scope) -> Condition {
    use call::Column as C;
    let within = Condition::all().add(C::AgencyId.eq(scope.agency));
    if scope.is_admin {
        return within;
    }
    let in_thread = Query::select()
        .expr(Expr::val(1))
        .from(thread::Entity)
        .cond_where(scope.condition())
        .and_where(thread::Column::Id.into_expr().equals((call::Entity, C::ThreadId)))
        .take();
    let mut any = Condition::any()
        .add(C::AnsweredById.eq(scope.user))
        .add(C::MailboxUserId.eq(scope.user))
        .add(C::StartedById.eq(scope.user))
        .add(Expr::exists(in_thread));
    if scope.is_default_user {
        let told = Query::select()
            .expr(Expr::val(1))
            .from(notification::Entity)
            .and_where(notification::Column::AgencyId.eq(scope.agency))
            .and_where(notification::Column::CallId.into_expr().equals((call::Entity, C::Id)))
            .and_where(notification::Column::UserId.eq(scope.user))
            .and_where(notification::Column::Rung.eq(RoutingRung::DefaultUser))
            .take();
        any = any.add(Expr::exists(told));
    }
    if !scope.pool_numbers.is_empty() {
        any = any.add(C::PhoneNumberId.is_in(list(scope.pool_numbers.iter().copied())));
    }
    within.add(any)
}
