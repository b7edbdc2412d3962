//! What the world does to us, behind traits: time and randomness. Tests bring their own.

pub mod clock;
pub mod id_gen;

pub use clock::{Clock, SystemClock};
pub use id_gen::{IdGen, SystemIdGen};
