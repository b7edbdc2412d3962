//! What becomes known of a text on its way: one place that writes it, whoever says it (the carrier's
//! receipt, the answer to an attempt, the gate, a person).

use sea_orm::DbErr;

use crate::domain::delivery::{Report, is_failure, rank};
use crate::domain::delivery_error::{BLOCKED, is_decision};
use crate::domain::{MessageStatus, NotificationKind, UserId};
use crate::entity::message;
use crate::store::writer::{Notice, Tx};
use crate::store::{Directory, message_writes, messages, notifications, outbox, thread_writes};

/// Adds a report, and the carrier's name if it is new, to what is known of a message. The higher
/// status stands, whatever the order; a report that says nothing new changes nothing.
pub(super) async fn report(
    tx: &mut Tx<'_>,
    directory: &Directory,
    before: &message::Model,
    report: Report,
    sid: Option<&str>,
) -> Result<message::Model, DbErr> {
    let sid = match sid.filter(|_| before.provider_sid.is_none()) {
        Some(sid) => free(tx, before, sid).await?,
        None => None,
    };
    let says_blocked = report.error_code.as_deref() == Some(BLOCKED) && before.error_code.as_deref() != Some(BLOCKED);
    let known = Report { status: before.status, error_code: before.error_code.clone() };
    let Report { status, error_code } = known.join(report);
    let is_settled = rank(status) > rank(MessageStatus::Unknown);
    let after = message::Model {
        status,
        error_code,
        provider_sid: before.provider_sid.clone().or_else(|| sid.map(str::to_owned)),
        flagged_at: before.flagged_at.filter(|_| !is_settled),
        ..before.clone()
    };
    if is_settled {
        outbox::remove(tx.conn, after.agency_id, after.id).await?;
    }
    if after == *before {
        return Ok(after);
    }
    message_writes::report(tx.conn, &after).await?;
    // The block counts even if the text keeps another error, such as RESENT.
    if says_blocked {
        thread_writes::block(tx.conn, after.agency_id, after.thread_id, tx.now).await?;
    }
    let mut notices = Vec::new();
    let is_decided = after.error_code.as_deref().is_some_and(is_decision);
    if is_failure(status) && !is_failure(before.status) && !is_decided {
        notices.extend(delivery_failed(directory, &after, false));
    } else if status == MessageStatus::Delivered || is_decided {
        let message = (after.thread_id, after.id);
        let kind = NotificationKind::DeliveryFailed;
        notifications::resolve_of_message(tx.conn, after.agency_id, message, kind, tx.now).await?;
    }
    // That it is being tried is over before anybody could look.
    if (status != before.status && status != MessageStatus::Sending) || says_blocked {
        tx.message_changed(&after, notices)?;
    }
    Ok(after)
}

/// The carrier's name for this message, unless another has it: that would be the carrier's fault, and
/// must not keep the report from being stored.
async fn free<'a>(tx: &Tx<'_>, message: &message::Model, sid: &'a str) -> Result<Option<&'a str>, DbErr> {
    let agencies = [message.agency_id];
    let holder = messages::by_sid(tx.conn, &agencies, message.twilio_account_id, sid).await?;
    if holder.is_none() {
        return Ok(Some(sid));
    }
    tracing::warn!(message = %message.id, "the carrier gave one name to two texts");
    Ok(None)
}

/// Nobody knows whether the text was sent, and no way to find out is left: a person is to decide.
pub(super) async fn flag(tx: &mut Tx<'_>, directory: &Directory, before: &message::Model) -> Result<(), DbErr> {
    let after = message::Model { flagged_at: Some(tx.now), ..before.clone() };
    message_writes::report(tx.conn, &after).await?;
    outbox::remove(tx.conn, after.agency_id, after.id).await?;
    let notice = delivery_failed(directory, &after, true);
    tx.message_changed(&after, notice.into_iter().collect())
}

/// Tells who wrote the text; the admins too if they are to decide, or if nobody else is there. An
/// automatic text has nobody who waits for it.
fn delivery_failed(directory: &Directory, message: &message::Model, needs_decision: bool) -> Option<Notice> {
    let sender = message.sender_id.and_then(|id| directory.active_user(id)).map(|user| user.id);
    let asks_admins = needs_decision || (sender.is_none() && message.sender_id.is_some());
    let admins = directory.admins().map(|user| user.id).filter(|id| asks_admins && Some(*id) != sender);
    let users: Vec<UserId> = sender.into_iter().chain(admins).collect();
    (!users.is_empty()).then_some(Notice {
        kind: NotificationKind::DeliveryFailed,
        users,
        thread: Some(message.thread_id),
        message: Some(message.id),
        call: None,
        rung: None,
    })
}
