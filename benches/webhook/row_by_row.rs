//! The peer on PostgreSQL: one pooled connection and one transaction per text, one statement per lookup and per row. It
//! stores the same rows as the server and checks less: no signature, no extension, no opt-out.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use chrono::Utc;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sea_orm::sqlx::{ConnectOptions as _, Error, query, query_as, query_scalar};
use uuid::Uuid;

use super::measured::{Measured, Measurement};
use super::signed::ACCOUNT;
use super::text::fields;

#[derive(Clone)]
pub(crate) struct RowByRow {
    pool: PgPool,
}

struct Text {
    from: String,
    to: String,
    sid: String,
    body: String,
}

impl RowByRow {
    pub(crate) async fn open(url: &str, connections: u32) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        let options = options.statement_cache_capacity(512).disable_statement_logging();
        let pool = PgPoolOptions::new().max_connections(connections).min_connections(connections);
        Self { pool: pool.test_before_acquire(false).connect_with(options).await.unwrap() }
    }

    /// Runs workers on prepared texts, without HTTP.
    pub(crate) async fn run(&self, workers: usize, texts: usize) -> Measured {
        let texts_of =
            |_| (0..texts / workers).map(|_| Text::read(&fields("+13035550100", "Hello"))).collect::<Vec<_>>();
        let prepared: Vec<Vec<Text>> = (0..workers).map(texts_of).collect();
        let measurement = Measurement::start();
        let work = |texts: Vec<Text>| {
            let peer = self.clone();
            tokio::spawn(async move {
                let mut times: Vec<Duration> = Vec::with_capacity(texts.len());
                for text in texts {
                    let started = Instant::now();
                    peer.store(&text).await.unwrap();
                    times.push(started.elapsed());
                }
                times
            })
        };
        let running: Vec<_> = prepared.into_iter().map(work).collect();
        let mut times = Vec::with_capacity(texts);
        for worker in running {
            times.extend(worker.await.unwrap());
        }
        measurement.finish(times)
    }

    /// A route that only parses the form and stores the text.
    pub(crate) fn router(self) -> Router {
        Router::new().route("/api/twilio/webhook", post(webhook)).with_state(self)
    }

    async fn store(&self, text: &Text) -> Result<(), Error> {
        let mut tx = self.pool.begin().await?;
        let now = Utc::now();
        let (agency, number, account): (Uuid, Uuid, Uuid) = query_as(
            "SELECT n.agency_id, n.id, n.twilio_account_id FROM phone_number n \
             JOIN twilio_account a ON a.id = n.twilio_account_id WHERE a.account_sid = $1 AND n.e164 = $2 AND n.live",
        )
        .bind(ACCOUNT)
        .bind(&text.to)
        .fetch_one(&mut *tx)
        .await?;
        let known: Option<Uuid> = query_scalar(
            "SELECT id FROM message WHERE agency_id = $1 AND twilio_account_id = $2 AND provider_sid = $3",
        )
        .bind(agency)
        .bind(account)
        .bind(&text.sid)
        .fetch_optional(&mut *tx)
        .await?;
        if known.is_some() {
            return Ok(());
        }
        let pool: Vec<Uuid> = query_scalar(
            "SELECT a.user_id FROM assignment a JOIN user_account u ON u.agency_id = a.agency_id AND u.id = a.user_id \
             WHERE a.agency_id = $1 AND a.phone_number_id = $2 AND a.live AND a.sms_enabled AND u.active",
        )
        .bind(agency)
        .bind(number)
        .fetch_all(&mut *tx)
        .await?;
        let contact = contact(&mut tx, agency, &text.from).await?;
        let thread = thread(&mut tx, agency, number, contact).await?;
        let message = Uuid::now_v7();
        query(
            "INSERT INTO message (agency_id, id, thread_id, direction, body, status, twilio_account_id, provider_sid, \
             routed_by, created_at) VALUES ($1, $2, $3, 'INBOUND', $4, 'RECEIVED', $5, $6, 'POOL', $7)",
        )
        .bind(agency)
        .bind(message)
        .bind(thread)
        .bind(&text.body)
        .bind(account)
        .bind(&text.sid)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        query(
            "UPDATE thread SET last_message_id = $3, last_activity_at = $4, inbound_count = inbound_count + 1 \
             WHERE agency_id = $1 AND id = $2",
        )
        .bind(agency)
        .bind(thread)
        .bind(message)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        // As late as possible: from here to the commit, the texts of the agency wait for each other.
        let position: i64 =
            query_scalar("UPDATE agency_position SET position = position + 1 WHERE agency_id = $1 RETURNING position")
                .bind(agency)
                .fetch_one(&mut *tx)
                .await?;
        for user in pool {
            query(
                "INSERT INTO notification (agency_id, id, user_id, event_position, kind, thread_id, message_id, rung, \
                 created_at) VALUES ($1, $2, $3, $4, 'INBOUND_CLIENT_MESSAGE', $5, $6, 'POOL', $7)",
            )
            .bind(agency)
            .bind(Uuid::now_v7())
            .bind(user)
            .bind(position)
            .bind(thread)
            .bind(message)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        }
        query(
            "INSERT INTO event (agency_id, position, kind, thread_id, message_id, created_at) \
             VALUES ($1, $2, 'INBOUND_MESSAGE', $3, $4, $5)",
        )
        .bind(agency)
        .bind(position)
        .bind(thread)
        .bind(message)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }
}

async fn contact(conn: &mut PgConnection, agency: Uuid, phone: &str) -> Result<Uuid, Error> {
    let find = "SELECT id FROM contact WHERE agency_id = $1 AND phone = $2";
    if let Some(id) = query_scalar(find).bind(agency).bind(phone).fetch_optional(&mut *conn).await? {
        return Ok(id);
    }
    query(
        "INSERT INTO contact (agency_id, id, phone, created_at, updated_at) VALUES ($1, $2, $3, $4, $4) \
         ON CONFLICT DO NOTHING",
    )
    .bind(agency)
    .bind(Uuid::now_v7())
    .bind(phone)
    .bind(Utc::now())
    .execute(&mut *conn)
    .await?;
    query_scalar(find).bind(agency).bind(phone).fetch_one(conn).await
}

async fn thread(conn: &mut PgConnection, agency: Uuid, number: Uuid, contact: Uuid) -> Result<Uuid, Error> {
    let find = "SELECT id FROM thread WHERE agency_id = $1 AND contact_id = $2 AND phone_number_id = $3 FOR UPDATE";
    let found = query_scalar(find).bind(agency).bind(contact).bind(number).fetch_optional(&mut *conn).await?;
    if let Some(id) = found {
        return Ok(id);
    }
    query(
        "INSERT INTO thread (agency_id, id, phone_number_id, contact_id, status, last_activity_at, inbound_count, \
         answered_count, created_at) VALUES ($1, $2, $3, $4, 'UNCLAIMED', $5, 0, 0, $5) ON CONFLICT DO NOTHING",
    )
    .bind(agency)
    .bind(Uuid::now_v7())
    .bind(number)
    .bind(contact)
    .bind(Utc::now())
    .execute(&mut *conn)
    .await?;
    query_scalar(find).bind(agency).bind(contact).bind(number).fetch_one(conn).await
}

impl Text {
    fn read(fields: &[(&'static str, String)]) -> Self {
        let field = |name: &str| fields.iter().find(|(field, _)| *field == name).unwrap().1.clone();
        Self { from: field("From"), to: field("To"), sid: field("MessageSid"), body: field("Body") }
    }

    fn parse(form: &[u8]) -> Self {
        let mut text = Self { from: String::new(), to: String::new(), sid: String::new(), body: String::new() };
        for (name, value) in url::form_urlencoded::parse(form) {
            match &*name {
                "From" => text.from = value.into_owned(),
                "To" => text.to = value.into_owned(),
                "MessageSid" => text.sid = value.into_owned(),
                "Body" => text.body = value.into_owned(),
                _ => {}
            }
        }
        text
    }
}

async fn webhook(State(peer): State<RowByRow>, form: Bytes) -> &'static str {
    peer.store(&Text::parse(&form)).await.unwrap();
    r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#
}
