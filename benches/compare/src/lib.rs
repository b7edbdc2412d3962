//! The parts that the load generators and the raw server share.

pub mod database;
pub mod options;
pub mod process;
pub mod twilio;

pub fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
