//! A tenant.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AccountId, AgencyId, OptOutReplies, UserId};

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "agency")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AgencyId,
    /// The stable name that directory files and tokens use.
    pub key: String,
    pub name: String,
    /// An IANA name, `America/Denver`.
    pub time_zone: String,
    /// The account its numbers belong to.
    pub twilio_account_id: Option<AccountId>,
    /// Who is told when neither a pool nor a provider is there.
    pub default_user_id: Option<UserId>,
    pub opt_out_replies: OptOutReplies,
    /// What we answer to a STOP, if the replies are ours; `None` is our own words.
    pub stop_reply: Option<String>,
    /// What we answer to a HELP.
    pub help_reply: Option<String>,
    /// Countries that its staff may call, as JSON: `["US", "CA"]`; `None` is the country of the number
    /// that is called from.
    #[sea_orm(column_type = "Text")]
    pub calling_countries: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
