//! The server, in this process, over its real router and a database of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use partyline::app::{App, Extras, Ports, migrate_up};
use partyline::config::{Settings, Source};
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
use tokio::task::JoinHandle;
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
    // Last, for it is dropped last.
    pub(crate) database: Arc<TestDatabase>,
}

/// Settings beyond those of every test.
type Extra = Vec<(&'static str, String)>;

/// Settings as an operator would give them, on this database.
pub(crate) fn settings(database_url: &str) -> Settings {
    Settings::read(&source(database_url)).expect("settings that are right")
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

/// An HTTP client that gives up in time.
pub(crate) fn client() -> Client {
    // The only provider that is built in; another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().timeout(wait::LIMIT);
    client.build().expect("an HTTP client")
}

impl TestApp {
    /// A server with the agencies of [`super::directory`].
    pub(crate) async fn start() -> Self {
        Self::start_with(AGENCIES).await
    }

    /// A server with these agencies.
    pub(crate) async fn start_with(yaml: &str) -> Self {
        let app = Self::start_on(TestDatabase::create().await).await;
        app.apply(yaml).await;
        app
    }

    /// The same with these settings besides.
    pub(crate) async fn start_set(extra: Extra) -> Self {
        Self::start_set_with(extra, AGENCIES).await
    }

    /// The same with these agencies.
    pub(crate) async fn start_set_with(extra: Extra, yaml: &str) -> Self {
        let database = Arc::new(TestDatabase::create().await);
        let app = Self::serve(database, Arc::new(MockClock::new()), Arc::new(SeededIds::new(1)), extra).await;
        app.apply(yaml).await;
        app
    }

    /// A server without any agency, on this database.
    pub(crate) async fn start_on(database: TestDatabase) -> Self {
        let (clock, ids) = (Arc::new(MockClock::new()), Arc::new(SeededIds::new(1)));
        Self::serve(Arc::new(database), clock, ids, Vec::new()).await
    }

    /// The same server again, on the same database.
    pub(crate) async fn restart(self) -> Self {
        self.restart_after(|_| {}).await
    }

    /// The same, with something done to the database while no server runs.
    pub(crate) async fn restart_after(mut self, work: impl FnOnce(&TestDatabase)) -> Self {
        let (clock, ids, extra) = (self.clock.clone(), self.ids.clone(), std::mem::take(&mut self.extra));
        let database = self.stop().await;
        work(&database);
        Self::serve(database, clock, ids, extra).await
    }

    /// A second server beside this one, on the same database and with the same clock.
    pub(crate) async fn beside(&self) -> Self {
        let (clock, ids) = (self.clock.clone(), Arc::new(SeededIds::new(2)));
        Self::serve(self.database.clone(), clock, ids, self.extra.clone()).await
    }

    /// Lets it wake other servers and be woken by them.
    pub(crate) fn join_bus(&mut self) {
        self.bus = self.app.join_bus();
    }

    async fn serve(database: Arc<TestDatabase>, clock: Arc<MockClock>, ids: Arc<SeededIds>, extra: Extra) -> Self {
        log::listen();
        let own = source(&database.url).with("PARTYLINE_MEDIA", &database.media());
        let all = extra.iter().fold(own, |source, (name, value)| source.with(name, value));
        let settings = Settings::read(&all).expect("settings that are right");
        migrate_up(&settings).await.expect("the schema comes up");
        let ports = Ports { clock: clock.clone(), ids: ids.clone() };
        let app = App::open(settings, ports).await.expect("the application opens");
        let (drain, draining) = watch::channel(false);
        let router = app.router(Extras { introspection: true, graphiql: false }, draining);
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = server::listen(loopback).expect("a port of the loopback");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server::serve(
            listener,
            router,
            // Tests advance their own clock while requests are on their way: no connection ends by that.
            Arc::new(SystemClock::new()),
            server::Options { figures: app.connection_figures(), ..server::Options::default() },
            async {
                // A test that ends without stopping the server stops it all the same.
                let _ = stopped.await;
            },
        ));
        let http = client();
        let (stop, bus) = (Some(stop), Vec::new());
        Self { clock, ids, http, address, drain, app, stop, serving, extra, bus, database }
    }

    /// Stops as SIGTERM would and gives back the database.
    pub(crate) async fn stop(mut self) -> Arc<TestDatabase> {
        self.drain.send_replace(true);
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        drop(self.http);
        for task in self.bus {
            task.abort();
            // An aborted task reports that it was.
            let _ = task.await;
        }
        wait::within("the server stops", self.serving).await.expect("the server ends in order");
        self.app.close(Duration::from_secs(10)).await;
        self.database
    }

    pub(crate) fn services(&self) -> &Arc<Services> {
        &self.app.services
    }

    /// Makes the directory so.
    pub(crate) async fn apply(&self, yaml: &str) -> Summary {
        self.try_apply(yaml).await.expect("a directory file that is right")
    }

    pub(crate) async fn try_apply(&self, yaml: &str) -> Result<Summary, Vec<Problem>> {
        let file = DirectoryFile::parse(yaml, |_| None)?;
        apply_directory(self.services(), self.app.sealer.clone(), file).await.expect("the database works")
    }

    /// An agency's directory as it is now.
    pub(crate) async fn directory(&self, agency: &str) -> Arc<Directory> {
        let directory = self.services().directories.by_key(agency).await.expect("the database works");
        directory.expect("an agency with this key")
    }

    /// A user as somebody who asks for something.
    pub(crate) async fn viewer(&self, agency: &str, user: &str) -> Viewer {
        let directory = self.directory(agency).await;
        let id = directory.user_by_key(user).expect("a user with this key").id;
        Viewer::of(directory, id).expect("an active user")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The request that Twilio would send.
    pub(crate) fn request(&self, text: &Text) -> RequestBuilder {
        self.http
            .post(self.url(SMS_PATH))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-twilio-signature", text.signature())
            .body(text.form())
    }

    /// Sends a text as Twilio does, and gives the status and body of the answer.
    pub(crate) async fn post_text(&self, text: &Text) -> (StatusCode, String) {
        let answer = self.request(text).send().await.expect("the server answers");
        (answer.status(), answer.text().await.expect("an answer of text"))
    }

    /// Sends a text that must be taken.
    pub(crate) async fn receive(&self, text: Text) {
        let answer = self.post_text(&text).await;
        assert_eq!(answer, (StatusCode::OK, EMPTY_RESPONSE.to_owned()), "{}", text.sid);
    }

    /// Sends texts all at once and gives the statuses in their order.
    pub(crate) async fn post_all(&self, texts: &[Text]) -> Vec<StatusCode> {
        futures_util::future::join_all(texts.iter().map(|text| async { self.post_text(text).await.0 })).await
    }

    /// Does the work while the clock keeps pace with the machine's.
    pub(crate) async fn as_time_passes<T>(&self, work: impl Future<Output = T>) -> T {
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
            () = passing => unreachable!("time does not end"),
        }
    }

    /// A bearer token for an hour, of the generation that every user begins with.
    pub(crate) fn token(&self, agency: &str, user: &str) -> SecretString {
        self.token_of(agency, user, 0)
    }

    /// The same for a user of whom this many generations of tokens have ended.
    pub(crate) fn token_of(&self, agency: &str, user: &str, generation: i32) -> SecretString {
        let hour = Duration::from_secs(3600);
        let subject = Subject { agency, user, generation };
        let token = self.app.authenticator.issue(subject, hour, self.clock.now(), Uuid::nil());
        SecretString::from(token.expect("a token can be signed"))
    }

    /// Asks GraphQL and gives the whole answer, `data` and `errors`.
    pub(crate) async fn graphql(&self, token: &SecretString, query: &str, variables: Value) -> Value {
        let asked = json!({"query": query, "variables": variables});
        serde_json::from_str(&self.graphql_text(token, &asked).await).expect("an answer of JSON")
    }

    /// The same as it came.
    pub(crate) async fn graphql_text(&self, token: &SecretString, asked: &Value) -> String {
        use secrecy::ExposeSecret as _;
        let asked = self.http.post(self.url("/graphql")).bearer_auth(token.expose_secret()).json(asked);
        asked.send().await.expect("the server answers").text().await.expect("an answer of text")
    }
}

/// The answer to every text that was taken.
pub(crate) const EMPTY_RESPONSE: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#;
