//! Writes a backup while the server runs.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::{BackupError, DataFiles, media_path, with_suffix};
use crate::domain::AgencyId;
use crate::domain::backup::{Counts, FORMAT, Manifest, Member};
use crate::ports::backup_file::{BackupWriter, Hashed};
use crate::ports::private_file;
use crate::store::sqlite_file::SqliteSnapshot;

/// The suffixes of unfinished files. The second one is the copy of the database.
const PART: &str = ".backup.part";
const DATABASE_PART: &str = ".backup.part-db";

#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether to replace an existing file.
    pub overwrite: bool,
    /// Whether to include the secrets that are stored next to the database.
    pub with_secrets: bool,
}

#[derive(Debug)]
pub struct Report {
    pub manifest: Manifest,
    /// The size of the backup in bytes.
    pub bytes: u64,
    /// The secret files that exist, whether the backup includes them or not.
    pub secrets: Vec<PathBuf>,
}

/// Writes a backup to `to`: everything that was committed before it began. The file gets its name when it is complete.
/// Unfinished files of earlier backups in the same folder are removed.
///
/// # Errors
/// Returns an error if the database cannot be read, or if the backup cannot be written; then it does not exist.
pub fn create_backup(
    files: &DataFiles,
    to: &Path,
    options: Options,
    now: DateTime<Utc>,
) -> Result<Report, BackupError> {
    let check_name = || match to.try_exists() {
        Ok(true) if !options.overwrite => Err(BackupError::Exists(to.to_owned())),
        Ok(_) => Ok(()),
        Err(error) => Err(BackupError::at(to)(error)),
    };
    check_name()?;
    if !files.database.exists() {
        return Err(BackupError::NoDatabase(files.database.clone()));
    }
    let folder = private_file::folder_of(to);
    remove_unfinished(&folder).map_err(BackupError::at(&folder))?;
    let part = Part::claim(to)?;
    let written = write(files, &part, options, now)?;
    check_name()?;
    part.publish(to).map_err(BackupError::at(to))?;
    private_file::sync_folder(&folder).map_err(BackupError::at(&folder))?;
    Ok(written)
}

fn write(files: &DataFiles, part: &Part, options: Options, now: DateTime<Utc>) -> Result<Report, BackupError> {
    let in_database = || BackupError::in_database(&files.database);
    let snapshot = SqliteSnapshot::begin(&files.database).map_err(in_database())?;
    let schema = snapshot.newest_migration().map_err(in_database())?;
    let schema = schema.ok_or_else(|| BackupError::NoDatabase(files.database.clone()))?;
    let rows = snapshot.counts().map_err(in_database())?;
    let media = match files.media {
        Some(_) => snapshot.media_files().map_err(in_database())?,
        None => Vec::new(),
    };
    // SQLite creates the file with the permissions of the umask, so it is created here.
    private_file::create_empty(&part.database).map_err(BackupError::at(&part.database))?;
    snapshot.copy_to(&part.database).map_err(BackupError::in_database(&part.database))?;
    // The server's log can be shortened from now on.
    drop(snapshot);

    let writing = BackupError::at;
    let file = part.file.try_clone().map_err(writing(&part.path))?;
    let mut writer = BackupWriter::new(file, now.timestamp().try_into().unwrap_or_default());
    add_file(&mut writer, &Member::Database, &part.database)?;
    fs::remove_file(&part.database).map_err(BackupError::at(&part.database))?;
    let mut counts = Counts { agencies: rows.agencies, messages: rows.messages, ..Counts::default() };
    for (agency, digest) in media {
        let Some(folder) = &files.media else { break };
        match add_media(&mut writer, folder, agency, digest)? {
            Added::Written => counts.files += 1,
            Added::Missing => counts.missing_files += 1,
            Added::Damaged => counts.damaged_files += 1,
        }
    }
    let mut secrets = Vec::new();
    for member in [Member::SecretKey, Member::JwtSecret] {
        let path = files.beside(&format!(".{member}"));
        if !path.exists() {
            continue;
        }
        if options.with_secrets {
            add_file(&mut writer, &member, &path)?;
        }
        secrets.push(path);
    }
    let partyline = env!("CARGO_PKG_VERSION").to_owned();
    let manifest = Manifest { format: FORMAT, partyline, schema, created_at: now, counts };
    let text = serde_json::to_vec_pretty(&manifest).map_err(|error| writing(&part.path)(error.into()))?;
    writer.add(&Member::Manifest, text.len() as u64, text.as_slice()).map_err(writing(&part.path))?;
    let file = writer.finish().map_err(writing(&part.path))?;
    let bytes = file.metadata().map_err(writing(&part.path))?.len();
    Ok(Report { manifest, bytes, secrets })
}

fn add_file(writer: &mut BackupWriter, member: &Member, path: &Path) -> Result<(), BackupError> {
    let mut add = || {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        writer.add(member, size, file)
    };
    add().map(drop).map_err(BackupError::at(path))
}

enum Added {
    Written,
    Missing,
    Damaged,
}

/// Adds a file of the media folder. Its content never changes, but retention may delete it after the snapshot.
fn add_media(writer: &mut BackupWriter, folder: &Path, agency: AgencyId, digest: String) -> Result<Added, BackupError> {
    let path = media_path(folder, agency, &digest);
    let mut add = || {
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Added::Missing),
            Err(error) => return Err(error),
        };
        // Restoring it would be refused, and with it the whole backup.
        if Hashed::new(&file).read_to_digest()? != digest {
            return Ok(Added::Damaged);
        }
        file.rewind()?;
        let size = file.metadata()?.len();
        writer.add(&Member::Media(agency, digest.clone()), size, file)?;
        Ok(Added::Written)
    };
    add().map_err(BackupError::at(&path))
}

/// The unfinished file of a backup, locked while it is written. If it is not published, it is removed when this is
/// dropped.
struct Part {
    path: PathBuf,
    database: PathBuf,
    file: File,
    is_published: bool,
}

impl Part {
    fn claim(to: &Path) -> Result<Self, BackupError> {
        let (path, database) = (with_suffix(to, PART), with_suffix(to, DATABASE_PART));
        let busy = || BackupError::Busy(to.to_owned());
        // The files of backups that have ended were removed before; an existing one belongs to a backup that is running.
        let file = private_file::create_empty(&path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => busy(),
            _ => BackupError::at(&path)(error),
        })?;
        // Another backup that began at the same moment may have removed the file before it was locked.
        let is_owned = file.try_lock().is_ok() && file.metadata().is_ok_and(|metadata| metadata.nlink() > 0);
        if is_owned { Ok(Self { path, database, file, is_published: false }) } else { Err(busy()) }
    }

    fn publish(mut self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to)?;
        self.is_published = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_published {
            // The next backup removes what cannot be removed now.
            let _ = fs::remove_file(&self.database);
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the files of backups that were interrupted, which nobody has locked.
fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.as_os_str().as_encoded_bytes().ends_with(PART.as_bytes()) {
            continue;
        }
        let Ok(file) = File::options().write(true).open(&path) else { continue };
        if file.try_lock().is_ok() {
            private_file::remove_if_present(&with_suffix(&path, "-db"))?;
            private_file::remove_if_present(&path)?;
        }
    }
    Ok(())
}
