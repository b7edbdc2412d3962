//! Calls, the legs that they are made of, and voicemails.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, Order, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};

use super::batched_pages;
use super::bulk::list;
use super::page::{Page, Window};
use super::threads::Scope;
use crate::domain::{AccountId, AgencyId, CallId, MediaState, PhoneNumberId, ThreadId, UserId, VoicemailId};
use crate::entity::{call, call_leg, notification, phone_number, thread, voicemail};

/// Longer than a call that nobody answers lasts, with the time in which its reports arrive.
const LONGEST_CALL: TimeDelta = TimeDelta::hours(6);

/// What a user may see of their agency's calls: those of the numbers they share, those they took part in or were
/// told of, and those in threads that they may see.
#[derive(Debug, Clone)]
pub struct CallScope {
    /// What they may see of its threads.
    pub threads: Scope,
    /// The numbers in whose pool they are.
    pub numbers: Vec<PhoneNumberId>,
}

impl CallScope {
    fn condition(&self) -> Condition {
        use call::Column as C;
        let agency = self.threads.agency;
        let within = Condition::all().add(C::AgencyId.eq(agency));
        if self.threads.is_admin {
            return within;
        }
        let user = self.threads.user;
        let told = Query::select()
            .expr(Expr::val(1))
            .from(notification::Entity)
            .and_where(notification::Column::AgencyId.eq(agency))
            .and_where(notification::Column::CallId.into_expr().equals((call::Entity, C::Id)))
            .and_where(notification::Column::UserId.eq(user))
            .take();
        let in_thread = Query::select()
            .expr(Expr::val(1))
            .from(thread::Entity)
            .cond_where(self.threads.condition())
            .and_where(thread::Column::Id.into_expr().equals((call::Entity, C::ThreadId)))
            .take();
        let mut any = Condition::any()
            .add(C::AnsweredById.eq(user))
            .add(C::MailboxUserId.eq(user))
            .add(C::StartedById.eq(user))
            .add(Expr::exists(told))
            .add(Expr::exists(in_thread));
        if !self.numbers.is_empty() {
            any = any.add(C::PhoneNumberId.is_in(list(self.numbers.iter().copied())));
        }
        within.add(any)
    }

    fn select(&self) -> Select<call::Entity> {
        call::Entity::find().filter(self.condition())
    }
}

/// A part of the calls that the user may see, newest first.
///
/// # Errors
/// When the database fails.
pub async fn page(conn: &impl ConnectionTrait, scope: &CallScope, window: &Window) -> Result<Page<call::Model>, DbErr> {
    let query = window.apply(scope.select(), &Order::Desc, call::Column::StartedAt, call::Column::Id);
    Ok(window.cut(query.all(conn).await?))
}

/// How many there are.
///
/// # Errors
/// When the database fails.
pub async fn count(conn: &impl ConnectionTrait, scope: &CallScope) -> Result<u64, DbErr> {
    scope.select().count(conn).await
}

/// Parts of the calls of threads that the user may see, newest first, in the order of `parts`.
///
/// # Errors
/// When the database fails.
pub async fn pages(
    conn: &impl ConnectionTrait,
    scope: &CallScope,
    parts: &[(ThreadId, Window)],
) -> Result<Vec<Page<call::Model>>, DbErr> {
    let parts = parts.iter().map(|(thread, window)| {
        let calls = scope.select().filter(call::Column::ThreadId.eq(*thread));
        (calls, *window)
    });
    batched_pages::pages(conn, parts.collect(), &Order::Desc, call::Column::StartedAt, call::Column::Id).await
}

/// How many calls of each of these threads the user may see; a thread without any is left out.
///
/// # Errors
/// When the database fails.
pub async fn counts(
    conn: &impl ConnectionTrait,
    scope: &CallScope,
    threads: &[ThreadId],
) -> Result<Vec<(ThreadId, i64)>, DbErr> {
    let query = scope.select().filter(call::Column::ThreadId.is_in(list(threads.iter().copied())));
    batched_pages::counts(conn, query, call::Column::ThreadId).await
}

/// Those of these calls that the user may see.
///
/// # Errors
/// When the database fails.
pub async fn visible_among(
    conn: &impl ConnectionTrait,
    scope: &CallScope,
    ids: &[CallId],
) -> Result<Vec<call::Model>, DbErr> {
    scope.select().filter(call::Column::Id.is_in(list(ids.iter().copied()))).all(conn).await
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
