//! The inbox: threads with their contact, last message and read mark, in one statement.
//!
//! This is the most frequent query, with up to fifty rows. Columns are therefore read by index, and values that appear
//! in several tables (the ids of the agency, the thread and the contact) are read once.

use sea_orm::sea_query::{Expr, ExprTrait as _, JoinType};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DbErr, QueryResult, QuerySelect as _, QueryTrait, TryGetable};
use uuid::Uuid;

use super::page::{Page, Window};
use super::threads::{Scope, ThreadFilter, ThreadOrder, filtered};
use crate::domain::{AccountId, AgencyId};
use crate::entity::{contact, message, read_mark, thread};

/// One row of the inbox.
#[derive(Debug, Clone)]
pub struct InboxRow {
    pub thread: thread::Model,
    pub contact: Option<contact::Model>,
    pub last_message: Option<message::Model>,
    /// The number of inbound messages that the user has read; `None` if the user has never read the thread.
    pub seen_count: Option<i32>,
}

/// For each part of a row, whether to read all of its columns or only those that every inbox shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Details {
    pub thread: bool,
    pub contact: bool,
    pub message: bool,
}

/// One page of the inbox. Columns outside `details` are not read and are empty in the result,
/// because each column of each row costs a copy on the driver's thread.
pub async fn inbox(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    filter: &ThreadFilter,
    order: ThreadOrder,
    window: &Window,
    details: Details,
) -> Result<Page<InboxRow>, DbErr> {
    use contact::Column as C;
    use message::Column as M;
    use thread::Column as T;
    let mut query = filtered(scope, filter).select_only();
    let select = QueryTrait::query(&mut query);
    select.join(
        JoinType::LeftJoin,
        message::Entity,
        Condition::all()
            .add(Expr::col((message::Entity, M::AgencyId)).eq(Expr::col((thread::Entity, T::AgencyId))))
            .add(Expr::col((message::Entity, M::Id)).eq(Expr::col((thread::Entity, T::LastMessageId)))),
    );
    // The columns are in the order in which `Cells` reads them.
    let mut names = 0..;
    let mut show = |column: Expr| {
        // Any unique name will do: SQLite and MariaDB reject duplicate column names, and columns are read by index.
        select.expr_as(column, format!("c{}", names.next().unwrap_or_default()));
    };
    let mut show_all = |columns: Vec<Expr>| columns.into_iter().for_each(&mut show);
    show_all(cols([T::Id, T::PhoneNumberId, T::ContactId, T::Status, T::AssigneeId, T::LastMessageId]));
    show_all(cols([T::LastActivityAt, T::InboundCount, T::AnsweredCount, T::Revision, T::StartedBlind]));
    if details.thread {
        show_all(cols([
            T::ClaimedAt,
            T::LastAssigneeId,
            T::ClosedAt,
            T::ExtensionId,
            T::EscalateAt,
            T::HeldUntil,
            T::BlockedAt,
        ]));
        show_all(cols([T::OptOutHintId, T::LastMessageAt, T::WaitingSince, T::CreatedAt]));
    }
    show_all(cols([read_mark::Column::SeenCount]));
    show_all(cols([C::Phone, C::Name]));
    if details.contact {
        show_all(cols([C::Note, C::ProviderUserId, C::OptedOutAt, C::CreatedAt, C::UpdatedAt]));
    }
    show_all(cols([M::Direction, M::Body, M::Status, M::CreatedAt]));
    if details.message {
        show_all(cols([M::SenderId, M::ExtensionId, M::TwilioAccountId, M::ProviderSid, M::RoutedBy]));
        show_all(cols([
            M::PoolMuted,
            M::ErrorCode,
            M::Segments,
            M::FlaggedAt,
            M::SendsAt,
            M::ResendsId,
            M::ResentAsId,
        ]));
    }
    let (id, backend) = (Expr::col((thread::Entity, T::Id)), conn.get_database_backend());
    let statement = window.apply_literal_limit(query, &order.direction(), order.time(), id, backend);
    let rows = conn.query_all_raw(statement).await?;
    let rows = rows.iter().map(|row| Cells { row, at: 0 }.row(scope.agency, details));
    Ok(window.page(rows.collect::<Result<_, _>>()?))
}

fn cols<C: ColumnTrait>(columns: impl IntoIterator<Item = C>) -> Vec<Expr> {
    columns.into_iter().map(|column| Expr::col(column.as_column_ref())).collect()
}

/// Reads the cells of a row from first to last.
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

    /// The next cell if the details were selected.
    fn detail<T: TryGetable>(&mut self, selected: bool) -> Result<Option<T>, DbErr> {
        if selected { self.next() } else { Ok(None) }
    }

    fn row(mut self, agency: AgencyId, details: Details) -> Result<InboxRow, DbErr> {
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
            revision: self.next()?,
            started_blind: self.next()?,
            claimed_at: self.detail(details)?,
            last_assignee_id: self.detail(details)?,
            closed_at: self.detail(details)?,
            extension_id: self.detail(details)?,
            escalate_at: self.detail(details)?,
            held_until: self.detail(details)?,
            blocked_at: self.detail(details)?,
            opt_out_hint_id: self.detail(details)?,
            last_message_at: self.detail(details)?,
            waiting_since: self.detail(details)?,
            created_at: self.detail(details)?.unwrap_or_default(),
        })
    }

    fn contact(&mut self, thread: &thread::Model, details: bool) -> Result<Option<contact::Model>, DbErr> {
        let (phone, name): (Option<String>, _) = (self.next()?, self.next()?);
        let note = self.detail(details)?;
        let (provider_user_id, opted_out_at) = (self.detail(details)?, self.detail(details)?);
        let (created_at, updated_at) = (self.detail(details)?, self.detail(details)?);
        Ok(phone.map(|phone| contact::Model {
            name,
            note,
            provider_user_id,
            opted_out_at,
            updated_at: updated_at.unwrap_or_default(),
            ..contact::Model::begin(thread.agency_id, thread.contact_id, phone, created_at.unwrap_or_default())
        }))
    }

    /// The message must come last, because its remaining cells are not skipped if there is no message.
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
            pool_muted: self.detail(details)?.unwrap_or_default(),
            error_code: self.detail(details)?,
            segments: self.detail(details)?,
            flagged_at: self.detail(details)?,
            sends_at: self.detail(details)?,
            resends_id: self.detail(details)?,
            resent_as_id: self.detail(details)?,
        }))
    }
}
