//! The peer: the inbox as one hand-written statement and structs for serde, on the same driver with the same settings.
//! It returns the same bytes for the same viewer and does nothing else.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use chrono::{DateTime, SecondsFormat, Utc};
use partyline::service::Viewer;
use sea_orm::sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sea_orm::sqlx::{AssertSqlSafe, ConnectOptions as _, Error, Row as _, query};
use serde::Serialize;
use uuid::Uuid;

use super::PAGE;

/// Reads the inbox of one viewer.
#[derive(Clone)]
pub(crate) struct Peer {
    pool: SqlitePool,
    sql: Arc<str>,
    agency: Uuid,
    user: Uuid,
    numbers: Vec<Uuid>,
}

impl Peer {
    /// Opens the database at `path` with the settings of the server.
    pub(crate) async fn open(path: &Path, viewer: &Viewer) -> Self {
        let timeout = Duration::from_secs(5);
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(timeout)
            .foreign_keys(true)
            .statement_cache_capacity(512)
            .pragma("query_only", "ON")
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new()
            .max_connections(8)
            .min_connections(1)
            .acquire_timeout(timeout)
            .test_before_acquire(false);
        let scope = viewer.scope();
        let numbers: Vec<Uuid> = scope.numbers.iter().map(|number| number.0).collect();
        Self {
            pool: pool.connect_with(options).await.unwrap(),
            sql: sql(scope.is_admin, numbers.len()).into(),
            agency: scope.agency.0,
            user: scope.user.0,
            numbers,
        }
    }

    /// The inbox as JSON.
    pub(crate) async fn inbox(&self) -> Vec<u8> {
        let mut query = query(AssertSqlSafe(self.sql.to_string())).bind(self.agency).bind(self.user);
        for number in &self.numbers {
            query = query.bind(*number);
        }
        let rows = query.fetch_all(&self.pool).await.unwrap();
        let mut nodes: Vec<Node> = rows.iter().map(|row| Node::read(row).unwrap()).collect();
        let has_next_page = nodes.len() > PAGE;
        nodes.truncate(PAGE);
        let end_cursor = nodes.last().map(|node| format!("{:016x}{}", node.at.timestamp_micros(), node.key.simple()));
        let threads = Threads { nodes, page_info: PageInfo { has_next_page, end_cursor } };
        serde_json::to_vec(&Answer { data: Data { threads } }).unwrap()
    }

    /// A bare route that returns the inbox.
    pub(crate) fn router(self) -> Router {
        Router::new().route("/inbox", post(answer)).with_state(self)
    }
}

async fn answer(State(peer): State<Peer>, _: Bytes) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], peer.inbox().await)
}

fn sql(is_admin: bool, numbers: usize) -> String {
    let permission = if is_admin {
        // ?2 is still bound, because the read marks are the viewer's.
        String::new()
    } else {
        let list: Vec<String> = (0..numbers).map(|n| format!("?{}", n + 3)).collect();
        format!(
            "AND (t.assignee_id = ?2 OR (t.status <> 'CLOSED' AND EXISTS (SELECT 1 FROM notification s \
             WHERE s.agency_id = ?1 AND s.thread_id = t.id AND s.user_id = ?2 \
             AND s.rung IN ('EXTENSION', 'PROVIDER', 'DEFAULT_USER', 'ADMINS'))) OR t.phone_number_id IN ({})) ",
            list.join(", ")
        )
    };
    format!(
        "SELECT t.id, t.status, t.last_activity_at, t.inbound_count, coalesce(r.seen_count, t.answered_count), \
         c.phone, c.name, m.body, m.created_at, m.direction, m.status, u.name, p.label \
         FROM thread t \
         LEFT JOIN contact c ON c.agency_id = t.agency_id AND c.id = t.contact_id \
         LEFT JOIN read_mark r ON r.agency_id = t.agency_id AND r.thread_id = t.id AND r.user_id = ?2 \
         LEFT JOIN message m ON m.agency_id = t.agency_id AND m.id = t.last_message_id \
         LEFT JOIN user_account u ON u.agency_id = t.agency_id AND u.id = t.assignee_id \
         LEFT JOIN phone_number p ON p.agency_id = t.agency_id AND p.id = t.phone_number_id \
         WHERE t.agency_id = ?1 {permission}\
         ORDER BY t.last_activity_at DESC, t.id DESC LIMIT {}",
        PAGE + 1
    )
}

#[derive(Serialize)]
struct Answer {
    data: Data,
}

#[derive(Serialize)]
struct Data {
    threads: Threads,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Threads {
    nodes: Vec<Node>,
    page_info: PageInfo,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    id: String,
    status: String,
    last_activity_at: String,
    unread_count: i32,
    contact: Contact,
    last_message: Option<LastMessage>,
    assignee: Option<Assignee>,
    phone_number: PhoneNumber,
    #[serde(skip)]
    at: DateTime<Utc>,
    #[serde(skip)]
    key: Uuid,
}

#[derive(Serialize)]
struct Contact {
    phone: String,
    name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LastMessage {
    body: String,
    created_at: String,
    direction: String,
    status: String,
}

#[derive(Serialize)]
struct Assignee {
    name: String,
}

#[derive(Serialize)]
struct PhoneNumber {
    label: String,
}

impl Node {
    fn read(row: &SqliteRow) -> Result<Self, Error> {
        let format_time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
        let (key, at): (Uuid, DateTime<Utc>) = (row.try_get(0)?, row.try_get(2)?);
        let (inbound, seen): (i32, i32) = (row.try_get(3)?, row.try_get(4)?);
        let last_message = match row.try_get::<Option<String>, _>(7)? {
            Some(body) => Some(LastMessage {
                body,
                created_at: format_time(row.try_get(8)?),
                direction: row.try_get(9)?,
                status: row.try_get(10)?,
            }),
            None => None,
        };
        Ok(Self {
            id: format!("thr_{}", key.simple()),
            status: row.try_get(1)?,
            last_activity_at: format_time(at),
            unread_count: (inbound - seen).max(0),
            contact: Contact { phone: row.try_get(5)?, name: row.try_get(6)? },
            last_message,
            assignee: row.try_get::<Option<String>, _>(11)?.map(|name| Assignee { name }),
            phone_number: PhoneNumber { label: row.try_get(12)? },
            at,
            key,
        })
    }
}
