//! The real binary: kills, a graceful shutdown, and several servers on one file.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::time::Duration;

use partyline::entity::{event, message, notification, thread};
use reqwest::{Client, StatusCode};
use sea_orm::{DatabaseConnection, EntityTrait as _};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::directory::{AGENCIES, TOKEN};
use crate::support::process::{Server, apply, database_url, run};
use crate::support::random::Random;
use crate::support::{SMS_PATH, Text, client, wait};

const KILLS: usize = 20;
/// 200 texts per second.
const BETWEEN_TEXTS: Duration = Duration::from_millis(5);

fn folder() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    apply(folder.path(), AGENCIES);
    folder
}

/// Delivers a text as Twilio does; returns the status of the response.
pub(crate) async fn post(http: &Client, server: &Server, text: &Text) -> Option<StatusCode> {
    let request = http.post(format!("http://{}{SMS_PATH}", server.address));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let request = request.header("x-twilio-signature", text.signature()).body(text.form());
    // A killed server sends no response.
    request.send().await.ok().map(|answer| answer.status())
}

/// A text from one of a few contacts, so that kills affect both new and existing threads.
fn text(n: usize) -> Text {
    Text::new(format!("SM{n}")).from(&format!("+1303557{:04}", n * n % 97))
}

async fn open(folder: &Path) -> DatabaseConnection {
    sea_orm::Database::connect(database_url(folder)).await.expect("the file opens")
}

/// Asserts that every acknowledged text is stored once, and that nothing is stored partially.
async fn assert_consistent(folder: &Path, acknowledged: &HashSet<String>) {
    let db = open(folder).await;
    let messages = message::Entity::find().all(&db).await.unwrap();
    let mut by_sid: HashMap<String, usize> = HashMap::new();
    for message in &messages {
        *by_sid.entry(message.provider_sid.clone().unwrap()).or_default() += 1;
    }
    let lost: Vec<_> = acknowledged.iter().filter(|sid| !by_sid.contains_key(*sid)).collect();
    assert!(lost.is_empty(), "acknowledged, but lost: {lost:?}");
    assert!(by_sid.values().all(|count| *count == 1), "stored twice");

    let mut counts: HashMap<_, i32> = HashMap::new();
    for message in &messages {
        *counts.entry(message.thread_id).or_default() += 1;
    }
    let threads = thread::Entity::find().all(&db).await.unwrap();
    assert_eq!(threads.iter().map(|thread| (thread.id, thread.inbound_count)).collect::<HashMap<_, _>>(), counts);
    assert_eq!(notification::Entity::find().all(&db).await.unwrap().len(), 2 * messages.len());
    let mut positions: HashMap<_, Vec<i64>> = HashMap::new();
    let mut announced = HashSet::new();
    for event in event::Entity::find().all(&db).await.unwrap() {
        positions.entry(event.agency_id).or_default().push(event.position);
        announced.extend(event.message_id);
    }
    assert_eq!(announced, messages.iter().map(|message| message.id).collect());
    for mut positions in positions.into_values() {
        positions.sort_unstable();
        assert_eq!(positions, (1..=i64::try_from(positions.len()).unwrap()).collect::<Vec<_>>());
    }
    db.close().await.unwrap();
}

#[tokio::test]
#[ignore = "SQLite only: kills the server and reads its file; slow"]
async fn acknowledged_texts_survive_kills_at_random_moments_on_sqlite() {
    let folder = folder();
    let mut random = Random::from_environment("kill");
    let mut acknowledged: HashSet<String> = HashSet::new();
    let mut unanswered: VecDeque<usize> = VecDeque::new();
    let mut next = 0;
    for round in 0..KILLS {
        let server = std::sync::Arc::new(Server::start(folder.path()).await);
        let http = client();
        let mut posts = JoinSet::new();
        let mut ticks = wait::ticks(BETWEEN_TEXTS);
        // Either just as a text is sent, or just after one is acknowledged.
        let (mut sends, mut answers) =
            if random.chance(2) { (random.below(80), usize::MAX) } else { (usize::MAX, random.below(80)) };
        let mut sent = HashSet::new();
        while sends > 0 && answers > 0 {
            tokio::select! {
                _ = ticks.tick() => {
                    sends -= 1;
                    let n = unanswered.pop_front().unwrap_or_else(|| { next += 1; next });
                    sent.insert(n);
                    let (http, server) = (http.clone(), server.clone());
                    posts.spawn(async move { (n, post(&http, &server, &text(n)).await) });
                }
                Some(post) = posts.join_next() => {
                    answers -= 1;
                    let (n, status) = post.unwrap();
                    assert_eq!(status, Some(StatusCode::OK), "round {round}");
                    sent.remove(&n);
                    acknowledged.insert(text(n).sid);
                }
            }
        }
        server.kill();
        while let Some(post) = posts.join_next().await {
            let (n, status) = post.unwrap();
            if status == Some(StatusCode::OK) {
                sent.remove(&n);
                acknowledged.insert(text(n).sid);
            }
        }
        unanswered.extend(sent);
    }
    assert!(acknowledged.len() > KILLS, "only {} texts were acknowledged", acknowledged.len());
    assert_consistent(folder.path(), &acknowledged).await;

    // Twilio sends unacknowledged texts again.
    let server = Server::start(folder.path()).await;
    let http = client();
    for n in unanswered {
        assert_eq!(post(&http, &server, &text(n)).await, Some(StatusCode::OK));
        acknowledged.insert(text(n).sid);
    }
    server.terminate();
    assert_eq!(server.wait_for_exit().await.0, Some(0));
    assert_eq!(acknowledged.len(), next);
    assert_consistent(folder.path(), &acknowledged).await;
}

#[tokio::test]
#[ignore = "SQLite only: starts the binary on a file"]
async fn a_shutdown_finishes_open_requests_and_exits_with_0_on_sqlite() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let text = Text::new("SMslow");
    let form = text.form();
    let (first, rest) = form.split_at(20);
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST {SMS_PATH} HTTP/1.1\r\nHost: partyline.test\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         X-Twilio-Signature: {}\r\nContent-Length: {}\r\n\r\n{first}",
        text.signature(),
        form.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    // A response on another connection shows that the first one was accepted.
    assert_eq!(post(&client(), &server, &Text::new("SMquick")).await, Some(StatusCode::OK));
    server.terminate();
    server.wait_for_log("draining").await;
    slow.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    wait::within("a response", slow.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let (code, log) = server.wait_for_exit().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("stopped"), "{log}");
    assert_consistent(folder.path(), &HashSet::from(["SMslow".to_owned(), "SMquick".to_owned()])).await;
}

#[tokio::test]
#[ignore = "SQLite only: locks the file"]
async fn a_second_server_on_the_same_file_is_refused_on_sqlite() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let path = folder.path().to_owned();
    let second = tokio::task::spawn_blocking(move || run(&path, &["serve"], ""));
    let output = wait::within("the second server exits", second).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let output_text = String::from_utf8(output.stderr).unwrap();
    assert!(output_text.contains("another partyline is serving this database"), "{output_text}");
    // The first server is not affected.
    assert_eq!(post(&client(), &server, &Text::new("SM1")).await, Some(StatusCode::OK));
    server.kill();
    // A killed server leaves no lock behind.
    Server::start(folder.path()).await.kill();
}

#[tokio::test]
#[ignore = "SQLite only: starts the binary on a file"]
async fn a_directory_file_takes_effect_on_a_running_server_on_sqlite() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let http = client();
    let text = Text::new("SM1").to("+13035550177");
    // The account is cached now.
    assert_eq!(post(&http, &server, &Text::new("SM0")).await, Some(StatusCode::OK));
    let rotated = "99999999999999999999999999999999";
    let yaml = format!(
        "agencies: [{{key: acme, twilio: {{accountSid: AC00000000000000000000000000000001, authToken: '{rotated}', \
         secondaryAuthToken: '{TOKEN}'}}, phoneNumbers: [{{number: '+13035550177', pool: [{{user: dev}}]}}]}}]"
    );
    let path = folder.path().to_owned();
    tokio::task::spawn_blocking(move || apply(&path, &yaml)).await.unwrap();
    // A number is looked up in the database each time.
    assert_eq!(post(&http, &server, &text).await, Some(StatusCode::OK));
    // A token is cached for a second.
    let with_new_token = Text::new("SM2").account("AC00000000000000000000000000000001", rotated);
    let taken = || async { (post(&http, &server, &with_new_token).await == Some(StatusCode::OK)).then_some(()) };
    tokio::time::timeout(Duration::from_secs(3), wait::until("the new token is accepted", taken)).await.unwrap();
    server.terminate();
    assert_eq!(server.wait_for_exit().await.0, Some(0));
    let db = open(folder.path()).await;
    let messages = message::Entity::find().all(&db).await.unwrap();
    let mut sids: Vec<_> = messages.iter().filter_map(|message| message.provider_sid.as_deref()).collect();
    sids.sort_unstable();
    assert_eq!(sids, ["SM0", "SM1", "SM2"], "none of the texts is in quarantine");
}
