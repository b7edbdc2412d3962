//! The inbox: threads with what their lines show, in one statement.
//!
//! It is the query that is asked most, fifty rows at a time. So cells are read by their place, and
//! what a row says twice (ids of the agency, the thread, the contact) is read once.

use sea_orm::sea_query::{Expr, ExprTrait as _, JoinType};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, FromQueryResult, Order, QueryResult, QuerySelect as _, QueryTrait,
    TryGetable,
};

use super::page::{Page, Window};
use super::threads::{Scope, ThreadFilter, narrowed};
use crate::domain::Direction;
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

/// A part of the inbox, newest activity first, in one statement.
///
/// # Errors
/// When the database fails.
pub async fn inbox(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    filter: &ThreadFilter,
    window: &Window,
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
    // In the order in which `InboxRow` reads them.
    let mut names = 0..;
    let mut show = |column: Expr| {
        // SQLite and MariaDB want no two columns of one name, and nobody reads the name.
        select.expr_as(column, format!("c{}", names.next().unwrap_or_default()));
    };
    let mut show_all = |columns: Vec<Expr>| columns.into_iter().for_each(&mut show);
    show_all(cols([
        T::AgencyId,
        T::Id,
        T::PhoneNumberId,
        T::ContactId,
        T::Status,
        T::AssigneeId,
        T::ClaimedAt,
        T::LastAssigneeId,
        T::ClosedAt,
        T::ExtensionId,
        T::EscalateAt,
        T::LastMessageId,
        T::BlockedAt,
        T::LastActivityAt,
        T::InboundCount,
        T::AnsweredCount,
        T::CreatedAt,
    ]));
    show_all(cols([C::Phone, C::Name, C::ProviderUserId, C::OptedOutAt, C::CreatedAt, C::UpdatedAt]));
    show_all(cols([
        M::Direction,
        M::Body,
        M::Status,
        M::SenderId,
        M::ExtensionId,
        M::TwilioAccountId,
        M::ProviderSid,
        M::RoutedBy,
        M::ErrorCode,
        M::Segments,
        M::FlaggedAt,
        M::CreatedAt,
    ]));
    show_all(cols([read_mark::Column::SeenCount]));
    let backend = conn.get_database_backend();
    let statement = window.apply_often(query, &Order::Desc, T::LastActivityAt, T::Id, backend);
    Ok(window.cut(InboxRow::find_by_statement(statement).all(conn).await?))
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
}

impl FromQueryResult for InboxRow {
    fn from_query_result(row: &QueryResult, _: &str) -> Result<Self, DbErr> {
        let mut cells = Cells { row, at: 0 };
        let thread = thread::Model {
            agency_id: cells.next()?,
            id: cells.next()?,
            phone_number_id: cells.next()?,
            contact_id: cells.next()?,
            status: cells.next()?,
            assignee_id: cells.next()?,
            claimed_at: cells.next()?,
            last_assignee_id: cells.next()?,
            closed_at: cells.next()?,
            extension_id: cells.next()?,
            escalate_at: cells.next()?,
            last_message_id: cells.next()?,
            blocked_at: cells.next()?,
            last_activity_at: cells.next()?,
            inbound_count: cells.next()?,
            answered_count: cells.next()?,
            created_at: cells.next()?,
        };
        let contact = read_contact(&thread, &mut cells)?;
        let last_message = read_message(&thread, &mut cells)?;
        // The last cell, whatever was not there before it.
        let seen_count = row.try_get_by_index(SEEN_COUNT)?;
        Ok(Self { thread, contact, last_message, seen_count })
    }
}

const CONTACT: usize = 17;
const MESSAGE: usize = CONTACT + 6;
const SEEN_COUNT: usize = MESSAGE + 12;

fn read_contact(thread: &thread::Model, cells: &mut Cells<'_>) -> Result<Option<contact::Model>, DbErr> {
    cells.at = CONTACT;
    let Some(phone) = cells.next()? else { return Ok(None) };
    Ok(Some(contact::Model {
        agency_id: thread.agency_id,
        id: thread.contact_id,
        phone,
        name: cells.next()?,
        provider_user_id: cells.next()?,
        opted_out_at: cells.next()?,
        created_at: cells.next()?,
        updated_at: cells.next()?,
    }))
}

fn read_message(thread: &thread::Model, cells: &mut Cells<'_>) -> Result<Option<message::Model>, DbErr> {
    cells.at = MESSAGE;
    let (direction, Some(id)) = (cells.next::<Option<Direction>>()?, thread.last_message_id) else { return Ok(None) };
    let Some(direction) = direction else { return Ok(None) };
    Ok(Some(message::Model {
        agency_id: thread.agency_id,
        id,
        thread_id: thread.id,
        direction,
        body: cells.next()?,
        status: cells.next()?,
        sender_id: cells.next()?,
        extension_id: cells.next()?,
        twilio_account_id: cells.next()?,
        provider_sid: cells.next()?,
        routed_by: cells.next()?,
        error_code: cells.next()?,
        segments: cells.next()?,
        flagged_at: cells.next()?,
        created_at: cells.next()?,
    }))
}
