//! Users who may see a thread because a routing rung other than the pool routed it to them. They lose access when the
//! rung no longer names them.

use std::collections::{HashMap, HashSet};

use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{
    ColumnTrait as _, Condition, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _, QueryTrait as _,
};

use super::bulk::padded_list;
use super::statements::{Kind, Statements};
use super::threads::Scope;
use super::{Directory, contacts};
use crate::domain::access::STAND_IN_RUNGS;
use crate::domain::{AgencyId, ContactId, ExtensionId, RoutingRung, ThreadId, UserId};
use crate::entity::{contact, message, notification, thread};

/// The users to whom a thread was routed by a rung that stands in for the pool, and the users that these rungs name
/// now.
#[derive(Debug, Clone, Default)]
pub struct StandIns {
    routed: HashSet<(UserId, RoutingRung)>,
    provider: Option<UserId>,
    /// The extensions that messages of the thread name.
    extensions: HashSet<ExtensionId>,
}

impl StandIns {
    /// Loads the stand-ins of a thread.
    pub async fn load(conn: &impl Statements, thread: &thread::Model) -> Result<Self, DbErr> {
        let mut of_threads = Self::load_all(conn, thread.agency_id, std::slice::from_ref(thread)).await?;
        Ok(of_threads.remove(&thread.id).unwrap_or_default())
    }

    /// Loads the stand-ins of threads of one agency; threads without any are omitted. Most threads were routed by the
    /// pool only and need a single statement.
    pub async fn load_all(
        conn: &impl Statements,
        agency: AgencyId,
        threads: &[thread::Model],
    ) -> Result<HashMap<ThreadId, Self>, DbErr> {
        use notification::Column as N;
        let columns = [N::ThreadId, N::UserId, N::Rung];
        let routed = notification::Entity::find()
            .select_only()
            .columns(columns)
            .distinct()
            .filter(N::AgencyId.eq(agency))
            .filter(N::ThreadId.is_in(padded_list(threads.iter().map(|thread| thread.id))))
            .filter(N::CallId.is_null())
            .filter(N::Rung.is_in(STAND_IN_RUNGS));
        let mut found: HashMap<ThreadId, Self> = HashMap::new();
        for mut row in conn.rows(routed.build(conn.backend()), &columns.map(Kind::of)).await? {
            let thread = row.take()?;
            found.entry(thread).or_default().routed.insert((row.take()?, row.take()?));
        }
        let with = |found: &HashMap<ThreadId, Self>, rung: RoutingRung| -> Vec<&thread::Model> {
            threads.iter().filter(|thread| found.get(&thread.id).is_some_and(|of| of.has(rung))).collect()
        };
        let by_provider = with(&found, RoutingRung::Provider);
        if !by_provider.is_empty() {
            let ids: Vec<ContactId> = by_provider.iter().map(|thread| thread.contact_id).collect();
            let providers: HashMap<ContactId, Option<UserId>> = contacts::by_ids(conn, agency, &ids)
                .await?
                .into_iter()
                .map(|row| (row.id, row.provider_user_id))
                .collect();
            for thread in by_provider {
                let provider = providers.get(&thread.contact_id).copied().flatten();
                found.entry(thread.id).or_default().provider = provider;
            }
        }
        let by_extension: Vec<ThreadId> = with(&found, RoutingRung::Extension).iter().map(|thread| thread.id).collect();
        if !by_extension.is_empty() {
            let columns = [message::Column::ThreadId, message::Column::ExtensionId];
            let named = message::Entity::find()
                .select_only()
                .columns(columns)
                .distinct()
                .filter(message::Column::AgencyId.eq(agency))
                .filter(message::Column::ThreadId.is_in(padded_list(by_extension)))
                .filter(message::Column::ExtensionId.is_not_null());
            for mut row in conn.rows(named.build(conn.backend()), &columns.map(Kind::of)).await? {
                let thread = row.take()?;
                found.entry(thread).or_default().extensions.insert(row.take()?);
            }
        }
        Ok(found)
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
        self.rungs_of(directory, user).next().is_some()
    }

    /// The rungs that routed the thread to this user and still name them.
    pub fn rungs_of(&self, directory: &Directory, user: UserId) -> impl Iterator<Item = RoutingRung> {
        let still_named_by = move |rung: RoutingRung| match rung {
            RoutingRung::Extension => directory.extensions_of(user).any(|row| self.extensions.contains(&row.id)),
            RoutingRung::Provider => self.provider == Some(user),
            RoutingRung::DefaultUser => directory.agency.default_user_id == Some(user),
            // Admins see every thread anyway, and former admins keep no access because of past notifications.
            RoutingRung::Admins | RoutingRung::Pool | RoutingRung::Assignee => false,
        };
        STAND_IN_RUNGS.into_iter().filter(move |rung| self.routed.contains(&(user, *rung)) && still_named_by(*rung))
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
