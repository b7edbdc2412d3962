//! The setting for how instances on one database wake each other.

use super::{ConfigError, Source, invalid};

/// The way in which instances on one database wake each other. In addition, every instance polls once per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventBus {
    /// No notification; other instances notice events by polling.
    Local,
    /// PostgreSQL's NOTIFY.
    Postgres,
}

impl EventBus {
    pub(super) fn read(source: &Source, database_url: &str) -> Result<Self, ConfigError> {
        let postgres = database_url.starts_with("postgres");
        match source.get("PARTYLINE_EVENTS").unwrap_or("auto") {
            "auto" if postgres => Ok(Self::Postgres),
            "auto" | "local" => Ok(Self::Local),
            "postgres" if postgres => Ok(Self::Postgres),
            "postgres" => {
                Err(invalid("PARTYLINE_EVENTS", "postgres requires a DATABASE_URL that begins with postgres:"))
            }
            _ => Err(invalid("PARTYLINE_EVENTS", "must be auto, local or postgres")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_means_postgres_only_on_postgresql() {
        let read = |bus: &str, url: &str| EventBus::read(&Source::default().with("PARTYLINE_EVENTS", bus), url).ok();
        for (bus, url, expected) in [
            ("", "postgres://h/d", Some(EventBus::Postgres)),
            ("auto", "postgresql://h/d", Some(EventBus::Postgres)),
            ("local", "postgres://h/d", Some(EventBus::Local)),
            ("auto", "sqlite://p.db", Some(EventBus::Local)),
            ("postgres", "mysql://h/d", None),
            ("redis", "postgres://h/d", None),
        ] {
            assert_eq!(read(bus, url), expected, "{bus} {url}");
        }
    }
}
