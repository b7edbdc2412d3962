//! A backup and a restore that are killed at random moments.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use partyline::ports::{Clock as _, SystemClock};
use reqwest::StatusCode;
use tempfile::TempDir;

use super::{Settings, command, named, sids, site};
use crate::kill::post;
use crate::support::directory::AGENCIES;
use crate::support::process::{Server, start_command};
use crate::support::random::Random;
use crate::support::{Text, client, wait};

const KILLS: usize = 20;

/// Starts a command and kills it within `longest`, unless it ends before.
async fn kill_command(folder: &Path, arguments: &[&str], longest: Duration, random: &mut Random) {
    let delay = Duration::from_millis(random.below(usize::try_from(longest.as_millis()).unwrap() + 1) as u64);
    let mut child = start_command(folder, arguments);
    let mut ticks = wait::ticks(delay.max(Duration::from_millis(1)));
    ticks.tick().await;
    // The second tick, because the first one comes immediately.
    ticks.tick().await;
    // It may have ended before.
    let _ = child.kill();
    child.wait().unwrap();
}

/// The result of a command, and how long it took.
async fn timed(folder: &Path, arguments: &[&str]) -> (String, Duration) {
    let clock = SystemClock::new();
    let output = command(folder, &Settings::new(), arguments).await.unwrap();
    (output, clock.monotonic())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "SQLite only: kills the commands; slow"]
async fn a_backup_that_is_killed_leaves_only_files_that_the_next_one_removes_on_sqlite() {
    let folder = site(AGENCIES);
    let server = Arc::new(Server::start(folder.path()).await);
    let http = client();
    let mut random = Random::from_environment("backup");
    let mut acknowledged = BTreeSet::new();
    let (_, longest) = timed(folder.path(), &["backup", "first.tar"]).await;
    for round in 0..KILLS {
        let sid = format!("SM{round}");
        let (text, backup) = (Text::new(&sid), format!("{round}.tar"));
        let arguments = ["backup", backup.as_str()];
        let killed = kill_command(folder.path(), &arguments, longest, &mut random);
        let ((), status) = tokio::join!(killed, post(&http, &server, &text));
        assert_eq!(status, Some(StatusCode::OK), "round {round}");
        acknowledged.insert(sid);
        // A file that has its name is complete.
        if folder.path().join(&backup).exists() {
            let new = TempDir::new().unwrap();
            let path = folder.path().join(&backup);
            std::fs::copy(folder.path().join("p.db.secret-key"), new.path().join("p.db.secret-key")).unwrap();
            command(new.path(), &Settings::new(), &["restore", path.to_str().unwrap()]).await.unwrap();
        }
        let parts = named(folder.path(), ".part");
        assert!(parts.len() <= 2, "only the last backup may have left files: {parts:?}");
    }
    command(folder.path(), &Settings::new(), &["backup", "--with-secrets", "last.tar"]).await.unwrap();
    assert!(named(folder.path(), ".part").is_empty());
    let new = TempDir::new().unwrap();
    let backup = folder.path().join("last.tar");
    command(new.path(), &Settings::new(), &["restore", backup.to_str().unwrap()]).await.unwrap();
    assert_eq!(sids(new.path()).await.into_keys().collect::<BTreeSet<_>>(), acknowledged);
}

/// Copies the files of a folder whose server is stopped.
fn copy(from: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
    }
    copy
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "SQLite only: kills the commands; slow"]
async fn a_restore_that_is_killed_leaves_a_complete_database_and_can_be_repeated_on_sqlite() {
    let (old, other) = (site(AGENCIES), site(AGENCIES));
    for (folder, name) in [(&old, "old"), (&other, "other")] {
        let server = Server::start(folder.path()).await;
        for n in 0..50 {
            let text = Text::new(format!("SM{name}{n}"));
            assert_eq!(post(&client(), &server, &text).await, Some(StatusCode::OK));
        }
        server.kill();
    }
    let of = |name: &str| (0..50).map(|n| format!("SM{name}{n}")).collect::<BTreeSet<_>>();
    let backup = old.path().join("b.tar");
    let backup = backup.to_str().unwrap();
    command(old.path(), &Settings::new(), &["backup", "--with-secrets", backup]).await.unwrap();
    let mut random = Random::from_environment("restore");
    let (_, longest) = timed(copy(other.path()).path(), &["restore", "--force", backup]).await;
    for round in 0..KILLS {
        let is_new = random.chance(2);
        let folder = if is_new { TempDir::new().unwrap() } else { copy(other.path()) };
        let mut arguments = vec!["restore", backup];
        if !is_new {
            arguments.push("--force");
        }
        for _ in 0..=random.below(2) {
            kill_command(folder.path(), &arguments, longest, &mut random).await;
            if folder.path().join("p.db").exists() {
                let stored = sids(folder.path()).await.into_keys().collect::<BTreeSet<_>>();
                assert!(stored == of("old") || stored == of("other"), "round {round}: {stored:?}");
            }
        }
        if let Err(error) = command(folder.path(), &Settings::new(), &arguments).await {
            // It was complete when it was killed.
            assert!(is_new && error.contains("is not empty"), "round {round}: {error}");
        }
        assert_eq!(sids(folder.path()).await.into_keys().collect::<BTreeSet<_>>(), of("old"), "round {round}");
        assert!(named(folder.path(), ".part").is_empty(), "round {round}");
        if !is_new {
            let kept = named(folder.path(), "p.db.replaced-");
            assert!(!kept.is_empty(), "round {round}");
        }
    }
}
