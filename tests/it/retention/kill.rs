//! Kills the real binary while it deletes. The next start completes the work.

use chrono::TimeDelta;
use partyline::entity::{event, media, message, notification, thread};
use partyline::ports::{Clock as _, SystemClock};
use reqwest::StatusCode;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, EntityTrait, PaginatorTrait as _};
use tempfile::TempDir;

use crate::kill::post;
use crate::support::directory::AGENCIES;
use crate::support::process::{Server, apply, database_url};
use crate::support::random::Random;
use crate::support::{Text, client, wait};

const TEXTS: usize = 3_000;
const KILLS: usize = 20;

/// Moves all texts and what belongs to them into the past, by 100 days: the ids begin with the time in milliseconds.
async fn age(db: &DatabaseConnection) {
    let past = SystemClock::new().now() - TimeDelta::days(100);
    let id =
        |column: &str| format!("{column} = unhex('{:012x}' || substr(hex({column}), 13))", past.timestamp_millis());
    let past = format!("created_at = '{}'", past.format("%Y-%m-%dT%H:%M:%S%.6f+00:00"));
    for statement in [
        "PRAGMA foreign_keys = OFF".to_owned(),
        format!("UPDATE media SET {}, {}", id("id"), id("message_id")),
        format!("UPDATE notification SET {}, {}, {past}", id("id"), id("message_id")),
        format!("UPDATE thread SET {}", id("last_message_id")),
        format!("UPDATE message SET {}, {past}", id("id")),
        format!("UPDATE event SET {past}"),
    ] {
        db.execute_unprepared(&statement).await.expect(&statement);
    }
}

async fn rows<E: EntityTrait>(db: &DatabaseConnection) -> u64
where
    E::Model: Send + Sync,
{
    E::find().count(db).await.unwrap_or(u64::MAX)
}

/// Waits until a number of rows is below `limit`. Each wait is for a few deletions, because all of them take minutes.
async fn fall(db: &DatabaseConnection, limit: u64, count: impl AsyncFn(&DatabaseConnection) -> u64) {
    let mut seen = u64::MAX;
    while seen >= limit {
        let fewer = || async {
            let now = count(db).await;
            (now < seen).then_some(now)
        };
        seen = wait::until("rows are deleted", fewer).await;
    }
}

#[tokio::test]
#[ignore = "SQLite only: kills the server and reads its file; slow"]
async fn a_purge_that_was_killed_is_completed_after_the_next_start_on_sqlite() {
    let folder = TempDir::new().unwrap();
    apply(folder.path(), AGENCIES);
    apply(folder.path(), "agencies: [{key: acme, retention: {messages: 30d}}]");
    let server = Server::start(folder.path()).await;
    let http = client();
    for n in 0..TEXTS {
        let text = Text::new(format!("SM{n}")).from(&format!("+1303557{:04}", n % 97));
        let text = text.field("NumMedia", "1").field("MediaUrl0", "https://media.test/Media/ME1");
        assert_eq!(post(&http, &server, &text).await, Some(StatusCode::OK));
    }
    server.terminate();
    assert_eq!(server.wait_for_exit().await.0, Some(0));
    let mut options = sea_orm::ConnectOptions::new(database_url(folder.path()));
    options.max_connections(1);
    let db = sea_orm::Database::connect(options).await.unwrap();
    age(&db).await;

    let mut random = Random::from_environment("purge");
    for round in 0..=KILLS {
        let server = Server::start(folder.path()).await;
        let before = rows::<message::Entity>(&db).await;
        assert!(before > 0, "round {round} has nothing to delete");
        if round < KILLS {
            fall(&db, before.saturating_sub(random.below(100) as u64).max(1), rows::<message::Entity>).await;
        } else {
            fall(&db, 1, rows::<message::Entity>).await;
            fall(&db, 10, rows::<event::Entity>).await;
        }
        server.kill();
        let left = message::Entity::find().all(&db).await.unwrap();
        // A message is deleted with its files, and its thread is correct.
        assert_eq!(media::Entity::find().count(&db).await.unwrap(), left.len() as u64);
        for thread in thread::Entity::find().all(&db).await.unwrap() {
            let own = left.iter().filter(|row| row.thread_id == thread.id);
            assert_eq!(usize::try_from(thread.inbound_count).unwrap(), own.clone().count(), "round {round}");
            // Aging has given all texts the same time, so any of those that are left may be the last.
            let ids: Vec<_> = own.map(|row| row.id).collect();
            let is_right = thread.last_message_id.map_or(ids.is_empty(), |last| ids.contains(&last));
            assert!(is_right, "round {round}: {:?} {ids:?}", thread.last_message_id);
        }
    }
    assert_eq!(notification::Entity::find().count(&db).await.unwrap(), 0);
}
