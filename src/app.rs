//! The wiring: builds the services and the routes from the settings and the ports. There is no global state.

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use migration::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectionTrait as _, DbBackend};
use secrecy::ExposeSecret as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower_http::catch_panic::CatchPanicLayer;

use crate::admission::Admission;
use crate::config::{Authentication, EventBus, SecretKey, Settings};
use crate::domain::{AgencyId, UserId, webhook_paths};
use crate::events::{Bus, BusReceiver, BusSender, Feeds, PresenceBoard};
use crate::graphql::{self, Executor, GraphqlState, Live, ServerFacts};
use crate::http::observe::{Observer, observe, respond_to_panic};
use crate::metrics::Metrics;
use crate::ports::jwks::Jwks;
use crate::ports::media_store::MediaStore;
use crate::ports::private_file;
use crate::ports::twilio_rest::TwilioRest;
use crate::ports::{Clock, IdGen};
use crate::rest::{self, RestState};
use crate::security_headers;
use crate::server::ConnectionMetrics;
use crate::service::Services;
use crate::service::accounts::Accounts;
use crate::service::authenticate::{Authenticator, IssueError, TokenPolicy};
use crate::service::calls::{CallLog, Calls, ExtensionGuesses, Switchboard};
use crate::service::inbound::InboundTexts;
use crate::service::media_links::MediaLinks;
use crate::service::reconcile::Reconciliation;
use crate::service::restore::RestoreGuard;
use crate::service::seal::Sealer;
use crate::service::sending::{OutboxSignal, Sending};
use crate::service::sessions::create_sign_in_code;
use crate::store::writer::{Committed, Writer, WriterParts, WriterTasks};
use crate::store::{Database, DirectoryCache, accounts};
use crate::twilio::{self, WebhookState};
use crate::worker::supervise;

/// The clock and the source of ids and randomness.
#[derive(Clone)]
pub struct Ports {
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdGen>,
}

/// The application, ready to serve.
pub struct App {
    pub services: Arc<Services>,
    /// Encrypts and decrypts stored secrets.
    pub sealer: Arc<Sealer>,
    settings: Settings,
    admission: Arc<Admission>,
    metrics: Arc<Metrics>,
    connections: ConnectionMetrics,
    /// The tasks that write to the database. They end when there is nothing left to write.
    writing: Vec<JoinHandle<()>>,
    bus: Option<Arc<Bus>>,
}

/// Optional routes and features.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extras {
    /// Whether introspection is allowed, unless the settings decide it.
    pub introspection: bool,
    /// Whether the GraphiQL page is served.
    pub graphiql: bool,
    /// Whether this is the demo, with its simulated carrier.
    pub demo: bool,
}

impl App {
    /// Opens the database and starts the writer.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub async fn open(settings: Settings, ports: Ports) -> anyhow::Result<Self> {
        let Ports { clock, ids } = ports;
        let database = Database::open(&settings.database_url).await?;
        let directories = Arc::new(DirectoryCache::new(database.reader.clone(), clock.clone()));
        let feeds = Arc::new(Feeds::new(database.request_reader.clone(), directories.clone()));
        let has_peers = matches!(settings.events, EventBus::Postgres);
        let presence = Arc::new(PresenceBoard::new(clock.clone(), has_peers));
        let bus = match settings.events {
            EventBus::Local => None,
            EventBus::Postgres => {
                let (database, feeds, presence) = (database.clone(), feeds.clone(), presence.clone());
                Some(Arc::new(Bus::new(database, feeds, presence, clock.clone())))
            }
        };
        private_file::restrict(&settings.media).context("the media folder cannot be made private")?;
        let secret_key = saved_key(settings.secret_key.clone(), &database).await?;
        let sealer = Arc::new(Sealer::new(&secret_key.current, secret_key.previous.as_ref(), ids.clone()));
        let twilio = TwilioRest::new(&settings.twilio_api_base, &settings.twilio_messaging_base, clock.clone())
            .context("TLS cannot be set up")?;
        let sending = Arc::new(Sending {
            twilio,
            receipts_url: format!("{}{}", settings.public_url, webhook_paths::RECEIPTS),
            unknown_after: settings.unknown_after,
            outbox_signal: OutboxSignal::default(),
        });
        let parts = WriterParts {
            database: database.clone(),
            directories: directories.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            bulk: InboundTexts::new(ids.clone()),
            on_commit: {
                let (feeds, bus, sending) = (feeds.clone(), bus.clone(), sending.clone());
                Box::new(move |committed| {
                    feeds.publish(&committed);
                    for Committed { agency, sending: numbers, .. } in &committed {
                        sending.outbox_signal.notify(*agency, numbers);
                    }
                    if let Some(bus) = &bus {
                        bus.announce(&committed);
                    }
                })
            },
        };
        let (writer, WriterTasks { lanes, checkpointer }) =
            Writer::open(parts).await.context("the writer cannot be opened")?;
        let writer = Arc::new(writer);
        let (log, log_writer) = CallLog::open(writer.clone(), clock.clone());
        let connections = ConnectionMetrics::default();
        let metrics = Arc::new(Metrics::new(connections.open.clone(), connections.refused.clone()));
        let mut writing = lanes;
        writing.extend(checkpointer.map(|checkpointer| {
            let description = "moves SQLite's write-ahead log into the database file";
            supervise(checkpointer, "checkpoints", description, &clock, &metrics)
        }));
        writing.push(supervise(log_writer, "call_log", "writes the steps of calls", &clock, &metrics));
        let media = media_store(&settings, &clock)?;
        let media_links = Arc::new(MediaLinks::new(&secret_key.current, &settings.public_url));
        let calls = Calls {
            switchboard: Switchboard::default(),
            log,
            extension_guesses: ExtensionGuesses::default(),
            outbound_url: format!("{}{}", settings.public_url, webhook_paths::OUTBOUND_CALL),
            status_url: format!("{}{}", settings.public_url, webhook_paths::CALL_STATUS),
        };
        let accounts = Accounts::new(database.reader.clone(), sealer.clone(), clock.clone());
        accounts.load().await.context("the Twilio accounts cannot be read")?;
        let Authentication { secret, jwks_url, issuer, audience } = &settings.authentication;
        let issuer_keys = jwks_url.clone().map(Jwks::new).transpose().context("TLS cannot be set up")?;
        let (issuer, audience) = (issuer.as_deref(), audience.as_deref());
        let trust = TokenPolicy { secret: secret.as_ref(), issuer_keys, issuer, audience };
        let services = Arc::new(Services {
            authenticator: Authenticator::new(trust),
            database,
            writer,
            directories,
            feeds,
            presence,
            accounts,
            sending,
            restore: RestoreGuard::new(settings.sqlite_file(), &settings.media),
            text_limits: settings.text_limits,
            reconciliation: Reconciliation::new(settings.reconcile_every, clock.now()),
            calls,
            retention: Default::default(),
            media,
            media_links,
            clock,
            ids,
        });
        let admission = Admission::new(&settings.limits, services.clock.clone());
        Ok(Self { services, sealer, settings, admission, metrics, connections, writing, bus })
    }

    /// A link to the console that signs this user in. It works once, within 10 minutes.
    ///
    /// # Errors
    /// If tokens come from an external issuer, or the database fails.
    pub async fn sign_in_link(&self, agency: AgencyId, user: UserId) -> anyhow::Result<String> {
        if self.settings.authentication.secret.is_none() {
            return Err(IssueError::NoSecret.into());
        }
        let code = create_sign_in_code(&self.services, agency, user).await?;
        Ok(format!("{}/sign-in#code={}", self.settings.public_url, code.expose_secret()))
    }

    /// The metrics of this process.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Starts to notify other instances of new events and to receive their notifications, until the tasks are aborted.
    pub fn join_bus(&self) -> Vec<JoinHandle<()>> {
        let Some(bus) = &self.bus else { return Vec::new() };
        let (clock, metrics) = (&self.services.clock, &self.metrics);
        let (sender, receiver) = (BusSender::new(bus.clone()), BusReceiver::new(bus.clone()));
        vec![
            supervise(sender, "bus_sender", "notifies other instances of events and presence", clock, metrics),
            supervise(receiver, "bus_receiver", "receives events and presence of other instances", clock, metrics),
        ]
    }

    /// All routes; `/metrics` only if it has no address of its own. `drain` becomes true when the server stops taking
    /// work.
    pub fn router(&self, extras: Extras, drain: watch::Receiver<bool>) -> Router {
        let (admission, metrics) = (self.admission.clone(), self.metrics.clone());
        let facts = ServerFacts { demo: extras.demo, graphiql: extras.graphiql };
        let executor = Executor::new(graphql::schema(facts), admission, metrics);
        let graphql = GraphqlState {
            services: self.services.clone(),
            documents: graphql::Documents::default(),
            costs: graphql::limits::Costs::of_schema(),
            introspection: self.settings.introspection.unwrap_or(extras.introspection),
            live: Arc::new(Live::new(executor.clone())),
            executor,
            allowed_origins: self.settings.allowed_origins.clone(),
            graphiql: extras.graphiql,
            drain: drain.clone(),
        };
        let webhooks = WebhookState {
            services: self.services.clone(),
            metrics: self.metrics.clone(),
            sms_url: self.settings.sms_webhook_url.clone(),
            voice_url: self.settings.voice_webhook_url.clone(),
            public_url: self.settings.public_url.clone(),
            receipts_url: self.services.sending.receipts_url.clone(),
        };
        let https = self.settings.public_url.starts_with("https://");
        let metrics = match self.settings.metrics_listen {
            Some(_) => Router::new(),
            None => self.metrics_router(drain.clone()),
        };
        let panics = Arc::clone(&self.metrics);
        let observer = Observer { metrics: Arc::clone(&self.metrics), clock: self.services.clock.clone() };
        Router::new()
            .merge(graphql::router(graphql))
            .merge(twilio::router(webhooks))
            .merge(rest::router(self.rest_state(drain), &self.settings.allowed_origins))
            .merge(metrics)
            // A panic in a handler must not affect other requests.
            .layer(CatchPanicLayer::custom(move |panic| respond_to_panic(&panics, panic)))
            .layer(from_fn_with_state(observer, observe))
            .layer(map_response(move |response| std::future::ready(security_headers::add(https, response))))
    }

    /// The counters of connections, which the server shares.
    pub fn connection_metrics(&self) -> ConnectionMetrics {
        self.connections.clone()
    }

    /// The route `/metrics`, for an address of its own.
    pub fn metrics_router(&self, drain: watch::Receiver<bool>) -> Router {
        rest::metrics_router(self.rest_state(drain))
    }

    fn rest_state(&self, drain: watch::Receiver<bool>) -> RestState {
        RestState {
            services: self.services.clone(),
            admission: self.admission.clone(),
            metrics: self.metrics.clone(),
            drain,
            resource_policy: rest::resource_policy(&self.settings.public_url, &self.settings.allowed_origins),
        }
    }

    /// Waits until all queued work is written, for at most `timeout`. Everything that has been answered is durable
    /// already.
    pub async fn close(self, timeout: std::time::Duration) {
        let clock = self.services.clock.clone();
        drop(self.services);
        let written = async {
            for task in self.writing {
                if task.await.is_err() {
                    tracing::error!("a task that writes ended unexpectedly");
                }
            }
        };
        tokio::select! {
            () = written => {}
            () = clock.sleep(timeout) => tracing::warn!("connections were still open at the shutdown"),
        }
    }
}

fn media_store(settings: &Settings, clock: &Arc<dyn Clock>) -> anyhow::Result<MediaStore> {
    Ok(match &settings.media_store {
        None => MediaStore::in_folder(settings.media.clone()),
        Some(location) => {
            let objects = location.connect().context("PARTYLINE_MEDIA_STORE cannot be used")?;
            MediaStore::in_object_storage(objects, location.prefix(), clock.clone())
        }
    })
}

/// The key that encrypts stored secrets. A key that was just generated is saved, unless the database contains secrets
/// that were encrypted with another key: a second key would hide that the first one is missing.
async fn saved_key(key: SecretKey, database: &Database) -> anyhow::Result<SecretKey> {
    if !key.is_unsaved() {
        return Ok(key);
    }
    let accounts = accounts::all(&database.reader).await.context("the Twilio accounts cannot be read")?;
    anyhow::ensure!(
        accounts.is_empty(),
        "the secret key is missing, and the database contains Twilio tokens that only this key decrypts: restore the key \
         file next to the database, or set PARTYLINE_SECRET_KEY"
    );
    Ok(key.save()?)
}

/// Brings the database's schema up to this program.
///
/// # Errors
/// When the database cannot be opened or refuses a change.
pub async fn migrate_up(settings: &Settings) -> anyhow::Result<()> {
    let database = Database::open(&settings.database_url).await?;
    let conn = database.connect_to_migrate().await.context("the database cannot be opened")?;
    let is_new = Migrator::get_applied_migrations(&conn).await?.is_empty();
    Migrator::up(&conn, None).await.context("the schema could not be brought up to date")?;
    if is_new && database.backend() == DbBackend::Postgres {
        // Without statistics, PostgreSQL takes every table for one of ten pages until autovacuum has seen it.
        conn.execute_unprepared("ANALYZE").await.context("the statistics could not be made")?;
    }
    conn.close().await?;
    database.reader.close().await?;
    database.request_reader.close().await?;
    Ok(())
}
