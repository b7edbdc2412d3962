//! Threads: who may see which, one thread and its history.

use sea_orm::sea_query::{Expr, ExprTrait as _, Func, JoinType, Query};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait, Order, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, QueryTrait, Select,
};

use super::batched_pages;
use super::bulk::list;
use super::page::{Page, Window};
use super::stand_ins::stands_in;
use crate::domain::{
    ActivityId, AgencyId, ContactId, Direction, ExtensionId, PhoneNumberId, ThreadId, ThreadStatus, UserId,
};
use crate::entity::{activity, call, contact, read_mark, thread};

/// What decides which of their agency's threads, contacts and calls an active user may see.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The user's agency.
    pub agency: AgencyId,
    /// The user.
    pub user: UserId,
    /// Whether they see everything. Then nothing below is filled in.
    pub is_admin: bool,
    /// Whether they are the agency's default user.
    pub is_default_user: bool,
    /// The numbers in whose pool they are eligible.
    pub numbers: Vec<PhoneNumberId>,
    /// The numbers in whose pool they are, texts on or off.
    pub pool_numbers: Vec<PhoneNumberId>,
    /// The active extensions that reach them.
    pub extensions: Vec<ExtensionId>,
}

impl Scope {
    /// `domain::access::is_handler`, as SQL.
    pub(super) fn condition(&self) -> Condition {
        use thread::Column as T;
        let within = Condition::all().add(T::AgencyId.eq(self.agency));
        if self.is_admin {
            return within;
        }
        let mut any = Condition::any()
            .add(T::AssigneeId.eq(self.user))
            .add(Condition::all().add(T::Status.ne(ThreadStatus::Closed)).add(stands_in(self)));
        if !self.numbers.is_empty() {
            any = any.add(T::PhoneNumberId.is_in(list(self.numbers.iter().copied())));
        }
        within.add(any)
    }

    fn select(&self) -> Select<thread::Entity> {
        thread::Entity::find().filter(self.condition())
    }

    /// Whether a member sees the outer query's contact: by a thread that they may see or that is on a number of theirs.
    /// A thread that was started without sight of the contact does not count before the contact has texted or called.
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
        let mut theirs = Condition::any().add(self.condition());
        if !self.pool_numbers.is_empty() {
            theirs = theirs.add(T::PhoneNumberId.is_in(list(self.pool_numbers.iter().copied())));
        }
        let threads = Query::select()
            .expr(Expr::val(1))
            .from(thread::Entity)
            .and_where(T::AgencyId.eq(self.agency))
            .and_where(T::ContactId.into_expr().equals((contact::Entity, contact::Column::Id)))
            .cond_where(theirs)
            .cond_where(shown)
            .take();
        Expr::exists(threads)
    }
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct ThreadFilter {
    /// Any of these; empty is all.
    pub status: Vec<ThreadStatus>,
    /// Held by this user, or not held by them.
    pub assigned_to_me: Option<bool>,
    /// On this number.
    pub number: Option<PhoneNumberId>,
    /// With this contact.
    pub contact: Option<ContactId>,
    /// With or without messages that the user has not read.
    pub unread: Option<bool>,
    /// Whether the contact had the last word.
    pub needs_reply: Option<bool>,
    /// In the contact's name or phone, without regard to case.
    pub search: Option<String>,
}

/// How many threads the filter lets through.
///
/// # Errors
/// When the database fails.
pub async fn count(conn: &impl ConnectionTrait, scope: &Scope, filter: &ThreadFilter) -> Result<u64, DbErr> {
    narrowed(scope, filter).count(conn).await
}

/// The same, counted to at most `most`.
///
/// # Errors
/// When the database fails.
pub async fn count_to(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    filter: &ThreadFilter,
    most: u64,
) -> Result<u64, DbErr> {
    // PaginatorTrait wraps the query, so the limit holds inside the count.
    narrowed(scope, filter).limit(most).count(conn).await
}

pub(super) fn narrowed(scope: &Scope, filter: &ThreadFilter) -> Select<thread::Entity> {
    use thread::Column as T;
    let mut query = scope.select();
    {
        // Both joins are one to one at most: they never repeat a thread.
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
        query = query.filter(T::Status.is_in(list(filter.status.iter().copied())));
    }
    if let Some(mine) = filter.assigned_to_me {
        query = query.filter(if mine {
            Condition::all().add(T::AssigneeId.eq(scope.user))
        } else {
            Condition::any().add(T::AssigneeId.is_null()).add(T::AssigneeId.ne(scope.user))
        });
    }
    if let Some(number) = filter.number {
        query = query.filter(T::PhoneNumberId.eq(number));
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
            Condition::all().add(count.gt(answered)).add(T::Status.ne(ThreadStatus::Closed))
        } else {
            Condition::any().add(count.lte(answered)).add(T::Status.eq(ThreadStatus::Closed))
        });
    }
    if let Some(search) = &filter.search {
        let mut names = Condition::all().add(super::contacts::name_matches(search));
        if !scope.is_admin {
            // A search by name must not tell the name of a contact whom the viewer may not see.
            names = names.add(Condition::any().add(T::StartedBlind.eq(false)).add(scope.sees_contact()));
        }
        query = query.filter(Condition::any().add(names).add(super::contacts::phone_matches(search)));
    }
    query
}

/// One thread, if the user may see it.
///
/// # Errors
/// When the database fails.
pub async fn visible(conn: &impl ConnectionTrait, scope: &Scope, id: ThreadId) -> Result<Option<thread::Model>, DbErr> {
    scope.select().filter(thread::Column::Id.eq(id)).one(conn).await
}

/// One thread of an agency. Its visibility is the caller's to check.
///
/// # Errors
/// When the database fails.
pub async fn by_id(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    id: ThreadId,
) -> Result<Option<thread::Model>, DbErr> {
    thread::Entity::find_by_id((agency, id)).one(conn).await
}

/// Those of these threads that the user may see.
///
/// # Errors
/// When the database fails.
pub async fn visible_among(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    ids: &[ThreadId],
) -> Result<Vec<thread::Model>, DbErr> {
    scope.select().filter(thread::Column::Id.is_in(list(ids.iter().copied()))).all(conn).await
}

/// The visible threads of these contacts, newest activity first.
///
/// # Errors
/// When the database fails.
pub async fn of_contacts(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    contacts: &[ContactId],
) -> Result<Vec<thread::Model>, DbErr> {
    scope
        .select()
        .filter(thread::Column::ContactId.is_in(list(contacts.iter().copied())))
        .order_by_desc(thread::Column::LastActivityAt)
        .order_by_desc(thread::Column::Id)
        .all(conn)
        .await
}

/// All threads with these contacts. Their visibility is the caller's to check.
///
/// # Errors
/// When the database fails.
pub async fn with_contacts(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    contacts: &[ContactId],
) -> Result<Vec<thread::Model>, DbErr> {
    thread::Entity::find()
        .filter(thread::Column::AgencyId.eq(agency))
        .filter(thread::Column::ContactId.is_in(list(contacts.iter().copied())))
        .all(conn)
        .await
}

/// All threads with a contact, newest activity first. Their visibility is the caller's to check.
///
/// # Errors
/// When the database fails.
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

/// The threads that a user holds, on one number or on all.
///
/// # Errors
/// When the database fails.
pub async fn held_by(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    user: UserId,
    number: Option<PhoneNumberId>,
) -> Result<Vec<thread::Model>, DbErr> {
    let mut query = thread::Entity::find()
        .filter(thread::Column::AgencyId.eq(agency))
        .filter(thread::Column::AssigneeId.eq(user))
        .order_by_asc(thread::Column::Id);
    if let Some(number) = number {
        query = query.filter(thread::Column::PhoneNumberId.eq(number));
    }
    query.all(conn).await
}

/// How much of these threads a user has seen.
///
/// # Errors
/// When the database fails.
pub async fn read_marks(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    user: UserId,
    threads: &[ThreadId],
) -> Result<Vec<read_mark::Model>, DbErr> {
    read_mark::Entity::find()
        .filter(read_mark::Column::AgencyId.eq(agency))
        .filter(read_mark::Column::UserId.eq(user))
        .filter(read_mark::Column::ThreadId.is_in(list(threads.iter().copied())))
        .all(conn)
        .await
}

/// Parts of the histories of threads, oldest line first, in the order of `parts`. The visibility of the threads is the
/// caller's to check.
///
/// # Errors
/// When the database fails.
pub async fn activity_pages(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    parts: &[(ThreadId, Window)],
) -> Result<Vec<Page<activity::Model>>, DbErr> {
    let parts = parts.iter().map(|(thread, window)| {
        let lines = activity::Entity::find()
            .filter(activity::Column::AgencyId.eq(agency))
            .filter(activity::Column::ThreadId.eq(*thread));
        (lines, *window)
    });
    batched_pages::pages(conn, parts.collect(), &Order::Asc, activity::Column::CreatedAt, activity::Column::Id).await
}

/// How many lines the history of each of these threads has; a thread without any is left out.
///
/// # Errors
/// When the database fails.
pub async fn activity_counts(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    threads: &[ThreadId],
) -> Result<Vec<(ThreadId, i64)>, DbErr> {
    let query = activity::Entity::find()
        .filter(activity::Column::AgencyId.eq(agency))
        .filter(activity::Column::ThreadId.is_in(list(threads.iter().copied())));
    batched_pages::counts(conn, query, activity::Column::ThreadId).await
}

/// One line of a thread's history. The thread's visibility is the caller's to check.
///
/// # Errors
/// When the database fails.
pub async fn activity_by_id(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    id: ActivityId,
) -> Result<Option<activity::Model>, DbErr> {
    activity::Entity::find_by_id((agency, id)).one(conn).await
}
