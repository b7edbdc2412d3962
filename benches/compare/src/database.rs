//! The rows of an inbound text as hand-written SQL, on a database with the tables of schema.sql.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, params};

/// The ids of a stored text.
pub struct Stored {
    pub message: i64,
    pub thread: i64,
}

/// Replaces the file with a database that has the tables, the users and the numbers of schema.sql.
pub fn create(path: &str) -> Connection {
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{path}{suffix}"));
    }
    let database = open(path);
    database.execute_batch(include_str!("../schema.sql")).unwrap();
    database
}

pub fn open(path: &str) -> Connection {
    let database = Connection::open(path).unwrap();
    database.set_prepared_statement_cache_capacity(64);
    database
        .execute_batch(
            "pragma journal_mode=wal; pragma synchronous=full; pragma foreign_keys=on; pragma busy_timeout=10000;
             pragma cache_size=-65536; pragma mmap_size=268435456; pragma temp_store=memory",
        )
        .unwrap();
    database
}

/// Stores an inbound text. Returns `None` if the number is unknown or the message SID is already stored.
pub fn insert(database: &Connection, to: &str, from: &str, body: &str, sid: &str) -> rusqlite::Result<Option<Stored>> {
    let now = now_ms();
    let number = database
        .prepare_cached("select id, agency_id from numbers where e164=?1")?
        .query_row([to], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let Some((number, agency)) = number else { return Ok(None) };
    let contact: i64 = database
        .prepare_cached(
            "insert into contacts(agency_id,phone,updated_at) values(?1,?2,?3)
             on conflict(agency_id,phone) do update set updated_at=excluded.updated_at returning id",
        )?
        .query_row(params![agency, from, now], |row| row.get(0))?;
    let thread: i64 = database
        .prepare_cached(
            "insert into threads(agency_id,number_id,contact_id,last_message_at) values(?1,?2,?3,?4)
             on conflict(number_id,contact_id) do update set last_message_at=excluded.last_message_at returning id",
        )?
        .query_row(params![agency, number, contact, now], |row| row.get(0))?;
    let message: Option<i64> = database
        .prepare_cached(
            "insert into messages(thread_id,direction,body,sid,created_at) values(?1,'INBOUND',?2,?3,?4)
             on conflict(sid) do nothing returning id",
        )?
        .query_row(params![thread, body, sid, now], |row| row.get(0))
        .optional()?;
    let Some(message) = message else { return Ok(None) };
    database.prepare_cached("update threads set last_message_id=?1 where id=?2")?.execute([message, thread])?;
    database
        .prepare_cached(
            "insert into notifications(user_id,thread_id,message_id)
             select user_id,?2,?3 from number_assignments where number_id=?1 and sms_access=1",
        )?
        .execute([number, thread, message])?;
    database
        .prepare_cached("insert into events(kind,thread_id,payload,created_at) values('message.received',?1,?2,?3)")?
        .execute(params![thread, format!("{{\"message_id\":{message},\"body\":\"{body}\"}}"), now])?;
    Ok(Some(Stored { message, thread }))
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}
