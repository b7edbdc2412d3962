//! Puts a backup in place of a server's files.
//!
//! The whole backup is verified before anything changes. Then the media files and the secrets are put back, and the
//! database is replaced last. A restore that was interrupted can be repeated at any point.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::replaced::{replace_database, replace_secret};
use super::{BackupError, DataFiles, media_path, with_suffix};
use crate::domain::AgencyId;
use crate::domain::backup::{Checksums, InvalidBackup, Manifest, Member};
use crate::domain::restore::identity_of_backup;
use crate::ports::backup_file::{Hashed, ReadError, read_members};
use crate::ports::{IdGen, private_file};
use crate::store::sqlite_file::{Content, content, known_migrations, prepare_restored};

/// The suffix of files that are not in place yet.
const PART: &str = ".restore.part";
/// The maximum size of the members that are read into memory. The list of checksums has 170 bytes per media file.
const MAX_MANIFEST_BYTES: u64 = 1 << 16;
const MAX_CHECKSUMS_BYTES: u64 = 1 << 29;

#[derive(Debug)]
pub struct Restored {
    pub manifest: Manifest,
    /// The new names of the files that were replaced.
    pub kept: Vec<PathBuf>,
    /// Whether the backup contains secrets.
    pub has_secrets: bool,
}

/// Puts a backup in place. The database must not be in use. It is marked, so that a server sends nothing before
/// [`complete_restore`](crate::service::restore::complete_restore) has run.
///
/// # Errors
/// Returns an error if the backup is invalid, or if the database contains tables and `force` is false; then nothing has
/// changed. After other errors, and after an interruption, the restore can be repeated.
pub fn put_back(
    files: &DataFiles,
    backup: &Path,
    force: bool,
    now: DateTime<Utc>,
    ids: &dyn IdGen,
) -> Result<Restored, BackupError> {
    let mut file = File::open(backup).map_err(BackupError::at(backup))?;
    let verified = verify(&mut file).map_err(BackupError::reading(backup))?;
    verified.manifest.check(&known_migrations())?;
    if verified.has_media && files.media.is_none() {
        return Err(BackupError::MediaElsewhere);
    }
    let identity = identity_of_backup(verified.digest(&Member::Database)?);
    let current = content(&files.database);
    // An earlier restore of this backup has been interrupted after the database was in place.
    let is_in_place = current == Content::Tables { identity: Some(identity.clone()) };
    if current != Content::Nothing && !is_in_place && !force {
        return Err(BackupError::NotEmpty(files.database.clone()));
    }
    let parts = Parts::of(files);
    parts.remove().map_err(BackupError::at(&parts.database))?;
    let unpacked = unpack(&mut file, files, &parts, &verified, is_in_place).map_err(BackupError::reading(backup));
    let placed = unpacked.and_then(|()| {
        if !is_in_place {
            let prepared = prepare_restored(&parts.database, &identity, || ids.uuid(now));
            if !prepared.map_err(BackupError::in_database(&parts.database))? {
                return Err(InvalidBackup::DamagedDatabase.into());
            }
        }
        parts.put_in_place(files, &verified, (!is_in_place).then_some(current != Content::Nothing), now)
    });
    if placed.is_err() {
        // The next restore removes what cannot be removed now.
        let _ = parts.remove();
    }
    Ok(Restored { kept: placed?, has_secrets: verified.has_secrets(), manifest: verified.manifest })
}

/// What a verified backup contains.
struct Verified {
    manifest: Manifest,
    /// The digests of all members but the media files, by name.
    digests: HashMap<String, String>,
    has_media: bool,
}

impl Verified {
    fn digest(&self, member: &Member) -> Result<&str, InvalidBackup> {
        let name = member.to_string();
        self.digests.get(&name).map(String::as_str).ok_or(InvalidBackup::Missing(name))
    }

    fn contains(&self, member: &Member) -> bool {
        self.digests.contains_key(&member.to_string())
    }

    fn has_secrets(&self) -> bool {
        self.contains(&Member::SecretKey) || self.contains(&Member::JwtSecret)
    }
}

/// Reads the whole backup and compares the checksums.
fn verify(file: &mut File) -> Result<Verified, ReadError> {
    let mut checksums = Checksums::default();
    let (mut digests, mut has_media) = (HashMap::new(), false);
    let (mut manifest, mut listed) = (None, None);
    read_members(file, |member, size, content| {
        if listed.is_some() {
            return Err(InvalidBackup::Unexpected(member.to_string()).into());
        }
        if *member == Member::Checksums {
            listed = Some(read_text(size, MAX_CHECKSUMS_BYTES, content)?);
            return Ok(());
        }
        let mut content = Hashed::new(content);
        if *member == Member::Manifest {
            manifest = Some(read_text(size, MAX_MANIFEST_BYTES, &mut content)?);
        }
        let digest = content.read_to_digest()?;
        checksums.add(member, &digest);
        let is_repeated = match member {
            Member::Media(_, name) if *name != digest => {
                return Err(InvalidBackup::Damaged(member.to_string()).into());
            }
            Member::Media(..) => {
                has_media = true;
                false
            }
            _ => digests.insert(member.to_string(), digest).is_some(),
        };
        if is_repeated { Err(InvalidBackup::Unreadable.into()) } else { Ok(()) }
    })?;
    checksums.check(&listed.ok_or(InvalidBackup::Incomplete)?)?;
    let missing = || InvalidBackup::Missing(Member::Manifest.to_string());
    let manifest = serde_json::from_str(&manifest.ok_or_else(missing)?).map_err(|_| InvalidBackup::Unreadable)?;
    Ok(Verified { manifest, digests, has_media })
}

fn read_text(size: u64, limit: u64, mut content: impl Read) -> Result<String, ReadError> {
    if size > limit {
        return Err(InvalidBackup::Unreadable.into());
    }
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes)?;
    Ok(String::from_utf8(bytes).map_err(|_| InvalidBackup::Unreadable)?)
}

/// Unpacks the media files to their places, and the other files to temporary names.
fn unpack(
    file: &mut File,
    files: &DataFiles,
    parts: &Parts,
    verified: &Verified,
    is_in_place: bool,
) -> Result<(), ReadError> {
    let mut folders = BTreeSet::new();
    read_members(file, |member, _, content| match (member, &files.media) {
        (Member::Database, _) if is_in_place => Ok(()),
        (Member::Database, _) => write_part(&parts.database, content, verified.digest(member)?, member),
        (Member::SecretKey, _) => write_part(&parts.secret_key, content, verified.digest(member)?, member),
        (Member::JwtSecret, _) => write_part(&parts.jwt_secret, content, verified.digest(member)?, member),
        (Member::Media(agency, digest), Some(folder)) => {
            let path = media_path(folder, *agency, digest);
            if !is_intact(&path, digest) {
                place_media(parts, &path, content, member, digest)?;
                folders.insert(*agency);
            }
            Ok(())
        }
        (Member::Media(..), None) | (Member::Manifest | Member::Checksums, _) => Ok(()),
    })?;
    sync_media(files, &folders)?;
    Ok(())
}

fn place_media(parts: &Parts, path: &Path, content: impl Read, member: &Member, digest: &str) -> Result<(), ReadError> {
    private_file::create_folder(&private_file::folder_of(path))?;
    write_part(&parts.media, content, digest, member)?;
    fs::rename(&parts.media, path)?;
    Ok(())
}

/// Renamed files, and the folders that were created for them, are durable only after their folders have been synced.
fn sync_media(files: &DataFiles, folders: &BTreeSet<AgencyId>) -> io::Result<()> {
    let Some(media) = files.media.as_deref().filter(|_| !folders.is_empty()) else { return Ok(()) };
    for agency in folders {
        private_file::sync_folder(&media.join(agency.to_string()))?;
    }
    private_file::sync_folder(media)?;
    private_file::sync_folder(&private_file::folder_of(media))
}

/// Whether a media file exists with the content that its name says.
fn is_intact(path: &Path, digest: &str) -> bool {
    File::open(path).and_then(|file| Hashed::new(file).read_to_digest()).is_ok_and(|found| found == digest)
}

/// Writes and syncs a temporary file, whose content must have this digest. The backup may have changed since it was
/// verified.
fn write_part(path: &Path, content: impl Read, digest: &str, member: &Member) -> Result<(), ReadError> {
    private_file::remove_if_present(path)?;
    let mut file = private_file::create_empty(path)?;
    let mut content = Hashed::new(content);
    io::copy(&mut content, &mut file)?;
    if content.digest() != digest {
        return Err(InvalidBackup::Damaged(member.to_string()).into());
    }
    file.sync_all()?;
    Ok(())
}

/// The temporary files of a restore. A restore that was interrupted leaves them behind, and the next one removes them.
struct Parts {
    database: PathBuf,
    secret_key: PathBuf,
    jwt_secret: PathBuf,
    /// The media file that is being written.
    media: PathBuf,
}

impl Parts {
    fn of(files: &DataFiles) -> Self {
        let secret = |member: Member| files.beside(&format!(".{member}{PART}"));
        let media = files.media.as_ref().map(|folder| folder.join(PART.trim_start_matches('.')));
        Self {
            database: files.beside(PART),
            secret_key: secret(Member::SecretKey),
            jwt_secret: secret(Member::JwtSecret),
            media: media.unwrap_or_default(),
        }
    }

    fn remove(&self) -> io::Result<()> {
        for suffix in ["-wal", "-shm", "-journal", ""] {
            private_file::remove_if_present(&with_suffix(&self.database, suffix))?;
        }
        for path in [&self.secret_key, &self.jwt_secret, &self.media] {
            if !path.as_os_str().is_empty() {
                private_file::remove_if_present(path)?;
            }
        }
        Ok(())
    }

    /// Replaces the secrets that the backup contains, and then the database unless it is in place already. `replaces`
    /// says whether there is a previous database to keep. Returns the new names of the previous files.
    fn put_in_place(
        &self,
        files: &DataFiles,
        verified: &Verified,
        replaces: Option<bool>,
        now: DateTime<Utc>,
    ) -> Result<Vec<PathBuf>, BackupError> {
        let mut kept = Vec::new();
        for (member, prepared) in [(Member::SecretKey, &self.secret_key), (Member::JwtSecret, &self.jwt_secret)] {
            if verified.contains(&member) {
                let path = files.beside(&format!(".{member}"));
                kept.extend(replace_secret(&path, prepared, now).map_err(BackupError::at(&path))?);
            }
        }
        if let Some(keeps) = replaces {
            let synced = File::open(&self.database).and_then(|file| file.sync_all());
            synced.map_err(BackupError::at(&self.database))?;
            let replaced = replace_database(&files.database, &self.database, keeps, now);
            kept.extend(replaced.map_err(BackupError::at(&files.database))?);
        }
        Ok(kept)
    }
}
