//! The outbox: texts that are to be sent to Twilio, and the sending pace of each phone number.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, OnConflict, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, IntoActiveModel as _,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use crate::domain::turns::{AUTOMATIC, Waiting};
use crate::domain::{AgencyId, MessageId, OutboxState, PhoneNumberId, ThreadId, UserId};
use crate::entity::{outbox, sending_pace};

/// The numbers of all agencies that have a text due to be sent.
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

/// The queue of a number, as far as it determines the turn of the sender's next text.
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
    // A text that is scheduled for a later retry does not hold the turn back.
    let first = on_number().filter(O::DueAt.lte(now)).column_as(O::Turn.min(), "first");
    let first = first.into_tuple::<Option<i64>>().one(conn).await?;
    let (of_sender, last_of_sender) = of_sender.unwrap_or_default();
    Ok(Waiting { of_sender, last_of_sender, first: first.flatten() })
}

/// Moves the queued automatic texts of a thread to the turn of the user's text behind them, because texts of one thread
/// are sent in order and it could not be sent before them.
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

/// The text that a number is to send next: the due one with the lowest turn. Texts of one thread are sent in order, so
/// a text is skipped while an earlier text of its thread is queued or being sent.
pub async fn next_text(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    number: PhoneNumberId,
    now: DateTime<Utc>,
) -> Result<Option<outbox::Model>, DbErr> {
    use outbox::Column as O;
    let earlier = Alias::new("earlier");
    let of = |column: O| Expr::col((earlier.clone(), column));
    let blocked_by = Query::select()
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
        .filter(Expr::not_exists(blocked_by))
        .order_by_asc(O::Turn)
        .order_by_asc(O::MessageId)
        .one(conn)
        .await
}

/// The texts of an agency that are queued or being sent.
pub async fn unsent(conn: &impl ConnectionTrait, agency: AgencyId) -> Result<Vec<outbox::Model>, DbErr> {
    outbox::Entity::find()
        .filter(outbox::Column::AgencyId.eq(agency))
        .filter(outbox::Column::State.is_in([OutboxState::Queued, OutboxState::Attempting]))
        .order_by_asc(outbox::Column::MessageId)
        .all(conn)
        .await
}

/// The texts of a thread that are held: no attempt has begun, and none is due yet.
pub async fn held(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    thread: ThreadId,
    now: DateTime<Utc>,
) -> Result<Vec<outbox::Model>, DbErr> {
    use outbox::Column as O;
    outbox::Entity::find()
        .filter(O::AgencyId.eq(agency))
        .filter(O::ThreadId.eq(thread))
        .filter(O::State.eq(OutboxState::Queued))
        .filter(O::Attempts.eq(0))
        .filter(O::DueAt.gt(now))
        .order_by_asc(O::MessageId)
        .all(conn)
        .await
}

/// Removes a text if it is still queued. Returns whether it was.
pub async fn cancel(conn: &impl ConnectionTrait, agency: AgencyId, message: MessageId) -> Result<bool, DbErr> {
    let done = outbox::Entity::delete_many()
        .filter(outbox::Column::AgencyId.eq(agency))
        .filter(outbox::Column::MessageId.eq(message))
        .filter(outbox::Column::State.eq(OutboxState::Queued))
        .exec(conn)
        .await?;
    Ok(done.rows_affected == 1)
}

/// The outbox row of a text; `None` if it has left the outbox.
pub async fn by_message(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    message: MessageId,
) -> Result<Option<outbox::Model>, DbErr> {
    outbox::Entity::find_by_id((agency, message)).one(conn).await
}

/// Starts an attempt if the text is still queued. Returns whether it was.
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
    transition(conn, row, OutboxState::Queued, change).await
}

/// Schedules another attempt if the text was being sent. Returns whether it was.
pub async fn requeue(conn: &impl ConnectionTrait, row: &outbox::Model, due_at: DateTime<Utc>) -> Result<bool, DbErr> {
    let change = outbox::ActiveModel { state: Set(OutboxState::Queued), due_at: Set(due_at), ..Default::default() };
    transition(conn, row, OutboxState::Attempting, change).await
}

/// Marks the result of an attempt as unknown if the text was being sent. Returns whether it was. The text will be
/// looked up at Twilio from `due_at` on, and is never sent again.
pub async fn mark_in_doubt(
    conn: &impl ConnectionTrait,
    row: &outbox::Model,
    due_at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let change = outbox::ActiveModel {
        state: Set(OutboxState::InDoubt),
        attempts: Set(0),
        due_at: Set(due_at),
        ..Default::default()
    };
    transition(conn, row, OutboxState::Attempting, change).await
}

/// Schedules another lookup of a text in doubt. Returns whether it was in doubt.
pub async fn reschedule_lookup(
    conn: &impl ConnectionTrait,
    row: &outbox::Model,
    due_at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let change = outbox::ActiveModel { attempts: Set(row.attempts + 1), due_at: Set(due_at), ..Default::default() };
    transition(conn, row, OutboxState::InDoubt, change).await
}

async fn transition(
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

/// Removes a text that was accepted by Twilio or will never be sent.
pub async fn remove(conn: &impl ConnectionTrait, agency: AgencyId, message: MessageId) -> Result<(), DbErr> {
    outbox::Entity::delete_by_id((agency, message)).exec(conn).await.map(drop)
}

/// Attempts of all agencies that started before this time and were never completed, the oldest first.
pub async fn interrupted(
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

/// Texts in doubt of all agencies that are due to be looked up, the longest overdue first.
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

/// When the text that has been due for longest became due; `None` if the outbox is empty.
pub async fn oldest_due(conn: &impl ConnectionTrait) -> Result<Option<DateTime<Utc>>, DbErr> {
    outbox::Entity::find()
        .select_only()
        .column(outbox::Column::DueAt)
        .filter(outbox::Column::State.eq(OutboxState::Queued))
        .order_by_asc(outbox::Column::DueAt)
        .limit(1)
        .into_tuple()
        .one(conn)
        .await
}

/// The number of texts of all agencies in this state, for metrics.
pub async fn count(conn: &impl ConnectionTrait, state: OutboxState) -> Result<u64, DbErr> {
    outbox::Entity::find().filter(outbox::Column::State.eq(state)).count(conn).await
}

/// The time until which a number has used up its sending pace; `None` if it has never sent a text.
pub async fn pace_spent(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    number: PhoneNumberId,
) -> Result<Option<DateTime<Utc>>, DbErr> {
    let row = sending_pace::Entity::find_by_id((agency, number)).one(conn).await?;
    Ok(row.map(|row| row.spent_until))
}

/// Sets the time until which a number has used up its sending pace.
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
