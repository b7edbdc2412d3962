//! The inbox: threads with what their lines show, in one statement.
//!
//! It is the query that is asked most, fifty rows at a time. So cells are read by their place, and
//! what a row says twice (ids of the agency, the thread, the contact) is read once.

use sea_orm::sea_query::{Expr, ExprTrait as _, JoinType};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, Order, QueryResult, QuerySelect as _, QueryTrait, TryGetable,
};
use uuid::Uuid;

use super::page::{Page, Window};
use super::threads::{Scope, ThreadFilter, narrowed};
use crate::domain::{AccountId, AgencyId};
use crate::entity::{contact, message, read_mark, thread};

/// One line of the inbox, with what it shows.
#[derive(Debug, Clone)]
pub struct InboxRow {
    /// The thread.
    pub thread: thread::Model,
    /// With whom.
    pub contact: Option<contact::Model>,
    /// What was said last.
    pub last_message: Option<message::Model>,
    /// How many of its inbound messages the user has seen; `None` if they never read it.
    pub seen_count: Option<i32>,
}

/// What is wanted of a line beyond what every inbox shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Details {
    /// All of the thread.
    pub thread: bool,
    /// All of the contact.
    pub contact: bool,
    /// All of the last message.
    pub message: bool,
}

/// A part of the inbox, newest activity first, in one statement. What is not among the wanted details
/// is not read, and is empty: each column of a row is a copy on the driver's thread.
///
/// # Errors
/// When the database fails.
pub async fn inbox(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    filter: &ThreadFilter,
    window: &Window,
    details: Details,
) -> Result<Page<InboxRow>, DbErr> {
    use contact::Column as C;
    use message::Column as M;
    use thread::Column as T;
    let mut query = narrowed(scope, filter).select_only();
    let select = QueryTrait::query(&mut query);
    select.join(
        JoinType::LeftJoin,
        message::Entity,
        Condition::all()
            .add(Expr::col((message::Entity, M::AgencyId)).eq(Expr::col((thread::Entity, T::AgencyId))))
            .add(Expr::col((message::Entity, M::Id)).eq(Expr::col((thread::Entity, T::LastMessageId)))),
    );
    // In the order in which `Cells` reads them.
    let mut names = 0..;
    let mut show = |column: Expr| {
        // SQLite and MariaDB want no two columns of one name, and nobody reads the name.
        select.expr_as(column, format!("c{}", names.next().unwrap_or_default()));
    };
    let mut show_all = |columns: Vec<Expr>| columns.into_iter().for_each(&mut show);
    show_all(cols([T::Id, T::PhoneNumberId, T::ContactId, T::Status, T::AssigneeId, T::LastMessageId]));
    show_all(cols([T::LastActivityAt, T::InboundCount, T::AnsweredCount, T::StartedBlind]));
    if details.thread {
        show_all(cols([T::ClaimedAt, T::LastAssigneeId, T::ClosedAt, T::ExtensionId, T::EscalateAt, T::BlockedAt]));
        show_all(cols([T::OptOutHintId, T::CreatedAt]));
    }
    show_all(cols([read_mark::Column::SeenCount]));
    show_all(cols([C::Phone, C::Name]));
    if details.contact {
        show_all(cols([C::ProviderUserId, C::OptedOutAt, C::CreatedAt, C::UpdatedAt]));
    }
    show_all(cols([M::Direction, M::Body, M::Status, M::CreatedAt]));
    if details.message {
        show_all(cols([M::SenderId, M::ExtensionId, M::TwilioAccountId, M::ProviderSid, M::RoutedBy]));
        show_all(cols([M::ErrorCode, M::Segments, M::FlaggedAt]));
    }
    let backend = conn.get_database_backend();
    let statement = window.apply_often(query, &Order::Desc, T::LastActivityAt, T::Id, backend);
    let rows = conn.query_all_raw(statement).await?;
    let rows = rows.iter().map(|row| Cells { row, at: 0 }.line(scope.agency, details));
    Ok(window.cut(rows.collect::<Result<_, _>>()?))
}

fn cols<C: ColumnTrait>(columns: impl IntoIterator<Item = C>) -> Vec<Expr> {
    columns.into_iter().map(|column| Expr::col(column.as_column_ref())).collect()
}

/// The cells of a row, from the first to the last.
struct Cells<'a> {
    row: &'a QueryResult,
    at: usize,
}

impl Cells<'_> {
    fn next<T: TryGetable>(&mut self) -> Result<T, DbErr> {
        let cell = self.row.try_get_by_index(self.at);
        self.at += 1;
        cell
    }

    /// The next cell if it was asked for.
    fn detail<T: TryGetable>(&mut self, wanted: bool) -> Result<Option<T>, DbErr> {
        if wanted { self.next() } else { Ok(None) }
    }

    fn line(mut self, agency: AgencyId, details: Details) -> Result<InboxRow, DbErr> {
        let thread = self.thread(agency, details.thread)?;
        let seen_count = self.next()?;
        let contact = self.contact(&thread, details.contact)?;
        let last_message = self.message(&thread, details.message)?;
        Ok(InboxRow { thread, contact, last_message, seen_count })
    }

    fn thread(&mut self, agency_id: AgencyId, details: bool) -> Result<thread::Model, DbErr> {
        Ok(thread::Model {
            agency_id,
            id: self.next()?,
            phone_number_id: self.next()?,
            contact_id: self.next()?,
            status: self.next()?,
            assignee_id: self.next()?,
            last_message_id: self.next()?,
            last_activity_at: self.next()?,
            inbound_count: self.next()?,
            answered_count: self.next()?,
            started_blind: self.next()?,
            claimed_at: self.detail(details)?,
            last_assignee_id: self.detail(details)?,
            closed_at: self.detail(details)?,
            extension_id: self.detail(details)?,
            escalate_at: self.detail(details)?,
            blocked_at: self.detail(details)?,
            opt_out_hint_id: self.detail(details)?,
            created_at: self.detail(details)?.unwrap_or_default(),
        })
    }

    fn contact(&mut self, thread: &thread::Model, details: bool) -> Result<Option<contact::Model>, DbErr> {
        let (phone, name): (Option<String>, _) = (self.next()?, self.next()?);
        let (provider_user_id, opted_out_at) = (self.detail(details)?, self.detail(details)?);
        let (created_at, updated_at) = (self.detail(details)?, self.detail(details)?);
        Ok(phone.map(|phone| contact::Model {
            name,
            provider_user_id,
            opted_out_at,
            updated_at: updated_at.unwrap_or_default(),
            ..contact::Model::begin(thread.agency_id, thread.contact_id, phone, created_at.unwrap_or_default())
        }))
    }

    /// The last of a row: what is left of it when there is no message need not be read.
    fn message(&mut self, thread: &thread::Model, details: bool) -> Result<Option<message::Model>, DbErr> {
        let (Some(direction), Some(id)) = (self.next()?, thread.last_message_id) else { return Ok(None) };
        Ok(Some(message::Model {
            agency_id: thread.agency_id,
            id,
            thread_id: thread.id,
            direction,
            body: self.next()?,
            status: self.next()?,
            created_at: self.next()?,
            sender_id: self.detail(details)?,
            extension_id: self.detail(details)?,
            twilio_account_id: self.detail(details)?.unwrap_or(AccountId(Uuid::nil())),
            provider_sid: self.detail(details)?,
            routed_by: self.detail(details)?,
            error_code: self.detail(details)?,
            segments: self.detail(details)?,
            flagged_at: self.detail(details)?,
        }))
    }
}
