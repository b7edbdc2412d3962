//! Whether a database has been restored from a backup since a server last used it.
//!
//! A server records beside the database, or in its folder of recordings, how far the database has got. A restored database
//! has not got as far. Texts that left after the backup would leave again, and STOPs that arrived after it are missing.

/// What a server has recorded outside the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// How often `partyline restored` had run.
    pub restores: i64,
    /// How many events there were.
    pub events: i64,
}

/// What the database says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// How often `partyline restored` has run.
    pub restores: i64,
    /// How many events there are.
    pub events: i64,
    /// Whether the database server still calls the tables what it called them.
    pub is_same_database: bool,
}

/// The evidence for a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Evidence {
    /// The database has no mark, but the server has a record of one.
    #[error("the database is older than the server's record of it")]
    NoMark,
    /// The tables were created again, as loading a dump does.
    #[error("the tables have been created again since, as loading a dump does")]
    OtherTables,
    /// The database has a mark, and the server's record is missing.
    #[error("the server's record of the database is missing, as on a new machine")]
    NoRecord,
    /// The database has fewer events or restores than the server has recorded.
    #[error("the database holds less than the server's record says")]
    Behind,
}

/// Judges a database at the start of a server; `None` for the record or the mark that does not exist.
/// `is_record_beside` says that the record lies beside the database and goes where it goes (SQLite). Elsewhere each
/// instance has a record of its own, and a new instance has none yet.
///
/// # Errors
/// The evidence for a restore.
pub fn judge(recorded: Option<Recorded>, stored: Option<Stored>, is_record_beside: bool) -> Result<(), Evidence> {
    let Some(stored) = stored else {
        return if recorded.is_some() { Err(Evidence::NoMark) } else { Ok(()) };
    };
    if !stored.is_same_database {
        return Err(Evidence::OtherTables);
    }
    match recorded {
        None if is_record_beside => Err(Evidence::NoRecord),
        None => Ok(()),
        Some(recorded) if recorded.restores > stored.restores => Err(Evidence::Behind),
        // Another instance has run the command since.
        Some(recorded) if recorded.restores < stored.restores => Ok(()),
        Some(recorded) if recorded.events > stored.events => Err(Evidence::Behind),
        Some(_) => Ok(()),
    }
}

impl Recorded {
    /// As it is written to a file.
    pub fn to_text(self) -> String {
        format!("restores {}\nevents {}\n", self.restores, self.events)
    }

    /// Reads what [`to_text`](Self::to_text) wrote; `None` for any other text.
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
        let recorded = |restores, events| Some(Recorded { restores, events });
        let stored = |restores, events| Some(Stored { restores, events, is_same_database: true });
        let dumped = Some(Stored { restores: 0, events: 10, is_same_database: false });
        for (record, database, beside, expected) in [
            // First start, and first start after an upgrade.
            (None, None, true, Ok(())),
            (None, None, false, Ok(())),
            // A backup from before the mark existed.
            (recorded(0, 10), None, true, Err(Evidence::NoMark)),
            // An ordinary start, and one after a crash between a commit and its record.
            (recorded(0, 10), stored(0, 10), true, Ok(())),
            (recorded(0, 8), stored(0, 10), true, Ok(())),
            // A backup put in place of the database.
            (recorded(0, 11), stored(0, 10), true, Err(Evidence::Behind)),
            (recorded(0, 11), stored(0, 10), false, Err(Evidence::Behind)),
            // A backup from before an earlier restore.
            (recorded(1, 5), stored(0, 10), true, Err(Evidence::Behind)),
            // Another instance has run the command.
            (recorded(0, 50), stored(1, 10), false, Ok(())),
            // A new machine: with the file alone, and as one more instance.
            (None, stored(0, 10), true, Err(Evidence::NoRecord)),
            (None, stored(0, 10), false, Ok(())),
            // A dump that was loaded, whatever the record says.
            (recorded(0, 10), dumped, false, Err(Evidence::OtherTables)),
            (None, dumped, false, Err(Evidence::OtherTables)),
        ] {
            assert_eq!(judge(record, database, beside), expected, "{record:?} {database:?} {beside}");
        }
    }

    #[test]
    fn a_record_reads_back_as_itself() {
        let recorded = Recorded { restores: 3, events: 1_000_000 };
        assert_eq!(Recorded::from_text(&recorded.to_text()), Some(recorded));
        for text in ["", "restores 1", "events 1\nrestores 1", "restores x\nevents 1"] {
            assert_eq!(Recorded::from_text(text), None, "{text}");
        }
    }
}
