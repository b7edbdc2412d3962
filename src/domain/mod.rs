//! What Partyline decides, and nothing of how it is stored or carried.
//!
//! Everything here is pure: plain values in, a decision out. No database, no clock, no framework;
//! a service loads a small snapshot, asks a function here, and writes what it answers.

pub mod access;
pub mod address;
pub mod call;
pub mod claim;
pub mod cursor;
pub mod delivery;
pub mod delivery_error;
pub mod dialling;
pub mod extension;
pub mod hours;
pub mod ids;
pub mod inbound;
pub mod ivr;
pub mod opt_out;
pub mod pace;
pub mod phone;
pub mod reply;
pub mod routing;
pub mod search;
pub mod segments;
pub mod sid;
pub mod vocabulary;
pub mod voice_settings;

pub use ids::*;
pub use vocabulary::*;
