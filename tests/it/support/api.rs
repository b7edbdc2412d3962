//! Helpers for tests of the API: sample data, requests, lookups.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use partyline::domain::EventKind;
use partyline::entity::message;
use sea_orm::EntityTrait as _;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::socket::Socket;
use super::{TestApp, Text};

static SERIAL: AtomicU64 = AtomicU64::new(1);

impl TestApp {
    /// Receives a text at one of acme's numbers.
    pub(crate) async fn text(&self, from: impl AsRef<str>, to: &str, body: impl AsRef<str>) {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let text = Text::new(format!("SMapi{serial}")).from(from.as_ref()).to(to).body(body.as_ref());
        self.receive(text).await;
    }

    /// Creates a sample of everything for acme (threads with messages, an attachment, claims, notifications for the
    /// admin, a voicemail, a quarantined text) and one text for the other agency.
    pub(crate) async fn populate(&self) {
        use super::directory::{DESK, EMPTY, OTHER, OTHER_ACCOUNT, OTHER_TOKEN};
        self.text("+13035560001", DESK, "hello").await;
        self.text("+13035560003", DESK, "good morning").await;
        self.text("88222", EMPTY, "for the admins").await;
        self.text("+13035560004", "+13035559999", "for nobody").await;
        let photo = Text::new("SMphoto").field("NumMedia", "1").field("MediaUrl0", "https://media.example/1");
        self.receive(photo.field("MediaContentType0", "image/png")).await;
        self.receive(Text::new("SMother").account(OTHER_ACCOUNT, OTHER_TOKEN).to(OTHER)).await;
        self.leave_voicemail("CApopulate").await;
        let ben = self.token("acme", "ben");
        for thread in self.all_threads(&ben).await {
            let claim = "mutation($thread: ID!) { claimThread(input: {threadId: $thread}) { userErrors { code } } }";
            self.graphql(&ben, claim, json!({"thread": thread})).await;
        }
    }

    /// The cursor of the end of the log.
    pub(crate) async fn cursor(&self, token: &SecretString) -> Value {
        self.graphql(token, "{ eventCursor }", json!({})).await["data"]["eventCursor"].take()
    }

    /// Opens a socket as this user, up to the acknowledgement.
    pub(crate) async fn socket(&self, token: &SecretString) -> Socket {
        Socket::connect(self.address, token).await
    }

    pub(crate) async fn all_threads(&self, token: &SecretString) -> Vec<Value> {
        let answer = self.graphql(token, "{ threads(first: 100) { nodes { id } } }", json!({})).await;
        answer["data"]["threads"]["nodes"].as_array().unwrap().iter().map(|thread| thread["id"].clone()).collect()
    }

    pub(crate) async fn user_id(&self, agency: &str, key: &str) -> String {
        self.user(agency, key).await.to_string()
    }

    pub(crate) async fn number_id(&self, agency: &str, e164: &str) -> String {
        let directory = self.directory(agency).await;
        directory.numbers.iter().find(|number| number.e164 == e164).unwrap().id.to_string()
    }

    /// The keys of the eligible users of one of acme's numbers, in routing order.
    pub(crate) async fn pool_keys(&self, e164: &str) -> Vec<String> {
        let directory = self.directory("acme").await;
        let number = directory.numbers.iter().find(|number| number.e164 == e164).unwrap().id;
        directory.eligible_users(number).map(|user| user.key.clone()).collect()
    }

    /// The id of the active extension with these digits.
    pub(crate) async fn extension_id(&self, agency: &str, digits: &str) -> String {
        let directory = self.directory(agency).await;
        directory.extensions.iter().find(|row| row.digits == digits && row.live == Some(true)).unwrap().id.to_string()
    }

    /// The bodies of an agency's inbound messages in the order of its log.
    pub(crate) async fn bodies_in_log_order(&self, agency: &str) -> Vec<String> {
        let agency = self.agency(agency).await;
        let mut bodies = Vec::new();
        for event in self.events(agency).await.into_iter().filter(|event| event.kind == EventKind::InboundMessage) {
            let id = (agency, event.message_id.unwrap());
            bodies.push(message::Entity::find_by_id(id).one(self.db()).await.unwrap().unwrap().body);
        }
        bodies
    }

    /// The number of SQL statements that the read pool executes during `work`.
    pub(crate) async fn statements_during(&self, work: impl Future<Output = Value>) -> u64 {
        let before = self.services().database.statements();
        let answer = work.await;
        assert!(answer.get("errors").is_none(), "{answer}");
        self.services().database.statements() - before
    }
}
