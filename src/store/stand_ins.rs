//! Users who may see a thread because a routing rung other than the pool routed it to them. They lose access when the
//! rung no longer names them.

use std::collections::HashSet;

use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _,
};

use super::bulk::padded_list;
use super::threads::Scope;
use super::{Directory, contacts};
use crate::domain::access::STAND_IN_RUNGS;
use crate::domain::{ExtensionId, RoutingRung, UserId};
use crate::entity::{contact, message, notification, thread};

/// The users to whom a thread was routed by a rung that stands in for the pool, and the users that these rungs name
/// now.
#[derive(Debug, Default)]
pub struct StandIns {
    routed: HashSet<(UserId, RoutingRung)>,
    provider: Option<UserId>,
    /// The extensions that messages of the thread name.
    extensions: HashSet<ExtensionId>,
}

impl StandIns {
    /// Loads the stand-ins of a thread. Most threads were routed by the pool only and need a single statement.
    pub async fn load(conn: &impl ConnectionTrait, thread: &thread::Model) -> Result<Self, DbErr> {
        use notification::Column as N;
        let routed: Vec<(UserId, RoutingRung)> = notification::Entity::find()
            .select_only()
            .columns([N::UserId, N::Rung])
            .distinct()
            .filter(N::AgencyId.eq(thread.agency_id))
            .filter(N::ThreadId.eq(thread.id))
            .filter(N::CallId.is_null())
            .filter(N::Rung.is_in(STAND_IN_RUNGS))
            .into_tuple()
            .all(conn)
            .await?;
        let mut stand_ins = Self { routed: routed.into_iter().collect(), ..Self::default() };
        if stand_ins.has(RoutingRung::Provider) {
            let contact = contacts::by_ids(conn, thread.agency_id, &[thread.contact_id]).await?.pop();
            stand_ins.provider = contact.and_then(|contact| contact.provider_user_id);
        }
        if stand_ins.has(RoutingRung::Extension) {
            let named: Vec<ExtensionId> = message::Entity::find()
                .select_only()
                .column(message::Column::ExtensionId)
                .distinct()
                .filter(message::Column::AgencyId.eq(thread.agency_id))
                .filter(message::Column::ThreadId.eq(thread.id))
                .filter(message::Column::ExtensionId.is_not_null())
                .into_tuple()
                .all(conn)
                .await?;
            stand_ins.extensions = named.into_iter().collect();
        }
        Ok(stand_ins)
    }

    fn has(&self, rung: RoutingRung) -> bool {
        self.routed.iter().any(|(_, named)| *named == rung)
    }

    /// All users to whom the thread was ever routed by such a rung.
    pub fn routed(&self) -> impl Iterator<Item = UserId> {
        self.routed.iter().map(|(user, _)| *user)
    }

    /// Whether a rung that routed the thread to this user still names them.
    pub fn include(&self, directory: &Directory, user: UserId) -> bool {
        let still_named_by = |rung: RoutingRung| match rung {
            RoutingRung::Extension => directory.extensions_of(user).any(|row| self.extensions.contains(&row.id)),
            RoutingRung::Provider => self.provider == Some(user),
            RoutingRung::DefaultUser => directory.agency.default_user_id == Some(user),
            // Admins see every thread anyway, and former admins keep no access because of past notifications.
            RoutingRung::Admins | RoutingRung::Pool | RoutingRung::Assignee => false,
        };
        STAND_IN_RUNGS.into_iter().any(|rung| self.routed.contains(&(user, rung)) && still_named_by(rung))
    }
}

/// [`StandIns::include`] as an SQL condition for a member and the threads of the outer query.
pub(super) fn stands_in(scope: &Scope) -> Expr {
    use notification::Column as N;
    use thread::Column as T;
    let of_thread = |column: T| (thread::Entity, column);
    let is_provider = Query::select()
        .expr(Expr::val(1))
        .from(contact::Entity)
        .and_where(contact::Column::AgencyId.eq(scope.agency))
        .and_where(contact::Column::Id.into_expr().equals(of_thread(T::ContactId)))
        .and_where(contact::Column::ProviderUserId.eq(scope.user))
        .take();
    let mut named =
        Condition::any().add(Condition::all().add(N::Rung.eq(RoutingRung::Provider)).add(Expr::exists(is_provider)));
    if scope.is_default_user {
        named = named.add(N::Rung.eq(RoutingRung::DefaultUser));
    }
    if !scope.extensions.is_empty() {
        let names_own_extension = Query::select()
            .expr(Expr::val(1))
            .from(message::Entity)
            .and_where(message::Column::AgencyId.eq(scope.agency))
            .and_where(message::Column::ThreadId.into_expr().equals(of_thread(T::Id)))
            .and_where(message::Column::ExtensionId.is_in(padded_list(scope.extensions.iter().copied())))
            .take();
        named =
            named.add(Condition::all().add(N::Rung.eq(RoutingRung::Extension)).add(Expr::exists(names_own_extension)));
    }
    let routed = Query::select()
        .expr(Expr::val(1))
        .from(notification::Entity)
        .and_where(N::AgencyId.eq(scope.agency))
        .and_where(N::ThreadId.into_expr().equals(of_thread(T::Id)))
        .and_where(N::UserId.eq(scope.user))
        .and_where(N::CallId.is_null())
        .cond_where(named)
        .take();
    Expr::exists(routed)
}
