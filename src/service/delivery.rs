//! Records the delivery status of outbound texts: the only place that writes it, whatever the source (a receipt, the
//! result of an attempt, the gate, or a user's decision).

use sea_orm::DbErr;

use crate::domain::delivery::{Report, is_failure, rank};
use crate::domain::delivery_error::{BLOCKED, is_decision};
use crate::domain::{DeliverySource, MessageStatus, NotificationKind, UserId};
use crate::entity::{delivery_step, message};
use crate::store::writer::{Notice, Tx, UnitError};
use crate::store::{Directory, message_writes, messages, notifications, outbox, thread_writes};

/// Records a report and, if it is new, the carrier's SID. The highest status stands, regardless of the order of
/// reports. A report without news changes nothing.
pub(super) async fn record_report(
    tx: &mut Tx<'_>,
    directory: &Directory,
    before: &message::Model,
    report: Report,
    sid: Option<&str>,
    source: DeliverySource,
) -> Result<message::Model, UnitError> {
    let sid = match sid.filter(|_| before.provider_sid.is_none()) {
        Some(sid) => unused_sid(tx, before, sid).await?,
        None => None,
    };
    let is_block = report.error_code.as_deref() == Some(BLOCKED) && before.error_code.as_deref() != Some(BLOCKED);
    let known = Report { status: before.status, error_code: before.error_code.clone() };
    let Report { status, error_code } = known.join(report);
    let is_final = rank(status) > rank(MessageStatus::Unknown);
    let after = message::Model {
        status,
        error_code,
        provider_sid: before.provider_sid.clone().or_else(|| sid.map(str::to_owned)),
        flagged_at: before.flagged_at.filter(|_| !is_final),
        ..before.clone()
    };
    if is_final {
        outbox::remove(tx.conn, after.agency_id, after.id).await?;
    }
    if after == *before {
        return Ok(after);
    }
    message_writes::update_delivery(tx.conn, &after).await?;
    if status != before.status {
        let (agency_id, message_id, created_at) = (after.agency_id, after.id, tx.now);
        let step = delivery_step::Model { agency_id, id: tx.new_id(), message_id, status, source, created_at };
        message_writes::add_delivery_step(tx.conn, step).await?;
    }
    // The block applies even if the text keeps another error, such as RESENT.
    if is_block {
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
    // SENDING passes too quickly to be worth an event.
    if (status != before.status && status != MessageStatus::Sending) || is_block {
        tx.message_changed(&after, notices)?;
    }
    Ok(after)
}

/// The SID, unless another message has it already. That would be an error of the carrier, and must not prevent the
/// report from being stored.
async fn unused_sid<'a>(tx: &Tx<'_>, message: &message::Model, sid: &'a str) -> Result<Option<&'a str>, DbErr> {
    let agencies = [message.agency_id];
    let holder = messages::by_sid(tx.conn, &agencies, message.twilio_account_id, sid).await?;
    if holder.is_none() {
        return Ok(Some(sid));
    }
    tracing::warn!(message = %message.id, "the carrier assigned one SID to two texts");
    Ok(None)
}

/// Flags a text for a user's decision: it is unknown whether it was sent, and there is no further way to find out.
pub(super) async fn flag_unknown(
    tx: &mut Tx<'_>,
    directory: &Directory,
    before: &message::Model,
) -> Result<(), UnitError> {
    let after = message::Model { flagged_at: Some(tx.now), ..before.clone() };
    message_writes::update_delivery(tx.conn, &after).await?;
    outbox::remove(tx.conn, after.agency_id, after.id).await?;
    let notice = delivery_failed(directory, &after, true);
    Ok(tx.message_changed(&after, notice.into_iter().collect())?)
}

/// Notifies the sender of a text that failed. The admins are notified as well if a decision is needed or the sender is
/// no longer active. Nobody is notified of an automatic text.
fn delivery_failed(directory: &Directory, message: &message::Model, needs_decision: bool) -> Option<Notice> {
    let sender = message.sender_id.and_then(|id| directory.active_user(id)).map(|user| user.id);
    let notifies_admins = needs_decision || (sender.is_none() && message.sender_id.is_some());
    let admins = directory.admins().map(|user| user.id).filter(|id| notifies_admins && Some(*id) != sender);
    let users: Vec<UserId> = sender.into_iter().chain(admins).collect();
    (!users.is_empty()).then_some(Notice {
        kind: NotificationKind::DeliveryFailed,
        users,
        thread: Some(message.thread_id),
        message: Some(message.id),
        call: None,
        node: None,
        rung: None,
    })
}
