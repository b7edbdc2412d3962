//! Settings from the environment, and from an optional TOML file with the same names nested.
//!
//! `listen = "…"` in the table `[partyline]` is `PARTYLINE_LISTEN`. The environment takes precedence.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use crate::admission::Limits;
use crate::domain::text_quota::TextLimits;
use crate::domain::webhook_paths;
use crate::ports::media_store::ObjectLocation;
use crate::store::sqlite_file;

mod authentication;
mod data;
mod duration;
mod events;
mod limits;
mod secrets;

pub use authentication::Authentication;
pub use data::DataSettings;
pub use duration::duration;
pub use events::EventBus;
pub use secrets::SecretKey;

/// A setting, as listed by `--help`.
pub struct Setting {
    /// The name of the environment variable.
    pub name: &'static str,
    /// A description of the default.
    pub default: &'static str,
    pub help: &'static str,
}

const fn setting(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, default, help }
}

pub const SETTINGS: [Setting; 35] = [
    setting("DATABASE_URL", "sqlite://partyline.db?mode=rwc", "database: a sqlite:, postgres: or mysql: (MariaDB) URL"),
    setting("PARTYLINE_LISTEN", "127.0.0.1:8080", "address and port to listen on"),
    setting("PARTYLINE_KEEP_ALIVE", "75s", "idle timeout of connections; must exceed that of the reverse proxy"),
    setting("PARTYLINE_PUBLIC_URL", "http://127.0.0.1:8080", "origin under which Twilio and browsers reach the server"),
    setting(
        "TWILIO_SMS_WEBHOOK_URL",
        "public URL + /api/twilio/webhook",
        "text webhook URL configured at Twilio, if it differs",
    ),
    setting(
        "TWILIO_VOICE_WEBHOOK_URL",
        "public URL + /api/twilio/voice/inbound",
        "voice webhook URL configured at Twilio, if it differs",
    ),
    setting(
        "PARTYLINE_MEDIA",
        "partyline-media; on SQLite: next to the file",
        "folder for recordings, attachments and uploads",
    ),
    setting(
        "PARTYLINE_MEDIA_STORE",
        "the folder PARTYLINE_MEDIA",
        "object storage for them instead: s3://bucket/prefix, gs://bucket/prefix or az://container/prefix; credentials \
         come from the provider's environment variables",
    ),
    setting("TWILIO_API_BASE", "https://api.twilio.com", "origin of Twilio's REST API"),
    setting(
        "TWILIO_MESSAGING_BASE",
        "TWILIO_API_BASE; at Twilio, with messaging. for api.",
        "origin of Twilio's Messaging Services API",
    ),
    setting(
        "PARTYLINE_UNKNOWN_AFTER",
        "5m",
        "time after which a text in doubt needs a decision by a user, for example 90s, 5m, 1h",
    ),
    setting(
        "PARTYLINE_RECONCILE_EVERY",
        "5m",
        "how often Twilio is asked for texts and calls whose webhooks failed; also at every start",
    ),
    setting(
        "PARTYLINE_JWT_SECRET",
        "on SQLite: generated next to the file",
        "secret that signs bearer tokens; at least 32 bytes",
    ),
    setting("PARTYLINE_JWKS_URL", "none", "URL of the token issuer's keys (RS256, ES256), instead of the secret"),
    setting("PARTYLINE_JWT_ISSUER", "none; required with PARTYLINE_JWKS_URL", "required iss of tokens"),
    setting("PARTYLINE_JWT_AUDIENCE", "none; required with PARTYLINE_JWKS_URL", "required aud of tokens"),
    setting(
        "PARTYLINE_SECRET_KEY",
        "on SQLite: generated next to the file",
        "key that encrypts Twilio tokens; at least 32 bytes",
    ),
    setting(
        "PARTYLINE_SECRET_KEY_PREVIOUS",
        "none",
        "key before a change; at startup, tokens are re-encrypted with the new key",
    ),
    setting("PARTYLINE_INTROSPECTION", "on in demo, otherwise off", "GraphQL introspection: on, off"),
    setting("PARTYLINE_ALLOWED_ORIGINS", "the public URL", "allowed browser origins, separated by commas"),
    setting("PARTYLINE_EVENTS", "auto", "how instances notify each other of events: auto, local, postgres"),
    setting("PARTYLINE_METRICS_LISTEN", "none: served on PARTYLINE_LISTEN", "separate address and port for /metrics"),
    setting("PARTYLINE_USER_RATE", "1000", "API requests per second of one user; the burst is 10 times as many"),
    setting("PARTYLINE_AGENCY_RATE", "10000", "API requests per second of all users of one agency"),
    setting("PARTYLINE_ADDRESS_RATE", "10", "API requests per second without a valid token, per IP address"),
    setting("PARTYLINE_TRUSTED_PROXIES", "127.0.0.0/8,::1", "proxies whose X-Forwarded-For header names the client"),
    setting("PARTYLINE_CONNECTIONS", "20000", "total open connections; further ones get 503"),
    setting("PARTYLINE_SOCKETS", "16384", "total open WebSockets"),
    setting("PARTYLINE_USER_SOCKETS", "512", "open WebSockets of one user"),
    setting("PARTYLINE_USER_TEXTS", "1000", "texts per user in 24 hours"),
    setting("PARTYLINE_AGENCY_TEXTS", "20000", "texts per agency in 24 hours"),
    setting("PARTYLINE_LOG", "info", "log filter in the syntax of tracing"),
    setting("PARTYLINE_LOG_FORMAT", "text", "log format: text, json"),
    setting(
        "PARTYLINE_OTLP_ENDPOINT",
        "none",
        "OpenTelemetry collector for spans (HTTP), such as http://127.0.0.1:4318",
    ),
    setting("PARTYLINE_CONFIG", "none", "TOML file with these names nested"),
];

/// A setting is invalid. The message never contains the value, which may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The name of the setting and the reason.
    #[error("{0}: {1}")]
    Invalid(String, String),
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
}

fn invalid(name: &str, why: impl fmt::Display) -> ConfigError {
    ConfigError::Invalid(name.to_owned(), why.to_string())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// All settings, parsed and validated.
#[derive(Debug, Clone)]
pub struct Settings {
    pub database_url: String,
    pub listen: SocketAddr,
    /// The idle timeout of connections between two requests.
    pub keep_alive: Duration,
    /// The origin under which Twilio and browsers reach the server, without a trailing slash.
    pub public_url: String,
    /// The URL of the text webhook as it is configured at Twilio.
    pub sms_webhook_url: String,
    /// The URL of the voice webhook as it is configured at Twilio.
    pub voice_webhook_url: String,
    /// The folder for recordings, attachments and uploads, unless they are in object storage.
    pub media: PathBuf,
    /// The object storage for them; `None` means the folder.
    pub media_store: Option<ObjectLocation>,
    /// The origin of Twilio's REST API, without a trailing slash.
    pub twilio_api_base: String,
    /// The origin of Twilio's Messaging Services API, without a trailing slash.
    pub twilio_messaging_base: String,
    /// The time after which a text in doubt needs a decision by a user.
    pub unknown_after: Duration,
    /// The time between two comparisons of texts and calls with the carrier.
    pub reconcile_every: Duration,
    pub authentication: Authentication,
    pub secret_key: SecretKey,
    /// Whether GraphQL introspection is enabled; `None` means the default of the command.
    pub introspection: Option<bool>,
    /// The browser origins that may call the API.
    pub allowed_origins: Vec<String>,
    pub events: EventBus,
    pub text_limits: TextLimits,
    /// The maximum number of open connections.
    pub connections: usize,
    /// The limits per user, agency and IP address.
    pub limits: Limits,
    /// The address of `/metrics`; `None` means [`listen`](Self::listen), with the other routes.
    pub metrics_listen: Option<SocketAddr>,
}

/// Logging settings, which are read before all others.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// A filter in the syntax of `tracing`.
    pub filter: String,
    pub format: LogFormat,
    /// The origin of an OpenTelemetry collector that receives spans over HTTP.
    pub otlp_endpoint: Option<String>,
}

/// The raw values of settings, by name.
#[derive(Debug, Clone, Default)]
pub struct Source {
    values: BTreeMap<String, String>,
}

impl Source {
    /// Reads the process's environment and the file that `PARTYLINE_CONFIG` names.
    pub fn environment() -> Result<Self, ConfigError> {
        let mut environment = Self::default();
        for Setting { name, .. } in &SETTINGS {
            // A value that is not valid UTF-8 is treated as unset.
            if let Some(value) = std::env::var_os(name).and_then(|value| value.into_string().ok()) {
                environment = environment.with(name, &value);
            }
        }
        let Some(path) = environment.get("PARTYLINE_CONFIG").map(PathBuf::from) else { return Ok(environment) };
        let text = std::fs::read_to_string(&path).map_err(|error| ConfigError::File { path: path.clone(), error })?;
        let mut merged = Self::from_toml(&text)?;
        merged.values.extend(environment.values);
        Ok(merged)
    }

    /// Reads the settings of a TOML file. Unknown settings are errors.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let table: toml::Table = text.parse().map_err(|_| invalid("PARTYLINE_CONFIG", "the file is not valid TOML"))?;
        let mut source = Self::default();
        flatten(&toml::Value::Table(table), "", &mut source.values)?;
        let unknown = source.values.keys().find(|name| !SETTINGS.iter().any(|setting| setting.name == *name));
        match unknown {
            Some(name) => Err(invalid(name, "unknown setting; `partyline --help` lists all settings")),
            None => Ok(source),
        }
    }

    /// Sets a value, replacing an existing one.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.values.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets a value unless it is already set.
    #[must_use]
    pub fn with_default(mut self, name: &str, value: &str) -> Self {
        self.values.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        self
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

fn flatten(value: &toml::Value, prefix: &str, into: &mut BTreeMap<String, String>) -> Result<(), ConfigError> {
    let text = match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let name = key.to_uppercase().replace('-', "_");
                let name = if prefix.is_empty() { name } else { format!("{prefix}_{name}") };
                flatten(value, &name, into)?;
            }
            return Ok(());
        }
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Boolean(flag) => if *flag { "on" } else { "off" }.to_owned(),
        toml::Value::Array(list) => list.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().join(","),
        toml::Value::Float(_) | toml::Value::Datetime(_) => {
            return Err(invalid(prefix, "must be a string, an integer, a boolean or a list of strings"));
        }
    };
    into.insert(prefix.to_owned(), text);
    Ok(())
}

impl LogSettings {
    pub fn read(source: &Source) -> Result<Self, ConfigError> {
        let format = match source.get("PARTYLINE_LOG_FORMAT").unwrap_or("text") {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => return Err(invalid("PARTYLINE_LOG_FORMAT", "must be text or json")),
        };
        let otlp_endpoint = match source.get("PARTYLINE_OTLP_ENDPOINT") {
            Some(_) => Some(url(source, "PARTYLINE_OTLP_ENDPOINT", "")?),
            None => None,
        };
        Ok(Self { filter: source.get("PARTYLINE_LOG").unwrap_or("info").to_owned(), format, otlp_endpoint })
    }
}

impl Settings {
    /// Reads and validates all settings. On SQLite, missing secrets are generated.
    pub fn read(source: &Source) -> Result<Self, ConfigError> {
        let DataSettings { database_url, media, media_store } = DataSettings::read(source)?;
        let database_file = sqlite_file(&database_url);
        let listen = source.get("PARTYLINE_LISTEN").unwrap_or("127.0.0.1:8080");
        let listen = listen
            .parse()
            .map_err(|_| invalid("PARTYLINE_LISTEN", "must be an address and a port, for example 127.0.0.1:8080"))?;
        let metrics_listen = source.get("PARTYLINE_METRICS_LISTEN").map(|address| {
            address.parse().map_err(|_| {
                invalid("PARTYLINE_METRICS_LISTEN", "must be an address and a port, for example 127.0.0.1:9090")
            })
        });
        let metrics_listen = metrics_listen.transpose()?;
        let public_url = url(source, "PARTYLINE_PUBLIC_URL", "http://127.0.0.1:8080")?;
        let sms_webhook_url = match source.get("TWILIO_SMS_WEBHOOK_URL") {
            Some(_) => url(source, "TWILIO_SMS_WEBHOOK_URL", "")?,
            None => format!("{public_url}{}", webhook_paths::TEXT),
        };
        let voice_webhook_url = match source.get("TWILIO_VOICE_WEBHOOK_URL") {
            Some(_) => url(source, "TWILIO_VOICE_WEBHOOK_URL", "")?,
            None => format!("{public_url}{}", webhook_paths::VOICE),
        };
        let twilio_api_base = private_url(source, "TWILIO_API_BASE", "https://api.twilio.com")?;
        let twilio_messaging_base = match source.get("TWILIO_MESSAGING_BASE") {
            Some(_) => private_url(source, "TWILIO_MESSAGING_BASE", "")?,
            None => messaging_base(&twilio_api_base),
        };
        let introspection = match source.get("PARTYLINE_INTROSPECTION") {
            None => None,
            Some("on") => Some(true),
            Some("off") => Some(false),
            Some(_) => return Err(invalid("PARTYLINE_INTROSPECTION", "must be on or off")),
        };
        let origins = source.get("PARTYLINE_ALLOWED_ORIGINS").unwrap_or(&public_url);
        let origins = origins.split(',').map(|origin| origin.trim().trim_end_matches('/').to_owned());
        let allowed_origins = origins.filter(|origin| !origin.is_empty()).collect();
        Ok(Self {
            listen,
            keep_alive: duration(source.get("PARTYLINE_KEEP_ALIVE").unwrap_or("75s"))
                .map_err(|why| invalid("PARTYLINE_KEEP_ALIVE", why))?,
            sms_webhook_url,
            voice_webhook_url,
            media,
            media_store,
            twilio_api_base,
            twilio_messaging_base,
            unknown_after: duration(source.get("PARTYLINE_UNKNOWN_AFTER").unwrap_or("5m"))
                .map_err(|why| invalid("PARTYLINE_UNKNOWN_AFTER", why))?,
            reconcile_every: duration(source.get("PARTYLINE_RECONCILE_EVERY").unwrap_or("5m"))
                .map_err(|why| invalid("PARTYLINE_RECONCILE_EVERY", why))?,
            authentication: Authentication::read(source, database_file.as_deref())?,
            secret_key: SecretKey::read(source, database_file.as_deref())?,
            introspection,
            allowed_origins,
            events: EventBus::read(source, &database_url)?,
            connections: limits::count(source, "PARTYLINE_CONNECTIONS", 20_000)?,
            limits: limits::read(source)?,
            text_limits: limits::texts(source)?,
            metrics_listen,
            public_url,
            database_url,
        })
    }

    /// The file of an SQLite database; `None` for other databases.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        sqlite_file(&self.database_url)
    }
}

/// The folder for files. The default is next to an SQLite file.
fn media(source: &Source, database_url: &str) -> PathBuf {
    match (source.get("PARTYLINE_MEDIA"), sqlite_file(database_url)) {
        (Some(folder), _) => PathBuf::from(folder),
        (None, Some(mut file)) => {
            file.as_mut_os_string().push(".media");
            file
        }
        (None, None) => PathBuf::from("partyline-media"),
    }
}

/// The origin of the Messaging API of the carrier whose REST API is at `api_base`. Twilio serves each product from its
/// own host, with the edge and the region in both names. For any other carrier the origin is the same, so that
/// credentials of a simulated account are never sent to Twilio.
fn messaging_base(api_base: &str) -> String {
    let parsed = Url::parse(api_base).ok();
    let is_twilio = parsed.is_some_and(|base| base.host_str().is_some_and(|host| host.ends_with(".twilio.com")));
    if is_twilio { api_base.replacen("://api.", "://messaging.", 1) } else { api_base.to_owned() }
}

fn url(source: &Source, name: &str, default: &str) -> Result<String, ConfigError> {
    let text = source.get(name).unwrap_or(default);
    let parsed = Url::parse(text).map_err(|_| invalid(name, "must be a URL"))?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host().is_none() {
        return Err(invalid(name, "must be an http or https URL"));
    }
    // The text is kept as written, because the parser drops the scheme's default port.
    Ok(text.trim_end_matches('/').to_owned())
}

/// A URL over which secrets are sent: https, or http on this machine.
fn private_url(source: &Source, name: &str, default: &str) -> Result<String, ConfigError> {
    let text = url(source, name, default)?;
    let parsed = Url::parse(&text).map_err(|_| invalid(name, "must be a URL"))?;
    if parsed.scheme() == "https" || is_loopback(&parsed) {
        return Ok(text);
    }
    Err(invalid(
        name,
        "must be an https URL, because credentials are sent to it (http is allowed on this machine only)",
    ))
}

/// Whether the host of a URL is this machine.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_secrets(source: Source) -> Source {
        source.with("PARTYLINE_JWT_SECRET", &"j".repeat(32)).with("PARTYLINE_SECRET_KEY", &"k".repeat(32))
    }

    #[test]
    fn a_toml_file_has_the_same_names_nested() {
        let file = "[partyline]\nlisten = \"127.0.0.1:9\"\nallowed_origins = [\"https://a.example\", \"https://b.example/\"]\n[database]\nurl = \"postgres://h/d\"";
        let settings = Settings::read(&with_secrets(Source::from_toml(file).unwrap())).unwrap();
        assert_eq!(settings.listen.port(), 9);
        assert_eq!(settings.database_url, "postgres://h/d");
        assert_eq!(settings.allowed_origins, ["https://a.example", "https://b.example"]);
        assert!(Source::from_toml("[partyline]\nlissten = \"x\"").is_err());
    }

    #[test]
    fn defaults_follow_the_public_url() {
        let source =
            Source::default().with("DATABASE_URL", "mysql://h/d").with("PARTYLINE_PUBLIC_URL", "https://p.example/");
        let settings = Settings::read(&with_secrets(source)).unwrap();
        assert_eq!(settings.sms_webhook_url, "https://p.example/api/twilio/webhook");
        assert_eq!(settings.allowed_origins, ["https://p.example"]);
        // Longer than the idle timeout of 60 s that common load balancers have.
        assert_eq!(settings.keep_alive, Duration::from_secs(75));
    }

    #[test]
    fn the_messaging_api_belongs_to_the_carrier_of_the_rest_api() {
        let base = || with_secrets(Source::default().with("DATABASE_URL", "mysql://h/d"));
        let messaging = |source: Source| Settings::read(&source).unwrap().twilio_messaging_base;
        assert_eq!(messaging(base()), "https://messaging.twilio.com");
        for (api, expected) in [
            ("https://api.twilio.com/", "https://messaging.twilio.com"),
            ("https://api.dublin.ie1.twilio.com", "https://messaging.dublin.ie1.twilio.com"),
            ("http://127.0.0.1:8090", "http://127.0.0.1:8090"),
            ("https://api.twilio.com.example", "https://api.twilio.com.example"),
        ] {
            assert_eq!(messaging(base().with("TWILIO_API_BASE", api)), expected, "{api}");
        }
        let set = base().with("TWILIO_MESSAGING_BASE", "https://proxy.example/messaging/");
        assert_eq!(messaging(set), "https://proxy.example/messaging");
    }

    #[test]
    fn errors_name_the_setting_and_never_contain_its_value() {
        let base = || with_secrets(Source::default().with("DATABASE_URL", "postgres://h/d"));
        for (name, value) in [
            ("DATABASE_URL", "oracle://canary"),
            ("PARTYLINE_LISTEN", "canary"),
            ("PARTYLINE_PUBLIC_URL", "canary"),
            ("TWILIO_MESSAGING_BASE", "canary"),
            ("PARTYLINE_INTROSPECTION", "canary"),
            ("PARTYLINE_EVENTS", "canary"),
            ("PARTYLINE_MEDIA_STORE", "https://canary"),
            ("PARTYLINE_UNKNOWN_AFTER", "canary"),
            ("PARTYLINE_RECONCILE_EVERY", "canary"),
            ("PARTYLINE_KEEP_ALIVE", "canary"),
            ("PARTYLINE_JWT_SECRET", "canary"),
            ("PARTYLINE_SECRET_KEY_PREVIOUS", "canary"),
            ("PARTYLINE_METRICS_LISTEN", "canary"),
            ("PARTYLINE_USER_RATE", "canary"),
            ("PARTYLINE_AGENCY_RATE", "0"),
            ("PARTYLINE_ADDRESS_RATE", "-1"),
            ("PARTYLINE_TRUSTED_PROXIES", "canary"),
            ("PARTYLINE_SOCKETS", "0"),
            ("PARTYLINE_USER_TEXTS", "canary"),
            ("PARTYLINE_AGENCY_TEXTS", "0"),
            ("PARTYLINE_CONNECTIONS", "canary"),
            ("PARTYLINE_USER_SOCKETS", "canary"),
            ("TWILIO_API_BASE", "http://canary.example"),
            ("TWILIO_API_BASE", "http://10.0.0.7:8090"),
            ("TWILIO_MESSAGING_BASE", "http://canary.example"),
        ] {
            let error = Settings::read(&base().with(name, value)).unwrap_err().to_string();
            assert!(error.starts_with(name) && !error.contains("canary"), "{error}");
        }
        let missing = Source::default().with("DATABASE_URL", "postgres://h/d");
        assert!(Settings::read(&missing).unwrap_err().to_string().starts_with("PARTYLINE_JWT_SECRET"));
    }
}
