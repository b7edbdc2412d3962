//! Random operations checked against a model: threads, unread counts, notifications, history, and positions must agree.
//!
//! Operations are submitted in batches, as the writer processes them: the texts of a batch first, then the rest. Time
//! advances between batches. Each case has its own agency in a shared database.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use futures_util::future::join_all;
use partyline::domain::{
    AccountId, AgencyId, EventKind, NotificationKind, PhoneNumberId, RoutingRung, ThreadId, ThreadStatus, UserId,
};
use partyline::entity::{activity, contact, notification, thread};
use partyline::ports::Clock as _;
use partyline::service::Viewer;
use partyline::service::escalate::escalate;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::json;

use crate::support::TestApp;
use crate::support::directory::TOKEN;
use crate::support::random::Random;
use operation::Operation;
use state::{Contact, Kind, Membership, Notification, Number, Pair, Rung, State, Status, User};

mod operation;
mod state;

const CASES: usize = 10;
const OPERATIONS: usize = 500;
const USERS: [&str; 5] = ["ana", "ben", "chloe", "dev", "eli"];
const NUMBERS: usize = 3;
const CONTACTS: usize = 5;
/// Digits, the number that they apply to (`None`: every number), and the user.
const EXTENSION_USERS: [(&str, Option<Number>, User); 2] = [("101", None, 3), ("102", Some(0), 2)];
/// The initial members of the pools.
const POOLS: [&[User]; NUMBERS] = [&[1, 2], &[2, 3], &[]];
const PROVIDERS: [Option<User>; CONTACTS] = [None, None, None, Some(3), Some(4)];

/// One agency on the server.
struct Case<'a> {
    app: &'a TestApp,
    agency: AgencyId,
    account: AccountId,
    key: String,
    users: Vec<UserId>,
    viewers: Vec<Viewer>,
    numbers: Vec<PhoneNumberId>,
    e164: Vec<String>,
    thread_ids: BTreeMap<Pair, ThreadId>,
    /// The number of texts sent.
    sent: usize,
}

fn directory() -> String {
    let mut yaml = "agencies:\n".to_owned();
    for case in 0..CASES {
        writeln!(yaml, "  - key: case{case}\n    name: Case {case}\n    timeZone: Etc/UTC").unwrap();
        writeln!(yaml, "    twilio: {{accountSid: AC1, authToken: {TOKEN}}}\n    users:").unwrap();
        for (n, user) in USERS.iter().enumerate() {
            let role = if n == 0 { "ADMIN" } else { "MEMBER" };
            writeln!(yaml, "      - {{key: {user}, name: {user}, role: {role}}}").unwrap();
        }
        yaml.push_str("    phoneNumbers:\n");
        for (number, pool) in POOLS.iter().enumerate() {
            let pool: Vec<_> = pool.iter().map(|user| format!("{{user: {}}}", USERS[*user])).collect();
            writeln!(yaml, "      - {{number: '{}', pool: [{}]}}", number_of(case, number), pool.join(", ")).unwrap();
        }
        yaml.push_str("    extensions:\n");
        for (digits, number, user) in EXTENSION_USERS {
            let scope = number.map_or(String::new(), |number| format!(", number: '{}'", number_of(case, number)));
            writeln!(yaml, "      - {{digits: '{digits}', user: {}{scope}}}", USERS[user]).unwrap();
        }
        yaml.push_str("    contacts:\n");
        for (contact, provider) in PROVIDERS.iter().enumerate() {
            let provider = provider.map_or(String::new(), |user| format!(", provider: {}", USERS[user]));
            writeln!(yaml, "      - {{phone: '{}'{provider}}}", phone_of(contact)).unwrap();
        }
    }
    yaml
}

fn number_of(case: usize, number: Number) -> String {
    format!("+1303555{case:02}{number:02}")
}

fn phone_of(contact: Contact) -> String {
    format!("+1303556000{contact}")
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn five_thousand_random_operations_agree_with_the_model() {
    run_against_model(Random::from_environment("model")).await;
}

// A second test, so that a machine with two processors runs both in parallel.
#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn five_thousand_more_random_operations_agree_with_the_model() {
    let mut random = Random::from_environment("model, second seed");
    random.next();
    run_against_model(random).await;
}

async fn run_against_model(mut random: Random) {
    let app = TestApp::start_with(&directory()).await;
    for case in 0..CASES {
        let (mut case, mut state) = Case::create(&app, case).await;
        let mut done = 0;
        while done < OPERATIONS {
            done += case.batch(&mut random, &mut state).await;
        }
        case.assert_agrees(&state).await;
    }
    app.assert_logs_are_gapless().await;
}

impl<'a> Case<'a> {
    async fn create(app: &'a TestApp, number: usize) -> (Self, State) {
        let key = format!("case{number}");
        let directory = app.directory(&key).await;
        let mut viewers = Vec::new();
        for user in USERS {
            viewers.push(app.viewer(&key, user).await);
        }
        let e164: Vec<String> = (0..NUMBERS).map(|n| number_of(number, n)).collect();
        let of = |e164: &String| directory.numbers.iter().find(|row| row.e164 == *e164).unwrap().id;
        let mut case = Self {
            app,
            agency: directory.agency_id(),
            account: directory.agency.twilio_account_id.unwrap(),
            key,
            users: viewers.iter().map(Viewer::id).collect(),
            viewers,
            numbers: e164.iter().map(of).collect(),
            e164,
            thread_ids: BTreeMap::new(),
            sent: 0,
        };
        let place = |user: &User| Membership { user: *user, sms: true, primary: false };
        let mut state = State {
            now: app.clock.now(),
            away: vec![false; USERS.len()],
            pools: POOLS.iter().map(|pool| pool.iter().map(place).collect()).collect(),
            providers: PROVIDERS.to_vec(),
            threads: BTreeMap::new(),
            notifications: Vec::new(),
            sids: Default::default(),
            events: app.events(case.agency).await.len(),
        };
        // On a database server with several lanes, these texts assign the numbers to their agency's lane.
        for number in 0..NUMBERS {
            let text = Operation::Text { sid: format!("SMwarm{}{number}", case.key), pair: (number, 0), body: "hello" };
            assert_eq!(text.perform(&case).await, text.apply(&case, &mut state));
        }
        case.fetch_threads().await;
        (case, state)
    }

    fn sid(&self, n: usize) -> String {
        format!("SM{}x{n}", self.key)
    }

    fn phone(&self, contact: Contact) -> String {
        phone_of(contact)
    }

    fn user(&self, id: UserId) -> User {
        self.users.iter().position(|user| *user == id).expect("a user of this agency")
    }

    /// Runs a batch of operations, then advances the clock. Returns the number of operations.
    async fn batch(&mut self, random: &mut Random, state: &mut State) -> usize {
        let mut operations: Vec<Operation> = Vec::new();
        for _ in 0..=random.below(24) {
            let operation = Operation::random(random, self);
            self.sent += usize::from(operation.is_text());
            operations.push(operation);
        }
        // Submitted while the writer waits, so that all of them are queued before it takes the first.
        let blocked = self.app.block_writer(self.agency).await;
        let submitted = join_all(operations.iter().map(|operation| operation.perform(self)));
        let (answers, ()) = tokio::join!(submitted, blocked.unblock());
        let mut expected = vec![None; operations.len()];
        for texts in [true, false] {
            for (operation, expected) in operations.iter().zip(&mut expected) {
                if operation.is_text() == texts {
                    *expected = Some(operation.apply(self, state));
                }
            }
        }
        let answers: Vec<_> = answers.into_iter().map(Some).collect();
        assert_eq!(answers, expected, "{operations:#?}");
        self.assert_threads_agree(state, &operations).await;

        let pause = *random.pick(&[0, 0, 0, 1, 60, 150, 300, 3600, 86_400, 3 * 86_400]);
        self.app.clock.advance(Duration::from_secs(pause));
        state.now = self.app.clock.now();
        if random.chance(4) {
            escalate(self.app.services()).await.unwrap();
            state.escalate();
        }
        operations.len()
    }

    async fn rows(&self) -> BTreeMap<Pair, thread::Model> {
        let contacts = contact::Entity::find().filter(contact::Column::AgencyId.eq(self.agency));
        let contacts = contacts.all(self.app.db()).await.unwrap();
        let contact_of = |row: &thread::Model| {
            let contact = contacts.iter().find(|contact| contact.id == row.contact_id).unwrap();
            (0..CONTACTS).find(|n| phone_of(*n) == contact.phone).unwrap()
        };
        let number_of = |row: &thread::Model| self.numbers.iter().position(|id| *id == row.phone_number_id).unwrap();
        let rows = self.app.threads(self.agency).await;
        let count = rows.len();
        let rows: BTreeMap<_, _> = rows.into_iter().map(|row| ((number_of(&row), contact_of(&row)), row)).collect();
        assert_eq!(rows.len(), count, "a pair has one thread");
        rows
    }

    async fn fetch_threads(&mut self) {
        self.thread_ids = self.rows().await.into_iter().map(|(pair, row)| (pair, row.id)).collect();
    }

    async fn assert_threads_agree(&mut self, state: &State, operations: &[Operation]) {
        let rows = self.rows().await;
        assert_eq!(rows.len(), state.threads.len());
        for (pair, row) in &rows {
            let thread = &state.threads[pair];
            let status = match row.status {
                ThreadStatus::Unclaimed => Status::Unclaimed,
                ThreadStatus::Claimed => Status::Claimed,
                ThreadStatus::Closed => Status::Closed,
            };
            let assignee = row.assignee_id.map(|id| self.user(id));
            let last = row.last_assignee_id.map(|id| self.user(id));
            assert_eq!(
                (status, assignee, last, row.closed_at, row.escalate_at, row.inbound_count),
                (
                    thread.status,
                    thread.assignee,
                    thread.last_assignee,
                    thread.closed_at,
                    thread.escalate_at,
                    thread.inbound
                ),
                "{pair:?} after {operations:#?}"
            );
            assert_eq!(row.claimed_at.is_some(), row.assignee_id.is_some());
        }
        self.thread_ids = rows.into_iter().map(|(pair, row)| (pair, row.id)).collect();
    }

    async fn assert_agrees(&self, state: &State) {
        let events = self.app.events(self.agency).await;
        let of_contacts = events.iter().filter(|event| event.kind == EventKind::ContactUpdated).count();
        assert_eq!(events.len() - of_contacts, state.events);
        // A contact opts out once, which changes the other threads that exist by then.
        assert!(of_contacts <= CONTACTS * (NUMBERS - 1), "{of_contacts}");
        self.assert_notifications_agree(state).await;
        self.assert_history_agrees(state).await;
        self.assert_inboxes_agree(state).await;
    }

    async fn assert_notifications_agree(&self, state: &State) {
        let rows = notification::Entity::find().filter(notification::Column::AgencyId.eq(self.agency));
        let mut counts: BTreeMap<_, (usize, usize)> = BTreeMap::new();
        for row in rows.all(self.app.db()).await.unwrap() {
            let kind = match (row.kind, row.rung) {
                (NotificationKind::InboundClientMessage, Some(rung)) => Kind::Inbound(match rung {
                    RoutingRung::Extension => Rung::Extension,
                    RoutingRung::Pool => Rung::Pool,
                    RoutingRung::Provider => Rung::Provider,
                    RoutingRung::Admins => Rung::Admins,
                    RoutingRung::Assignee => Rung::Assignee,
                    RoutingRung::DefaultUser => panic!("the agencies have no default user"),
                }),
                (NotificationKind::ThreadAssigned, None) => Kind::Assigned,
                (NotificationKind::ThreadTakenOver, None) => Kind::TakenOver,
                (NotificationKind::ThreadUnclaimed, Some(_)) => Kind::Unclaimed,
                other => panic!("unexpected notification: {other:?}"),
            };
            let (pair, _) = self.thread_ids.iter().find(|(_, id)| Some(**id) == row.thread_id).unwrap();
            let key = (self.user(row.user_id), *pair, kind, row.read_at.is_some(), row.resolved_at.is_some());
            counts.entry(key).or_default().0 += 1;
        }
        for Notification { user, thread, kind, read, resolved } in state.notifications.iter().cloned() {
            counts.entry((user, thread, kind, read, resolved)).or_default().1 += 1;
        }
        let differing: Vec<_> = counts.iter().filter(|(_, (stored, expected))| stored != expected).collect();
        assert!(differing.is_empty(), "(user, thread, kind, read, resolved): (stored, expected): {differing:#?}");
    }

    async fn assert_history_agrees(&self, state: &State) {
        let rows = activity::Entity::find().filter(activity::Column::AgencyId.eq(self.agency));
        let mut counts: BTreeMap<ThreadId, usize> = BTreeMap::new();
        for row in rows.all(self.app.db()).await.unwrap() {
            *counts.entry(row.thread_id).or_default() += 1;
        }
        for (pair, thread) in &state.threads {
            let lines = counts.get(&self.thread_ids[pair]).copied().unwrap_or(0);
            assert_eq!(lines, thread.history, "the history of {pair:?}");
        }
    }

    /// Compares each user's inbox, read over the API.
    async fn assert_inboxes_agree(&self, state: &State) {
        let inbox = "{ threads(first: 100) { nodes { id unreadCount } } }";
        for (user, key) in USERS.iter().enumerate() {
            let answer = self.app.graphql(&self.app.token(&self.key, key), inbox, json!({})).await;
            let nodes = answer["data"]["threads"]["nodes"].as_array().unwrap_or_else(|| panic!("{answer}"));
            let count =
                |n: &serde_json::Value| (n["id"].as_str().unwrap().to_owned(), n["unreadCount"].as_i64().unwrap());
            let seen: BTreeMap<_, _> = nodes.iter().map(count).collect();
            let expected = state.inbox(user).into_iter();
            let expected = expected.map(|(pair, unread)| (self.thread_ids[&pair].to_string(), i64::from(unread)));
            assert_eq!(seen, expected.collect(), "what {key} sees");
        }
    }
}
