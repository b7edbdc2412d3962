//! The raw limit: the writer's statements for a batch of texts, as hand-written SQL on one connection. No HTTP, no
//! signature, no planning, no entities.

use std::path::Path;
use std::time::{Duration, Instant};

use partyline::app::migrate_up;
use partyline::config::{Settings, Source};
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{AssertSqlSafe, ConnectOptions as _, Sqlite, SqliteConnection, query};
use uuid::Uuid;

use super::measured::{Measured, Measurement};

const CONTACTS: usize = 1_000;
const NOW: &str = "2026-11-23 08:00:00.000000+00:00";

enum Value {
    Id(Uuid),
    Text(String),
    Int(i64),
    Null,
}
use Value::{Id, Int, Null, Text};

/// One connection, and the ids of the rows that the statements use.
pub(crate) struct Raw {
    conn: SqliteConnection,
    agency: Uuid,
    account: Uuid,
    number: Uuid,
    users: [Uuid; 3],
    contacts: Vec<(Uuid, Uuid)>,
    position: i64,
    serial: u128,
}

impl Raw {
    pub(crate) async fn open(folder: &Path) -> Self {
        let file = folder.join("raw.db");
        let url = format!("sqlite://{}?mode=rwc", file.display());
        migrate_up(&Settings::read(&Source::default().with("DATABASE_URL", &url)).unwrap()).await.unwrap();
        let options = SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .statement_cache_capacity(512)
            .disable_statement_logging();
        let conn = options.connect().await.unwrap();
        let id = Uuid::from_u128;
        let contacts = (0..CONTACTS as u128).map(|n| (id(1_000 + n), id(10_000 + n))).collect();
        let users = [id(4), id(5), id(6)];
        let mut raw =
            Self { conn, agency: id(1), account: id(2), number: id(3), users, contacts, position: 0, serial: 1 << 64 };
        raw.prepare().await;
        raw
    }

    async fn prepare(&mut self) {
        let (agency, account, number) = (self.agency, self.account, self.number);
        let at = || Text(NOW.to_owned());
        self.execute("INSERT INTO twilio_account (id, account_sid, auth_token_sealed, created_at, updated_at) VALUES (?,?,?,?,?)", vec![Id(account), Text("AC1".into()), Text(String::new()), at(), at()]).await;
        self.execute("INSERT INTO agency (id, key, name, time_zone, opt_out_replies, created_at, updated_at) VALUES (?,?,?,?,?,?,?)", vec![Id(agency), Text("raw".into()), Text("Raw".into()), Text("UTC".into()), Text("TWILIO".into()), at(), at()]).await;
        self.execute("INSERT INTO agency_position (agency_id, epoch, position, directory_version, first_kept) VALUES (?,?,0,0,0)", vec![Id(agency), Id(agency)]).await;
        for user in self.users {
            self.execute("INSERT INTO user_account (agency_id, id, key, name, role, phone_verified, active, availability, created_at, updated_at) VALUES (?,?,?,'U','MEMBER',0,1,'AVAILABLE',?,?)", vec![Id(agency), Id(user), Text(user.to_string()), at(), at()]).await;
        }
        self.execute("INSERT INTO phone_number (agency_id, id, twilio_account_id, e164, label, live, created_at, updated_at) VALUES (?,?,?,'+13035550100','L',1,?,?)", vec![Id(agency), Id(number), Id(account), at(), at()]).await;
        let people = self.contacts.clone().into_iter().enumerate();
        let rows = people.map(|(n, (contact, _))| {
            vec![Id(agency), Id(contact), Text(format!("+1303556{n:04}")), Null, Null, Null, at(), at()]
        });
        self.insert(
            "contact (agency_id, id, phone, name, provider_user_id, opted_out_at, created_at, updated_at)",
            rows.collect(),
            "",
        )
        .await;
    }

    /// Writes `texts` texts, in transactions of `batch` texts each.
    pub(crate) async fn run(&mut self, texts: usize, batch: usize) -> Measured {
        let measurement = Measurement::start();
        let mut times: Vec<Duration> = Vec::new();
        for first in (0..texts / batch).map(|n| n * batch) {
            let started = Instant::now();
            self.batch(first, batch).await;
            times.extend(vec![started.elapsed(); batch]);
        }
        measurement.finish(times)
    }

    async fn batch(&mut self, first: usize, size: usize) {
        let (agency, account, number) = (self.agency, self.account, self.number);
        let people: Vec<_> = (first..first + size).map(|n| (n * 7919 + 7919) % CONTACTS).collect();
        let people: Vec<_> = people.into_iter().map(|n| (format!("+1303556{n:04}"), self.contacts[n])).collect();
        let ids: Vec<Uuid> = (0..size * 5).map(|_| self.next_id()).collect();
        let sids: Vec<String> = ids[..size].iter().map(|id| format!("SM{}", id.simple())).collect();
        let at = || Text(NOW.to_owned());
        let word = |word: &str| Text(word.to_owned());

        self.execute("BEGIN IMMEDIATE", Vec::new()).await;
        self.select("SELECT twilio_account_id, e164, agency_id, live FROM phone_number WHERE twilio_account_id IN (?) AND e164 IN (?)", vec![Id(account), word("+13035550100")]).await;
        self.select("SELECT agency_id, epoch, position, directory_version, first_kept FROM agency_position WHERE agency_id IN (?) ORDER BY agency_id", vec![Id(agency)]).await;
        let list = vec!["?"; size].join(",");
        let mut values = vec![Id(agency), Id(account)];
        values.extend(sids.iter().cloned().map(Text));
        values.push(Id(account));
        values.extend(sids.iter().cloned().map(Text));
        self.select(&format!("SELECT twilio_account_id, provider_sid FROM message WHERE agency_id IN (?) AND twilio_account_id IN (?) AND provider_sid IN ({list}) UNION ALL SELECT twilio_account_id, provider_sid FROM quarantine WHERE twilio_account_id IN (?) AND provider_sid IN ({list})"), values).await;
        let mut values = vec![Id(agency)];
        values.extend(people.iter().map(|(phone, _)| Text(phone.clone())));
        self.select(&format!("SELECT * FROM contact LEFT JOIN thread ON thread.agency_id = contact.agency_id AND thread.contact_id = contact.id WHERE contact.agency_id IN (?) AND phone IN ({list})"), values).await;

        let rows = people.iter().enumerate().map(|(n, (_, (contact, thread)))| {
            vec![
                Id(agency),
                Id(*thread),
                Id(number),
                Id(*contact),
                word("UNCLAIMED"),
                Null,
                Null,
                Null,
                Null,
                Null,
                Null,
                Id(ids[n]),
                at(),
                at(),
                Int(1),
                Int(0),
                at(),
                Int(1),
                at(),
            ]
        });
        self.insert("thread (agency_id, id, phone_number_id, contact_id, status, assignee_id, claimed_at, last_assignee_id, closed_at, extension_id, escalate_at, last_message_id, last_message_at, last_activity_at, inbound_count, answered_count, waiting_since, revision, created_at)", rows.collect(), " ON CONFLICT (agency_id, id) DO UPDATE SET status = excluded.status, assignee_id = excluded.assignee_id, claimed_at = excluded.claimed_at, last_assignee_id = excluded.last_assignee_id, closed_at = excluded.closed_at, extension_id = excluded.extension_id, escalate_at = excluded.escalate_at, last_message_id = excluded.last_message_id, last_message_at = excluded.last_message_at, last_activity_at = excluded.last_activity_at, inbound_count = excluded.inbound_count, waiting_since = excluded.waiting_since, revision = excluded.revision").await;
        let rows = people.iter().enumerate().map(|(n, (_, (_, thread)))| {
            vec![
                Id(agency),
                Id(ids[n]),
                Id(*thread),
                word("INBOUND"),
                word("Can I move my appointment on Thursday to the afternoon, please?"),
                word("RECEIVED"),
                Null,
                Null,
                Id(account),
                Text(sids[n].clone()),
                word("POOL"),
                Null,
                at(),
            ]
        });
        self.insert("message (agency_id, id, thread_id, direction, body, status, sender_id, extension_id, twilio_account_id, provider_sid, routed_by, error_code, created_at)", rows.collect(), "").await;
        for (user, ids) in self.users.into_iter().zip(ids[size..].chunks(size)) {
            let first = self.position;
            let rows = people.iter().zip(ids).zip(first + 1..).map(|(((_, (_, thread)), id), position)| {
                vec![
                    Id(agency),
                    Id(*id),
                    Id(user),
                    Int(position),
                    word("INBOUND_CLIENT_MESSAGE"),
                    Id(*thread),
                    Id(*id),
                    word("POOL"),
                    Null,
                    Null,
                    at(),
                ]
            });
            self.insert("notification (agency_id, id, user_id, event_position, kind, thread_id, message_id, rung, read_at, resolved_at, created_at)", rows.collect(), "").await;
        }
        let first = self.position;
        let rows = people.iter().enumerate().zip(first + 1..).map(|((n, (_, (_, thread))), position)| {
            vec![Id(agency), Int(position), word("INBOUND_MESSAGE"), Id(*thread), Id(ids[n]), Null, Null, at()]
        });
        self.insert(
            "event (agency_id, position, kind, thread_id, message_id, node_id, lost_by, created_at)",
            rows.collect(),
            "",
        )
        .await;
        self.position += i64::try_from(size).unwrap();
        self.execute("INSERT INTO agency_position (agency_id, epoch, position, directory_version, first_kept) VALUES (?,?,?,0,0) ON CONFLICT (agency_id) DO UPDATE SET position = excluded.position, directory_version = excluded.directory_version", vec![Id(agency), Id(agency), Int(self.position)]).await;
        self.execute("COMMIT", Vec::new()).await;
    }

    /// Returns increasing ids, like UUIDs of version 7.
    fn next_id(&mut self) -> Uuid {
        self.serial += 1;
        Uuid::from_u128(self.serial)
    }

    async fn insert(&mut self, into: &str, rows: Vec<Vec<Value>>, conflict: &str) {
        let row = format!("({})", vec!["?"; rows[0].len()].join(","));
        let sql = format!("INSERT INTO {into} VALUES {}{conflict}", vec![row.as_str(); rows.len()].join(","));
        self.execute(&sql, rows.into_iter().flatten().collect()).await;
    }

    async fn select(&mut self, sql: &str, values: Vec<Value>) {
        bind_all(sql, values).fetch_all(&mut self.conn).await.unwrap();
    }

    async fn execute(&mut self, sql: &str, values: Vec<Value>) {
        bind_all(sql, values).execute(&mut self.conn).await.unwrap();
    }
}

type BoundQuery = Query<'static, Sqlite, SqliteArguments>;

fn bind_all(sql: &str, values: Vec<Value>) -> BoundQuery {
    values.into_iter().fold(query(AssertSqlSafe(sql.to_owned())), |query, value| match value {
        Id(id) => query.bind(id),
        Text(text) => query.bind(text),
        Int(number) => query.bind(number),
        Null => query.bind(None::<String>),
    })
}
