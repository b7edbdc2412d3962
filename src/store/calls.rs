//! Calls, the legs that they are made of, and voicemails.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, Order, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};

use super::batched_pages;
use super::bulk::list;
use super::call_sight::{SeenCall, condition, see};
use super::page::{Page, Window};
use super::threads::Scope;
use crate::domain::{AccountId, AgencyId, CallId, MediaState, ThreadId, UserId, VoicemailId};
use crate::entity::{call, call_leg, phone_number, voicemail};

/// Longer than a call that nobody answers lasts, with the time in which its reports arrive.
const LONGEST_CALL: TimeDelta = TimeDelta::hours(6);

/// A part of the calls of which the user may see anything, newest first.
///
/// # Errors
/// When the database fails.
pub async fn page(conn: &impl ConnectionTrait, scope: &Scope, window: &Window) -> Result<Page<SeenCall>, DbErr> {
    let query = window.apply(select(scope), &Order::Desc, call::Column::StartedAt, call::Column::Id);
    let rows = query.all(conn).await?;
    Ok(window.cut(see(conn, scope, rows.into_iter().map(Arc::new)).await?))
}

/// How many there are.
///
/// # Errors
/// When the database fails.
pub async fn count(conn: &impl ConnectionTrait, scope: &Scope) -> Result<u64, DbErr> {
    select(scope).count(conn).await
}

fn select(scope: &Scope) -> Select<call::Entity> {
    call::Entity::find().filter(condition(scope))
}

/// Parts of the calls of threads of which the user may see anything, newest first, in the order of `parts`.
///
/// # Errors
/// When the database fails.
pub async fn pages(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    parts: &[(ThreadId, Window)],
) -> Result<Vec<Page<SeenCall>>, DbErr> {
    let parts = parts.iter().map(|(thread, window)| {
        let calls = select(scope).filter(call::Column::ThreadId.eq(*thread));
        (calls, *window)
    });
    let (at, id) = (call::Column::StartedAt, call::Column::Id);
    let pages = batched_pages::pages(conn, parts.collect(), &Order::Desc, at, id).await?;
    let rows: HashMap<CallId, Arc<call::Model>> =
        pages.iter().flat_map(|page| &page.rows).map(|row| (row.id, Arc::new(row.clone()))).collect();
    let seen = see(conn, scope, rows.into_values()).await?;
    let seen: HashMap<CallId, SeenCall> = seen.into_iter().map(|seen| (seen.row().id, seen)).collect();
    let as_seen = |page: Page<call::Model>| Page {
        rows: page.rows.iter().filter_map(|row| seen.get(&row.id).cloned()).collect(),
        has_next: page.has_next,
        has_previous: page.has_previous,
    };
    Ok(pages.into_iter().map(as_seen).collect())
}

/// How many calls of each of these threads the user may see anything of; a thread without any is left out.
///
/// # Errors
/// When the database fails.
pub async fn counts(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    threads: &[ThreadId],
) -> Result<Vec<(ThreadId, i64)>, DbErr> {
    let query = select(scope).filter(call::Column::ThreadId.is_in(list(threads.iter().copied())));
    batched_pages::counts(conn, query, call::Column::ThreadId).await
}

/// Those of these calls of which the user may see anything.
///
/// # Errors
/// When the database fails.
pub async fn visible_among(conn: &impl ConnectionTrait, scope: &Scope, ids: &[CallId]) -> Result<Vec<SeenCall>, DbErr> {
    let rows = call::Entity::find()
        .filter(call::Column::AgencyId.eq(scope.agency))
        .filter(call::Column::Id.is_in(list(ids.iter().copied())))
        .all(conn)
        .await?;
    see(conn, scope, rows.into_iter().map(Arc::new)).await
}

/// A call of which the user may see everything.
///
/// # Errors
/// When the database fails.
pub async fn in_full(conn: &impl ConnectionTrait, scope: &Scope, id: CallId) -> Result<Option<call::Model>, DbErr> {
    let seen = visible_among(conn, scope, &[id]).await?.pop();
    Ok(seen.filter(SeenCall::is_full).map(|seen| seen.row().clone()))
}

/// One call of an agency. Its visibility is the caller's to check.
///
/// # Errors
/// When the database fails.
pub async fn by_id(conn: &impl ConnectionTrait, agency: AgencyId, id: CallId) -> Result<Option<call::Model>, DbErr> {
    call::Entity::find_by_id((agency, id)).one(conn).await
}

/// The calls that an account of Twilio's knows by these names.
///
/// # Errors
/// When the database fails.
pub async fn by_sids(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    account: AccountId,
    sids: &[&str],
) -> Result<Vec<call::Model>, DbErr> {
    call::Entity::find()
        .filter(call::Column::AgencyId.eq(agency))
        .filter(call::Column::TwilioAccountId.eq(account))
        .filter(call::Column::ProviderSid.is_in(list(sids.iter().copied())))
        .all(conn)
        .await
}

/// The legs of these calls, in the order in which they rang.
///
/// # Errors
/// When the database fails.
pub async fn legs_of(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    calls: &[CallId],
) -> Result<Vec<call_leg::Model>, DbErr> {
    call_leg::Entity::find()
        .filter(call_leg::Column::AgencyId.eq(agency))
        .filter(call_leg::Column::CallId.is_in(list(calls.iter().copied())))
        .order_by_asc(call_leg::Column::Step)
        .order_by_asc(call_leg::Column::Id)
        .all(conn)
        .await
}

/// The voicemails of these calls, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn voicemails_of(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    calls: &[CallId],
) -> Result<Vec<voicemail::Model>, DbErr> {
    voicemail::Entity::find()
        .filter(voicemail::Column::AgencyId.eq(agency))
        .filter(voicemail::Column::CallId.is_in(list(calls.iter().copied())))
        .filter(voicemail::Column::AbsentAt.is_null())
        .order_by_asc(voicemail::Column::CreatedAt)
        .order_by_asc(voicemail::Column::Id)
        .all(conn)
        .await
}

/// All reported recordings of a call, including absent ones.
///
/// # Errors
/// When the database fails.
pub async fn recordings_of(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    call: CallId,
) -> Result<Vec<voicemail::Model>, DbErr> {
    voicemail::Entity::find()
        .filter(voicemail::Column::AgencyId.eq(agency))
        .filter(voicemail::Column::CallId.eq(call))
        .all(conn)
        .await
}

/// One voicemail of an agency. The visibility of its call is the caller's to check.
///
/// # Errors
/// When the database fails.
pub async fn voicemail(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    id: VoicemailId,
) -> Result<Option<voicemail::Model>, DbErr> {
    voicemail::Entity::find_by_id((agency, id)).filter(voicemail::Column::AbsentAt.is_null()).one(conn).await
}

/// The voicemails of all agencies whose recording is to be fetched now, the longest waiting first.
///
/// # Errors
/// When the database fails.
pub async fn recordings_due(
    conn: &impl ConnectionTrait,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<voicemail::Model>, DbErr> {
    voicemail::Entity::find()
        .filter(voicemail::Column::State.eq(MediaState::Pending))
        .filter(voicemail::Column::DueAt.lte(now))
        .filter(voicemail::Column::AbsentAt.is_null())
        .order_by_asc(voicemail::Column::DueAt)
        .limit(limit)
        .all(conn)
        .await
}

/// The calls of all agencies of which it is time to look what became of them, the longest waiting first.
///
/// # Errors
/// When the database fails.
pub async fn due(conn: &impl ConnectionTrait, now: DateTime<Utc>, limit: u64) -> Result<Vec<call::Model>, DbErr> {
    call::Entity::find()
        .filter(call::Column::LookAt.lte(now))
        // Ended calls first: the staff wait for the notification.
        .order_by_asc(call::Column::End.is_null())
        .order_by_asc(call::Column::LookAt)
        .limit(limit)
        .all(conn)
        .await
}

/// The calls that a user has started since a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// How many there are.
    pub calls: u64,
    /// How many of them have not ended.
    pub open: u64,
    /// When the first of them began.
    pub first_at: Option<DateTime<Utc>>,
}

/// The calls that a user has started since a moment.
///
/// # Errors
/// When the database fails.
pub async fn started_by(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    user: UserId,
    since: DateTime<Utc>,
) -> Result<Started, DbErr> {
    let theirs = || {
        call::Entity::find()
            .filter(call::Column::AgencyId.eq(agency))
            .filter(call::Column::StartedById.eq(user))
            .filter(call::Column::StartedAt.gte(since))
    };
    let open = theirs().filter(call::Column::End.is_null()).count(conn).await?;
    let first = theirs().order_by_asc(call::Column::StartedAt).one(conn).await?;
    Ok(Started { calls: theirs().count(conn).await?, open, first_at: first.map(|call| call.started_at) })
}

/// The time at which the missed-call text was last queued in a thread.
///
/// # Errors
/// When the database fails.
pub async fn last_missed_call_text(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    thread: ThreadId,
) -> Result<Option<DateTime<Utc>>, DbErr> {
    let last = call::Entity::find()
        .filter(call::Column::AgencyId.eq(agency))
        .filter(call::Column::ThreadId.eq(thread))
        .filter(call::Column::MissedCallTextAt.is_not_null())
        .order_by_desc(call::Column::MissedCallTextAt)
        .one(conn)
        .await?;
    Ok(last.and_then(|call| call.missed_call_text_at))
}

/// How many missed-call texts a number has queued since a moment.
///
/// # Errors
/// When the database fails.
pub async fn missed_call_texts_since(
    conn: &impl ConnectionTrait,
    number: &phone_number::Model,
    since: DateTime<Utc>,
) -> Result<u64, DbErr> {
    call::Entity::find()
        .filter(call::Column::AgencyId.eq(number.agency_id))
        // By the index: no call that is texted about now began longer ago.
        .filter(call::Column::StartedAt.gte(since - LONGEST_CALL))
        .filter(call::Column::PhoneNumberId.eq(number.id))
        .filter(call::Column::MissedCallTextAt.gte(since))
        .count(conn)
        .await
}

/// Claims a call for the leg on which 1 was pressed, if no other has it but one that is `stale`. Says whether it did;
/// the same leg twice has it both times.
///
/// # Errors
/// When the database fails.
pub async fn claim(
    conn: &impl ConnectionTrait,
    call: &call::Model,
    leg_sid: &str,
    stale: Option<&str>,
) -> Result<bool, DbErr> {
    let held_by = std::iter::once(leg_sid).chain(stale);
    let free = Condition::any().add(call::Column::AcceptedSid.is_null()).add(call::Column::AcceptedSid.is_in(held_by));
    let done = call::Entity::update_many()
        .col_expr(call::Column::AcceptedSid, Expr::value(leg_sid))
        .filter(call::Column::AgencyId.eq(call.agency_id))
        .filter(call::Column::Id.eq(call.id))
        .filter(call::Column::End.is_null())
        .filter(free)
        .exec(conn)
        .await?;
    // A row that stays as it is counts on SQLite and PostgreSQL, not on MariaDB.
    Ok(done.rows_affected == 1 || call.accepted_sid.as_deref() == Some(leg_sid))
}
