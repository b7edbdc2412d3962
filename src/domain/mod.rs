//! Partyline's business rules as pure functions: plain values in, a decision out.
//!
//! This module uses no database, clock or framework. A service loads a small snapshot, calls a function here, and
//! stores the result.

pub mod access;
pub mod account_trouble;
pub mod address;
pub mod attachments;
pub mod backup;
pub mod byte_range;
pub mod call;
pub mod call_error;
pub mod caller_id;
pub mod carrier_refusal;
pub mod claim;
pub mod cursor;
pub mod delivery;
pub mod delivery_error;
pub mod dialing;
pub mod error_actor;
pub mod extension;
pub mod fetching;
pub mod file_name;
pub mod folding;
pub mod hexadecimal;
pub mod hours;
pub mod ids;
pub mod inbound;
pub mod inbound_form;
pub mod ivr;
pub mod media_type;
pub mod missed_call_text;
pub mod opt_out;
pub mod opt_out_hint;
pub mod own_numbers;
pub mod pace;
pub mod phone;
pub mod presence;
pub mod public_address;
pub mod public_url;
pub mod reconciliation;
pub mod reply;
pub mod restore;
pub mod retention;
pub mod ringing;
pub mod routing;
pub mod schedule;
pub mod search;
pub mod segments;
pub mod sid;
pub mod text_quota;
pub mod thread_actions;
pub mod turns;
pub mod vocabulary;
pub mod voice_settings;
pub mod webhook_paths;

pub use ids::*;
pub use vocabulary::*;
