//! A contact: an outside person, identified by address within an agency.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::search::{fold, sort_key};
use crate::domain::{AgencyId, ContactId, UserId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "contact")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ContactId,
    /// The address as sent by Twilio: E.164, a short code, an alphanumeric sender ID, or `whatsapp:+1…`.
    pub phone: String,
    /// Set with [`Model::rename`], which also sets the search form and the sort key.
    pub name: Option<String>,
    /// The search form of the name, by `domain::search::fold`.
    #[sea_orm(column_type = "Text", nullable)]
    pub name_folded: Option<String>,
    /// The sort key of the name, by `domain::search::sort_key`.
    pub sort_key: String,
    /// A note of the staff about the contact.
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
    /// The user who cares for the contact.
    pub provider_user_id: Option<UserId>,
    /// Set by a STOP to any number of the agency, cleared by a START.
    pub opted_out_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// A new contact that is known only by its address.
    pub fn begin(agency_id: AgencyId, id: ContactId, phone: impl Into<String>, now: DateTime<Utc>) -> Self {
        Self {
            agency_id,
            id,
            phone: phone.into(),
            name: None,
            name_folded: None,
            sort_key: sort_key(None),
            note: None,
            provider_user_id: None,
            opted_out_at: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// The contact reduced to its phone, for a user who has written to the phone but may not see the contact.
    #[must_use]
    pub fn phone_only(self) -> Self {
        Self {
            name: None,
            name_folded: None,
            sort_key: sort_key(None),
            note: None,
            provider_user_id: None,
            opted_out_at: None,
            ..self
        }
    }

    /// Sets the name, its search form and its sort key.
    pub fn rename(&mut self, name: Option<String>) {
        self.name_folded = name.as_deref().map(fold);
        self.sort_key = sort_key(name.as_deref());
        self.name = name;
    }
}
