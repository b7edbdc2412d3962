//! A Twilio account: where its webhooks are signed with, and what numbers belong to. It serves one or more agencies.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::{AccountId, AccountTrouble, TwilioRequest};

/// A Twilio account: where its webhooks are signed with, and what numbers belong to. It serves one or more agencies.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "twilio_account")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccountId,
    /// Twilio's name for it, `AC…`.
    pub account_sid: String,
    /// The token that signs webhooks, sealed.
    pub auth_token_sealed: String,
    /// The other token while they are rotated, sealed.
    pub secondary_auth_token_sealed: Option<String>,
    /// The API key for REST calls, if one is used.
    pub api_key_sid: Option<String>,
    /// Its secret, sealed.
    pub api_key_secret_sealed: Option<String>,
    /// Why Twilio does not serve the account; `None` while it does.
    pub trouble: Option<AccountTrouble>,
    /// The request that met the trouble.
    pub trouble_request: Option<TwilioRequest>,
    /// When the trouble was met first.
    pub trouble_since: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Rows are put together by `store`, whose every query names the agency.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
