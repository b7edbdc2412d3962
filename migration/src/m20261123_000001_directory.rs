//! Accounts, agencies and their directory: users, numbers, pools, assignments, extensions.

use sea_orm_migration::prelude::*;

use crate::columns::{
    Shape, count, create, drop, flag, id, index, live, optional_id, primary, to_agency, unique, within_agency, word,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let shape = Shape::of(manager);
        let accounts = shape
            .table("twilio_account")
            .col(id("id"))
            .col(shape.text("account_sid", 64).not_null())
            .col(shape.text("auth_token_sealed", 512).not_null())
            .col(shape.text("secondary_auth_token_sealed", 512))
            .col(shape.text("api_key_sid", 64))
            .col(shape.text("api_key_secret_sealed", 512))
            .col(shape.time("created_at").not_null())
            .col(shape.time("updated_at").not_null())
            .primary_key(&mut primary(&["id"]))
            .take();
        let agencies = shape
            .table("agency")
            .col(id("id"))
            .col(shape.text("key", 64).not_null())
            .col(shape.text("name", 200).not_null())
            .col(shape.text("time_zone", 64).not_null())
            .col(optional_id("twilio_account_id"))
            .col(optional_id("default_user_id"))
            .col(word("opt_out_replies"))
            .col(shape.time("created_at").not_null())
            .col(shape.time("updated_at").not_null())
            .primary_key(&mut primary(&["id"]))
            .foreign_key(ForeignKey::create().from_col("twilio_account_id").to_tbl("twilio_account").to_col("id"))
            .take();
        let users = shape
            .table("user_account")
            .col(id("agency_id"))
            .col(id("id"))
            .col(shape.text("key", 64).not_null())
            .col(shape.text("name", 200).not_null())
            .col(word("role"))
            .col(shape.text("phone", 64))
            .col(flag("phone_verified"))
            .col(flag("active"))
            .col(word("availability"))
            .col(shape.time("created_at").not_null())
            .col(shape.time("updated_at").not_null())
            .primary_key(&mut primary(&["agency_id", "id"]))
            .foreign_key(&mut to_agency())
            .take();
        let numbers = shape
            .table("phone_number")
            .col(id("agency_id"))
            .col(id("id"))
            .col(id("twilio_account_id"))
            .col(shape.text("e164", 64).not_null())
            .col(shape.text("label", 200).not_null())
            .col(live())
            .col(shape.time("created_at").not_null())
            .col(shape.time("updated_at").not_null())
            .primary_key(&mut primary(&["agency_id", "id"]))
            .foreign_key(&mut to_agency())
            .take();
        let pools = shape
            .table("pool")
            .col(id("agency_id"))
            .col(id("id"))
            .col(word("policy"))
            .col(count("reopen_within_days"))
            .col(word("ring_strategy"))
            .col(count("ring_seconds"))
            .col(shape.long_text("hours"))
            .col(shape.time("updated_at").not_null())
            .primary_key(&mut primary(&["agency_id", "id"]))
            .foreign_key(&mut within_agency("id", "phone_number"))
            .take();
        let assignments = shape
            .table("assignment")
            .col(id("agency_id"))
            .col(id("id"))
            .col(id("phone_number_id"))
            .col(id("user_id"))
            .col(flag("sms_enabled"))
            .col(flag("voice_enabled"))
            .col(flag("is_primary"))
            .col(live())
            .col(shape.time("created_at").not_null())
            .col(shape.time("updated_at").not_null())
            .primary_key(&mut primary(&["agency_id", "id"]))
            .foreign_key(&mut within_agency("phone_number_id", "phone_number"))
            .foreign_key(&mut within_agency("user_id", "user_account"))
            .take();
        let extensions = shape
            .table("extension")
            .col(id("agency_id"))
            .col(id("id"))
            .col(shape.text("digits", 6).not_null())
            .col(id("user_id"))
            .col(id("phone_number_id"))
            .col(live())
            .col(shape.time("created_at").not_null())
            .col(shape.time("updated_at").not_null())
            .primary_key(&mut primary(&["agency_id", "id"]))
            .foreign_key(&mut within_agency("user_id", "user_account"))
            .take();
        let indexes = vec![
            unique("uq_twilio_account_sid", "twilio_account", &["account_sid"]),
            unique("uq_agency_key", "agency", &["key"]),
            index("ix_agency_account", "agency", &["twilio_account_id"]),
            unique("uq_user_key", "user_account", &["agency_id", "key"]),
            // A number is live in at most one agency of an account, so (account, To) determines the agency.
            unique("uq_phone_number_live", "phone_number", &["twilio_account_id", "e164", "live"]),
            unique("uq_phone_number_e164", "phone_number", &["agency_id", "twilio_account_id", "e164"]),
            unique("uq_assignment_live", "assignment", &["agency_id", "phone_number_id", "user_id", "live"]),
            unique("uq_extension_live", "extension", &["agency_id", "phone_number_id", "digits", "live"]),
        ];
        create(manager, vec![accounts, agencies, users, numbers, pools, assignments, extensions], indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = ["extension", "assignment", "pool", "phone_number", "user_account", "agency", "twilio_account"];
        drop(manager, &tables).await
    }
}
