//! `partyline backup` and `partyline restore`: one file with an SQLite database and the files that belong to it.

use std::io;
use std::path::{Path, PathBuf};

use crate::domain::AgencyId;
use crate::domain::backup::InvalidBackup;
use crate::ports::backup_file::ReadError;
use crate::store::sqlite_file::SqliteFileError;

mod create;
mod put_back;
mod replaced;

pub use create::{Options, Report, create_backup};
pub use put_back::{Restored, put_back};

/// Where a server keeps its data.
#[derive(Debug, Clone)]
pub struct DataFiles {
    /// The SQLite file.
    pub database: PathBuf,
    /// The media folder; `None` if the files are in object storage, which is not part of a backup.
    pub media: Option<PathBuf>,
}

impl DataFiles {
    /// A file next to the database, such as `partyline.db.secret-key`.
    fn beside(&self, suffix: &str) -> PathBuf {
        with_suffix(&self.database, suffix)
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    PathBuf::from(path)
}

/// The path of a file in the media folder, as in [`MediaStore`](crate::ports::media_store::MediaStore).
fn media_path(folder: &Path, agency: AgencyId, digest: &str) -> PathBuf {
    folder.join(agency.to_string()).join(digest)
}

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Database { path: PathBuf, error: SqliteFileError },
    #[error("{} is not a database of Partyline's", .0.display())]
    NoDatabase(PathBuf),
    #[error("{} exists. Choose another name, or replace it with --force", .0.display())]
    Exists(PathBuf),
    #[error("another backup is being written to {}", .0.display())]
    Busy(PathBuf),
    #[error(transparent)]
    Invalid(#[from] InvalidBackup),
    #[error(
        "{} is not empty. With --force, the backup replaces it, and it is kept under another name",
        .0.display()
    )]
    NotEmpty(PathBuf),
    #[error("the backup contains files, but this server keeps its files in object storage")]
    MediaElsewhere,
}

impl BackupError {
    /// Adds the path to an error of the file system.
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::File { path: path.to_owned(), error }
    }

    /// Adds the path of the database to an error of SQLite.
    fn in_database(path: &Path) -> impl FnOnce(SqliteFileError) -> Self {
        move |error| Self::Database { path: path.to_owned(), error }
    }

    /// Adds the path to an error of reading a backup.
    fn reading(path: &Path) -> impl FnOnce(ReadError) -> Self {
        move |error| match error {
            ReadError::Invalid(invalid) => Self::Invalid(invalid),
            ReadError::File(error) => Self::File { path: path.to_owned(), error },
        }
    }
}
