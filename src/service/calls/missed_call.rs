//! The consequences of a call that nobody answered: the users to notify, and the text to the caller.

use chrono::TimeDelta;
use sea_orm::DbErr;

use crate::domain::hours::is_quiet;
use crate::domain::missed_call_text::{MissedCall, PER_HOUR, may_text};
use crate::domain::own_numbers::is_forbidden_recipient;
use crate::domain::{NotificationKind, PoolId, Purpose, RoutingRung, UserId};
use crate::entity::call;
use crate::service::outbound::{OutboundDraft, opt_out_state, queue};
use crate::service::own_numbers::holders_of;
use crate::store::directory_writes::save;
use crate::store::writer::{Notice, Tx, UnitError};
use crate::store::{Directory, calls, contacts, messages, threads};

/// The notification of the users whom a missed call concerns: the user of the extension, otherwise all users of the
/// pool whom calls reach, whether AWAY or not, otherwise the default user, otherwise the admins. The rung lets a
/// default user see the call and gives nobody access to texts.
pub(super) fn notice(directory: &Directory, call: &call::Model, kind: NotificationKind) -> Notice {
    let active = |id: UserId| directory.active_user(id).map(|user| user.id);
    let pool: Vec<UserId> = directory.voice_users(call.phone_number_id).map(|user| user.id).collect();
    let (rung, users) = match (call.mailbox_user_id.and_then(active), directory.agency.default_user_id.and_then(active))
    {
        (Some(user), _) => (RoutingRung::Extension, vec![user]),
        (None, _) if !pool.is_empty() => (RoutingRung::Pool, pool),
        (None, Some(user)) => (RoutingRung::DefaultUser, vec![user]),
        (None, None) => (RoutingRung::Admins, directory.admins().map(|user| user.id).collect()),
    };
    Notice { kind, users, thread: call.thread_id, message: None, call: Some(call.id), node: None, rung: Some(rung) }
}

/// Queues the missed-call text if the number has one and the caller may get it. `is_late` is whether the call ended so
/// long ago that a text would be a surprise. The transaction holds the agency's
/// lock, so the second of two simultaneous calls sees the text of the first.
pub(super) async fn send_missed_call_text(
    tx: &mut Tx<'_>,
    directory: &Directory,
    call: &mut call::Model,
    is_late: bool,
) -> Result<(), UnitError> {
    let pool = directory.pool(PoolId::from(call.phone_number_id));
    let (Some(text), Some(thread)) = (pool.and_then(|pool| pool.missed_call_text.as_deref()), call.thread_id) else {
        return Ok(());
    };
    let Some(number) = directory.number(call.phone_number_id) else { return Ok(()) };
    let Some(thread) = threads::by_id(tx.conn, call.agency_id, thread).await? else { return Ok(()) };
    let Some(contact) = contacts::by_ids(tx.conn, call.agency_id, &[thread.contact_id]).await?.pop() else {
        return Ok(());
    };
    let holders = holders_of(tx.conn, &contact.phone).await?;
    let missed = MissedCall {
        caller: &contact.phone,
        number: &number.e164,
        is_own_number: is_forbidden_recipient(Purpose::MissedCall, call.twilio_account_id, &holders),
        countries: directory.calling_countries(),
        verification: call.caller_id_verification,
        opt_out_state: opt_out_state(&contact, &thread),
        is_quiet: is_quiet(&directory.time_zone(), tx.now),
        texts_in_an_hour: calls::missed_call_texts_since(tx.conn, number, tx.now - PER_HOUR).await?,
        last_text_at: calls::last_missed_call_text(tx.conn, call.agency_id, thread.id).await?,
        is_late,
        staff_wrote: messages::has_staff_text_since(tx.conn, call.agency_id, thread.id, call.started_at).await?,
    };
    let Ok(cleared) = may_text(&missed, tx.now) else { return Ok(()) };
    record_text(tx, call).await?;
    let draft = OutboundDraft {
        body: text,
        attachments: Vec::new(),
        sender: None,
        extension: None,
        cleared,
        resends: None,
        hold: TimeDelta::zero(),
    };
    queue(tx, thread, draft).await.map(drop)
}

async fn record_text(tx: &Tx<'_>, call: &mut call::Model) -> Result<(), DbErr> {
    call.missed_call_text_at = Some(tx.now);
    save(tx.conn, call.clone()).await
}
