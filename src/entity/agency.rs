//! An agency, which is a tenant.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AccountId, AgencyId, OptOutReplies, UserId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "agency")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AgencyId,
    /// The stable name that directory files and tokens use.
    pub key: String,
    pub name: String,
    /// An IANA time zone, for example `America/Denver`.
    pub time_zone: String,
    /// The account of the agency's numbers.
    pub twilio_account_id: Option<AccountId>,
    /// The user on the routing rung below the pool and the provider.
    pub default_user_id: Option<UserId>,
    pub opt_out_replies: OptOutReplies,
    /// The custom reply to STOP, used if `opt_out_replies` is PARTYLINE; `None` means the default text.
    pub stop_reply: Option<String>,
    /// The custom reply to HELP, likewise.
    pub help_reply: Option<String>,
    /// The countries that users may call and text, as JSON: `["US", "CA"]`; `None` means the country of the agency's
    /// number.
    #[sea_orm(column_type = "Text")]
    pub calling_countries: Option<String>,
    /// The age in days at which messages and calls are deleted; `None` keeps them.
    pub messages_days: Option<i32>,
    /// The age in days at which the files of messages are deleted; `None` keeps them.
    pub media_days: Option<i32>,
    /// The age in days at which recordings are deleted; `None` keeps them.
    pub recordings_days: Option<i32>,
    /// The age in days at which events are deleted from the log.
    pub events_days: i32,
    /// Whether what is deleted here is also deleted at Twilio.
    pub delete_at_carrier: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
