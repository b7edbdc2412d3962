//! The content of a backup file: a tar archive whose members have fixed names, with their checksums at its end.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::AgencyId;

/// The format of the backups that this version writes. It also reads earlier formats.
pub const FORMAT: u32 = 1;

const DIGEST_DIGITS: usize = 64;

/// A member of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// The copy of the database.
    Database,
    /// A file of the media folder: the agency, and the hexadecimal SHA-256 of the content.
    Media(AgencyId, String),
    SecretKey,
    JwtSecret,
    Manifest,
    /// The last member: the SHA-256 of each of the others, in the format of `sha256sum`.
    Checksums,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database => f.write_str("partyline.db"),
            Self::Media(agency, digest) => write!(f, "media/{agency}/{digest}"),
            Self::SecretKey => f.write_str("secret-key"),
            Self::JwtSecret => f.write_str("jwt-secret"),
            Self::Manifest => f.write_str("manifest.json"),
            Self::Checksums => f.write_str("SHA256SUMS"),
        }
    }
}

impl FromStr for Member {
    type Err = InvalidBackup;

    /// Accepts only the names that [`Display`](fmt::Display) prints, so no name can lead out of a folder.
    fn from_str(name: &str) -> Result<Self, InvalidBackup> {
        let media = || {
            let (agency, digest) = name.strip_prefix("media/")?.split_once('/')?;
            is_digest(digest).then_some(Self::Media(agency.parse().ok()?, digest.to_owned()))
        };
        match name {
            "partyline.db" => Ok(Self::Database),
            "secret-key" => Ok(Self::SecretKey),
            "jwt-secret" => Ok(Self::JwtSecret),
            "manifest.json" => Ok(Self::Manifest),
            "SHA256SUMS" => Ok(Self::Checksums),
            _ => media().ok_or_else(|| InvalidBackup::Unexpected(name.to_owned())),
        }
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == DIGEST_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The facts about a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// The version of Partyline that wrote the backup.
    pub partyline: String,
    /// The name of the newest migration of the database.
    pub schema: String,
    pub created_at: DateTime<Utc>,
    pub counts: Counts,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub agencies: u64,
    pub messages: u64,
    /// Files of the media folder in the backup.
    pub files: u64,
    /// Files that the database names and the media folder does not contain, because they were just deleted.
    pub missing_files: u64,
    /// Files of the media folder that are not in the backup, because their content has changed.
    pub damaged_files: u64,
}

impl Manifest {
    /// Checks that this version can restore the backup; `known` are the names of its migrations.
    pub fn check(&self, known: &[String]) -> Result<(), InvalidBackup> {
        if self.format > FORMAT || !known.contains(&self.schema) {
            return Err(InvalidBackup::Newer(self.partyline.clone()));
        }
        Ok(())
    }
}

/// The checksums of the members of an archive, in their order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Checksums(String);

impl Checksums {
    pub fn add(&mut self, member: &Member, digest: &str) {
        self.0.push_str(&format!("{digest}  {member}\n"));
    }

    pub fn as_text(&self) -> &str {
        &self.0
    }

    /// Compares the checksums of the members that are in the archive with the text of its member
    /// [`Checksums`](Member::Checksums).
    pub fn check(&self, listed: &str) -> Result<(), InvalidBackup> {
        if self.0 == listed {
            return Ok(());
        }
        let (found, listed) = (by_name(&self.0)?, by_name(listed)?);
        for (name, digest) in &listed {
            match found.get(name) {
                None => return Err(InvalidBackup::Missing((*name).to_owned())),
                Some(found) if found != digest => return Err(InvalidBackup::Damaged((*name).to_owned())),
                Some(_) => {}
            }
        }
        let unlisted = found.keys().find(|name| !listed.contains_key(*name));
        // The same members in another order, or one of them twice.
        Err(unlisted.map_or(InvalidBackup::Unreadable, |name| InvalidBackup::Unexpected((*name).to_owned())))
    }
}

fn by_name(checksums: &str) -> Result<BTreeMap<&str, &str>, InvalidBackup> {
    let lines = checksums.lines().map(|line| line.split_once("  ").map(|(digest, name)| (name, digest)));
    lines.collect::<Option<_>>().ok_or(InvalidBackup::Unreadable)
}

/// The reason why a file cannot be restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBackup {
    #[error("the file is not a backup that `partyline backup` wrote, or it is damaged")]
    Unreadable,
    #[error("the backup is incomplete: the file ends before the end of the backup. It may have been copied partially")]
    Incomplete,
    #[error("the backup is damaged: the content of {0:?} does not match its checksum")]
    Damaged(String),
    #[error("the backup is damaged: {0:?} is missing")]
    Missing(String),
    #[error("the backup contains {0:?}, which `partyline backup` does not write")]
    Unexpected(String),
    #[error("the database in the backup is damaged")]
    DamagedDatabase,
    #[error("the backup was written by Partyline {0}, which is newer than this version. Install that version first")]
    Newer(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENCY: &str = "agy_01920000000070008000000000000001";
    const DIGEST: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    #[test]
    fn only_names_that_a_backup_writes_are_members() {
        let media = format!("media/{AGENCY}/{DIGEST}");
        for name in ["partyline.db", &media, "secret-key", "jwt-secret", "manifest.json", "SHA256SUMS"] {
            assert_eq!(name.parse::<Member>().map(|member| member.to_string()).as_deref(), Ok(name));
        }
        for name in [
            "",
            "/partyline.db",
            "./partyline.db",
            "../partyline.db",
            "media",
            "media/",
            &format!("media/{AGENCY}"),
            &format!("media/{AGENCY}/"),
            &format!("media/{AGENCY}/../../../etc/passwd"),
            &format!("media/../{DIGEST}"),
            &format!("/media/{AGENCY}/{DIGEST}"),
            &format!("media/{AGENCY}/{}", DIGEST.to_uppercase()),
            &format!("media/{AGENCY}/{DIGEST}/x"),
            &format!("media/{}/{DIGEST}", AGENCY.replace("agy", "usr")),
        ] {
            assert_eq!(name.parse::<Member>(), Err(InvalidBackup::Unexpected(name.to_owned())));
        }
    }

    #[test]
    fn every_difference_between_checksums_and_members_is_found() {
        let checksums = |members: &[(Member, &str)]| {
            let mut checksums = Checksums::default();
            members.iter().for_each(|(member, digest)| checksums.add(member, digest));
            checksums
        };
        let (database, manifest) = ((Member::Database, "aa"), (Member::Manifest, "bb"));
        let found = checksums(&[database.clone(), manifest.clone()]);
        let name = |member: Member| member.to_string();
        for (listed, expected) in [
            (vec![database.clone(), manifest.clone()], Ok(())),
            (vec![manifest.clone(), database.clone()], Err(InvalidBackup::Unreadable)),
            (vec![database.clone(), manifest.clone(), manifest.clone()], Err(InvalidBackup::Unreadable)),
            (vec![database.clone()], Err(InvalidBackup::Unexpected(name(Member::Manifest)))),
            (vec![database.clone(), (Member::Manifest, "bc")], Err(InvalidBackup::Damaged(name(Member::Manifest)))),
            (
                vec![database.clone(), manifest.clone(), (Member::JwtSecret, "cc")],
                Err(InvalidBackup::Missing(name(Member::JwtSecret))),
            ),
        ] {
            assert_eq!(found.check(checksums(&listed).as_text()), expected, "{listed:?}");
        }
        assert_eq!(found.check("partyline.db\n"), Err(InvalidBackup::Unreadable));
    }

    #[test]
    fn a_newer_format_or_schema_is_refused() {
        let known = ["m1".to_owned(), "m2".to_owned()];
        for (format, schema, is_accepted) in [(1, "m1", true), (1, "m2", true), (1, "m3", false), (2, "m2", false)] {
            let manifest = Manifest {
                format,
                partyline: "9.0.0".to_owned(),
                schema: schema.to_owned(),
                created_at: DateTime::UNIX_EPOCH,
                counts: Counts::default(),
            };
            assert_eq!(manifest.check(&known).is_ok(), is_accepted, "{format} {schema}");
        }
    }
}
