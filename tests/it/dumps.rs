//! A dump of a database server that is taken under load, and loaded into another database.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use partyline::service::restore::complete_restore;
use serde_json::json;
use tempfile::TempDir;
use url::Url;

use crate::support::carrier::{carrier, deliver};
use crate::support::database::{TestDatabase, server_is};
use crate::support::directory::DESK;
use crate::support::{TestApp, Text, wait};

const CARLA: &str = "+13035560001";
const TOM: &str = "+13035560002";
const QUEUED: usize = 20;

/// A program of MariaDB's for this database.
fn mariadb(program: &str, url: &Url) -> Command {
    let mut command = Command::new(program);
    command
        .arg("--no-defaults")
        .arg(format!("--host={}", url.host_str().unwrap()))
        .arg(format!("--port={}", url.port().unwrap()))
        .arg(format!("--user={}", url.username()))
        .env("MYSQL_PWD", url.password().unwrap());
    command
}

fn succeed(command: &mut Command) {
    let status = command.status().expect("the program is installed");
    assert!(status.success(), "{command:?}");
}

/// Writes a dump as docs/operations.md says.
fn dump(url: &str, file: &Path) {
    let url = Url::parse(url).unwrap();
    if server_is("postgres") {
        let format = ["--format=custom", "--file"];
        return succeed(Command::new("pg_dump").args(format).arg(file).arg(format!("--dbname={url}")));
    }
    let name = url.path().trim_start_matches('/');
    let to = File::create(file).unwrap();
    succeed(mariadb("mariadb-dump", &url).args(["--single-transaction", name]).stdout(to));
}

/// Loads a dump into an empty database as docs/operations.md says.
fn load(url: &str, file: &Path) {
    let url = Url::parse(url).unwrap();
    if server_is("postgres") {
        let options = ["--no-owner", "--exit-on-error"];
        return succeed(Command::new("pg_restore").args(options).arg(format!("--dbname={url}")).arg(file));
    }
    let name = url.path().trim_start_matches('/');
    succeed(mariadb("mariadb", &url).arg(name).stdin(File::open(file).unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "database servers only: runs their programs for dumps"]
async fn a_dump_under_load_is_restored_and_nothing_is_sent_twice_on_a_server() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let pace = "{perSecond: 1, burst: 1}";
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\", pace: {pace}}}]}}]")).await;
    app.services().restore.check(app.services()).await.unwrap();
    app.receive(Text::new("SM1").from(CARLA)).await;
    app.receive(Text::new("SM2").from(TOM)).await;
    let (token, thread) = (app.token("acme", "ana"), json!(app.thread_of("SM1").await.id.to_string()));
    for n in 0..QUEUED {
        let sent = app.reply(&token, &thread, &format!("text {n}"), json!({})).await;
        assert_eq!(sent["userErrors"], json!([]));
    }
    let workers = app.start_workers();
    let (folder, url) = (TempDir::new().unwrap(), app.database.url.clone());
    let file = folder.path().join("dump");
    let acknowledged = RefCell::new(HashSet::new());
    let receive_texts = async {
        loop {
            let sid = format!("SMload{}", acknowledged.borrow().len());
            app.receive(Text::new(sid.clone()).from("+13035570001")).await;
            acknowledged.borrow_mut().insert(sid);
        }
    };
    let work = async {
        let texts = async |count: usize| {
            let arrived = || async { (acknowledged.borrow().len() >= count).then_some(()) };
            wait::until("texts arrive", arrived).await;
        };
        texts(50).await;
        let before_the_dump = acknowledged.borrow().clone();
        let dumping = tokio::task::spawn_blocking({
            let file = file.clone();
            move || dump(&url, &file)
        });
        dumping.await.unwrap();
        let sent = carrier.ledger().len();
        wait::until("texts of the dump are sent", || async { (carrier.ledger().len() >= sent + 2).then_some(()) })
            .await;
        before_the_dump
    };
    let before_the_dump = app
        .with_running_clock(async {
            tokio::select! {
                before = work => before,
                () = receive_texts => unreachable!("texts arrive until the work is done"),
            }
        })
        .await;
    carrier.text(TOM, DESK, "STOP").await.unwrap();
    let cursor = app.cursor(&token).await;
    workers.stop(Duration::from_secs(10)).await;
    let sent = carrier.ledger().len();
    assert!(sent < QUEUED, "some texts are still queued: {sent}");
    app.stop().await;

    let database = TestDatabase::create_empty().await;
    let url = database.url.clone();
    tokio::task::spawn_blocking(move || load(&url, &file)).await.unwrap();
    let settings = vec![("TWILIO_API_BASE", carrier.base())];
    let app = TestApp::start_on_with_settings(database, settings).await;
    deliver(&carrier, app.address);
    app.services().restore.check(app.services()).await.unwrap();
    assert!(app.services().restore.is_held(), "the restore is detected");
    for sid in before_the_dump {
        app.message(&sid).await;
    }
    let summary = complete_restore(app.services()).await.unwrap();
    assert_eq!(summary.opt_outs, 1);
    assert!(summary.texts > 0);
    let workers = app.start_workers();
    wait::until("every text is found at the carrier or flagged for a user", || async {
        app.clock.advance(Duration::from_secs(1));
        let is_open = |row: &partyline::entity::message::Model| row.provider_sid.is_none() && row.flagged_at.is_none();
        (!app.outbound().await.iter().any(is_open) && app.outbox().await.is_empty()).then_some(())
    })
    .await;
    assert_eq!(carrier.ledger().len(), sent, "no text of the dump is sent again");
    let mut socket = app.socket(&token).await;
    let follow = "subscription($after: EventCursor) { threadUpdated(after: $after) { cursor } }";
    socket.subscribe("1", follow, json!({"after": cursor})).await;
    assert_eq!(socket.next().await.unwrap()["payload"][0]["extensions"]["code"], "CURSOR_EXPIRED");
    workers.stop(Duration::from_secs(10)).await;
}
