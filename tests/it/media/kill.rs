//! Kills the real binary while it fetches a file. The next start fetches it.

use chrono::{DateTime, Utc};
use partyline::domain::MediaState;
use partyline::entity::media;
use partyline::ports::{Clock as _, SystemClock};
use partyline_simulator::MediaFault;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, DatabaseConnection, EntityTrait as _, QueryFilter as _};
use tempfile::TempDir;

use super::{PNG, picture, send, send_faulty};
use crate::support::carrier::{carrier, deliver};
use crate::support::directory::AGENCIES;
use crate::support::process::{Server, apply, database_url};
use crate::support::wait;

const KILLS: usize = 20;

/// Ends the leases of the killed server, as two minutes would.
async fn end_leases(db: &DatabaseConnection) {
    let past = Expr::value(DateTime::<Utc>::UNIX_EPOCH);
    let update = media::Entity::update_many().col_expr(media::Column::DueAt, past);
    update.filter(media::Column::DueAt.is_not_null()).exec(db).await.unwrap();
}

#[tokio::test]
#[ignore = "SQLite only: kills the server and reads its file; slow"]
async fn a_file_survives_kills_while_it_is_fetched_on_sqlite() {
    let folder = TempDir::new().unwrap();
    apply(folder.path(), AGENCIES);
    let carrier = carrier();
    let settings = [("TWILIO_API_BASE", carrier.base())];
    let mut texts = Vec::new();
    for _ in 0..KILLS {
        let server = Server::start_with_settings(folder.path(), &settings).await;
        deliver(&carrier, server.address);
        // One download that is in progress at the kill, and one that may be about to be stored.
        texts.push(send_faulty(&carrier, MediaFault::Stalled { after: 10 }).await);
        texts.push(send(&carrier, [picture()]).await);
        let db = sea_orm::Database::connect(database_url(folder.path())).await.unwrap();
        let is_leased = async || {
            let leased = media::Entity::find().filter(media::Column::DueAt.gt(SystemClock::new().now()));
            leased.one(&db).await.unwrap().map(drop)
        };
        wait::until("a file is being fetched", is_leased).await;
        server.kill();
        end_leases(&db).await;
        db.close().await.unwrap();
    }
    for text in &texts {
        carrier.set_media_fault(&text.media[0], None);
    }
    let server = Server::start_with_settings(folder.path(), &settings).await;
    let db = sea_orm::Database::connect(database_url(folder.path())).await.unwrap();
    let all_ready = async || {
        let rows = media::Entity::find().all(&db).await.unwrap();
        rows.iter().all(|row| row.state == MediaState::Ready).then_some(rows)
    };
    let rows = wait::until("every file is there", all_ready).await;
    assert_eq!(rows.len(), texts.len());
    assert!(rows.iter().all(|row| row.byte_size == i32::try_from(PNG.len()).ok()));
    db.close().await.unwrap();
    server.terminate();
    assert_eq!(server.wait_for_exit().await.0, Some(0));
}
