//! Kills the real binary while files are uploaded.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use partyline::entity::upload;
use partyline::ports::media_store::digest;
use reqwest::{Client, StatusCode};
use sea_orm::EntityTrait as _;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::picture;
use crate::support::directory::AGENCIES;
use crate::support::process::{Server, apply, database_url, run};
use crate::support::random::Random;
use crate::support::{PUBLIC_URL, client};

const KILLS: usize = 20;
const BYTES: usize = 300_000;

/// A picture that no other number has.
fn file(number: usize) -> Vec<u8> {
    let mut bytes = picture(BYTES);
    bytes.extend(number.to_le_bytes());
    bytes
}

/// Uploads a file; returns its URL if the upload was acknowledged.
async fn upload(http: Client, server: Arc<Server>, token: String, number: usize) -> Option<(usize, String)> {
    let request = http.post(format!("http://{}/media", server.address)).bearer_auth(token).body(file(number));
    // A killed server sends no response.
    let answer = request.send().await.ok()?;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let answer: Value = answer.json().await.ok()?;
    Some((number, answer["url"].as_str()?.strip_prefix(PUBLIC_URL)?.to_owned()))
}

/// The names of the files in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
#[ignore = "SQLite only: kills the server and reads its files; slow"]
async fn acknowledged_uploads_survive_kills_and_no_file_is_left_without_a_row_on_sqlite() {
    let folder = TempDir::new().unwrap();
    apply(folder.path(), AGENCIES);
    let token = run(folder.path(), &["token", "--agency", "acme", "--user", "ben"], "");
    let token = String::from_utf8(token.stdout).unwrap().trim().to_owned();
    let http = client();
    let mut random = Random::from_environment("upload");
    let (mut acknowledged, mut next) = (Vec::new(), 0);
    for round in 0..KILLS {
        let server = Arc::new(Server::start(folder.path()).await);
        let mut uploads = JoinSet::new();
        let mut start = |uploads: &mut JoinSet<_>| {
            next += 1;
            uploads.spawn(upload(http.clone(), Arc::clone(&server), token.clone(), next));
        };
        // A user may upload two files at a time.
        start(&mut uploads);
        start(&mut uploads);
        for _ in 0..random.below(6) {
            acknowledged.push(uploads.join_next().await.unwrap().unwrap().unwrap_or_else(|| panic!("round {round}")));
            start(&mut uploads);
        }
        // The kill comes at different moments of the uploads in progress.
        for _ in 0..random.below(200) {
            tokio::task::yield_now().await;
        }
        server.kill();
        acknowledged.extend(uploads.join_all().await.into_iter().flatten());
    }
    assert!(acknowledged.len() > KILLS, "only {} uploads were acknowledged", acknowledged.len());

    let server = Server::start(folder.path()).await;
    for (number, url) in &acknowledged {
        let shown = http.get(format!("http://{}{url}", server.address)).send().await.unwrap();
        assert_eq!(shown.bytes().await.unwrap(), file(*number));
    }
    let db = sea_orm::Database::connect(database_url(folder.path())).await.unwrap();
    let rows: BTreeSet<_> = upload::Entity::find().all(&db).await.unwrap().into_iter().map(|row| row.digest).collect();
    let agencies = names(&folder.path().join("p.db.media")).into_iter().filter(|name| name != "incoming");
    let mut stored = BTreeSet::new();
    for agency in agencies {
        let media = folder.path().join("p.db.media").join(agency);
        for name in names(&media) {
            assert_eq!(digest(&std::fs::read(media.join(&name)).unwrap()), name, "no file is incomplete");
            stored.insert(name);
        }
    }
    assert!(stored.is_subset(&rows), "a file without a row would never be deleted");
    assert!(stored.len() >= acknowledged.len());
}
