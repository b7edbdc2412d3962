//! Fills a database with threads and messages, in a few statements that generate their rows.
//!
//! The rows are those that texts, claims and reading create: contacts, threads, messages, notifications of the pool,
//! read marks. The event log stays empty, because an inbox never reads it.

use std::path::Path;

use partyline::service::Viewer;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, query};
use uuid::Uuid;

#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) threads: usize,
    pub(crate) messages: usize,
}

/// Fills the database at `path` for the agency of the viewer.
pub(crate) async fn fill(path: &Path, viewer: &Viewer, size: Size) {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // A crash during filling only loses this run.
        .synchronous(SqliteSynchronous::Off)
        .pragma("cache_size", "-400000")
        .disable_statement_logging();
    let mut conn = options.connect().await.unwrap();
    let mut statements = vec!["BEGIN IMMEDIATE".to_owned()];
    statements.extend(rows(viewer, size));
    statements.push("COMMIT".to_owned());
    statements.push("PRAGMA wal_checkpoint(TRUNCATE)".to_owned());
    for sql in statements {
        query(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
    }
    conn.close().await.unwrap();
}

fn rows(viewer: &Viewer, size: Size) -> Vec<String> {
    let Size { threads, messages } = size;
    let directory = &viewer.directory;
    let agency = blob(viewer.agency().0);
    let account = blob(directory.numbers[0].twilio_account_id.0);
    let users = cases("n / 3", directory.users.iter().map(|user| user.id.0));
    let numbers = cases("n", directory.numbers.iter().map(|number| number.id.0));
    let (contact, thread, message) = (id("c0", "n"), id("d0", "n"), id("e0", "n"));
    let each = messages / threads;
    let last = format!("({threads} * ({each} - 1) + n)");
    let series = |count: usize| {
        format!("WITH RECURSIVE series (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n + 1 < {count}) ")
    };
    let mut statements = vec![
        format!(
            "{} INSERT INTO contact (agency_id, id, phone, name, created_at, updated_at) \
             SELECT {agency}, {contact}, printf('+1720%07d', n), printf('Contact number %d', n), {at}, {at} FROM series",
            series(threads),
            at = time("n"),
        ),
        format!(
            "{} INSERT INTO thread (agency_id, id, phone_number_id, contact_id, status, assignee_id, claimed_at, \
             last_message_id, last_activity_at, inbound_count, answered_count, created_at) \
             SELECT {agency}, {thread}, {numbers}, {contact}, \
             CASE n % 3 WHEN 0 THEN 'UNCLAIMED' WHEN 1 THEN 'CLAIMED' ELSE 'CLOSED' END, \
             CASE n % 3 WHEN 1 THEN {users} END, CASE n % 3 WHEN 1 THEN {at} END, \
             {}, {at}, {each}, {each} - n % 4, {} FROM series",
            series(threads),
            id("e0", &last),
            time("n"),
            at = time(&last),
        ),
        // Messages cycle through the threads; two of three are inbound.
        format!(
            "{} INSERT INTO message (agency_id, id, thread_id, direction, body, status, sender_id, twilio_account_id, \
             provider_sid, routed_by, created_at) \
             SELECT {agency}, {message}, {}, CASE WHEN {INBOUND} THEN 'INBOUND' ELSE 'OUTBOUND' END, \
             'Can I move my appointment on Thursday to the afternoon, please? ' || n, \
             CASE WHEN {INBOUND} THEN 'RECEIVED' ELSE 'DELIVERED' END, CASE WHEN NOT ({INBOUND}) THEN {users} END, \
             {account}, printf('SM%032x', n), CASE WHEN {INBOUND} THEN 'POOL' END, {} FROM series",
            series(messages),
            id("d0", &format!("(n % {threads})")),
            time("n"),
        ),
    ];
    for number in 0..directory.numbers.len() {
        let pool = directory.pool_members(directory.numbers[number].id);
        for (seat, assignment) in pool.enumerate() {
            statements.push(format!(
                "{} INSERT INTO notification (agency_id, id, user_id, event_position, kind, thread_id, message_id, rung, \
                 created_at) \
                 SELECT {agency}, {}, {}, n, 'INBOUND_CLIENT_MESSAGE', {}, {message}, 'POOL', {} FROM series \
                 WHERE {INBOUND} AND n % {threads} % {} = {number}",
                series(messages),
                id(&format!("f{seat}"), "n"),
                blob(assignment.user_id.0),
                id("d0", &format!("(n % {threads})")),
                time("n"),
                directory.numbers.len(),
            ));
        }
    }
    for user in &directory.users {
        statements.push(format!(
            "{} INSERT INTO read_mark (agency_id, user_id, thread_id, seen_count, updated_at) \
             SELECT {agency}, {}, {thread}, {each} - n % 3, {} FROM series WHERE n % 2 = 0",
            series(threads),
            blob(user.id.0),
            time("n"),
        ));
    }
    statements
}

const INBOUND: &str = "(n + n / 7) % 3 < 2";

/// SQL for an id that increases with `number`, like a UUID of version 7.
fn id(kind: &str, number: &str) -> String {
    format!("unhex(printf('0190000000007000%s%014x', '{kind}', {number}))")
}

fn blob(id: Uuid) -> String {
    format!("x'{}'", id.simple())
}

/// SQL for a time that is `number` seconds after a fixed time, in the format of the driver.
fn time(number: &str) -> String {
    format!("(strftime('%Y-%m-%dT%H:%M:%S', 1760000000 + {number}, 'unixepoch') || '.000001+00:00')")
}

/// SQL that selects one of the ids in turn.
fn cases(number: &str, ids: impl ExactSizeIterator<Item = Uuid>) -> String {
    let count = ids.len();
    let cases: String = ids.enumerate().map(|(n, id)| format!(" WHEN {n} THEN {}", blob(id))).collect();
    format!("CASE ({number}) % {count}{cases} END")
}
