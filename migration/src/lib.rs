//! Partyline's database schema: one file per migration, the same for SQLite, PostgreSQL and MariaDB.

pub use sea_orm_migration::prelude::*;

mod columns;
mod contact_names;
mod indexes;
mod m20261123_000001_directory;
mod m20261123_000002_conversations;
mod m20261123_000003_event_log;
mod m20261123_000004_safekeeping;
mod m20261124_000005_outbox;
mod m20261124_000006_voice;
mod m20261128_000007_inbound_texts;
mod m20261128_000008_carrier_answers;
mod m20261128_000009_leg_caller_id;
mod m20261128_000010_voicemails_of_calls;
mod m20261128_000011_contact_search;
mod m20261128_000012_token_generation;
mod m20261128_000013_verification_texts;
mod m20261129_000014_thread_started_blind;
mod m20261129_000015_fair_sending;
mod m20261129_000016_restore_mark;
mod m20261129_000017_quarantine_reasons;
mod m20261129_000018_live_threads;
mod m20261129_000019_message_history;
mod m20261129_000020_notes_and_handled_voicemails;
mod m20261129_000021_holds_and_drafts;
mod m20261129_000022_sign_in_codes;
mod m20261129_000023_contact_order;
mod m20261129_000024_not_rung;
mod m20261130_000025_narrow_indexes;
mod m20261130_000026_growing_lists;
mod m20261130_000027_files_and_retention;
mod m20261130_000028_retention_indexes;

#[derive(Debug, Clone, Copy)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_directory::Migration),
            Box::new(m20261123_000002_conversations::Migration),
            Box::new(m20261123_000003_event_log::Migration),
            Box::new(m20261123_000004_safekeeping::Migration),
            Box::new(m20261124_000005_outbox::Migration),
            Box::new(m20261124_000006_voice::Migration),
            Box::new(m20261128_000007_inbound_texts::Migration),
            Box::new(m20261128_000008_carrier_answers::Migration),
            Box::new(m20261128_000009_leg_caller_id::Migration),
            Box::new(m20261128_000010_voicemails_of_calls::Migration),
            Box::new(m20261128_000011_contact_search::Migration),
            Box::new(m20261128_000012_token_generation::Migration),
            Box::new(m20261128_000013_verification_texts::Migration),
            Box::new(m20261129_000014_thread_started_blind::Migration),
            Box::new(m20261129_000015_fair_sending::Migration),
            Box::new(m20261129_000016_restore_mark::Migration),
            Box::new(m20261129_000017_quarantine_reasons::Migration),
            Box::new(m20261129_000018_live_threads::Migration),
            Box::new(m20261129_000019_message_history::Migration),
            Box::new(m20261129_000020_notes_and_handled_voicemails::Migration),
            Box::new(m20261129_000021_holds_and_drafts::Migration),
            Box::new(m20261129_000022_sign_in_codes::Migration),
            Box::new(m20261129_000023_contact_order::Migration),
            Box::new(m20261129_000024_not_rung::Migration),
            Box::new(m20261130_000025_narrow_indexes::Migration),
            Box::new(m20261130_000026_growing_lists::Migration),
            Box::new(m20261130_000027_files_and_retention::Migration),
            Box::new(m20261130_000028_retention_indexes::Migration),
        ]
    }
}
