//! Threads: their visibility, lists and history.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Asterisk, CaseStatement, Expr, ExprTrait as _, Func, JoinType, Query};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait, Order, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, QueryTrait, Select,
};

use super::batched_pages;
use super::bulk::padded_list;
use super::page::{Key, Page, Window};
use super::stand_ins::stands_in;
use super::statements::{Statements, find};
use crate::domain::{
    ActivityId, ActivityKind, AgencyId, ContactId, Direction, ExtensionId, PhoneNumberId, ThreadId, ThreadStatus,
    UserId,
};
use crate::entity::{activity, call, contact, message, read_mark, thread};

/// The properties of an active user that determine the visible threads, contacts and calls of the user's agency.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    pub agency: AgencyId,
    pub user: UserId,
    /// Admins see everything. If true, the fields below are not set.
    pub is_admin: bool,
    /// Whether the user is the agency's default user.
    pub is_default_user: bool,
    /// The numbers for which the user is eligible.
    pub numbers: Vec<PhoneNumberId>,
    /// The numbers in whose pools the user is, regardless of `sms_enabled`.
    pub pool_numbers: Vec<PhoneNumberId>,
    /// The user's active extensions.
    pub extensions: Vec<ExtensionId>,
}

impl Scope {
    /// `domain::access::is_handler` as an SQL condition.
    pub(super) fn condition(&self) -> Condition {
        use thread::Column as T;
        let within = Condition::all().add(T::AgencyId.eq(self.agency));
        if self.is_admin {
            return within;
        }
        let mut any = Condition::any()
            .add(T::AssigneeId.eq(self.user))
            .add(Condition::all().add(T::Status.is_in(OPEN)).add(stands_in(self)));
        if !self.numbers.is_empty() {
            any = any.add(T::PhoneNumberId.is_in(padded_list(self.numbers.iter().copied())));
        }
        within.add(any)
    }

    fn select(&self) -> Select<thread::Entity> {
        thread::Entity::find().filter(self.condition())
    }

    /// Whether a member may see the contact of the outer query: through a thread that is visible or on a number in
    /// whose pool the member is. A thread that was started without seeing the contact counts only after the contact has
    /// texted or called.
    pub(super) fn sees_contact(&self) -> Expr {
        use thread::Column as T;
        let has_called = Query::select()
            .expr(Expr::val(1))
            .from(call::Entity)
            .and_where(call::Column::AgencyId.eq(self.agency))
            .and_where(call::Column::ThreadId.into_expr().equals((thread::Entity, T::Id)))
            .and_where(call::Column::Direction.eq(Direction::Inbound))
            .take();
        let shown =
            Condition::any().add(T::StartedBlind.eq(false)).add(T::InboundCount.gt(0)).add(Expr::exists(has_called));
        let mut accessible = Condition::any().add(self.condition());
        if !self.pool_numbers.is_empty() {
            accessible = accessible.add(T::PhoneNumberId.is_in(padded_list(self.pool_numbers.iter().copied())));
        }
        let threads = Query::select()
            .expr(Expr::val(1))
            .from(thread::Entity)
            .and_where(T::AgencyId.eq(self.agency))
            .and_where(T::ContactId.into_expr().equals((contact::Entity, contact::Column::Id)))
            .cond_where(accessible)
            .cond_where(shown)
            .take();
        Expr::exists(threads)
    }
}

/// The statuses of threads that are not closed. They are named one by one, because an index finds no rows that do not
/// have a value.
const OPEN: [ThreadStatus; 2] = [ThreadStatus::Unclaimed, ThreadStatus::Claimed];

/// The order of a list of threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ThreadOrder {
    /// Latest message or call first.
    #[default]
    LatestActivity,
    /// Threads that need a reply first, the longest waiting first; then the others, oldest first.
    LongestWaiting,
}

impl ThreadOrder {
    /// The direction of the sort key.
    pub(super) fn direction(self) -> Order {
        match self {
            Self::LatestActivity => Order::Desc,
            Self::LongestWaiting => Order::Asc,
        }
    }

    /// The time in the sort key, in SQL.
    pub(super) fn time(self) -> Expr {
        use thread::Column as T;
        let own = |column: T| Expr::col((thread::Entity, column));
        match self {
            Self::LatestActivity => own(T::LastActivityAt),
            Self::LongestWaiting => {
                let needs_reply = own(T::InboundCount).gt(own(T::AnsweredCount)).and(own(T::Status).is_in(OPEN));
                let waiting = CaseStatement::new().case(needs_reply, own(T::WaitingSince));
                Func::coalesce([waiting.into(), Expr::value(NEVER)]).into()
            }
        }
    }

    /// The sort key of a thread.
    pub fn key(self, thread: &thread::Model) -> Key {
        let at = match self {
            Self::LatestActivity => thread.last_activity_at,
            Self::LongestWaiting => thread.waiting_since.filter(|_| thread.needs_reply()).unwrap_or(NEVER),
        };
        Key { at, id: thread.id.0 }
    }
}

/// The time in the sort key of threads that wait for nothing: 2038-01-19T03:14:07Z. Times are bound as TIMESTAMP, and
/// MariaDB does not compare later values of that type with the result of COALESCE.
const NEVER: DateTime<Utc> = match DateTime::from_timestamp(2_147_483_647, 0) {
    Some(at) => at,
    None => DateTime::<Utc>::MAX_UTC,
};

/// The filter of a list of threads. `None` in a field does not filter.
#[derive(Debug, Clone, Default)]
pub struct ThreadFilter {
    /// Threads with any of these statuses; all if empty.
    pub status: Vec<ThreadStatus>,
    /// Threads that are assigned to the viewer, or that are not.
    pub assigned_to_me: Option<bool>,
    pub assignee: Option<UserId>,
    /// Threads on any of these numbers; on all if empty.
    pub numbers: Vec<PhoneNumberId>,
    pub contact: Option<ContactId>,
    pub extension: Option<ExtensionId>,
    /// Threads with or without messages that the viewer has not read.
    pub unread: Option<bool>,
    /// Threads whose last inbound message is unanswered, or not. Closed threads need no reply.
    pub needs_reply: Option<bool>,
    /// Threads with or without a message that needs a decision.
    pub needs_decision: Option<bool>,
    /// Threads whose last message is later, or earlier.
    pub last_message_after: Option<DateTime<Utc>>,
    pub last_message_before: Option<DateTime<Utc>>,
    /// Part of the contact's name or phone, case-insensitive.
    pub search: Option<String>,
}

/// The number of visible threads that match the filter.
pub async fn count(conn: &impl ConnectionTrait, scope: &Scope, filter: &ThreadFilter) -> Result<u64, DbErr> {
    filtered(scope, filter).count(conn).await
}

/// For each of these filters, the number of visible threads that match it, counted to `most`, in one statement.
pub async fn counts_to(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    filters: &[ThreadFilter],
    most: u64,
) -> Result<Vec<i64>, DbErr> {
    if filters.is_empty() {
        return Ok(Vec::new());
    }
    let mut statement = Query::select();
    for (number, filter) in filters.iter().enumerate() {
        let mut matching = filtered(scope, filter).select_only();
        QueryTrait::query(&mut matching).expr_as(Expr::val(1), Alias::new("one")).limit(most);
        let rows = Alias::new(format!("rows{number}"));
        let count = Query::select().expr(Expr::col(Asterisk).count()).from_subquery(matching.into_query(), rows).take();
        statement.expr_as(Expr::SubQuery(None, Box::new(count.into())), Alias::new(format!("count{number}")));
    }
    let Some(row) = conn.query_one(&statement).await? else { return Ok(vec![0; filters.len()]) };
    (0..filters.len()).map(|number| row.try_get_by_index(number)).collect()
}

pub(super) fn filtered(scope: &Scope, filter: &ThreadFilter) -> Select<thread::Entity> {
    use thread::Column as T;
    let mut query = scope.select();
    {
        // Each join matches at most one row, so a thread is never repeated.
        let select = QueryTrait::query(&mut query);
        let own = |column: T| Expr::col((thread::Entity, column));
        select.join(
            JoinType::LeftJoin,
            contact::Entity,
            Condition::all()
                .add(Expr::col((contact::Entity, contact::Column::AgencyId)).eq(own(T::AgencyId)))
                .add(Expr::col((contact::Entity, contact::Column::Id)).eq(own(T::ContactId))),
        );
        select.join(
            JoinType::LeftJoin,
            read_mark::Entity,
            Condition::all()
                .add(Expr::col((read_mark::Entity, read_mark::Column::AgencyId)).eq(own(T::AgencyId)))
                .add(Expr::col((read_mark::Entity, read_mark::Column::ThreadId)).eq(own(T::Id)))
                .add(read_mark::Column::UserId.eq(scope.user)),
        );
    }
    if !filter.status.is_empty() {
        query = query.filter(T::Status.is_in(padded_list(filter.status.iter().copied())));
    }
    if let Some(mine) = filter.assigned_to_me {
        query = query.filter(if mine {
            Condition::all().add(T::AssigneeId.eq(scope.user))
        } else {
            Condition::any().add(T::AssigneeId.is_null()).add(T::AssigneeId.ne(scope.user))
        });
    }
    if let Some(assignee) = filter.assignee {
        query = query.filter(T::AssigneeId.eq(assignee));
    }
    if !filter.numbers.is_empty() {
        query = query.filter(T::PhoneNumberId.is_in(padded_list(filter.numbers.iter().copied())));
    }
    if let Some(extension) = filter.extension {
        query = query.filter(T::ExtensionId.eq(extension));
    }
    if let Some(needs_decision) = filter.needs_decision {
        let flagged = Query::select()
            .expr(Expr::val(1))
            .from(message::Entity)
            .and_where(message::Column::AgencyId.eq(scope.agency))
            .and_where(message::Column::ThreadId.into_expr().equals((thread::Entity, T::Id)))
            .and_where(message::Column::FlaggedAt.is_not_null())
            .take();
        let flagged = Expr::exists(flagged);
        query = query.filter(if needs_decision { flagged } else { flagged.not() });
    }
    if let Some(at) = filter.last_message_after {
        query = query.filter(T::LastMessageAt.gt(at));
    }
    if let Some(at) = filter.last_message_before {
        query = query.filter(T::LastMessageAt.lt(at));
    }
    if let Some(contact) = filter.contact {
        query = query.filter(T::ContactId.eq(contact));
    }
    if let Some(unread) = filter.unread {
        let seen = Func::coalesce([read_mark::Column::SeenCount.into_expr(), T::AnsweredCount.into_expr()]);
        let count = T::InboundCount.into_expr();
        query = query.filter(if unread { count.gt(Expr::expr(seen)) } else { count.lte(Expr::expr(seen)) });
    }
    if let Some(needs_reply) = filter.needs_reply {
        let answered = T::AnsweredCount.into_expr();
        let count = T::InboundCount.into_expr();
        query = query.filter(if needs_reply {
            Condition::all().add(count.gt(answered)).add(T::Status.is_in(OPEN))
        } else {
            Condition::any().add(count.lte(answered)).add(T::Status.eq(ThreadStatus::Closed))
        });
    }
    if let Some(search) = &filter.search {
        let mut names = Condition::all().add(super::contacts::name_matches(search));
        if !scope.is_admin {
            // A search must not reveal the name of a contact that the viewer may not see.
            names = names.add(Condition::any().add(T::StartedBlind.eq(false)).add(scope.sees_contact()));
        }
        query = query.filter(Condition::any().add(names).add(super::contacts::phone_matches(search)));
    }
    query
}

/// One thread, if the user may see it.
pub async fn visible(conn: &impl Statements, scope: &Scope, id: ThreadId) -> Result<Option<thread::Model>, DbErr> {
    Ok(find(conn, scope.select().filter(thread::Column::Id.eq(id))).await?.pop())
}

/// One thread of an agency. Does not check visibility.
pub async fn by_id(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    id: ThreadId,
) -> Result<Option<thread::Model>, DbErr> {
    thread::Entity::find_by_id((agency, id)).one(conn).await
}

/// These threads of an agency. Does not check visibility.
pub async fn by_ids(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    ids: &[ThreadId],
) -> Result<Vec<thread::Model>, DbErr> {
    thread::Entity::find()
        .filter(thread::Column::AgencyId.eq(agency))
        .filter(thread::Column::Id.is_in(padded_list(ids.iter().copied())))
        .all(conn)
        .await
}

/// Those of these threads that the user may see.
pub async fn visible_among(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    ids: &[ThreadId],
) -> Result<Vec<thread::Model>, DbErr> {
    scope.select().filter(thread::Column::Id.is_in(padded_list(ids.iter().copied()))).all(conn).await
}

/// The visible threads of these contacts, newest activity first.
pub async fn of_contacts(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    contacts: &[ContactId],
) -> Result<Vec<thread::Model>, DbErr> {
    scope
        .select()
        .filter(thread::Column::ContactId.is_in(padded_list(contacts.iter().copied())))
        .order_by_desc(thread::Column::LastActivityAt)
        .order_by_desc(thread::Column::Id)
        .all(conn)
        .await
}

/// All threads with these contacts. Does not check visibility.
pub async fn with_contacts(
    conn: &impl Statements,
    agency: AgencyId,
    contacts: BTreeSet<ContactId>,
) -> Result<Vec<thread::Model>, DbErr> {
    let query = thread::Entity::find()
        .filter(thread::Column::AgencyId.eq(agency))
        .filter(thread::Column::ContactId.is_in(padded_list(contacts)));
    find(conn, query).await
}

/// All threads with a contact, newest activity first. Does not check visibility.
pub async fn of_contact(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    contact: ContactId,
) -> Result<Vec<thread::Model>, DbErr> {
    thread::Entity::find()
        .filter(thread::Column::AgencyId.eq(agency))
        .filter(thread::Column::ContactId.eq(contact))
        .order_by_desc(thread::Column::LastActivityAt)
        .order_by_desc(thread::Column::Id)
        .all(conn)
        .await
}

/// The threads that are assigned to a user, on one number or on all (`None`).
pub async fn held_by(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    user: UserId,
    number: Option<PhoneNumberId>,
) -> Result<Vec<thread::Model>, DbErr> {
    let mut query =
        thread::Entity::find().filter(thread::Column::AgencyId.eq(agency)).filter(thread::Column::AssigneeId.eq(user));
    if let Some(number) = number {
        query = query.filter(thread::Column::PhoneNumberId.eq(number));
    }
    let mut rows = query.all(conn).await?;
    // Sorted here: sorted by SQLite, it would read all threads of the agency in the order of their ids.
    rows.sort_unstable_by_key(|row| row.id);
    Ok(rows)
}

/// The read marks of a user for these threads. A thread that the user has never read has none.
pub async fn read_marks(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    user: UserId,
    threads: &[ThreadId],
) -> Result<Vec<read_mark::Model>, DbErr> {
    read_mark::Entity::find()
        .filter(read_mark::Column::AgencyId.eq(agency))
        .filter(read_mark::Column::UserId.eq(user))
        .filter(read_mark::Column::ThreadId.is_in(padded_list(threads.iter().copied())))
        .all(conn)
        .await
}

/// For each thread, one page of its history, oldest entry first. The pages are in the order of `parts`. Does not check
/// the visibility of the threads.
pub async fn activity_pages(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    parts: &[(ThreadId, Window)],
) -> Result<Vec<Page<activity::Model>>, DbErr> {
    let parts = parts.iter().map(|(thread, window)| {
        let entries = activity::Entity::find()
            .filter(activity::Column::AgencyId.eq(agency))
            .filter(activity::Column::ThreadId.eq(*thread));
        (entries, *window)
    });
    batched_pages::pages(conn, parts.collect(), &Order::Asc, activity::Column::CreatedAt, activity::Column::Id).await
}

/// The number of history entries of each of these threads. Threads without entries are omitted.
pub async fn activity_counts(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    threads: &[ThreadId],
) -> Result<Vec<(ThreadId, i64)>, DbErr> {
    let query = activity::Entity::find()
        .filter(activity::Column::AgencyId.eq(agency))
        .filter(activity::Column::ThreadId.is_in(padded_list(threads.iter().copied())));
    batched_pages::counts(conn, query, activity::Column::ThreadId).await
}

/// When the contact of these threads was opted out or in by a user, after a time.
pub async fn opt_outs_after(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    threads: &[ThreadId],
    after: DateTime<Utc>,
) -> Result<Vec<DateTime<Utc>>, DbErr> {
    use activity::Column as A;
    activity::Entity::find()
        .select_only()
        .column(A::CreatedAt)
        .filter(A::AgencyId.eq(agency))
        .filter(A::ThreadId.is_in(padded_list(threads.iter().copied())))
        .filter(A::CreatedAt.gt(after))
        .filter(A::Kind.is_in([ActivityKind::OptedOut, ActivityKind::OptedIn]))
        .into_tuple()
        .all(conn)
        .await
}

/// One entry of a thread's history. Does not check the visibility of the thread.
pub async fn activity_by_id(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    id: ActivityId,
) -> Result<Option<activity::Model>, DbErr> {
    activity::Entity::find_by_id((agency, id)).one(conn).await
}
