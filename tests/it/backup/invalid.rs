//! Backups that were damaged, cut off or forged are refused before anything changes.

use std::path::Path;

use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};
use tempfile::TempDir;

use super::{Settings, command, contents, site};
use crate::support::directory::AGENCIES;
use crate::support::random::Random;

/// The name and the content of a member.
type Member = (String, Vec<u8>);

struct Original {
    folder: TempDir,
    bytes: Vec<u8>,
    members: Vec<Member>,
}

impl Original {
    async fn create() -> Self {
        let folder = site(AGENCIES);
        command(folder.path(), &Settings::new(), &["backup", "--with-secrets", "b.tar"]).await.unwrap();
        let bytes = std::fs::read(folder.path().join("b.tar")).unwrap();
        let mut members = Vec::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            members.push((entry.path().unwrap().display().to_string(), content));
        }
        Self { folder, bytes, members }
    }

    /// An archive with these members and matching checksums.
    fn forge(&self, change: impl FnOnce(&mut Vec<Member>)) -> Vec<u8> {
        let mut members = self.members.clone();
        members.retain(|(name, _)| name != "SHA256SUMS");
        change(&mut members);
        let sums = members.iter().map(|(name, content)| {
            let digest = Sha256::digest(content);
            format!("{}  {name}\n", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        });
        let sums: String = sums.collect();
        members.push(("SHA256SUMS".to_owned(), sums.into_bytes()));
        let entries = members.iter().map(|(name, content)| (header(name, content.len() as u64), content.as_slice()));
        archive(entries)
    }

    /// Asserts that this archive is refused with this error, and that nothing changes: neither in an empty folder nor
    /// with a database to be replaced.
    async fn assert_refused(&self, archive: &[u8], expected: &str, what: &str) {
        let file = self.folder.path().join("forged.tar");
        std::fs::write(&file, archive).unwrap();
        let empty = TempDir::new().unwrap();
        for target in [empty.path(), self.folder.path()] {
            self.assert_refused_in(target, &file, expected, what).await;
        }
    }

    async fn assert_refused_in(&self, target: &Path, file: &Path, expected: &str, what: &str) {
        let before = contents(target);
        let result = command(target, &Settings::new(), &["restore", "--force", file.to_str().unwrap()]).await;
        let error = result.expect_err(what);
        assert!(error.starts_with("partyline: ") && error.contains(expected), "{what}: {error}");
        assert_eq!(contents(target).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "{what}");
        assert!(contents(target) == before, "{what}: a file has changed");
    }
}

fn header(name: &str, size: u64) -> Header {
    let mut header = Header::new_ustar();
    // Not `set_path`, which refuses the names that these tests need.
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(EntryType::Regular);
    header.set_size(size);
    header.set_mode(0o600);
    header.set_cksum();
    header
}

fn archive<'a>(entries: impl Iterator<Item = (Header, &'a [u8])>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (header, content) in entries {
        builder.append(&header, content).unwrap();
    }
    builder.into_inner().unwrap()
}

#[tokio::test]
#[ignore = "SQLite only: restores a file"]
async fn a_backup_with_any_flipped_byte_is_refused_on_sqlite() {
    let original = Original::create().await;
    let mut random = Random::from_environment("backup");
    let mut offsets = Vec::new();
    for entry in tar::Archive::new(original.bytes.as_slice()).entries().unwrap() {
        let entry = entry.unwrap();
        let (head, content) = (entry.raw_header_position(), entry.raw_file_position());
        // Not in the header's own checksum, in which some bytes have no meaning.
        offsets.push(usize::try_from(head).unwrap() + random.below(148));
        let size = usize::try_from(entry.size()).unwrap();
        offsets.extend([0, size - 1, random.below(size)].map(|at| usize::try_from(content).unwrap() + at));
    }
    for offset in offsets {
        let mut flipped = original.bytes.clone();
        flipped[offset] ^= 1 << random.below(8);
        original.assert_refused(&flipped, "backup", &format!("byte {offset}")).await;
    }
}

#[tokio::test]
#[ignore = "SQLite only: restores a file"]
async fn a_backup_that_is_cut_off_is_refused_on_sqlite() {
    let original = Original::create().await;
    let mut random = Random::from_environment("backup");
    let checksums = original.members.last().unwrap().1.len();
    // The end of an archive is two empty blocks, which may be missing.
    let end = original.bytes.len() - 1024 - checksums.next_multiple_of(512) + checksums;
    let mut lengths = vec![0, 1, 512, end / 2, end - checksums - 512, end - 1];
    lengths.extend((0..4).map(|_| random.below(end)));
    for length in lengths {
        original.assert_refused(&original.bytes[..length], "backup", &format!("{length} bytes")).await;
    }
}

#[tokio::test]
#[ignore = "SQLite only: restores a file"]
async fn forged_names_types_and_sizes_are_refused_on_sqlite() {
    let original = Original::create().await;
    let agency = "agy_01920000000070008000000000000001";
    for name in [
        "../outside",
        "/tmp/partyline-outside",
        "./partyline.db",
        "p.db.lock",
        "media/../../outside",
        &format!("media/{agency}/../../x"),
        &format!("media/{agency}/{}", "A".repeat(40)),
    ] {
        let forged = original.forge(|members| members.insert(1, (name.to_owned(), b"x".to_vec())));
        original.assert_refused(&forged, "which `partyline backup` does not write", name).await;
    }
    for (kind, name) in [
        (EntryType::Symlink, "partyline.db"),
        (EntryType::Link, "secret-key"),
        (EntryType::Directory, "partyline.db"),
        (EntryType::GNULongName, "partyline.db"),
        (EntryType::XHeader, "manifest.json"),
        (EntryType::GNUSparse, "partyline.db"),
    ] {
        let mut forged = header(name, 0);
        forged.set_entry_type(kind);
        forged.set_cksum();
        let forged = archive(std::iter::once((forged, &[] as &[u8])));
        original.assert_refused(&forged, "which `partyline backup` does not write", &format!("{kind:?}")).await;
    }
    for name in ["partyline.db", "manifest.json", "SHA256SUMS"] {
        // A terabyte, of which the file contains nothing.
        let forged = archive(std::iter::once((header(name, 1 << 40), &[] as &[u8])));
        original.assert_refused(&forged, "incomplete", name).await;
    }
    let large = original.forge(|members| members.last_mut().unwrap().1.resize(1 << 20, b' '));
    original.assert_refused(&large, "not a backup", "a large manifest").await;
}

#[tokio::test]
#[ignore = "SQLite only: restores a file"]
async fn missing_and_foreign_content_is_refused_on_sqlite() {
    let original = Original::create().await;
    for name in ["partyline.db", "manifest.json"] {
        let forged = original.forge(|members| members.retain(|(member, _)| member != name));
        original.assert_refused(&forged, "is missing", name).await;
    }
    // Without the member, but with its checksum.
    let entries = original.members.iter().filter(|(name, _)| name != "secret-key");
    let forged = archive(entries.map(|(name, content)| (header(name, content.len() as u64), content.as_slice())));
    original.assert_refused(&forged, "\"secret-key\" is missing", "a missing member").await;
    let twice = original.forge(|members| {
        let member = members[1].clone();
        members.push(member);
    });
    original.assert_refused(&twice, "not a backup", "a member twice").await;
    let after = original.members.iter().chain(&original.members[..1]);
    let after = archive(after.map(|(name, content)| (header(name, content.len() as u64), content.as_slice())));
    original.assert_refused(&after, "does not write", "a member after the checksums").await;
    let foreign = original.forge(|members| members[0].1 = b"no database".to_vec());
    original.assert_refused(&foreign, "the database in the backup is damaged", "no database").await;
    original.assert_refused(b"", "incomplete", "an empty file").await;
    original.assert_refused(&[b'x'; 4096], "not a backup", "no archive").await;
}

#[tokio::test]
#[ignore = "SQLite only: restores a file"]
async fn a_backup_of_a_newer_version_is_refused_on_sqlite() {
    let original = Original::create().await;
    for (field, value) in [("format", serde_json::json!(2)), ("schema", serde_json::json!("m20991231_000001_later"))] {
        let newer = original.forge(|members| {
            let manifest = members.iter_mut().find(|(name, _)| name == "manifest.json").unwrap();
            let mut content: serde_json::Value = serde_json::from_slice(&manifest.1).unwrap();
            content[field] = value;
            content["partyline"] = "9.8.7".into();
            manifest.1 = content.to_string().into_bytes();
        });
        original.assert_refused(&newer, "Partyline 9.8.7, which is newer", field).await;
    }
}
