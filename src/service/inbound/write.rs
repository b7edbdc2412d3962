//! Stores the plan of a batch in a constant number of statements.

use sea_orm::DbErr;

use super::QuarantineAssignment;
use super::plan::Plan;
use crate::domain::{AgencyId, QuarantineState};
use crate::entity::{contact, thread};
use crate::service::holds::stop_held;
use crate::service::quarantine_alerts::resolve_if_settled;
use crate::store::bulk::{insert, upsert};
use crate::store::quarantine;
use crate::store::writer::{Tx, UnitError};

/// The columns of an existing thread that an inbound text can change.
const THREAD_COLUMNS: [thread::Column; 15] = [
    thread::Column::Status,
    thread::Column::AssigneeId,
    thread::Column::ClaimedAt,
    thread::Column::LastAssigneeId,
    thread::Column::ClosedAt,
    thread::Column::ExtensionId,
    thread::Column::EscalateAt,
    thread::Column::LastMessageId,
    thread::Column::LastMessageAt,
    thread::Column::LastActivityAt,
    thread::Column::InboundCount,
    thread::Column::WaitingSince,
    thread::Column::Revision,
    thread::Column::BlockedAt,
    thread::Column::OptOutHintId,
];

pub(super) async fn write(tx: &mut Tx<'_>, plan: Plan) -> Result<(), UnitError> {
    use contact::Column as C;
    use thread::Column as T;
    let contacts = plan.contacts.into_iter().filter(|row| !plan.unchanged.contains(&row.id)).collect();
    upsert(tx.conn, contacts, &[C::AgencyId, C::Id], &[C::OptedOutAt, C::UpdatedAt]).await?;
    let held = plan.threads.iter().filter(|row| row.held_until.is_some_and(|until| until > tx.now));
    let held: Vec<thread::Model> = held.cloned().collect();
    upsert(tx.conn, plan.threads, &[T::AgencyId, T::Id], &THREAD_COLUMNS).await?;
    insert(tx.conn, plan.messages).await?;
    insert(tx.conn, plan.media).await?;
    tx.enqueue(plan.outbox).await?;
    insert(tx.conn, plan.quarantine).await?;
    for activity in plan.activities {
        tx.add_activity(activity);
    }
    for (event, notices) in plan.events {
        tx.append(event, notices)?;
    }
    // A held text is stopped by the contact's text, as it would have been refused after it.
    for mut thread in held {
        stop_held(tx, &mut thread, None).await?;
    }
    complete_assignments(tx, &plan.assigned).await?;
    Ok(())
}

/// Marks quarantined texts as assigned. The audit log of the agency that received each text tells who assigned it.
async fn complete_assignments(tx: &mut Tx<'_>, assigned: &[(AgencyId, QuarantineAssignment)]) -> Result<(), DbErr> {
    if assigned.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = assigned.iter().map(|(_, assignment)| assignment.id).collect();
    quarantine::settle(tx.conn, &ids, QuarantineState::Assigned, tx.now).await?;
    for (agency, QuarantineAssignment { id, received_at, shown_to, by }) in assigned {
        tx.audit(*agency, id.to_string(), "assignQuarantinedMessage", by.map(|(_, user)| user), None);
        if let Some(shown_to) = shown_to {
            resolve_if_settled(tx, *shown_to, *received_at).await?;
        }
    }
    Ok(())
}
