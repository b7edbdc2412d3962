//! Queries of the database's rows.

use std::convert::Infallible;

use partyline::domain::{AgencyId, MessageId, ThreadId, UserId};
use partyline::entity::{agency_position, audit, call, contact, event, message, notification, quarantine, thread};
use partyline::store::writer::{Tx, Unit, UnitError};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, DatabaseConnection, EntityTrait as _, IsolationLevel, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, TransactionTrait as _,
};

use super::app::TestApp;

impl TestApp {
    /// The read pool.
    pub(crate) fn db(&self) -> &DatabaseConnection {
        self.services().reader()
    }

    pub(crate) async fn agency(&self, key: &str) -> AgencyId {
        self.directory(key).await.agency_id()
    }

    pub(crate) async fn user(&self, agency: &str, key: &str) -> UserId {
        self.directory(agency).await.user_by_key(key).expect("a user with this key").id
    }

    /// The keys of users, in the order of `users`.
    pub(crate) async fn keys(&self, agency: &str, users: impl IntoIterator<Item = UserId>) -> Vec<String> {
        let directory = self.directory(agency).await;
        users.into_iter().map(|id| directory.user(id).expect("a user of the agency").key.clone()).collect()
    }

    /// All messages of all agencies with this SID.
    pub(crate) async fn messages_with(&self, sid: &str) -> Vec<message::Model> {
        message::Entity::find().filter(message::Column::ProviderSid.eq(sid)).all(self.db()).await.unwrap()
    }

    /// The only message with this SID.
    pub(crate) async fn message(&self, sid: &str) -> message::Model {
        let mut found = self.messages_with(sid).await;
        assert_eq!(found.len(), 1, "messages with the SID {sid}");
        found.remove(0)
    }

    pub(crate) async fn thread(&self, agency: AgencyId, id: ThreadId) -> thread::Model {
        thread::Entity::find_by_id((agency, id)).one(self.db()).await.unwrap().expect("a thread with this id")
    }

    /// The thread of the only message with this SID.
    pub(crate) async fn thread_of(&self, sid: &str) -> thread::Model {
        let message = self.message(sid).await;
        self.thread(message.agency_id, message.thread_id).await
    }

    pub(crate) async fn threads(&self, agency: AgencyId) -> Vec<thread::Model> {
        let query = thread::Entity::find().filter(thread::Column::AgencyId.eq(agency));
        query.order_by_asc(thread::Column::Id).all(self.db()).await.unwrap()
    }

    pub(crate) async fn contacts_at(&self, agency: AgencyId, phone: &str) -> Vec<contact::Model> {
        let query = contact::Entity::find().filter(contact::Column::AgencyId.eq(agency));
        query.filter(contact::Column::Phone.eq(phone)).all(self.db()).await.unwrap()
    }

    /// The notifications of a message, in the order of creation.
    pub(crate) async fn notifications_of(&self, message: &message::Model) -> Vec<notification::Model> {
        notification::Entity::find()
            .filter(notification::Column::AgencyId.eq(message.agency_id))
            .filter(notification::Column::MessageId.eq(message.id))
            .order_by_asc(notification::Column::Id)
            .all(self.db())
            .await
            .unwrap()
    }

    pub(crate) async fn events(&self, agency: AgencyId) -> Vec<event::Model> {
        let query = event::Entity::find().filter(event::Column::AgencyId.eq(agency));
        query.order_by_asc(event::Column::Position).all(self.db()).await.unwrap()
    }

    pub(crate) async fn quarantined(&self) -> Vec<quarantine::Model> {
        quarantine::Entity::find().order_by_asc(quarantine::Column::Id).all(self.db()).await.unwrap()
    }

    /// The audit log of all agencies.
    pub(crate) async fn audits(&self) -> Vec<audit::Model> {
        audit::Entity::find().order_by_asc(audit::Column::Id).all(self.db()).await.unwrap()
    }

    pub(crate) async fn message_count(&self) -> u64 {
        message::Entity::find().count(self.db()).await.unwrap()
    }

    /// Flags the last message of a thread for a decision, as if its delivery were unknown.
    pub(crate) async fn flag_a_message(&self, thread: &serde_json::Value) {
        let agency = self.agency("acme").await;
        let thread: ThreadId = thread.as_str().unwrap().parse().unwrap();
        let row = thread::Entity::find_by_id((agency, thread)).one(self.db()).await.unwrap().unwrap();
        let flag = FlagMessage { agency, message: row.last_message_id.unwrap() };
        self.services().writer.run(agency, flag).await.unwrap();
    }

    /// Asserts that the log of every agency has the positions 1, 2, 3 …, that its head is the last one, and that the
    /// revision of each thread and call is the number of its events that are for all handlers. All rows are from one
    /// snapshot, so that workers may go on meanwhile.
    pub(crate) async fn assert_logs_are_gapless(&self) {
        let snapshot = self.db().begin_with_config(Some(IsolationLevel::RepeatableRead), None).await.unwrap();
        for head in agency_position::Entity::find().all(&snapshot).await.unwrap() {
            let agency = head.agency_id;
            let log = event::Entity::find().filter(event::Column::AgencyId.eq(agency));
            let mut events = log.order_by_asc(event::Column::Position).all(&snapshot).await.unwrap();
            let positions: Vec<i64> = events.iter().map(|event| event.position).collect();
            assert_eq!(positions, (1..=head.position).collect::<Vec<_>>(), "the log of {agency}");

            events.retain(|event| !event.kind.is_personal());
            let threads = thread::Entity::find().filter(thread::Column::AgencyId.eq(agency));
            for row in threads.all(&snapshot).await.unwrap() {
                let own = events.iter().filter(|event| event.thread_id == Some(row.id)).count();
                assert_eq!(usize::try_from(row.revision).unwrap(), own, "the revision of {}", row.id);
            }
            let calls = call::Entity::find().filter(call::Column::AgencyId.eq(agency));
            for row in calls.all(&snapshot).await.unwrap() {
                let own = events.iter().filter(|event| event.call_id == Some(row.id)).count();
                assert_eq!(usize::try_from(row.revision).unwrap(), own, "the revision of {}", row.id);
            }
        }
        snapshot.rollback().await.unwrap();
    }
}

struct FlagMessage {
    agency: AgencyId,
    message: MessageId,
}

impl Unit for FlagMessage {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let flag = message::ActiveModel { flagged_at: Set(Some(tx.now)), ..Default::default() };
        let update = message::Entity::update_many().set(flag).filter(message::Column::AgencyId.eq(self.agency));
        update.filter(message::Column::Id.eq(self.message)).exec(tx.conn).await?;
        Ok(())
    }
}
