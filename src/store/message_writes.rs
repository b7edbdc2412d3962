//! Writes of units of work to messages and contacts, under the agency's lock.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _};

use super::bulk;
use super::statements::Statements;
use crate::domain::{AgencyId, ContactId};
use crate::entity::{contact, delivery_step, message};

pub async fn add(conn: &impl Statements, row: message::Model) -> Result<(), DbErr> {
    bulk::insert(conn, vec![row]).await
}

/// Updates the delivery status, the error code, the Twilio SID and the flag of a message.
pub async fn update_delivery(conn: &impl ConnectionTrait, after: &message::Model) -> Result<(), DbErr> {
    let change = message::ActiveModel {
        status: Set(after.status),
        error_code: Set(after.error_code.clone()),
        provider_sid: Set(after.provider_sid.clone()),
        flagged_at: Set(after.flagged_at),
        ..Default::default()
    };
    message::Entity::update_many()
        .set(change)
        .filter(message::Column::AgencyId.eq(after.agency_id))
        .filter(message::Column::Id.eq(after.id))
        .exec(conn)
        .await
        .map(drop)
}

/// Stores the message by which this one was sent again.
pub async fn set_resent_as(conn: &impl ConnectionTrait, after: &message::Model) -> Result<(), DbErr> {
    let change = message::ActiveModel { resent_as_id: Set(after.resent_as_id), ..Default::default() };
    message::Entity::update_many()
        .set(change)
        .filter(message::Column::AgencyId.eq(after.agency_id))
        .filter(message::Column::Id.eq(after.id))
        .exec(conn)
        .await
        .map(drop)
}

/// Adds a change of the delivery status of a message to its history.
pub async fn add_delivery_step(conn: &impl Statements, row: delivery_step::Model) -> Result<(), DbErr> {
    bulk::insert(conn, vec![row]).await
}

/// Sets or, with `None`, clears when a contact opted out of texts.
pub async fn set_opted_out(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    contact: ContactId,
    opted_out_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    contact::Entity::update_many()
        .set(contact::ActiveModel { opted_out_at: Set(opted_out_at), updated_at: Set(now), ..Default::default() })
        .filter(contact::Column::AgencyId.eq(agency))
        .filter(contact::Column::Id.eq(contact))
        .exec(conn)
        .await
        .map(drop)
}
