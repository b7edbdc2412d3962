//! The migrations run up, down, and up again, and the schema matches the entities.

use std::convert::Infallible;

use migration::{Migrator, MigratorTrait as _, SchemaManager};
use partyline::domain::{AccountId, AgencyId, CarrierDeletionId, EventKind, LateArrivalId, QuarantineReason};
use partyline::entity::{
    account, activity, agency, agency_position, assignment, audit, call, call_leg, carrier_deletion, contact,
    delivery_step, draft, event, extension, idempotency_key, late_arrival, media, message, notification, outbox,
    phone_number, phone_verification, pool, quarantine, read_mark, reconciliation, restore_mark, sending_pace,
    sign_in_code, text_quota, thread, upload, user, verification_text, voicemail,
};
use partyline::service::Error;
use partyline::service::compose::Draft;
use partyline::service::drafts::{SaveDraft, save_draft};
use partyline::service::send_message::send_message;
use partyline::service::sending;
use partyline::service::sessions::create_sign_in_code;
use partyline::service::upload_media::{ReceivedFile, upload_media};
use partyline::service::verify_phone::start_phone_verification;
use partyline::store::writer::{Tx, Unit, UnitError};
use partyline::store::{Database, bulk};
use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, EntityTrait, PaginatorTrait as _, QueryOrder as _, QuerySelect as _,
};

use crate::support::database::{TestDatabase, server_is};
use crate::support::voice::{attribute, form};
use crate::support::{TestApp, Text};

/// Calls a function with every entity and this argument.
macro_rules! for_every_entity {
    ($do:ident($argument:expr)) => {
        for_every_entity!($do, $argument; account, activity, agency, agency_position, assignment, audit, call, call_leg,
            carrier_deletion, contact, delivery_step, draft, event, extension, idempotency_key, late_arrival, media, message, notification, outbox, phone_number,
            phone_verification, pool, quarantine, read_mark, reconciliation, restore_mark, sending_pace, sign_in_code, text_quota, thread, upload, user, verification_text, voicemail)
    };
    ($do:ident, $argument:expr; $($entity:ident),*) => {
        [$((stringify!($entity), $do($entity::Entity, $argument).await)),*]
    };
}

/// Reads all rows and returns their number.
async fn read_all<E>(_: E, db: &DatabaseConnection) -> usize
where
    E: EntityTrait,
    E::Model: Sync,
{
    let rows = E::find().all(db).await.unwrap_or_else(|error| panic!("{}: {error}", E::default().table_name()));
    assert_eq!(E::find().count(db).await.unwrap(), rows.len() as u64);
    rows.len()
}

async fn has_table<E: EntityTrait>(_: E, db: &DatabaseConnection) -> bool {
    SchemaManager::new(db).has_table(E::default().table_name()).await.unwrap()
}

async fn nothing<E>(_: E, (): ()) {}

#[tokio::test]
async fn the_macro_lists_every_entity() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/entity");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = files.filter(|name| name != "mod.rs" && name != "values.rs").collect();
    files.sort();
    let looked_at = for_every_entity!(nothing(())).map(|(name, ())| format!("{name}.rs"));
    assert_eq!(files, looked_at);
}

#[tokio::test]
async fn up_down_and_up_again() {
    let database = TestDatabase::create_empty().await;
    let conn = Database::open(&database.url).await.unwrap().connect_to_migrate().await.unwrap();
    for _ in 0..2 {
        Migrator::up(&conn, None).await.unwrap();
        let counts = for_every_entity!(read_all(&conn));
        assert!(counts.iter().all(|(_, count)| *count == 0), "{counts:?}");
        Migrator::up(&conn, None).await.expect("a repeated migration changes nothing");
        Migrator::down(&conn, None).await.unwrap();
        let left = for_every_entity!(has_table(&conn));
        assert!(left.iter().all(|(_, there)| !there), "{left:?}");
    }
    conn.close().await.unwrap();
}

#[tokio::test]
async fn each_migration_can_be_reverted_and_applied_separately() {
    let database = TestDatabase::create_empty().await;
    let conn = Database::open(&database.url).await.unwrap().connect_to_migrate().await.unwrap();
    for _ in Migrator::migrations() {
        Migrator::up(&conn, Some(1)).await.unwrap();
        Migrator::down(&conn, Some(1)).await.unwrap();
        Migrator::up(&conn, Some(1)).await.unwrap();
    }
    assert!(Migrator::get_pending_migrations(&conn).await.unwrap().is_empty());
    conn.close().await.unwrap();
}

#[tokio::test]
async fn large_tables_without_statistics_are_found_on_postgresql() {
    let app = TestApp::start().await;
    let without = async || app.services().database.tables_without_statistics().await.unwrap();
    assert_eq!(without().await, [""; 0]);
    if server_is("postgres") {
        let table = "CREATE TABLE blind WITH (autovacuum_enabled = false) AS SELECT generate_series(1, 100000)";
        app.db().execute_unprepared(table).await.unwrap();
        assert_eq!(without().await, ["blind"]);
        app.db().execute_unprepared("ANALYZE blind").await.unwrap();
        assert_eq!(without().await, [""; 0]);
    }
}

#[tokio::test]
async fn rows_written_by_the_server_can_be_read_as_entities() {
    let app = TestApp::start_with_phones().await;
    app.receive(Text::new("SM1").field("NumMedia", "1").field("MediaUrl0", "https://media.test/0")).await;
    app.receive(Text::new("SM2").to("+13035550199")).await;
    let ben = app.viewer("acme", "ben").await;
    let thread = app.thread_of("SM1").await.id;
    partyline::service::claim_thread::claim_thread(app.services(), &ben, thread).await.unwrap();
    partyline::service::mark_thread_read::mark_thread_read(app.services(), &ben, thread, None).await.unwrap();
    let draft = Draft {
        body: "good morning".to_owned(),
        media_urls: Vec::new(),
        extension: None,
        last_seen: None,
        resends: None,
        hold_seconds: 0,
        idempotency_key: "one".to_owned(),
    };
    let queued = send_message(app.services(), &ben, thread, draft).await.unwrap();
    let next = sending::begin_next_attempt(app.services(), queued.thread.agency_id, queued.thread.phone_number_id)
        .await
        .unwrap();
    assert!(matches!(next, sending::NextStep::Send(_)), "{next:?}");
    let words = SaveDraft { thread, body: "see you".to_owned(), extension: None, based_on: None };
    save_draft(app.services(), &ben, words).await.unwrap();
    let file = ReceivedFile { bytes: b"hello".to_vec(), file_name: None };
    upload_media(app.services(), &ben, file).await.unwrap();
    app.leave_voicemail("CA1").await;
    create_sign_in_code(app.services(), ben.agency(), ben.id()).await.unwrap();
    // The carrier is unreachable, but the code is stored and can be confirmed.
    let unsent = start_phone_verification(app.services(), &ben, "+13035550199".to_owned()).await;
    assert!(matches!(unsent, Err(Error::Refused(_))), "{unsent:?}");
    app.services().restore.check(app.services()).await.unwrap();
    let account = ben.directory.agency.twilio_account_id.unwrap();
    app.services().writer.run(ben.agency(), WriteRest { agency: ben.agency(), account }).await.unwrap();
    let counts = for_every_entity!(read_all(app.db()));
    let empty: Vec<_> = counts.iter().filter(|(_, count)| *count == 0).map(|(name, _)| *name).collect();
    assert!(empty.is_empty(), "{empty:?}");
}

/// Writes one row of each table that needs a carrier or the passage of time.
struct WriteRest {
    agency: AgencyId,
    account: AccountId,
}

impl Unit for WriteRest {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let (now, account) = (tx.now, self.account);
        let deletion = carrier_deletion::Model {
            id: CarrierDeletionId(tx.new_id()),
            twilio_account_id: account,
            path: "/Calls/CA1.json".to_owned(),
            attempts: 0,
            due_at: now,
            created_at: now,
        };
        let comparison = reconciliation::Model {
            twilio_account_id: account,
            reconciled_until: now,
            leased_until: Some(now),
            completed_at: None,
        };
        let arrival = late_arrival::Model {
            agency_id: self.agency,
            id: LateArrivalId(tx.new_id()),
            texts: 1,
            calls: 0,
            voicemails: 0,
            first_at: now,
            last_at: now,
            created_at: now,
        };
        bulk::insert(tx.conn, vec![deletion]).await?;
        bulk::insert(tx.conn, vec![comparison]).await?;
        Ok(bulk::insert(tx.conn, vec![arrival]).await?)
    }
}

/// Reverts the migrations from the last one to this one.
async fn revert_through(conn: &DatabaseConnection, step: &str) {
    let is_applied = async || {
        let applied = Migrator::get_applied_migrations(conn).await.unwrap();
        applied.iter().any(|migration| migration.name() == step)
    };
    while is_applied().await {
        Migrator::down(conn, Some(1)).await.unwrap();
    }
}

/// The earlier schema holds one voicemail per call, so the oldest one is kept.
#[tokio::test]
async fn going_down_keeps_the_oldest_voicemail_of_a_call() {
    const STEP: &str = "m20261128_000010_voicemails_of_calls";
    let app = TestApp::start_with_phones().await;
    for (call, recordings) in [("CA1", &["RE1", "RE2", "RE3"][..]), ("CA2", &["RE4"])] {
        let document = app.reach_voicemail_prompt(call).await;
        for recording in recordings {
            let fields = form(call, &[("RecordingSid", recording), ("RecordingDuration", "4")]);
            app.document(&attribute(&document, "action"), &fields).await;
            app.clock.advance(std::time::Duration::from_secs(1));
        }
        let absent = [("RecordingSid", "RE9"), ("RecordingStatus", "absent")];
        app.document(&attribute(&document, "recordingStatusCallback"), &form(call, &absent)).await;
    }
    assert_eq!(voicemail::Entity::find().count(app.db()).await.unwrap(), 6);
    let database = app.stop().await;
    let conn = Database::open(&database.url).await.unwrap().connect_to_migrate().await.unwrap();
    revert_through(&conn, STEP).await;
    Migrator::up(&conn, None).await.unwrap();
    let rows = voicemail::Entity::find().order_by_asc(voicemail::Column::RecordingSid).all(&conn).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.recording_sid.as_str()).collect::<Vec<_>>(), ["RE1", "RE4"]);
    conn.close().await.unwrap();
}

/// Every kind of event.
const EVENT_KINDS: [EventKind; 10] = [
    EventKind::InboundMessage,
    EventKind::OutboundMessage,
    EventKind::MessageStatus,
    EventKind::ThreadActivity,
    EventKind::ContactUpdated,
    EventKind::ThreadRead,
    EventKind::DraftChanged,
    EventKind::NotificationRead,
    EventKind::DirectoryUpdated,
    EventKind::CallUpdated,
];

/// The word for a kind of event before the migration `live_threads`, and the kind that its rows have after that
/// migration is applied again.
fn reverted_kind(kind: EventKind) -> (&'static str, EventKind) {
    match kind {
        EventKind::InboundMessage => ("INBOUND_MESSAGE", kind),
        EventKind::DirectoryUpdated => ("DIRECTORY_UPDATED", kind),
        EventKind::CallUpdated => ("CALL_UPDATED", kind),
        EventKind::OutboundMessage | EventKind::MessageStatus => ("THREAD_UPDATED", EventKind::MessageStatus),
        EventKind::ThreadActivity
        | EventKind::ContactUpdated
        | EventKind::ThreadRead
        | EventKind::DraftChanged
        | EventKind::NotificationRead => ("THREAD_UPDATED", EventKind::ThreadActivity),
    }
}

/// An earlier build fails to read a row with a word that it does not know.
#[tokio::test]
async fn going_down_restores_the_words_of_the_earlier_build() {
    const STEP: &str = "m20261129_000017_quarantine_reasons";
    let app = TestApp::start().await;
    app.receive(Text::new("SM1")).await;
    app.receive(Text::new("SM2").to("+13035550199")).await;
    assert_eq!(app.quarantined().await[0].reason, QuarantineReason::UnmatchedNumber);
    let message = app.message("SM1").await;
    let head = app.events(message.agency_id).await.last().expect("an event").clone();
    let database = app.stop().await;
    let conn = Database::open(&database.url).await.unwrap().connect_to_migrate().await.unwrap();
    // One event of each kind, with the node that events of some kinds name.
    let rows: Vec<event::Model> = (head.position + 1..)
        .zip(EVENT_KINDS)
        .map(|(position, kind)| {
            let named = event::Model::of_message(&message, kind, message.created_at);
            let is_of_message = reverted_kind(kind).1 == EventKind::MessageStatus || kind == EventKind::InboundMessage;
            let message_id = named.message_id.filter(|_| is_of_message);
            event::Model { position, message_id, node_id: Some("act_x".to_owned()), ..named }
        })
        .collect();
    bulk::insert(&conn, rows).await.unwrap();

    revert_through(&conn, STEP).await;
    let inserted = event::Entity::find().order_by_desc(event::Column::Position).limit(EVENT_KINDS.len() as u64);
    let reverted: Vec<(String, Option<String>)> = inserted
        .clone()
        .select_only()
        .columns([event::Column::Kind, event::Column::NodeId])
        .into_tuple()
        .all(&conn)
        .await
        .unwrap();
    for ((word, node), kind) in reverted.iter().rev().zip(EVENT_KINDS) {
        assert_eq!(word, reverted_kind(kind).0, "{kind:?}");
        // The earlier build writes no node for this kind.
        assert_eq!(node.is_none(), word == "THREAD_UPDATED", "{kind:?}");
    }
    let reasons: Vec<String> = quarantine::Entity::find()
        .select_only()
        .column(quarantine::Column::Reason)
        .into_tuple()
        .all(&conn)
        .await
        .unwrap();
    assert_eq!(reasons, ["UNMATCHED"]);

    Migrator::up(&conn, None).await.unwrap();
    let mut restored = inserted.all(&conn).await.unwrap();
    restored.reverse();
    assert_eq!(restored.iter().map(|row| row.kind).collect::<Vec<_>>(), EVENT_KINDS.map(|kind| reverted_kind(kind).1));
    assert_eq!(quarantine::Entity::find().one(&conn).await.unwrap().unwrap().reason, QuarantineReason::UnmatchedNumber);
    conn.close().await.unwrap();
}
