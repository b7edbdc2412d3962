//! `partyline backup` and `partyline restore`, run as processes on SQLite files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use partyline::domain::AgencyId;
use partyline::entity::message;
use sea_orm::{DatabaseConnection, EntityTrait as _};
use tempfile::TempDir;

use crate::support::process::{apply, database_url, run_with_settings};

mod files;
mod invalid;
mod kills;
mod load;

type Settings = Vec<(&'static str, String)>;

/// A folder with the database of these agencies.
fn site(yaml: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    apply(folder.path(), yaml);
    folder
}

/// Runs a command while the test's own servers go on. Returns its output, or its error if it fails.
async fn command(folder: &Path, settings: &Settings, arguments: &[&str]) -> Result<String, String> {
    let (folder, settings) = (folder.to_owned(), settings.clone());
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let running = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = run_with_settings(&folder, &settings, &arguments, "");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    });
    running.await.unwrap()
}

/// The media folder of the database in this folder.
fn media_folder(folder: &Path) -> PathBuf {
    folder.join("p.db.media")
}

/// The path of a file in the media folder.
fn media_file(folder: &Path, agency: AgencyId, digest: &str) -> PathBuf {
    media_folder(folder).join(agency.to_string()).join(digest)
}

async fn open(folder: &Path) -> DatabaseConnection {
    sea_orm::Database::connect(database_url(folder)).await.unwrap()
}

/// The SIDs of all texts in a database, each with its number of rows.
async fn sids(folder: &Path) -> BTreeMap<String, usize> {
    let db = open(folder).await;
    let mut sids = BTreeMap::new();
    for row in message::Entity::find().all(&db).await.unwrap() {
        *sids.entry(row.provider_sid.unwrap_or_default()).or_default() += 1;
    }
    db.close().await.unwrap();
    sids
}

/// All files below a folder with their contents, except the lock, which every command creates.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.to_string_lossy().ends_with(".lock") {
                found.insert(path.clone(), std::fs::read(path).unwrap());
            }
        }
    }
    found
}

/// The files in a folder whose names contain this.
fn named(folder: &Path, part: &str) -> Vec<PathBuf> {
    contents(folder).into_keys().filter(|path| path.to_string_lossy().contains(part)).collect()
}
