//! After a restore from a backup, nothing is sent twice.

use std::path::{Path, PathBuf};
use std::time::Duration;

use partyline::domain::MessageStatus;
use partyline::domain::restore::ServerRecord;
use partyline::service::restore::{Summary, complete_restore};
use partyline_simulator::Simulator;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use crate::support::carrier::carrier;
use crate::support::database::{TestDatabase, is_sqlite};
use crate::support::directory::{DESK, NURSES};
use crate::support::process::{Server, run};
use crate::support::{TestApp, Text, wait};

const CARLA: &str = "+13035560001";
const TOM: &str = "+13035560002";

fn record_of(database: &TestDatabase) -> PathBuf {
    match database.file_path() {
        Some(mut file) => {
            file.as_mut_os_string().push(".restore-mark");
            file
        }
        None => Path::new(&database.media()).join("restore-mark"),
    }
}

async fn check(app: &TestApp) -> bool {
    app.services().restore.check(app.services()).await.unwrap();
    app.services().restore.is_held()
}

async fn start(carrier: &Simulator) -> (TestApp, Value, Value) {
    let app = TestApp::start_with_carrier(carrier).await;
    app.apply(&format!(
        "agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\", pace: {{perSecond: 1000, burst: 1000}}}}]}}]"
    ))
    .await;
    assert!(!check(&app).await);
    app.receive(Text::new("SM1").from(CARLA)).await;
    app.receive(Text::new("SM2").from(TOM)).await;
    let [carla, tom] = [app.thread_of("SM1").await, app.thread_of("SM2").await];
    (app, json!(carla.id.to_string()), json!(tom.id.to_string()))
}

async fn send_text(app: &TestApp, thread: &Value, body: &str) -> Value {
    app.reply(&app.token("acme", "ana"), thread, body, json!({})).await["userErrors"].take()
}

/// The hold as `/readyz` and `/metrics` report it.
async fn reported_hold(app: &TestApp) -> (String, bool) {
    let text = async |path: &str| app.http.get(app.url(path)).send().await.unwrap().text().await.unwrap();
    let ready = text("/readyz").await;
    let summary = ready.lines().next().unwrap_or_default().to_owned();
    (summary, text("/metrics").await.contains("partyline_sending_held 1\n"))
}

/// A backup contains queued texts; the texts are sent and a STOP arrives; then the backup replaces the database.
#[tokio::test]
#[ignore = "SQLite only: copies the file"]
async fn texts_of_a_backup_are_looked_up_and_a_later_stop_is_restored_on_sqlite() {
    let carrier = carrier();
    let (app, carla, tom) = start(&carrier).await;
    for body in ["one", "two", "three"] {
        assert_eq!(send_text(&app, &carla, body).await, json!([]));
    }
    assert_eq!(send_text(&app, &tom, "four").await, json!([]));
    let cursor = app.cursor(&app.token("acme", "ana")).await;
    let file = app.database.file_path().unwrap();
    let backup = file.with_extension("backup");
    let db = sea_orm::Database::connect(&app.database.url).await.unwrap();
    db.execute_unprepared(&format!("VACUUM INTO '{}'", backup.display())).await.unwrap();
    db.close().await.unwrap();

    let workers = app.start_workers();
    app.wait_until_all("the texts are delivered", |message| message.status == MessageStatus::Delivered).await;
    carrier.text(TOM, DESK, "STOP").await.unwrap();
    assert_eq!(carrier.ledger().len(), 4);
    workers.stop(Duration::from_secs(10)).await;

    let app = app
        .restart_after(|_| {
            // A new file, because connections of this process may still have the previous one open.
            for suffix in ["", "-wal", "-shm"] {
                let mut path = file.clone().into_os_string();
                path.push(suffix);
                let _ = std::fs::remove_file(path);
            }
            std::fs::copy(&backup, &file).unwrap();
        })
        .await;
    assert!(check(&app).await, "the restore is detected");
    let workers = app.start_workers();
    let (ready, held) = reported_hold(&app).await;
    assert!(held && ready.contains("partyline restored"), "{ready}");
    // Inbound texts are stored during the hold, and nothing is sent.
    app.receive(Text::new("SM3").from(CARLA).to(NURSES)).await;
    assert_eq!(app.outbox().await.len(), 4);

    let summary = complete_restore(app.services()).await.unwrap();
    assert_eq!(summary, Summary { opt_outs: 1, texts: 4 });
    assert_eq!(send_text(&app, &tom, "five").await[0]["code"], "OPTED_OUT");
    wait::until("the hold is lifted and the texts are found", || async {
        app.clock.advance(Duration::from_secs(1));
        let found = app.outbound().await.iter().all(|message| message.provider_sid.is_some());
        (found && !app.services().restore.is_held() && app.outbox().await.is_empty()).then_some(())
    })
    .await;
    assert_eq!(carrier.ledger().len(), 4, "nothing is sent again");
    assert_eq!(reported_hold(&app).await, ("ready".to_owned(), false));
    // Cursors of clients belong to the log before the restore.
    let mut socket = app.socket(&app.token("acme", "ana")).await;
    let follow = "subscription($after: EventCursor) { threadUpdated(after: $after) { cursor } }";
    socket.subscribe("1", follow, json!({"after": cursor})).await;
    assert_eq!(socket.next().await.unwrap()["payload"][0]["extensions"]["code"], "CURSOR_EXPIRED");
    // New texts are sent.
    assert_eq!(send_text(&app, &carla, "six").await, json!([]));
    wait::until("a new text is sent", || async { (carrier.ledger().len() == 5).then_some(()) }).await;
    workers.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_text_that_was_never_sent_is_flagged_for_a_user_and_the_command_can_be_repeated() {
    let carrier = carrier();
    let (app, carla, _) = start(&carrier).await;
    assert_eq!(send_text(&app, &carla, "never sent").await, json!([]));
    app.clock.advance(Duration::from_secs(3600));
    assert_eq!(complete_restore(app.services()).await.unwrap(), Summary { opt_outs: 0, texts: 1 });
    assert_eq!(complete_restore(app.services()).await.unwrap(), Summary { opt_outs: 0, texts: 0 });
    let _workers = app.start_workers();
    wait::until("the text is flagged for a user", || async {
        app.clock.advance(Duration::from_secs(1));
        app.outbound().await.iter().all(|message| message.flagged_at.is_some()).then_some(())
    })
    .await;
    assert!(carrier.ledger().is_empty());
}

#[tokio::test]
async fn the_command_does_nothing_while_the_carrier_does_not_answer() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1")).await;
    let error = complete_restore(app.services()).await.unwrap_err().to_string();
    assert!(error.contains("Twilio cannot be reached"), "{error}");
}

#[tokio::test]
async fn a_record_ahead_of_the_database_holds_sending_and_one_behind_it_does_not() {
    let app = TestApp::start().await;
    assert!(!check(&app).await, "the first start is not a restore");
    let file = record_of(&app.database);
    let recorded = ServerRecord::from_text(&std::fs::read_to_string(&file).unwrap()).unwrap();
    app.receive(Text::new("SM1")).await;
    assert!(!check(&app).await, "the database is ahead of the record");
    let later = ServerRecord::from_text(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert!(later.events > recorded.events, "{later:?}");
    std::fs::write(&file, ServerRecord { events: later.events + 1, ..later }.to_text()).unwrap();
    let app = app.restart().await;
    assert!(check(&app).await, "the database is behind the record");
    std::fs::remove_file(&file).unwrap();
    let app = app.restart().await;
    // With SQLite a missing record means a restore; on a database server, a new instance has no record yet.
    assert_eq!(check(&app).await, is_sqlite());
}

#[tokio::test]
#[ignore = "database servers only: drops the tables"]
async fn recreated_tables_hold_sending_on_a_server() {
    let app = TestApp::start().await;
    assert!(!check(&app).await);
    // Like loading a dump: the same row in a new table of the same name. MariaDB records creation times in seconds.
    app.db().execute_unprepared("CREATE TABLE restore_mark_copy AS SELECT * FROM restore_mark").await.unwrap();
    wait::until("the next second starts", || async {
        app.db().execute_unprepared("DROP TABLE restore_mark").await.ok()?;
        app.db().execute_unprepared("CREATE TABLE restore_mark AS SELECT * FROM restore_mark_copy").await.unwrap();
        check(&app).await.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "SQLite only: locks the file"]
async fn the_command_refuses_a_database_that_is_being_served_on_sqlite() {
    let folder = tempfile::TempDir::new().unwrap();
    let server = Server::start(folder.path()).await;
    let output = run(folder.path(), &["restored"], "");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("another partyline is serving this database"));
    server.terminate();
    server.wait_for_exit().await;
    assert!(run(folder.path(), &["restored"], "").status.success());
}
