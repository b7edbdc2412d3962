//! A change of the delivery status of an outbound message.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AgencyId, DeliverySource, MessageId, MessageStatus};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "delivery_step")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    /// Version 7, so that the steps of a message sort by their order.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub message_id: MessageId,
    pub status: MessageStatus,
    pub source: DeliverySource,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
