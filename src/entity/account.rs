//! A Twilio account: its credentials, and the problem that keeps Twilio from serving it. It serves one or more
//! agencies.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AccountId, AccountTrouble, TwilioRequest};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "twilio_account")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccountId,
    /// The account's SID, `AC…`.
    pub account_sid: String,
    /// The token that signs webhooks, encrypted.
    pub auth_token_sealed: String,
    /// The other token during a rotation, encrypted.
    pub secondary_auth_token_sealed: Option<String>,
    /// The API key for REST calls, if one is used.
    pub api_key_sid: Option<String>,
    /// The secret of the API key, encrypted.
    pub api_key_secret_sealed: Option<String>,
    /// The reason why Twilio does not serve the account; `None` while it does.
    pub trouble: Option<AccountTrouble>,
    /// The kind of request that revealed the problem.
    pub trouble_request: Option<TwilioRequest>,
    pub trouble_since: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
