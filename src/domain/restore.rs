//! Detects that a database has been restored from a backup since a server last used it.
//!
//! A server records the progress of the database outside of it: next to the SQLite file, or in the folder of
//! recordings. A restored database is behind that record. It would send again the texts that were sent after the
//! backup, and it lacks the STOPs that arrived after the backup.

/// Begins the identity of a database that `partyline restore` has put in place and that `partyline restored` has not
/// completed yet. A digest of the backup follows.
const RESTORED_FROM: &str = "backup ";

/// The identity with which a backup is put in place. `digest` identifies its database.
pub fn identity_of_backup(digest: &str) -> String {
    format!("{RESTORED_FROM}{digest}")
}

/// Whether an identity is that of a restore that is not complete.
pub fn is_incomplete(identity: &str) -> bool {
    identity.starts_with(RESTORED_FROM)
}

/// The progress of the database as a server has recorded it outside the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerRecord {
    /// The number of times that `partyline restored` had run.
    pub restores: i64,
    /// The number of events in the database.
    pub events: i64,
}

/// The progress that the database itself contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseState {
    /// The number of times that `partyline restored` has run.
    pub restores: i64,
    pub events: i64,
    /// Whether the database server's identifier of the tables is unchanged. Loading a dump changes it.
    pub is_same_database: bool,
    /// Whether `partyline restore` has put the database in place, and the restore is not complete.
    pub is_incomplete: bool,
}

/// The evidence for a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RestoreEvidence {
    /// The database has no mark, but the server has a record.
    #[error("the database is older than the server's record of it")]
    NoMark,
    #[error("the tables have been re-created since, as happens when a dump is loaded")]
    OtherTables,
    #[error("`partyline restore` has put a backup in place, and the restore is not complete")]
    Incomplete,
    /// The database has a mark, but the server's record is missing.
    #[error("the server's record of the database is missing, as happens on a new machine")]
    NoRecord,
    /// The database has fewer events or restores than the server has recorded.
    #[error("the database is behind the server's record of it")]
    Behind,
}

/// Checks at the start of a server whether the database has been restored, and returns the evidence as the error.
///
/// `recorded` is `None` if the server has no record, `stored` if the database has no mark. `is_record_next_to_database`
/// means that the record lies next to the database and moves with it (SQLite). Otherwise each instance has its own
/// record, and a new instance has none yet.
pub fn detect_restore(
    recorded: Option<ServerRecord>,
    stored: Option<DatabaseState>,
    is_record_next_to_database: bool,
) -> Result<(), RestoreEvidence> {
    let Some(stored) = stored else {
        return if recorded.is_some() { Err(RestoreEvidence::NoMark) } else { Ok(()) };
    };
    if stored.is_incomplete {
        return Err(RestoreEvidence::Incomplete);
    }
    if !stored.is_same_database {
        return Err(RestoreEvidence::OtherTables);
    }
    match recorded {
        None if is_record_next_to_database => Err(RestoreEvidence::NoRecord),
        None => Ok(()),
        Some(recorded) if recorded.restores > stored.restores => Err(RestoreEvidence::Behind),
        // Another instance has run `partyline restored` since.
        Some(recorded) if recorded.restores < stored.restores => Ok(()),
        Some(recorded) if recorded.events > stored.events => Err(RestoreEvidence::Behind),
        Some(_) => Ok(()),
    }
}

impl ServerRecord {
    /// Formats the record for its file.
    pub fn to_text(self) -> String {
        format!("restores {}\nevents {}\n", self.restores, self.events)
    }

    /// Parses the output of [`to_text`](Self::to_text); `None` for any other text.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut number = |name: &str| lines.next()?.strip_prefix(name)?.trim().parse().ok();
        Some(Self { restores: number("restores")?, events: number("events")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_of_record_and_database() {
        let recorded = |restores, events| Some(ServerRecord { restores, events });
        let state = |restores, events| DatabaseState { restores, events, is_same_database: true, is_incomplete: false };
        let stored = |restores, events| Some(state(restores, events));
        let dumped = Some(DatabaseState { is_same_database: false, ..state(0, 10) });
        let put_in_place = Some(DatabaseState { is_same_database: false, is_incomplete: true, ..state(0, 10) });
        for (record, database, next_to_database, expected) in [
            // First start, and first start after an upgrade.
            (None, None, true, Ok(())),
            (None, None, false, Ok(())),
            // A backup from before the mark existed.
            (recorded(0, 10), None, true, Err(RestoreEvidence::NoMark)),
            // An ordinary start, and one after a crash between a commit and its record.
            (recorded(0, 10), stored(0, 10), true, Ok(())),
            (recorded(0, 8), stored(0, 10), true, Ok(())),
            // A backup put in place of the database.
            (recorded(0, 11), stored(0, 10), true, Err(RestoreEvidence::Behind)),
            (recorded(0, 11), stored(0, 10), false, Err(RestoreEvidence::Behind)),
            // A backup from before an earlier restore.
            (recorded(1, 5), stored(0, 10), true, Err(RestoreEvidence::Behind)),
            // Another instance has run the command.
            (recorded(0, 50), stored(1, 10), false, Ok(())),
            // A new machine: with the file alone, and as one more instance.
            (None, stored(0, 10), true, Err(RestoreEvidence::NoRecord)),
            (None, stored(0, 10), false, Ok(())),
            // `partyline restore` was interrupted, or could not reach Twilio, whatever the record says.
            (recorded(0, 5), put_in_place, true, Err(RestoreEvidence::Incomplete)),
            (None, put_in_place, true, Err(RestoreEvidence::Incomplete)),
            // A dump that was loaded, whatever the record says.
            (recorded(0, 10), dumped, false, Err(RestoreEvidence::OtherTables)),
            (None, dumped, false, Err(RestoreEvidence::OtherTables)),
        ] {
            assert_eq!(
                detect_restore(record, database, next_to_database),
                expected,
                "{record:?} {database:?} {next_to_database}"
            );
        }
    }

    #[test]
    fn only_the_identity_of_a_backup_is_incomplete() {
        assert!(is_incomplete(&identity_of_backup("aa")));
        for identity in ["", "7391.16384.16999", "2026-11-30 12:00:00"] {
            assert!(!is_incomplete(identity), "{identity}");
        }
    }

    #[test]
    fn a_record_reads_back_as_itself() {
        let recorded = ServerRecord { restores: 3, events: 1_000_000 };
        assert_eq!(ServerRecord::from_text(&recorded.to_text()), Some(recorded));
        for text in ["", "restores 1", "events 1\nrestores 1", "restores x\nevents 1"] {
            assert_eq!(ServerRecord::from_text(text), None, "{text}");
        }
    }
}
