//! The world: time and randomness behind traits, so that tests bring their own, and Twilio's API.

pub mod clock;
pub mod id_gen;
pub mod twilio_rest;

pub use clock::{Clock, SystemClock};
pub use id_gen::{IdGen, SystemIdGen};
