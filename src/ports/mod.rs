//! Everything outside of the process: time and randomness behind traits, which tests replace; Twilio's REST API and the
//! keys of token issuers over HTTP; files.

pub mod backup_file;
mod clock;
pub mod id_gen;
pub mod jwks;
pub mod media_store;
pub mod private_file;
pub mod public_names;
pub mod twilio_rest;

pub use clock::{Clock, SystemClock, owned_sleep};
pub use id_gen::{IdGen, SystemIdGen};
