//! The world: time and randomness behind traits, so that tests bring their own; Twilio's API and an
//! issuer's keys over HTTP.

pub mod clock;
pub mod id_gen;
pub mod jwks;
pub mod media_store;
pub mod private_file;
pub mod twilio_rest;

pub use clock::{Clock, SystemClock};
pub use id_gen::{IdGen, SystemIdGen};
