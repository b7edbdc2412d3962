//! Texts on their way to the carrier, and the pace of each number.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, OnConflict, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, IntoActiveModel as _,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use crate::domain::turns::{AUTOMATIC, Waiting};
use crate::domain::{AgencyId, MessageId, OutboxState, PhoneNumberId, ThreadId, UserId};
use crate::entity::{outbox, sending_pace};

/// The numbers of all agencies that have a text to try now.
///
/// # Errors
/// When the database fails.
pub async fn numbers_due(
    conn: &impl ConnectionTrait,
    now: DateTime<Utc>,
) -> Result<Vec<(AgencyId, PhoneNumberId)>, DbErr> {
    outbox::Entity::find()
        .select_only()
        .column(outbox::Column::AgencyId)
        .column(outbox::Column::PhoneNumberId)
        .distinct()
        .filter(outbox::Column::State.eq(OutboxState::Queued))
        .filter(outbox::Column::DueAt.lte(now))
        .into_tuple()
        .all(conn)
        .await
}

/// What waits on a number, as far as it matters for the next text of this sender.
///
/// # Errors
/// When the database fails.
pub async fn waiting(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    number: PhoneNumberId,
    sender: UserId,
    now: DateTime<Utc>,
) -> Result<Waiting, DbErr> {
    use outbox::Column as O;
    let on_number = || {
        outbox::Entity::find()
            .select_only()
            .filter(O::AgencyId.eq(agency))
            .filter(O::PhoneNumberId.eq(number))
            .filter(O::State.eq(OutboxState::Queued))
    };
    let of_sender = on_number().column_as(O::MessageId.count(), "texts").column_as(O::Turn.max(), "last");
    let of_sender = of_sender.filter(O::SenderId.eq(sender)).into_tuple::<(i64, Option<i64>)>().one(conn).await?;
    // A text that is to be tried again later does not hold the turn back.
    let first = on_number().filter(O::DueAt.lte(now)).column_as(O::Turn.min(), "first");
    let first = first.into_tuple::<Option<i64>>().one(conn).await?;
    let (of_sender, last_of_sender) = of_sender.unwrap_or_default();
    Ok(Waiting { of_sender, last_of_sender, first: first.flatten() })
}

/// Gives the automatic texts that wait in a thread the turn of the staff's text behind them, which could not leave before.
///
/// # Errors
/// When the database fails.
pub async fn promote_automatic(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    thread: ThreadId,
    turn: i64,
) -> Result<(), DbErr> {
    outbox::Entity::update_many()
        .col_expr(outbox::Column::Turn, Expr::value(turn))
        .filter(outbox::Column::AgencyId.eq(agency))
        .filter(outbox::Column::ThreadId.eq(thread))
        .filter(outbox::Column::State.eq(OutboxState::Queued))
        .filter(outbox::Column::Turn.eq(AUTOMATIC))
        .exec(conn)
        .await
        .map(drop)
}

/// The text that a number is to try next: the one with the first turn. Those of one thread leave in their order: one
/// waits while an earlier one waits, or is being tried.
///
/// # Errors
/// When the database fails.
pub async fn next_of(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    number: PhoneNumberId,
    now: DateTime<Utc>,
) -> Result<Option<outbox::Model>, DbErr> {
    use outbox::Column as O;
    let earlier = Alias::new("earlier");
    let of = |column: O| Expr::col((earlier.clone(), column));
    let before_it = Query::select()
        .expr(Expr::val(1))
        .from_as(outbox::Entity, earlier.clone())
        .and_where(of(O::AgencyId).eq(agency))
        .and_where(of(O::ThreadId).equals((outbox::Entity, O::ThreadId)))
        .and_where(of(O::State).is_in([OutboxState::Queued, OutboxState::Attempting]))
        .and_where(of(O::MessageId).lt(Expr::col((outbox::Entity, O::MessageId))))
        .take();
    outbox::Entity::find()
        .filter(O::AgencyId.eq(agency))
        .filter(O::PhoneNumberId.eq(number))
        .filter(O::State.eq(OutboxState::Queued))
        .filter(O::DueAt.lte(now))
        .filter(Expr::not_exists(before_it))
        .order_by_asc(O::Turn)
        .order_by_asc(O::MessageId)
        .one(conn)
        .await
}

/// The texts of an agency that wait or are being tried.
///
/// # Errors
/// When the database fails.
pub async fn unsent(conn: &impl ConnectionTrait, agency: AgencyId) -> Result<Vec<outbox::Model>, DbErr> {
    outbox::Entity::find()
        .filter(outbox::Column::AgencyId.eq(agency))
        .filter(outbox::Column::State.is_in([OutboxState::Queued, OutboxState::Attempting]))
        .order_by_asc(outbox::Column::MessageId)
        .all(conn)
        .await
}

/// The row of one text, while it has one.
///
/// # Errors
/// When the database fails.
pub async fn by_message(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    message: MessageId,
) -> Result<Option<outbox::Model>, DbErr> {
    outbox::Entity::find_by_id((agency, message)).one(conn).await
}

/// The attempt begins, if the text still waits. Says whether it does.
///
/// # Errors
/// When the database fails.
pub async fn begin_attempt(
    conn: &impl ConnectionTrait,
    row: &outbox::Model,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let change = outbox::ActiveModel {
        state: Set(OutboxState::Attempting),
        attempts: Set(row.attempts + 1),
        attempted_at: Set(Some(now)),
        ..Default::default()
    };
    move_on(conn, row, OutboxState::Queued, change).await
}

/// The text is to be tried again, if it was being tried. Says whether it was.
///
/// # Errors
/// When the database fails.
pub async fn try_again(conn: &impl ConnectionTrait, row: &outbox::Model, due_at: DateTime<Utc>) -> Result<bool, DbErr> {
    let change = outbox::ActiveModel { state: Set(OutboxState::Queued), due_at: Set(due_at), ..Default::default() };
    move_on(conn, row, OutboxState::Attempting, change).await
}

/// Nobody knows what came of an attempt: the text is to be looked for, and never tried again.
///
/// # Errors
/// When the database fails.
pub async fn doubt(conn: &impl ConnectionTrait, row: &outbox::Model, due_at: DateTime<Utc>) -> Result<bool, DbErr> {
    let change = outbox::ActiveModel {
        state: Set(OutboxState::InDoubt),
        attempts: Set(0),
        due_at: Set(due_at),
        ..Default::default()
    };
    move_on(conn, row, OutboxState::Attempting, change).await
}

/// A text in doubt was not found, and is looked for again later.
///
/// # Errors
/// When the database fails.
pub async fn look_again(
    conn: &impl ConnectionTrait,
    row: &outbox::Model,
    due_at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let change = outbox::ActiveModel { attempts: Set(row.attempts + 1), due_at: Set(due_at), ..Default::default() };
    move_on(conn, row, OutboxState::InDoubt, change).await
}

async fn move_on(
    conn: &impl ConnectionTrait,
    row: &outbox::Model,
    from: OutboxState,
    change: outbox::ActiveModel,
) -> Result<bool, DbErr> {
    let done = outbox::Entity::update_many()
        .set(change)
        .filter(outbox::Column::AgencyId.eq(row.agency_id))
        .filter(outbox::Column::MessageId.eq(row.message_id))
        .filter(outbox::Column::State.eq(from))
        .exec(conn)
        .await?;
    Ok(done.rows_affected == 1)
}

/// The carrier has the text, or never will: nothing is left to do for it.
///
/// # Errors
/// When the database fails.
pub async fn remove(conn: &impl ConnectionTrait, agency: AgencyId, message: MessageId) -> Result<(), DbErr> {
    outbox::Entity::delete_by_id((agency, message)).exec(conn).await.map(drop)
}

/// Attempts of all agencies that began before this moment and never ended.
///
/// # Errors
/// When the database fails.
pub async fn cut_off(
    conn: &impl ConnectionTrait,
    before: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<outbox::Model>, DbErr> {
    outbox::Entity::find()
        .filter(outbox::Column::State.eq(OutboxState::Attempting))
        .filter(outbox::Column::AttemptedAt.lt(before))
        .order_by_asc(outbox::Column::AttemptedAt)
        .limit(limit)
        .all(conn)
        .await
}

/// Texts in doubt of all agencies that are to be looked for now.
///
/// # Errors
/// When the database fails.
pub async fn in_doubt(
    conn: &impl ConnectionTrait,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<outbox::Model>, DbErr> {
    outbox::Entity::find()
        .filter(outbox::Column::State.eq(OutboxState::InDoubt))
        .filter(outbox::Column::DueAt.lte(now))
        .order_by_asc(outbox::Column::DueAt)
        .limit(limit)
        .all(conn)
        .await
}

/// How many texts of all agencies stand so, for the metrics.
///
/// # Errors
/// When the database fails.
pub async fn count(conn: &impl ConnectionTrait, state: OutboxState) -> Result<u64, DbErr> {
    outbox::Entity::find().filter(outbox::Column::State.eq(state)).count(conn).await
}

/// How far ahead a number has spent its pace; `None` if it never sent.
///
/// # Errors
/// When the database fails.
pub async fn pace_spent(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    number: PhoneNumberId,
) -> Result<Option<DateTime<Utc>>, DbErr> {
    let row = sending_pace::Entity::find_by_id((agency, number)).one(conn).await?;
    Ok(row.map(|row| row.spent_until))
}

/// Notes how far a number has spent its pace.
///
/// # Errors
/// When the database fails.
pub async fn spend_pace(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    number: PhoneNumberId,
    spent_until: DateTime<Utc>,
) -> Result<(), DbErr> {
    use sending_pace::Column as P;
    let row = sending_pace::Model { agency_id: agency, phone_number_id: number, spent_until };
    let mut on_conflict = OnConflict::columns([P::AgencyId, P::PhoneNumberId]);
    on_conflict.update_column(P::SpentUntil);
    sending_pace::Entity::insert(row.into_active_model())
        .on_conflict(on_conflict)
        .exec_without_returning(conn)
        .await
        .map(drop)
}
