//! A backup that is taken under load, and restored in another folder.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use partyline::domain::{AgencyId, CallId, MediaState, UploadId, VoicemailId};
use partyline::entity::{account, agency, media, message, outbox, upload, user, voicemail};
use partyline::ports::media_store::MediaStore;
use partyline::ports::{Clock as _, SystemClock};
use reqwest::StatusCode;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ConnectOptions, ConnectionTrait as _, Database, EntityTrait as _,
    IntoActiveModel as _, QueryOrder as _,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::{Settings, command, media_file, media_folder, open, sids, site};
use crate::kill::post;
use crate::support::carrier::{carrier, deliver};
use crate::support::directory::{AGENCIES, DESK};
use crate::support::process::{Server, apply, database_url};
use crate::support::socket::Socket;
use crate::support::{Text, client, wait};

const TOM: &str = "+13035560002";
const SEND: &str = include_str!("../documents/support_outbound_send.graphql");
const FOLLOW: &str = "subscription($after: EventCursor) { threadUpdated(after: $after) { cursor } }";
/// A text per second, so that most of the texts of the test are queued when the backup begins.
const PACE: &str = "agencies: [{key: acme, phoneNumbers: [{number: '+13035550100', pace: {perSecond: 1, burst: 1}}]}]";
const QUEUED: usize = 30;

async fn graphql(address: SocketAddr, token: &SecretString, query: &str, variables: Value) -> Value {
    let body = json!({"query": query, "variables": variables});
    let request = client().post(format!("http://{address}/graphql")).bearer_auth(token.expose_secret()).json(&body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"].clone()
}

async fn cursor(address: SocketAddr, token: &SecretString) -> Value {
    graphql(address, token, "{ eventCursor }", json!({})).await["eventCursor"].take()
}

async fn token(folder: &Path) -> SecretString {
    let token = command(folder, &Vec::new(), &["token", "--agency", "acme", "--user", "ana"]).await.unwrap();
    SecretString::from(token.trim())
}

/// Texts from many contacts, one after the other, until the test ends the load.
struct Load {
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
    end: watch::Sender<bool>,
    running: tokio::task::JoinHandle<()>,
}

impl Load {
    fn start(server: &Arc<Server>) -> Self {
        let (end, ended) = watch::channel(false);
        let acknowledged = Arc::<Mutex<BTreeSet<String>>>::default();
        let (server, stored) = (server.clone(), acknowledged.clone());
        let running = tokio::spawn(async move {
            let http = client();
            let mut n = 0;
            while !*ended.borrow() {
                n += 1;
                let text = Text::new(format!("SMload{n}")).from(&format!("+1303557{:04}", n % 50));
                assert_eq!(post(&http, &server, &text).await, Some(StatusCode::OK));
                stored.lock().unwrap().insert(text.sid);
            }
        });
        Self { acknowledged, end, running }
    }

    fn acknowledged(&self) -> BTreeSet<String> {
        self.acknowledged.lock().unwrap().clone()
    }

    async fn wait_for_more(&self, texts: usize) {
        let before = self.acknowledged().len();
        wait::until("more texts arrive", || async { (self.acknowledged().len() >= before + texts).then_some(()) })
            .await;
    }

    async fn stop(self) {
        self.end.send_replace(true);
        self.running.await.unwrap();
    }
}

/// Gives the database an attachment, a voicemail and an upload, each with its file. The server is stopped.
async fn add_files(folder: &Path) -> Vec<(AgencyId, String, Vec<u8>)> {
    let mut options = ConnectOptions::new(database_url(folder));
    options.max_connections(1);
    let db = Database::connect(options).await.unwrap();
    // The voicemail has no call.
    db.execute_unprepared("PRAGMA foreign_keys = OFF").await.unwrap();
    let attachment = media::Entity::find().one(&db).await.unwrap().expect("the attachment of a received text");
    let agency = attachment.agency_id;
    let store = MediaStore::in_folder(media_folder(folder));
    let mut files = Vec::new();
    for (n, content) in [vec![1; 100_000], b"recording".to_vec(), Vec::new()].into_iter().enumerate() {
        let digest = store.put(agency, &content, Uuid::from_u128(n as u128)).await.unwrap();
        files.push((agency, digest, content));
    }
    let digest = |n: usize| files[n].1.clone();
    let mut ready = attachment.into_active_model();
    ready.state = Set(MediaState::Ready);
    ready.digest = Set(Some(digest(0)));
    ready.due_at = Set(None);
    ready.update(&db).await.unwrap();
    let now = SystemClock::new().now();
    let account = account::Entity::find().one(&db).await.unwrap().unwrap();
    let recording = voicemail::ActiveModel {
        agency_id: Set(agency),
        id: Set(VoicemailId(Uuid::from_u128(1))),
        call_id: Set(CallId(Uuid::from_u128(2))),
        twilio_account_id: Set(account.id),
        recording_sid: Set("RE1".to_owned()),
        state: Set(MediaState::Ready),
        digest: Set(Some(digest(1))),
        attempts: Set(1),
        due_at: Set(now),
        duration_seconds: Set(3),
        created_at: Set(now),
        ..Default::default()
    };
    voicemail::Entity::insert(recording).exec_without_returning(&db).await.unwrap();
    let user = user::Entity::find().order_by_asc(user::Column::Id).all(&db).await.unwrap();
    let user = user.into_iter().find(|user| user.agency_id == agency).unwrap();
    let uploaded = upload::ActiveModel {
        agency_id: Set(agency),
        id: Set(UploadId(Uuid::from_u128(3))),
        user_id: Set(user.id),
        digest: Set(digest(2)),
        content_type: Set("text/plain".to_owned()),
        byte_size: Set(0),
        created_at: Set(now),
        ..Default::default()
    };
    upload::Entity::insert(uploaded).exec_without_returning(&db).await.unwrap();
    db.close().await.unwrap();
    files
}

/// Queues texts to the only contact; returns their bodies.
async fn queue_texts(address: SocketAddr, token: &SecretString) -> Vec<String> {
    let threads = graphql(address, token, "{ threads(first: 1) { nodes { id } } }", json!({})).await;
    let thread = &threads["threads"]["nodes"][0]["id"];
    let mut bodies = Vec::new();
    for n in 0..QUEUED {
        let body = format!("text {n}");
        let input = json!({"threadId": thread, "body": body, "idempotencyKey": body});
        let sent = graphql(address, token, SEND, json!({"input": input})).await;
        assert_eq!(sent["sendMessage"]["userErrors"], json!([]));
        bodies.push(body);
    }
    bodies
}

async fn assert_expired(address: SocketAddr, token: &SecretString, cursor: &Value) {
    let mut socket = Socket::connect(address, token).await;
    socket.subscribe("1", FOLLOW, json!({"after": cursor})).await;
    assert_eq!(socket.next().await.unwrap()["payload"][0]["extensions"]["code"], "CURSOR_EXPIRED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "SQLite only: starts the binary on a file"]
async fn a_backup_under_load_is_restored_elsewhere_and_nothing_is_sent_twice_on_sqlite() {
    let carrier = carrier();
    let settings: Settings = vec![("TWILIO_API_BASE", carrier.base()), ("PARTYLINE_UNKNOWN_AFTER", "2s".to_owned())];
    let old = site(AGENCIES);
    apply(old.path(), PACE);
    let server = Server::start_with_settings(old.path(), &settings).await;
    let picture = Text::new("SMpicture").field("NumMedia", "1").field("MediaUrl0", "https://api.twilio.com/x");
    let picture = picture.field("MediaContentType0", "image/png");
    assert_eq!(post(&client(), &server, &picture).await, Some(StatusCode::OK));
    server.terminate();
    server.wait_for_exit().await;
    let files = add_files(old.path()).await;

    let server = Arc::new(Server::start_with_settings(old.path(), &settings).await);
    deliver(&carrier, server.address);
    let token = token(old.path()).await;
    let bodies = queue_texts(server.address, &token).await;
    let cursor_before = cursor(server.address, &token).await;
    let load = Load::start(&server);
    load.wait_for_more(100).await;
    let before_the_backup = load.acknowledged();
    let backup = old.path().join("backup.tar");
    let written =
        command(old.path(), &settings, &["backup", "--with-secrets", backup.to_str().unwrap()]).await.unwrap();
    assert!(written.contains("Files: 3\n"), "{written}");
    load.wait_for_more(20).await;
    let sent_at_the_backup = carrier.ledger().len();
    wait::until("texts of the backup are sent", || async {
        (carrier.ledger().len() >= sent_at_the_backup + 2).then_some(())
    })
    .await;
    carrier.text(TOM, DESK, "STOP").await.unwrap();
    let cursor_after = cursor(server.address, &token).await;
    load.stop().await;
    server.kill();
    let sent = carrier.ledger().len();
    assert!(sent < QUEUED, "some texts are still queued: {sent}");

    let new = tempfile::TempDir::new().unwrap();
    let restored = command(new.path(), &settings, &["restore", backup.to_str().unwrap()]).await.unwrap();
    assert!(restored.contains("imported from Twilio: 1\n"), "{restored}");
    let stored = sids(new.path()).await;
    let lost: Vec<_> = before_the_backup.iter().filter(|sid| stored.get(*sid) != Some(&1)).collect();
    assert!(lost.is_empty(), "acknowledged before the backup, but not restored once: {lost:?}");
    for (agency, digest, content) in &files {
        assert_eq!(std::fs::read(media_file(new.path(), *agency, digest)).unwrap(), *content);
    }

    let server = Server::start_with_settings(new.path(), &settings).await;
    deliver(&carrier, server.address);
    // The backup contains the secret that signs tokens.
    assert_expired(server.address, &token, &cursor_before).await;
    assert_expired(server.address, &token, &cursor_after).await;
    let db = open(new.path()).await;
    wait::until("every text is found at the carrier or flagged for a user", || async {
        let all = message::Entity::find().all(&db).await.unwrap();
        let is_open = |row: &message::Model| row.provider_sid.is_none() && row.flagged_at.is_none();
        (!all.iter().any(is_open) && outbox::Entity::find().all(&db).await.unwrap().is_empty()).then_some(())
    })
    .await;
    let ledger = carrier.ledger();
    assert_eq!(ledger.len(), sent, "no text of the backup is sent again");
    for body in bodies {
        assert!(ledger.iter().filter(|text| text.body == body).count() <= 1, "{body}");
    }
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "SQLite only: starts the binary on a file"]
async fn a_restore_without_access_to_the_carrier_succeeds_and_holds_sending_on_sqlite() {
    let carrier = carrier();
    let reachable: Settings = vec![("TWILIO_API_BASE", carrier.base())];
    let (old, new) = (site(AGENCIES), site(AGENCIES));
    let backup = old.path().join("backup.tar");
    for (folder, texts) in [(&old, 10), (&new, 1)] {
        let server = Server::start(folder.path()).await;
        for n in 0..texts {
            assert_eq!(post(&client(), &server, &Text::new(format!("SM{n}"))).await, Some(StatusCode::OK));
        }
        server.terminate();
        server.wait_for_exit().await;
    }
    command(old.path(), &Vec::new(), &["backup", "--with-secrets", backup.to_str().unwrap()]).await.unwrap();
    // The record of the replaced database is behind the restored one, so it does not show the restore by itself.
    let restored = command(new.path(), &Vec::new(), &["restore", "--force", backup.to_str().unwrap()]).await.unwrap();
    assert!(restored.contains("until you run `partyline restored`"), "{restored}");
    let ready = async |server: &Server| {
        client().get(format!("http://{}/readyz", server.address)).send().await.unwrap().text().await.unwrap()
    };
    let server = Server::start(new.path()).await;
    assert!(ready(&server).await.contains("run `partyline restored`"));
    server.terminate();
    server.wait_for_exit().await;
    command(new.path(), &reachable, &["restored"]).await.unwrap();
    let server = Server::start(new.path()).await;
    assert!(!ready(&server).await.contains("run `partyline restored`"));
    assert_eq!(sids(new.path()).await.len(), 10);
    assert_eq!(agency_count(new.path()).await, 3);
}

async fn agency_count(folder: &Path) -> usize {
    let db = open(folder).await;
    let agencies = agency::Entity::find().all(&db).await.unwrap().len();
    db.close().await.unwrap();
    agencies
}
