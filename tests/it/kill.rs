//! The real binary: killed at any moment, stopped in order, and beside others on one file.

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
use crate::support::{SMS_PATH, Text, client, database, wait};

const KILLS: usize = 20;
/// 200 texts a second.
const BETWEEN_TEXTS: Duration = Duration::from_millis(5);

fn folder() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    apply(folder.path(), AGENCIES);
    folder
}

async fn post(http: &Client, server: &Server, text: &Text) -> Option<StatusCode> {
    let request = http.post(format!("http://{}{SMS_PATH}", server.address));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let request = request.header("x-twilio-signature", text.signature()).body(text.form());
    // No answer is what a killed server gives.
    request.send().await.ok().map(|answer| answer.status())
}

/// One of a few contacts writes, so that a kill falls into new threads and old ones.
fn text(n: usize) -> Text {
    Text::new(format!("SM{n}")).from(&format!("+1303557{:04}", n * n % 97))
}

async fn open(folder: &Path) -> DatabaseConnection {
    sea_orm::Database::connect(database_url(folder)).await.expect("the file opens")
}

/// Everything that was answered is there, once, and nothing is half there.
async fn assert_whole(folder: &Path, answered: &HashSet<String>) {
    let db = open(folder).await;
    let messages = message::Entity::find().all(&db).await.unwrap();
    let mut by_sid: HashMap<String, usize> = HashMap::new();
    for message in &messages {
        *by_sid.entry(message.provider_sid.clone().unwrap()).or_default() += 1;
    }
    let lost: Vec<_> = answered.iter().filter(|sid| !by_sid.contains_key(*sid)).collect();
    assert!(lost.is_empty(), "answered and lost: {lost:?}");
    assert!(by_sid.values().all(|count| *count == 1), "stored twice");

    let mut counts: HashMap<_, i32> = HashMap::new();
    for message in &messages {
        *counts.entry(message.thread_id).or_default() += 1;
    }
    let threads = thread::Entity::find().all(&db).await.unwrap();
    assert_eq!(threads.iter().map(|thread| (thread.id, thread.inbound_count)).collect::<HashMap<_, _>>(), counts);
    assert_eq!(notification::Entity::find().all(&db).await.unwrap().len(), 2 * messages.len());
    let mut positions: HashMap<_, Vec<i64>> = HashMap::new();
    let mut told = HashSet::new();
    for event in event::Entity::find().all(&db).await.unwrap() {
        positions.entry(event.agency_id).or_default().push(event.position);
        told.extend(event.message_id);
    }
    assert_eq!(told, messages.iter().map(|message| message.id).collect());
    for mut positions in positions.into_values() {
        positions.sort_unstable();
        assert_eq!(positions, (1..=i64::try_from(positions.len()).unwrap()).collect::<Vec<_>>());
    }
    db.close().await.unwrap();
}

#[tokio::test]
async fn killed_at_random_moments_it_keeps_all_that_it_answered() {
    if !database::is_sqlite() {
        return;
    }
    let folder = folder();
    let mut random = Random::from_environment("kill");
    let mut answered: HashSet<String> = HashSet::new();
    let mut unanswered: VecDeque<usize> = VecDeque::new();
    let mut next = 0;
    for round in 0..KILLS {
        let server = std::sync::Arc::new(Server::start(folder.path()).await);
        let http = client();
        let mut posts = JoinSet::new();
        let mut ticks = wait::ticks(BETWEEN_TEXTS);
        // Either just as a text is sent, or just after one is answered.
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
                    answered.insert(text(n).sid);
                }
            }
        }
        server.kill();
        while let Some(post) = posts.join_next().await {
            let (n, status) = post.unwrap();
            if status == Some(StatusCode::OK) {
                sent.remove(&n);
                answered.insert(text(n).sid);
            }
        }
        unanswered.extend(sent);
    }
    assert!(answered.len() > KILLS, "only {} texts were answered", answered.len());
    assert_whole(folder.path(), &answered).await;

    // Twilio sends again what it got no answer to.
    let server = Server::start(folder.path()).await;
    let http = client();
    for n in unanswered {
        assert_eq!(post(&http, &server, &text(n)).await, Some(StatusCode::OK));
        answered.insert(text(n).sid);
    }
    server.terminate();
    assert_eq!(server.until_ended().await.0, Some(0));
    assert_eq!(answered.len(), next);
    assert_whole(folder.path(), &answered).await;
}

#[tokio::test]
async fn told_to_stop_it_finishes_what_was_begun_and_exits_with_0() {
    if !database::is_sqlite() {
        return;
    }
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
    // Answered on another connection: by then the first one was accepted.
    assert_eq!(post(&client(), &server, &Text::new("SMquick")).await, Some(StatusCode::OK));
    server.terminate();
    server.until_says("draining").await;
    slow.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    wait::within("an answer", slow.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let (code, log) = server.until_ended().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("stopped"), "{log}");
    assert_whole(folder.path(), &HashSet::from(["SMslow".to_owned(), "SMquick".to_owned()])).await;
}

#[tokio::test]
async fn a_second_server_on_the_same_file_is_refused() {
    if !database::is_sqlite() {
        return;
    }
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let path = folder.path().to_owned();
    let second = tokio::task::spawn_blocking(move || run(&path, &["serve"], ""));
    let output = wait::within("the second one gives up", second).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("another partyline is serving this database"), "{said}");
    // The first one does not mind.
    assert_eq!(post(&client(), &server, &Text::new("SM1")).await, Some(StatusCode::OK));
    server.kill();
    // A killed one leaves no lock behind.
    Server::start(folder.path()).await.kill();
}

#[tokio::test]
async fn a_directory_file_takes_effect_beside_a_running_server() {
    if !database::is_sqlite() {
        return;
    }
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let http = client();
    let text = Text::new("SM1").to("+13035550177");
    // The account is in memory now.
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
    // A token is kept in memory for a second.
    let signed_anew = Text::new("SM2").account("AC00000000000000000000000000000001", rotated);
    let taken = || async { (post(&http, &server, &signed_anew).await == Some(StatusCode::OK)).then_some(()) };
    tokio::time::timeout(Duration::from_secs(3), wait::until("the new token is taken", taken)).await.unwrap();
    server.terminate();
    assert_eq!(server.until_ended().await.0, Some(0));
    let db = open(folder.path()).await;
    let messages = message::Entity::find().all(&db).await.unwrap();
    let mut sids: Vec<_> = messages.iter().filter_map(|message| message.provider_sid.as_deref()).collect();
    sids.sort_unstable();
    assert_eq!(sids, ["SM0", "SM1", "SM2"], "none of them is in quarantine");
}
