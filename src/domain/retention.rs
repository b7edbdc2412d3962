//! The age at which stored data is deleted.

/// The age in days at which events are deleted from the log, unless the agency sets another one.
pub const DEFAULT_EVENTS_DAYS: i32 = 30;
