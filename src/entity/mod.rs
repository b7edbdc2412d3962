//! SeaORM models, one per table.
//!
//! Except in tables that do not belong to an agency, each primary key begins with the agency, so that a row of another
//! agency cannot be addressed by mistake. The models declare no relations: `store` joins rows, and each of its queries
//! names the agency.

pub mod account;
pub mod activity;
pub mod agency;
pub mod agency_position;
pub mod assignment;
pub mod audit;
pub mod call;
pub mod call_leg;
pub mod carrier_deletion;
pub mod contact;
pub mod delivery_step;
pub mod draft;
pub mod event;
pub mod extension;
pub mod idempotency_key;
pub mod late_arrival;
pub mod media;
pub mod message;
pub mod notification;
pub mod outbox;
pub mod phone_number;
pub mod phone_verification;
pub mod pool;
pub mod quarantine;
pub mod read_mark;
pub mod reconciliation;
pub mod restore_mark;
pub mod sending_pace;
pub mod sign_in_code;
pub mod text_quota;
pub mod thread;
pub mod upload;
pub mod user;
mod values;
pub mod verification_text;
pub mod voicemail;
