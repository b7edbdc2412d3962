//! A database that was restored from a backup sends nothing twice.

use std::path::{Path, PathBuf};
use std::time::Duration;

use partyline::domain::MessageStatus;
use partyline::domain::restore::Recorded;
use partyline::service::restore::{Summary, restored};
use partyline::simulator::Simulator;
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

async fn say(app: &TestApp, thread: &Value, body: &str) -> Value {
    app.reply(&app.token("acme", "ana"), thread, body, json!({})).await["userErrors"].take()
}

/// What `/readyz` and `/metrics` say of the hold.
async fn shown(app: &TestApp) -> (String, bool) {
    let text = async |path: &str| app.http.get(app.url(path)).send().await.unwrap().text().await.unwrap();
    (text("/readyz").await, text("/metrics").await.contains("partyline_sending_held 1\n"))
}

/// The whole story: texts wait in the backup, leave afterwards, and a STOP comes; then the backup is put in place.
#[tokio::test]
async fn texts_of_a_backup_are_looked_for_and_a_stop_that_came_later_holds() {
    if !is_sqlite() {
        return;
    }
    let carrier = carrier();
    let (app, carla, tom) = start(&carrier).await;
    for body in ["one", "two", "three"] {
        assert_eq!(say(&app, &carla, body).await, json!([]));
    }
    assert_eq!(say(&app, &tom, "four").await, json!([]));
    let cursor = app.cursor(&app.token("acme", "ana")).await;
    let file = app.database.file_path().unwrap();
    let backup = file.with_extension("backup");
    let db = sea_orm::Database::connect(&app.database.url).await.unwrap();
    db.execute_unprepared(&format!("VACUUM INTO '{}'", backup.display())).await.unwrap();
    db.close().await.unwrap();

    let workers = app.start_workers();
    app.until_all("they are delivered", |message| message.status == MessageStatus::Delivered).await;
    carrier.text(TOM, DESK, "STOP").await.unwrap();
    assert_eq!(carrier.ledger().len(), 4);
    workers.stop(Duration::from_secs(10)).await;

    let app = app
        .restart_after(|_| {
            // Another file, because connections of this process may still have the former one open.
            for suffix in ["", "-wal", "-shm"] {
                let mut path = file.clone().into_os_string();
                path.push(suffix);
                let _ = std::fs::remove_file(path);
            }
            std::fs::copy(&backup, &file).unwrap();
        })
        .await;
    assert!(check(&app).await, "the backup is noticed");
    let workers = app.start_workers();
    let (ready, held) = shown(&app).await;
    assert!(held && ready.contains("partyline restored"), "{ready}");
    // Inbound texts are stored all the same, and nothing leaves.
    app.receive(Text::new("SM3").from(CARLA).to(NURSES)).await;
    assert_eq!(app.outbox().await.len(), 4);

    let summary = restored(app.services()).await.unwrap();
    assert_eq!(summary, Summary { opt_outs: 1, texts: 4 });
    assert_eq!(say(&app, &tom, "five").await[0]["code"], "OPTED_OUT");
    wait::until("the hold is lifted and the texts are found", || async {
        app.clock.advance(Duration::from_secs(1));
        let found = app.outbound().await.iter().all(|message| message.provider_sid.is_some());
        (found && !app.services().restore.is_held() && app.outbox().await.is_empty()).then_some(())
    })
    .await;
    assert_eq!(carrier.ledger().len(), 4, "nothing was sent again");
    assert_eq!(shown(&app).await, ("ready\n".to_owned(), false));
    // Cursors of clients are from a log that is no more.
    let mut socket = app.socket(&app.token("acme", "ana")).await;
    let follow = "subscription($after: EventCursor) { threadUpdated(after: $after) { cursor } }";
    socket.subscribe("1", follow, json!({"after": cursor})).await;
    assert_eq!(socket.next().await.unwrap()["payload"][0]["extensions"]["code"], "CURSOR_EXPIRED");
    // What is written now leaves.
    assert_eq!(say(&app, &carla, "six").await, json!([]));
    wait::until("a new text leaves", || async { (carrier.ledger().len() == 5).then_some(()) }).await;
    workers.stop(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_text_that_never_left_is_put_before_a_person_and_the_command_can_be_repeated() {
    let carrier = carrier();
    let (app, carla, _) = start(&carrier).await;
    assert_eq!(say(&app, &carla, "never sent").await, json!([]));
    app.clock.advance(Duration::from_secs(3600));
    assert_eq!(restored(app.services()).await.unwrap(), Summary { opt_outs: 0, texts: 1 });
    assert_eq!(restored(app.services()).await.unwrap(), Summary { opt_outs: 0, texts: 0 });
    let _workers = app.start_workers();
    wait::until("a person is asked", || async {
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
    let error = restored(app.services()).await.unwrap_err().to_string();
    assert!(error.contains("Twilio cannot be reached"), "{error}");
}

#[tokio::test]
async fn a_record_that_is_ahead_of_the_database_holds_sending_and_one_that_is_behind_does_not() {
    let app = TestApp::start().await;
    assert!(!check(&app).await, "the first start");
    let file = record_of(&app.database);
    let recorded = Recorded::from_text(&std::fs::read_to_string(&file).unwrap()).unwrap();
    app.receive(Text::new("SM1")).await;
    assert!(!check(&app).await, "the database has got further");
    let later = Recorded::from_text(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert!(later.events > recorded.events, "{later:?}");
    std::fs::write(&file, Recorded { events: later.events + 1, ..later }.to_text()).unwrap();
    let app = app.restart().await;
    assert!(check(&app).await, "the database is behind");
    std::fs::remove_file(&file).unwrap();
    let app = app.restart().await;
    // Beside an SQLite file the record is expected; another instance on a server's database has none yet.
    assert_eq!(check(&app).await, is_sqlite());
}

#[tokio::test]
async fn tables_that_were_created_again_hold_sending() {
    if is_sqlite() {
        return;
    }
    let app = TestApp::start().await;
    assert!(!check(&app).await);
    // As loading a dump does: the same row in another table of the same name. MariaDB tells tables apart by the second.
    app.db().execute_unprepared("CREATE TABLE restore_mark_copy AS SELECT * FROM restore_mark").await.unwrap();
    wait::until("another second begins", || async {
        app.db().execute_unprepared("DROP TABLE restore_mark").await.ok()?;
        app.db().execute_unprepared("CREATE TABLE restore_mark AS SELECT * FROM restore_mark_copy").await.unwrap();
        check(&app).await.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_refuses_a_database_that_is_being_served() {
    if !is_sqlite() {
        return;
    }
    let folder = tempfile::TempDir::new().unwrap();
    let server = Server::start(folder.path()).await;
    let output = run(folder.path(), &["restored"], "");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("another partyline is serving this database"));
    server.terminate();
    server.until_ended().await;
    assert!(run(folder.path(), &["restored"], "").status.success());
}
