//! Calls, their legs, and voicemails.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, Order,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};

use super::batched_pages;
use super::bulk::padded_list;
use super::call_visibility::{VisibleCall, condition, filter_visible, full_condition};
use super::page::{Page, Window};
use super::statements::{Statements, find};
use super::threads::Scope;
use crate::domain::{
    AccountId, AgencyId, CallId, CallStatus, ContactId, Direction, MediaState, PhoneNumberId, ThreadId, UserId,
    VoicemailId,
};
use crate::entity::{call, call_leg, phone_number, voicemail};

/// Upper bound of the time from the start of an unanswered call to its last status report.
const MAX_UNANSWERED_CALL: TimeDelta = TimeDelta::hours(6);

/// The filter of a list of calls. `None` in a field does not filter.
#[derive(Debug, Clone, Default)]
pub struct CallFilter {
    pub direction: Option<Direction>,
    /// Calls with any of these statuses; all if empty.
    pub status: Vec<CallStatus>,
    /// Calls on any of these numbers; on all if empty.
    pub numbers: Vec<PhoneNumberId>,
    pub contact: Option<ContactId>,
    pub answered_by: Option<UserId>,
    /// Inbound calls that ended without an answer, or all others.
    pub missed: Option<bool>,
    pub started_after: Option<DateTime<Utc>>,
    pub started_before: Option<DateTime<Utc>>,
}

/// One page of the calls that match the filter and that the user may see at least in part, newest first.
pub async fn page(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    filter: &CallFilter,
    window: &Window,
) -> Result<Page<VisibleCall>, DbErr> {
    let query = window.apply(filtered(scope, filter), &Order::Desc, call::Column::StartedAt, call::Column::Id);
    let rows = query.all(conn).await?;
    Ok(window.page(filter_visible(conn, scope, rows.into_iter().map(Arc::new)).await?))
}

/// The number of calls that match the filter and that the user may see at least in part.
pub async fn count(conn: &impl ConnectionTrait, scope: &Scope, filter: &CallFilter) -> Result<u64, DbErr> {
    filtered(scope, filter).count(conn).await
}

fn filtered(scope: &Scope, filter: &CallFilter) -> Select<call::Entity> {
    use call::Column as C;
    let mut conditions = Condition::all()
        .add_option(filter.direction.map(|direction| C::Direction.eq(direction)))
        .add_option(filter.started_after.map(|at| C::StartedAt.gt(at)))
        .add_option(filter.started_before.map(|at| C::StartedAt.lt(at)));
    if !filter.status.is_empty() {
        conditions = conditions.add(C::Status.is_in(padded_list(filter.status.iter().copied())));
    }
    if !filter.numbers.is_empty() {
        conditions = conditions.add(C::PhoneNumberId.is_in(padded_list(filter.numbers.iter().copied())));
    }
    if let Some(missed) = filter.missed {
        let is_missed = Condition::all().add(C::Direction.eq(Direction::Inbound)).add(C::Status.is_in([
            CallStatus::NoAnswer,
            CallStatus::Canceled,
            CallStatus::Voicemail,
        ]));
        conditions = conditions.add(if missed { is_missed } else { is_missed.not() });
    }
    // A user's own part of a call shows neither the contact nor other users, so these filters must not reveal them.
    if let Some(contact) = filter.contact {
        conditions = conditions.add(C::ContactId.eq(contact)).add(full_condition(scope));
    }
    if let Some(user) = filter.answered_by {
        conditions = conditions.add(C::AnsweredById.eq(user));
        if user != scope.user {
            conditions = conditions.add(full_condition(scope));
        }
    }
    select(scope).filter(conditions)
}

/// The filter of a list of voicemails. `None` in a field does not filter.
#[derive(Debug, Clone, Default)]
pub struct VoicemailFilter {
    /// Voicemails without, or with, a listener.
    pub unheard: Option<bool>,
    /// Voicemails that a user has taken care of, or not.
    pub handled: Option<bool>,
    /// Voicemails of calls on any of these numbers; on all if empty.
    pub numbers: Vec<PhoneNumberId>,
}

/// One page of the voicemails that match the filter and whose calls the user may see in full, newest first.
pub async fn voicemail_page(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    filter: &VoicemailFilter,
    window: &Window,
) -> Result<Page<voicemail::Model>, DbErr> {
    use voicemail::Column as V;
    let query = window.apply(filtered_voicemails(scope, filter), &Order::Desc, V::CreatedAt, V::Id);
    Ok(window.page(query.all(conn).await?))
}

/// The number of voicemails that match the filter and whose calls the user may see in full.
pub async fn voicemail_count(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    filter: &VoicemailFilter,
) -> Result<u64, DbErr> {
    filtered_voicemails(scope, filter).count(conn).await
}

fn filtered_voicemails(scope: &Scope, filter: &VoicemailFilter) -> Select<voicemail::Entity> {
    use voicemail::Column as V;
    let mut of_call = Query::select()
        .expr(Expr::val(1))
        .from(call::Entity)
        .and_where(Expr::col((call::Entity, call::Column::AgencyId)).equals((voicemail::Entity, V::AgencyId)))
        .and_where(Expr::col((call::Entity, call::Column::Id)).equals((voicemail::Entity, V::CallId)))
        .cond_where(full_condition(scope))
        .take();
    if !filter.numbers.is_empty() {
        of_call.and_where(call::Column::PhoneNumberId.is_in(padded_list(filter.numbers.iter().copied())));
    }
    let is_null = |column: V, wanted: bool| if wanted { column.is_null() } else { column.is_not_null() };
    voicemail::Entity::find()
        .filter(V::AgencyId.eq(scope.agency))
        .filter(V::AbsentAt.is_null())
        .filter(Expr::exists(of_call))
        .filter(
            Condition::all()
                .add_option(filter.unheard.map(|unheard| is_null(V::ListenedAt, unheard)))
                .add_option(filter.handled.map(|handled| is_null(V::HandledAt, !handled))),
        )
}

fn select(scope: &Scope) -> Select<call::Entity> {
    call::Entity::find().filter(condition(scope))
}

/// For each thread, one page of its calls that the user may see at least in part, newest first. The pages are in the
/// order of `parts`.
pub async fn pages(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    parts: &[(ThreadId, Window)],
) -> Result<Vec<Page<VisibleCall>>, DbErr> {
    let parts = parts.iter().map(|(thread, window)| {
        let calls = select(scope).filter(call::Column::ThreadId.eq(*thread));
        (calls, *window)
    });
    let (at, id) = (call::Column::StartedAt, call::Column::Id);
    let pages = batched_pages::pages(conn, parts.collect(), &Order::Desc, at, id).await?;
    let rows: HashMap<CallId, Arc<call::Model>> =
        pages.iter().flat_map(|page| &page.rows).map(|row| (row.id, Arc::new(row.clone()))).collect();
    let visible = filter_visible(conn, scope, rows.into_values()).await?;
    let visible: HashMap<CallId, VisibleCall> = visible.into_iter().map(|call| (call.row().id, call)).collect();
    let filtered = |page: Page<call::Model>| Page {
        rows: page.rows.iter().filter_map(|row| visible.get(&row.id).cloned()).collect(),
        has_next: page.has_next,
        has_previous: page.has_previous,
    };
    Ok(pages.into_iter().map(filtered).collect())
}

/// For each of these threads, the number of calls that the user may see at least in part. Threads without any are
/// omitted.
pub async fn counts(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    threads: &[ThreadId],
) -> Result<Vec<(ThreadId, i64)>, DbErr> {
    let query = select(scope).filter(call::Column::ThreadId.is_in(padded_list(threads.iter().copied())));
    batched_pages::counts(conn, query, call::Column::ThreadId).await
}

/// Those of these calls that the user may see at least in part.
pub async fn visible_among(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    ids: &[CallId],
) -> Result<Vec<VisibleCall>, DbErr> {
    let rows = call::Entity::find()
        .filter(call::Column::AgencyId.eq(scope.agency))
        .filter(call::Column::Id.is_in(padded_list(ids.iter().copied())))
        .all(conn)
        .await?;
    filter_visible(conn, scope, rows.into_iter().map(Arc::new)).await
}

/// A call that the user may see in full; `None` otherwise.
pub async fn in_full(conn: &impl ConnectionTrait, scope: &Scope, id: CallId) -> Result<Option<call::Model>, DbErr> {
    let visible = visible_among(conn, scope, &[id]).await?.pop();
    Ok(visible.filter(VisibleCall::is_full).map(|call| call.row().clone()))
}

/// One call of an agency. Does not check visibility.
pub async fn by_id(conn: &impl ConnectionTrait, agency: AgencyId, id: CallId) -> Result<Option<call::Model>, DbErr> {
    call::Entity::find_by_id((agency, id)).one(conn).await
}

/// The calls with these Twilio call SIDs.
pub async fn by_sids(
    conn: &impl Statements,
    agency: AgencyId,
    account: AccountId,
    sids: &[&str],
) -> Result<Vec<call::Model>, DbErr> {
    let query = call::Entity::find()
        .filter(call::Column::AgencyId.eq(agency))
        .filter(call::Column::TwilioAccountId.eq(account))
        .filter(call::Column::ProviderSid.is_in(padded_list(sids.iter().copied())));
    find(conn, query).await
}

/// The legs of these calls, ordered by step.
pub async fn legs_of(
    conn: &impl Statements,
    agency: AgencyId,
    calls: &[CallId],
) -> Result<Vec<call_leg::Model>, DbErr> {
    let query = call_leg::Entity::find()
        .filter(call_leg::Column::AgencyId.eq(agency))
        .filter(call_leg::Column::CallId.is_in(padded_list(calls.iter().copied())))
        .order_by_asc(call_leg::Column::Step)
        .order_by_asc(call_leg::Column::Id);
    find(conn, query).await
}

/// The voicemails of these calls, oldest first, without those whose recording is absent.
pub async fn voicemails_of(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    calls: &[CallId],
) -> Result<Vec<voicemail::Model>, DbErr> {
    voicemail::Entity::find()
        .filter(voicemail::Column::AgencyId.eq(agency))
        .filter(voicemail::Column::CallId.is_in(padded_list(calls.iter().copied())))
        .filter(voicemail::Column::AbsentAt.is_null())
        .order_by_asc(voicemail::Column::CreatedAt)
        .order_by_asc(voicemail::Column::Id)
        .all(conn)
        .await
}

/// All reported recordings of a call, including absent ones (too short or silent).
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

/// One voicemail of an agency. Does not check the visibility of its call.
pub async fn voicemail(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    id: VoicemailId,
) -> Result<Option<voicemail::Model>, DbErr> {
    voicemail::Entity::find_by_id((agency, id)).filter(voicemail::Column::AbsentAt.is_null()).one(conn).await
}

/// The voicemails of all agencies whose recording is due to be fetched, the longest overdue first.
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

/// Postpones a recording that is due to be fetched. Returns whether it was still due.
pub async fn lease_recording(
    conn: &impl ConnectionTrait,
    file: &voicemail::Model,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let done = voicemail::Entity::update_many()
        .col_expr(voicemail::Column::DueAt, Expr::value(until))
        .filter(voicemail::Column::AgencyId.eq(file.agency_id))
        .filter(voicemail::Column::Id.eq(file.id))
        .filter(voicemail::Column::State.eq(MediaState::Pending))
        .filter(voicemail::Column::DueAt.lte(now))
        .exec(conn)
        .await?;
    Ok(done.rows_affected == 1)
}

/// The calls of all agencies whose state is due to be checked: ended calls first, then the longest overdue.
pub async fn due(conn: &impl ConnectionTrait, now: DateTime<Utc>, limit: u64) -> Result<Vec<call::Model>, DbErr> {
    call::Entity::find()
        .filter(call::Column::LookAt.lte(now))
        // Users wait for the notification of an ended call.
        .order_by_asc(call::Column::End.is_null())
        .order_by_asc(call::Column::LookAt)
        .limit(limit)
        .all(conn)
        .await
}

/// Makes the check of these calls due, unless nothing more is expected of them.
pub async fn check_now(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    ids: &[CallId],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    call::Entity::update_many()
        .set(call::ActiveModel { look_at: Set(Some(now)), ..Default::default() })
        .filter(call::Column::AgencyId.eq(agency))
        .filter(call::Column::Id.is_in(padded_list(ids.iter().copied())))
        .filter(call::Column::LookAt.gt(now))
        .exec(conn)
        .await
        .map(drop)
}

/// The calls that a user has started since a given time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartedCalls {
    pub calls: u64,
    /// The number of calls that have not ended.
    pub open: u64,
    /// Start of the first call; `None` if there is no call.
    pub first_at: Option<DateTime<Utc>>,
}

/// The calls that a user has started at or after `since`.
pub async fn started_by(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    user: UserId,
    since: DateTime<Utc>,
) -> Result<StartedCalls, DbErr> {
    let started = || {
        call::Entity::find()
            .filter(call::Column::AgencyId.eq(agency))
            .filter(call::Column::StartedById.eq(user))
            .filter(call::Column::StartedAt.gte(since))
    };
    let open = started().filter(call::Column::End.is_null()).count(conn).await?;
    let first = started().order_by_asc(call::Column::StartedAt).one(conn).await?;
    Ok(StartedCalls { calls: started().count(conn).await?, open, first_at: first.map(|call| call.started_at) })
}

/// When a missed-call text was last queued in a thread.
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

/// The number of missed-call texts queued for a phone number at or after `since`.
pub async fn missed_call_texts_since(
    conn: &impl ConnectionTrait,
    number: &phone_number::Model,
    since: DateTime<Utc>,
) -> Result<u64, DbErr> {
    call::Entity::find()
        .filter(call::Column::AgencyId.eq(number.agency_id))
        // Redundant, but lets the database use the index: a call that causes a text now did not start earlier.
        .filter(call::Column::StartedAt.gte(since - MAX_UNANSWERED_CALL))
        .filter(call::Column::PhoneNumberId.eq(number.id))
        .filter(call::Column::MissedCallTextAt.gte(since))
        .count(conn)
        .await
}

/// Claims a call for the leg on which 1 was pressed, unless another leg holds it; a claim of the leg `stale` is
/// replaced. Returns whether `leg_sid` holds the claim, so a repeated request of the same leg succeeds again.
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
    // MariaDB does not count a matched row whose values stay the same; SQLite and PostgreSQL do.
    Ok(done.rows_affected == 1 || call.accepted_sid.as_deref() == Some(leg_sid))
}
