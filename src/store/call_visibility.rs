//! How much of a call a user may see. Lists, single calls, subscriptions and recordings all use this module.
//! [`condition`] is the SQL condition that selects the calls of a list.

use std::collections::HashSet;
use std::sync::Arc;

use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _,
};

use super::bulk::padded_list;
use super::threads::{self, Scope};
use crate::domain::access::{CallRelation, CallVisibility, call_visibility};
use crate::domain::{CallId, RoutingRung, ThreadId, UserId};
use crate::entity::{call, notification, thread};

/// A call, reduced to the part that one user may see.
#[derive(Debug, Clone)]
pub struct VisibleCall {
    row: Arc<call::Model>,
    sight: CallVisibility,
}

impl VisibleCall {
    /// Reduces a call to what `user` may see. With [`CallVisibility::OwnPart`] the row contains only the user's own
    /// part.
    pub fn new(row: Arc<call::Model>, sight: CallVisibility, user: impl FnOnce() -> UserId) -> Self {
        let row = match sight {
            CallVisibility::Full => row,
            CallVisibility::OwnPart => Arc::new(row.part_of(user())),
        };
        Self { row, sight }
    }

    /// The row, without the values that the user may not see.
    pub fn row(&self) -> &call::Model {
        &self.row
    }

    pub fn sight(&self) -> CallVisibility {
        self.sight
    }

    /// Whether the user may see the whole call, including its legs and voicemails.
    pub fn is_full(&self) -> bool {
        self.sight == CallVisibility::Full
    }
}

/// Filters calls to those that the user may see, in the same order, each reduced to what the user may see.
pub async fn filter_visible(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    rows: impl IntoIterator<Item = Arc<call::Model>>,
) -> Result<Vec<VisibleCall>, DbErr> {
    let rows: Vec<_> = rows.into_iter().map(|row| (scope.relation(&row), row)).collect();
    // Most calls are on the viewer's own numbers. Only the others need additional queries.
    let undecided = || rows.iter().filter(|(relation, _)| !relation.has_number).map(|(_, row)| row);
    let in_threads: Vec<ThreadId> = undecided().filter_map(|row| row.thread_id).collect();
    let visible_threads: HashSet<ThreadId> = match in_threads.is_empty() {
        true => HashSet::new(),
        false => threads::visible_among(conn, scope, &in_threads).await?.into_iter().map(|row| row.id).collect(),
    };
    let ids: Vec<CallId> = undecided().map(|row| row.id).collect();
    let notified: HashSet<CallId> = match scope.is_default_user && !ids.is_empty() {
        true => notified_as_default_user(conn, scope, &ids).await?,
        false => HashSet::new(),
    };
    let visible = rows.into_iter().filter_map(|(relation, row)| {
        let sees_thread = row.thread_id.is_some_and(|id| visible_threads.contains(&id));
        let relation = CallRelation { sees_thread, stands_in: notified.contains(&row.id), ..relation };
        call_visibility(&relation).map(|sight| VisibleCall::new(row, sight, || scope.user))
    });
    Ok(visible.collect())
}

impl Scope {
    /// The viewer's relation to a call as far as the directory alone determines it.
    fn relation(&self, call: &call::Model) -> CallRelation {
        let is_viewer = |user: Option<UserId>| user == Some(self.user);
        CallRelation {
            has_number: self.is_admin || self.pool_numbers.contains(&call.phone_number_id),
            has_mailbox: is_viewer(call.mailbox_user_id)
                && call.extension_id.is_some_and(|id| self.extensions.contains(&id)),
            took_part: [call.answered_by_id, call.started_by_id, call.mailbox_user_id].into_iter().any(is_viewer),
            ..CallRelation::default()
        }
    }
}

async fn notified_as_default_user(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    ids: &[CallId],
) -> Result<HashSet<CallId>, DbErr> {
    use notification::Column as N;
    let calls: Vec<CallId> = notification::Entity::find()
        .select_only()
        .column(N::CallId)
        .filter(N::AgencyId.eq(scope.agency))
        .filter(N::UserId.eq(scope.user))
        .filter(N::Rung.eq(RoutingRung::DefaultUser))
        .filter(N::CallId.is_in(padded_list(ids.iter().copied())))
        .into_tuple()
        .all(conn)
        .await?;
    Ok(calls.into_iter().collect())
}

/// Selects the calls that the user may see at least in part.
pub(super) fn condition(scope: &Scope) -> Condition {
    use call::Column as C;
    let within = Condition::all().add(C::AgencyId.eq(scope.agency));
    if scope.is_admin {
        return within;
    }
    let took_part = Condition::any()
        .add(C::AnsweredById.eq(scope.user))
        .add(C::MailboxUserId.eq(scope.user))
        .add(C::StartedById.eq(scope.user));
    within.add(Condition::any().add(took_part).add(full_condition(scope)))
}

/// Selects the calls that the user may see in full.
pub(super) fn full_condition(scope: &Scope) -> Condition {
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
    let mut any = Condition::any().add(Expr::exists(in_thread));
    if scope.is_default_user {
        let notified = Query::select()
            .expr(Expr::val(1))
            .from(notification::Entity)
            .and_where(notification::Column::AgencyId.eq(scope.agency))
            .and_where(notification::Column::CallId.into_expr().equals((call::Entity, C::Id)))
            .and_where(notification::Column::UserId.eq(scope.user))
            .and_where(notification::Column::Rung.eq(RoutingRung::DefaultUser))
            .take();
        any = any.add(Expr::exists(notified));
    }
    if !scope.extensions.is_empty() {
        let mailbox = Condition::all()
            .add(C::MailboxUserId.eq(scope.user))
            .add(C::ExtensionId.is_in(padded_list(scope.extensions.iter().copied())));
        any = any.add(mailbox);
    }
    if !scope.pool_numbers.is_empty() {
        any = any.add(C::PhoneNumberId.is_in(padded_list(scope.pool_numbers.iter().copied())));
    }
    within.add(any)
}
