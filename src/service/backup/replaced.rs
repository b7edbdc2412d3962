//! Replaces the files of a server, and keeps the previous ones under names with the time.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::with_suffix;
use crate::ports::private_file;
use crate::store::sqlite_file::move_log;

/// The suffix of the files that are replaced at this time.
fn suffix(now: DateTime<Utc>) -> String {
    format!(".replaced-{}", now.format("%Y%m%dT%H%M%S%3fZ"))
}

/// Gives a file a second name; returns it.
fn keep(path: &Path, now: DateTime<Utc>) -> io::Result<PathBuf> {
    let kept = with_suffix(path, &suffix(now));
    match fs::hard_link(path, &kept) {
        // The same file was kept in the same millisecond by a restore that was interrupted.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && is_same(path, &kept)? => Ok(kept),
        result => result.map(|()| kept),
    }
}

fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    let (one, other) = (one.metadata()?, other.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// Replaces a database with a prepared file. `keeps` means that the previous database stays under another name, which
/// is returned. At every moment, `database` is either the complete previous one or the complete new one.
pub(super) fn replace_database(
    database: &Path,
    prepared: &Path,
    keeps: bool,
    now: DateTime<Utc>,
) -> io::Result<Option<PathBuf>> {
    let log = with_suffix(database, "-wal");
    let mut kept = None;
    if keeps {
        // A database that SQLite cannot open is kept as it is, with its log.
        let is_complete = move_log(database);
        let name = keep(database, now)?;
        if !is_complete && log.exists() {
            fs::hard_link(&log, with_suffix(&name, "-wal"))?;
        }
        kept = Some(name);
    }
    // SQLite would apply the log of the previous database to the new one.
    for suffix in ["-wal", "-shm", "-journal"] {
        private_file::remove_if_present(&with_suffix(database, suffix))?;
    }
    let folder = private_file::folder_of(database);
    private_file::sync_folder(&folder)?;
    fs::rename(prepared, database)?;
    private_file::sync_folder(&folder)?;
    Ok(kept)
}

/// Replaces a secret file with a prepared one, unless they are equal. Returns the name under which a different previous
/// secret is kept.
pub(super) fn replace_secret(path: &Path, prepared: &Path, now: DateTime<Utc>) -> io::Result<Option<PathBuf>> {
    let previous = match fs::read(path) {
        Ok(previous) => Some(previous),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if previous.is_some() && previous == fs::read(prepared).ok() {
        return fs::remove_file(prepared).map(|()| None);
    }
    let kept = previous.map(|_| keep(path, now)).transpose()?;
    fs::rename(prepared, path)?;
    private_file::sync_folder(&private_file::folder_of(path))?;
    Ok(kept)
}
