//! The server in the test's own process, with its real router and its own database.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use partyline::app::{App, Extras, Ports, migrate_up};
use partyline::config::{Settings, Source};
use partyline::metrics::Metrics;
use partyline::ports::{Clock as _, SystemClock};
use partyline::server;
use partyline::service::apply_directory::{DirectoryFile, Problem, Summary, apply_directory};
use partyline::service::authenticate::Subject;
use partyline::service::{Services, Viewer};
use partyline::store::Directory;
use reqwest::{Client, RequestBuilder, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::task::{self, JoinHandle};
use uuid::Uuid;

use super::clock::MockClock;
use super::database::TestDatabase;
use super::directory::AGENCIES;
use super::ids::SeededIds;
use super::text::{PUBLIC_URL, SMS_PATH, Text};
use super::{log, wait};

pub(crate) struct TestApp {
    pub(crate) clock: Arc<MockClock>,
    pub(crate) ids: Arc<SeededIds>,
    pub(crate) http: Client,
    pub(crate) address: SocketAddr,
    pub(crate) drain: watch::Sender<bool>,
    app: App,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
    extra: Extra,
    bus: Vec<JoinHandle<()>>,
    // Declared last because fields are dropped in order, and the server uses the database until it is dropped.
    pub(crate) database: Arc<TestDatabase>,
}

/// Settings in addition to those of every test.
type Extra = Vec<(&'static str, String)>;

const HOUR: Duration = Duration::from_secs(3600);

/// Settings as an operator would write them, for this database.
pub(crate) fn settings(database_url: &str) -> Settings {
    Settings::read(&source(database_url)).expect("valid settings")
}

fn source(database_url: &str) -> Source {
    Source::default()
        .with("DATABASE_URL", database_url)
        .with("PARTYLINE_LISTEN", "127.0.0.1:0")
        .with("PARTYLINE_PUBLIC_URL", PUBLIC_URL)
        .with("TWILIO_API_BASE", "http://127.0.0.1:9")
        .with("PARTYLINE_JWT_SECRET", "the tests' secret that signs bearer tokens")
        .with("PARTYLINE_SECRET_KEY", "the tests' secret that seals Twilio's tokens")
}

/// An HTTP client with a timeout.
pub(crate) fn client() -> Client {
    // `ring` is the only provider compiled in. The call fails if another test has already installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().timeout(wait::LIMIT);
    client.build().expect("an HTTP client")
}

impl TestApp {
    /// Starts a server with the agencies of [`super::directory`].
    pub(crate) async fn start() -> Self {
        Self::start_with(AGENCIES).await
    }

    /// Starts a server with the agencies of this directory file.
    pub(crate) async fn start_with(yaml: &str) -> Self {
        let app = Self::start_on(TestDatabase::create().await).await;
        app.apply(yaml).await;
        app
    }

    /// Starts a server with additional settings.
    pub(crate) async fn start_with_settings(extra: Extra) -> Self {
        Self::start_with_settings_and(extra, AGENCIES).await
    }

    /// Starts a server with additional settings and the agencies of this directory file.
    pub(crate) async fn start_with_settings_and(extra: Extra, yaml: &str) -> Self {
        let database = Arc::new(TestDatabase::create().await);
        let app = Self::serve(database, Arc::new(MockClock::new()), Arc::new(SeededIds::new(1)), extra).await;
        app.apply(yaml).await;
        app
    }

    /// Starts a server without agencies on this database.
    pub(crate) async fn start_on(database: TestDatabase) -> Self {
        Self::start_on_with_settings(database, Vec::new()).await
    }

    /// Starts a server on this database, with additional settings.
    pub(crate) async fn start_on_with_settings(database: TestDatabase, extra: Extra) -> Self {
        let (clock, ids) = (Arc::new(MockClock::new()), Arc::new(SeededIds::new(1)));
        Self::serve(Arc::new(database), clock, ids, extra).await
    }

    /// Restarts this server on the same database.
    pub(crate) async fn restart(self) -> Self {
        self.restart_after(|_| {}).await
    }

    /// Restarts this server; `work` runs on the database while no server is running.
    pub(crate) async fn restart_after(mut self, work: impl FnOnce(&TestDatabase)) -> Self {
        let (clock, ids, extra) = (self.clock.clone(), self.ids.clone(), std::mem::take(&mut self.extra));
        let database = self.stop().await;
        work(&database);
        Self::serve(database, clock, ids, extra).await
    }

    /// Starts a second server on the same database, with the same clock.
    pub(crate) async fn start_second_server(&self) -> Self {
        let (clock, ids) = (self.clock.clone(), Arc::new(SeededIds::new(2)));
        Self::serve(self.database.clone(), clock, ids, self.extra.clone()).await
    }

    /// Connects this server to the notifications between servers that share a database. Returns the tasks that send
    /// and receive them.
    pub(crate) fn join_bus(&mut self) -> Vec<task::Id> {
        self.bus = self.app.join_bus();
        self.bus.iter().map(JoinHandle::id).collect()
    }

    async fn serve(database: Arc<TestDatabase>, clock: Arc<MockClock>, ids: Arc<SeededIds>, extra: Extra) -> Self {
        log::install();
        let own = source(&database.url).with("PARTYLINE_MEDIA", &database.media());
        let all = extra.iter().fold(own, |source, (name, value)| source.with(name, value));
        let settings = Settings::read(&all).expect("valid settings");
        migrate_up(&settings).await.expect("the migrations succeed");
        let ports = Ports { clock: clock.clone(), ids: ids.clone() };
        let app = App::open(settings, ports).await.expect("the application starts");
        let (drain, draining) = watch::channel(false);
        let router = app.router(Extras { introspection: true, ..Extras::default() }, draining);
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = server::listen(loopback).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server::serve(
            listener,
            router,
            // Tests advance the mock clock while requests are in flight; connection timeouts must not depend on it.
            Arc::new(SystemClock::new()),
            server::Options {
                // A test on a slow machine may read later than a client does.
                keep_alive: HOUR,
                write_timeout: HOUR,
                figures: app.connection_metrics(),
                ..server::Options::default()
            },
            async {
                // A dropped sender, in a test that does not call `stop`, also stops the server.
                let _ = stopped.await;
            },
        ));
        let http = client();
        let (stop, bus) = (Some(stop), Vec::new());
        Self { clock, ids, http, address, drain, app, stop, serving, extra, bus, database }
    }

    /// Shuts down as SIGTERM does and returns the database.
    pub(crate) async fn stop(mut self) -> Arc<TestDatabase> {
        self.drain.send_replace(true);
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        drop(self.http);
        for task in self.bus {
            task.abort();
            // The result of an aborted task is always an error.
            let _ = task.await;
        }
        wait::within("the server stops", self.serving).await.expect("the server task does not panic");
        self.app.close(Duration::from_secs(10)).await;
        self.database
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        self.app.metrics()
    }

    pub(crate) fn services(&self) -> &Arc<Services> {
        &self.app.services
    }

    /// Applies a directory file.
    pub(crate) async fn apply(&self, yaml: &str) -> Summary {
        self.try_apply(yaml).await.expect("a valid directory file")
    }

    pub(crate) async fn try_apply(&self, yaml: &str) -> Result<Summary, Vec<Problem>> {
        let file = DirectoryFile::parse(yaml, |_| None)?;
        apply_directory(self.services(), self.app.sealer.clone(), file).await.expect("the database works")
    }

    /// The agency's current directory.
    pub(crate) async fn directory(&self, agency: &str) -> Arc<Directory> {
        let directory = self.services().directories.by_key(agency).await.expect("the database works");
        directory.expect("an agency with this key")
    }

    /// The viewer for this user.
    pub(crate) async fn viewer(&self, agency: &str, user: &str) -> Viewer {
        let directory = self.directory(agency).await;
        let id = directory.user_by_key(user).expect("a user with this key").id;
        Viewer::of(directory, id).expect("an active user")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The request with which Twilio would deliver this text.
    pub(crate) fn request(&self, text: &Text) -> RequestBuilder {
        self.http
            .post(self.url(SMS_PATH))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-twilio-signature", text.signature())
            .body(text.form())
    }

    /// Delivers a text as Twilio does; returns the response's status and body.
    pub(crate) async fn post_text(&self, text: &Text) -> (StatusCode, String) {
        let answer = self.request(text).send().await.expect("the server answers");
        (answer.status(), answer.text().await.expect("a text body"))
    }

    /// Delivers a text and asserts that it is accepted.
    pub(crate) async fn receive(&self, text: Text) {
        let answer = self.post_text(&text).await;
        assert_eq!(answer, (StatusCode::OK, EMPTY_RESPONSE.to_owned()), "{}", text.sid);
    }

    /// Delivers texts concurrently; returns the statuses in the order of `texts`.
    pub(crate) async fn post_all(&self, texts: &[Text]) -> Vec<StatusCode> {
        futures_util::future::join_all(texts.iter().map(|text| async { self.post_text(text).await.0 })).await
    }

    /// Runs `work` while the mock clock advances in real time.
    pub(crate) async fn with_running_clock<T>(&self, work: impl Future<Output = T>) -> T {
        let real = SystemClock::new();
        let passing = async {
            let (mut ticks, mut passed) = (wait::ticks(Duration::from_millis(10)), Duration::ZERO);
            loop {
                ticks.tick().await;
                let now = real.monotonic();
                self.clock.advance(now - passed);
                passed = now;
            }
        };
        tokio::select! {
            done = work => done,
            () = passing => unreachable!("the clock runs until the work is done"),
        }
    }

    /// A bearer token that is valid for an hour, of a user's first token generation.
    pub(crate) fn token(&self, agency: &str, user: &str) -> SecretString {
        self.token_of_generation(agency, user, 0)
    }

    /// A bearer token of this token generation; each revocation of a user's tokens starts the next one.
    pub(crate) fn token_of_generation(&self, agency: &str, user: &str, generation: i32) -> SecretString {
        let hour = Duration::from_secs(3600);
        let subject = Subject { agency, user, generation };
        let token = self.app.services.authenticator.issue(subject, hour, self.clock.now(), Uuid::nil());
        SecretString::from(token.expect("a token can be signed"))
    }

    /// Sends a GraphQL request and returns the whole response, `data` and `errors`.
    pub(crate) async fn graphql(&self, token: &SecretString, query: &str, variables: Value) -> Value {
        let asked = json!({"query": query, "variables": variables});
        serde_json::from_str(&self.graphql_text(token, &asked).await).expect("a JSON response")
    }

    /// Sends a GraphQL request and returns the response's text.
    pub(crate) async fn graphql_text(&self, token: &SecretString, asked: &Value) -> String {
        use secrecy::ExposeSecret as _;
        let asked = self.http.post(self.url("/graphql")).bearer_auth(token.expose_secret()).json(asked);
        asked.send().await.expect("the server answers").text().await.expect("a text body")
    }
}

/// The response to every accepted text.
pub(crate) const EMPTY_RESPONSE: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#;
