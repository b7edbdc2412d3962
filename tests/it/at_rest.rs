//! Files on disk are readable only by the server's user, and a wrong or missing secret key is detected.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use reqwest::StatusCode;
use tempfile::TempDir;

use crate::support::directory::AGENCIES;
use crate::support::process::{Server, apply, run, run_with_settings};
use crate::support::{SMS_PATH, Text, client};

const TOKEN: [&str; 5] = ["token", "--agency", "acme", "--user", "ana"];

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn make_readable(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

async fn status_of_a_text(server: &Server, sid: &str) -> StatusCode {
    let text = Text::new(sid);
    let request = client().post(format!("http://{}{SMS_PATH}", server.address));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    request.header("x-twilio-signature", text.signature()).body(text.form()).send().await.unwrap().status()
}

#[tokio::test]
#[ignore = "SQLite only: checks the permissions of its files"]
async fn the_database_and_its_logs_are_readable_only_by_the_servers_user_on_sqlite() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name);
    apply(folder.path(), AGENCIES);
    // An earlier release, or a manual copy, may have left other permissions.
    make_readable(&file("p.db"));
    let server = Server::start(folder.path()).await;
    assert_eq!(status_of_a_text(&server, "SM1").await, StatusCode::OK);
    for name in ["p.db", "p.db-wal", "p.db-shm", "p.db.secret-key", "p.db.jwt-secret"] {
        assert_eq!(mode(&file(name)), 0o600, "{name}");
    }
}

#[tokio::test]
#[ignore = "SQLite only: the key is generated next to the file"]
async fn a_missing_secret_key_is_not_replaced_while_it_is_needed_on_sqlite() {
    let folder = TempDir::new().unwrap();
    let key = folder.path().join("p.db.secret-key");
    apply(folder.path(), AGENCIES);
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let refused = run(folder.path(), &TOKEN, "");
    assert!(!refused.status.success());
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(error.contains("PARTYLINE_SECRET_KEY") && !key.exists(), "{error}");
    std::fs::write(&key, kept).unwrap();
    assert!(run(folder.path(), &TOKEN, "").status.success());
}

#[tokio::test]
#[ignore = "SQLite only: starts the binary on a file"]
async fn a_new_secret_key_reencrypts_tokens_encrypted_with_the_previous_one_on_sqlite() {
    let folder = TempDir::new().unwrap();
    let (old, new) = ("o".repeat(32), "n".repeat(32));
    let applied = run_with_settings(folder.path(), &[("PARTYLINE_SECRET_KEY", old.clone())], &["apply", "-"], AGENCIES);
    assert!(applied.status.success());
    let changed = [("PARTYLINE_SECRET_KEY", new.clone()), ("PARTYLINE_SECRET_KEY_PREVIOUS", old)];
    let server = Server::start_with_settings(folder.path(), &changed).await;
    assert_eq!(status_of_a_text(&server, "SM1").await, StatusCode::OK);
    server.terminate();
    server.wait_for_exit().await;
    // The previous key is no longer needed.
    let server = Server::start_with_settings(folder.path(), &[("PARTYLINE_SECRET_KEY", new)]).await;
    assert_eq!(status_of_a_text(&server, "SM2").await, StatusCode::OK);
}

#[tokio::test]
#[ignore = "SQLite only: starts the binary on a file"]
async fn metrics_can_have_a_separate_address_on_sqlite() {
    let folder = TempDir::new().unwrap();
    let own = [("PARTYLINE_METRICS_LISTEN", "127.0.0.1:0".to_owned())];
    let server = Server::start_with_settings(folder.path(), &own).await;
    let metrics = server.address_logged("metrics").await;
    let get = async |address| {
        let answer = client().get(format!("http://{address}/metrics")).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    assert_eq!(get(server.address).await.0, StatusCode::NOT_FOUND);
    let (status, text) = get(metrics).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("partyline_writer_batches_total"), "{text}");
    server.terminate();
    assert_eq!(server.wait_for_exit().await.0, Some(0));
}
