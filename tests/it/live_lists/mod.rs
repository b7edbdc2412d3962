//! Lists that clients keep from snapshots and events equal fresh queries, whatever happens and however often the
//! clients are disconnected.
//!
//! Fifteen clients follow random operations. After each burst of operations, a text that every user may see and a read
//! mark of every user end the two subscriptions' events, and each client's lists are compared with queries.

use std::time::Duration;

use futures_util::future::join_all;
use partyline::domain::AgencyId;
use partyline::ports::Clock as _;
use partyline::service::escalate::escalate;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::directory::{DESK, NURSES};
use crate::support::random::Random;
use client::Client;
use list::List;
use operation::{Operation, contact};

mod client;
mod list;
mod operation;

const USERS: [&str; 5] = ["ana", "ben", "chloe", "dev", "eve"];
const WINDOWS: usize = 3;
const CONTACTS: usize = 14;
/// The most operations in a burst.
const BURST: usize = 16;
/// A number whose pool never changes and has every member, and the only contact who texts it.
const SENTINEL: &str = "+13035550103";
const SENTINEL_CONTACT: &str = "+13035560199";

const MARK_READ: &str = include_str!("../documents/live_lists_mark_read.graphql");

/// Eve is in no pool: she has an extension, and is the provider of a contact.
const AGENCY: &str = r#"
agencies:
  - key: acme
    name: Acme Health
    timeZone: America/Denver
    twilio: {accountSid: AC00000000000000000000000000000001, authToken: 0123456789abcdef0123456789abcdef}
    users:
      - {key: ana, name: Ana Lopez, role: ADMIN}
      - {key: ben, name: Ben Ode, role: MEMBER}
      - {key: chloe, name: Chloe Park, role: MEMBER}
      - {key: dev, name: Dev Shah, role: MEMBER}
      - {key: eve, name: Eve Moss, role: MEMBER}
    phoneNumbers:
      - {number: "+13035550100", label: Front desk, pool: [{user: ben, primary: true}, {user: chloe}]}
      - {number: "+13035550101", label: Nurse line, pool: [{user: chloe}, {user: dev}]}
      - {number: "+13035550103", label: Sentinel, pool: [{user: ben}, {user: chloe}, {user: dev}, {user: eve}]}
    extensions:
      - {digits: "101", user: eve}
    contacts:
      - {phone: "+13035560000", name: Carla Ruiz}
      - {phone: "+13035560001", name: Tom Becker, provider: eve}
"#;

struct World {
    app: TestApp,
    agency: AgencyId,
    /// The random source at its start, to be printed in failures.
    seed: String,
    clients: Vec<Client>,
    /// The ids of all users.
    users: Vec<String>,
    /// The ids of the numbers whose pools change.
    numbers: Vec<String>,
    extension: String,
    sentinel: String,
    /// The ids of all threads before the current burst, without the sentinel's.
    threads: Vec<String>,
    operations: usize,
}

#[tokio::test]
async fn lists_of_two_hundred_random_operations_equal_fresh_queries() {
    run(Random::from_environment("live lists"), 200).await;
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn lists_of_fifteen_hundred_random_operations_equal_fresh_queries() {
    run(Random::from_environment("live lists, long"), 1_500).await;
}

async fn run(mut random: Random, operations: usize) {
    let mut world = World::start(format!("{random:?}")).await;
    while world.operations < operations {
        let burst = world.burst(&mut random).await;
        world.bring_up_to_date().await;
        world.assert_agrees(&burst).await;
        world.pause(&mut random).await;
    }
    world.app.assert_logs_are_gapless().await;
}

impl World {
    async fn start(seed: String) -> Self {
        let app = TestApp::start_with(AGENCY).await;
        let agency = app.agency("acme").await;
        app.text(SENTINEL_CONTACT, SENTINEL, "sentinel").await;
        let sentinel = app.threads(agency).await.remove(0).id.to_string();
        // More threads than fit on the pages of most lists.
        for n in 0..CONTACTS {
            app.text(contact(n), if n % 2 == 0 { DESK } else { NURSES }, "hello").await;
            app.clock.advance(Duration::from_secs(1));
        }
        let mut users = Vec::new();
        for user in USERS {
            users.push(app.user_id("acme", user).await);
        }
        let numbers = vec![app.number_id("acme", DESK).await, app.number_id("acme", NURSES).await];
        let mut clients = Vec::new();
        for (user, id) in USERS.into_iter().zip(&users) {
            for window in 0..WINDOWS {
                let lists = List::of_window(window, &numbers[0], &numbers[1]);
                clients.push(Client::open(&app, user, id, window, lists, &sentinel).await);
            }
        }
        let extension = app.extension_id("acme", "101").await;
        let (threads, operations) = (Vec::new(), 0);
        let mut world = Self { app, agency, seed, clients, users, numbers, extension, sentinel, threads, operations };
        world.find_threads().await;
        world
    }

    async fn find_threads(&mut self) {
        let ids = self.app.threads(self.agency).await.into_iter().map(|row| row.id.to_string());
        self.threads = ids.filter(|id| *id != self.sentinel).collect();
    }

    /// A thread, usually one that the client knows, so that most operations are accepted.
    fn random_thread(&self, random: &mut Random, client: usize) -> String {
        let known: Vec<&String> = self.clients[client].threads.keys().filter(|id| **id != self.sentinel).collect();
        if known.is_empty() || random.chance(4) {
            return random.pick(&self.threads).clone();
        }
        (*random.pick(&known)).clone()
    }

    /// Runs some operations, either all at the same time, or one after another while clients read, load pages, and are
    /// cut off.
    async fn burst(&mut self, random: &mut Random) -> Vec<Operation> {
        let mut burst = Vec::new();
        for _ in 0..=random.below(BURST) {
            burst.push(Operation::random(random, self));
        }
        self.operations += burst.len();
        if random.chance(2) {
            let world = &*self;
            let payloads = join_all(burst.iter().map(|operation| operation.perform(world))).await;
            for (operation, payload) in burst.iter().zip(&payloads) {
                self.apply_payload(operation, payload);
            }
            for _ in 0..burst.len() {
                self.disturb_client(random).await;
            }
        } else {
            for operation in &burst {
                let payload = operation.perform(self).await;
                self.apply_payload(operation, &payload);
                self.disturb_client(random).await;
                // In a whole burst, less than the timeout of a query.
                self.app.clock.advance(Duration::from_millis(*random.pick(&[0, 0, 1, 250])));
            }
        }
        burst
    }

    fn apply_payload(&mut self, operation: &Operation, payload: &Value) {
        if let Operation::Thread { client, input, .. } = operation {
            self.clients[*client].apply_payload(input["threadId"].as_str().unwrap(), payload);
        }
    }

    async fn disturb_client(&mut self, random: &mut Random) {
        let n = random.below(self.clients.len());
        let (app, client) = (&self.app, &mut self.clients[n]);
        match random.below(30) {
            0 => client.expire_cursors(),
            1..5 => client.cut(),
            5..12 => client.connect(app).await,
            12..18 => {
                let list = random.below(client.lists.len());
                client.load_next_page(app, list, random.below(10)).await;
            }
            _ => client.read_available(app, random.below(20)).await,
        }
    }

    /// Lets all clients process all events so far.
    async fn bring_up_to_date(&mut self) {
        for client in &mut self.clients {
            client.connect(&self.app).await;
            client.expect_sentinel();
        }
        // Both kinds of events are committed before any client reads: a client that begins again with a snapshot has
        // then nothing to wait for.
        self.app.text(SENTINEL_CONTACT, SENTINEL, "sentinel").await;
        for user in USERS {
            let token = self.app.token("acme", user);
            let answer = self.app.graphql(&token, MARK_READ, json!({"thread": self.sentinel})).await;
            assert_eq!(answer["data"]["markThreadRead"]["userErrors"], json!([]), "{user}: {answer}");
        }
        for client in &mut self.clients {
            client.read_to_sentinel(&self.app).await;
            client.complete_lists(&self.app).await;
        }
    }

    async fn assert_agrees(&self, burst: &[Operation]) {
        for client in &self.clients {
            if let Err(difference) = client.compare(&self.app).await {
                let Self { seed, operations, .. } = self;
                panic!("{seed}, after {operations} operations, {difference}the last operations: {burst:#?}");
            }
        }
    }

    /// Lets some time pass between bursts, and alerts the pools of texts that an extension's user has not answered.
    async fn pause(&mut self, random: &mut Random) {
        self.app.clock.advance(Duration::from_secs(*random.pick(&[0, 0, 1, 60, 301])));
        if random.chance(3) {
            escalate(self.app.services()).await.unwrap();
        }
        let now = self.app.clock.now();
        for client in &mut self.clients {
            client.cut_before_token_expires(now);
        }
        self.find_threads().await;
    }
}
