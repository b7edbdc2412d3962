//! A window of the console. It keeps its lists as "A live list, step by step" in `docs/clients.md` describes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt as _;
use partyline::domain::cursor::Cursor;
use partyline::ports::Clock as _;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::list::{List, Thread};
use crate::support::TestApp;
use crate::support::socket::{Closed, Socket};

const SNAPSHOT: &str = include_str!("../documents/live_lists_client_snapshot.graphql");
const PAGE: &str = include_str!("../documents/live_lists_client_page.graphql");

/// The indexes of the two subscriptions.
const THREADS: usize = 0;
const VIEWER: usize = 1;
const FIELDS: [&str; 2] = ["threadUpdated", "viewerUpdated"];
const SUBSCRIPTIONS: [&str; 2] = [
    include_str!("../documents/live_lists_client_threads.graphql"),
    include_str!("../documents/live_lists_client_viewer.graphql"),
];

/// Tokens are valid for an hour.
const MAX_CONNECTION_AGE: TimeDelta = TimeDelta::minutes(40);

pub(super) struct Client {
    pub(super) name: String,
    pub(super) user: &'static str,
    user_id: String,
    /// The thread whose events end each comparison.
    sentinel: String,
    pub(super) lists: Vec<List>,
    pub(super) threads: BTreeMap<String, Thread>,
    /// The viewer's `viewerSeenCount` by thread. A thread that only an event has shown has no entry.
    seen: BTreeMap<String, Option<i64>>,
    /// Changes that no revision orders: removed threads and read marks. A response that was requested before one of
    /// them is discarded.
    unordered_changes: u32,
    socket: Option<Socket>,
    connected_at: DateTime<Utc>,
    /// For each subscription, the cursor of the last event, the id of its operation, and whether the client has
    /// received the sentinel's event.
    cursors: [Value; 2],
    operations: [String; 2],
    at_end: [bool; 2],
    serial: u32,
}

/// A row as it is shown.
#[derive(Debug, PartialEq)]
struct Row {
    unread: i64,
    thread: Thread,
}

impl Client {
    /// Queries the lists and subscribes to their changes.
    pub(super) async fn open(
        app: &TestApp,
        user: &'static str,
        user_id: &str,
        window: usize,
        lists: Vec<List>,
        sentinel: &str,
    ) -> Self {
        let mut client = Self {
            name: format!("{user}'s window {window}"),
            user,
            user_id: user_id.to_owned(),
            sentinel: sentinel.to_owned(),
            lists,
            threads: BTreeMap::new(),
            seen: BTreeMap::new(),
            unordered_changes: 0,
            socket: None,
            connected_at: app.clock.now(),
            cursors: [Value::Null, Value::Null],
            operations: [String::new(), String::new()],
            at_end: [false; 2],
            serial: 0,
        };
        let cursor = client.query_first_pages(app).await;
        client.cursors = [cursor.clone(), cursor];
        client.connect(app).await;
        client
    }

    /// Connects, and resumes both subscriptions after their last events.
    pub(super) async fn connect(&mut self, app: &TestApp) {
        if self.socket.is_some() {
            return;
        }
        self.socket = Some(app.socket(&app.token("acme", self.user)).await);
        self.connected_at = app.clock.now();
        self.subscribe(THREADS).await;
        self.subscribe(VIEWER).await;
    }

    /// Drops the connection, with all events that the client has not read.
    pub(super) fn cut(&mut self) {
        self.socket = None;
    }

    /// Drops a connection whose token expires soon.
    pub(super) fn cut_before_token_expires(&mut self, now: DateTime<Utc>) {
        if now - self.connected_at > MAX_CONNECTION_AGE {
            self.cut();
        }
    }

    /// Drops the connection, and replaces the cursors by those of a log that no longer exists.
    pub(super) fn expire_cursors(&mut self) {
        self.cut();
        self.cursors = self.cursors.each_ref().map(|cursor| {
            let cursor: Cursor = cursor.as_str().unwrap().parse().unwrap();
            json!(Cursor { epoch: Uuid::nil(), ..cursor }.to_string())
        });
    }

    async fn subscribe(&mut self, subscription: usize) {
        self.serial += 1;
        self.operations[subscription] = format!("{}-{}", FIELDS[subscription], self.serial);
        if let Some(socket) = &mut self.socket {
            let variables = json!({"after": self.cursors[subscription]});
            socket.subscribe(&self.operations[subscription], SUBSCRIPTIONS[subscription], variables).await;
        }
    }

    /// Replaces a subscription by one that begins after its last event. Later messages of the former one are ignored.
    async fn resubscribe(&mut self, subscription: usize) {
        if let Some(socket) = &mut self.socket {
            socket.send(json!({"id": self.operations[subscription], "type": "complete"})).await;
        }
        self.subscribe(subscription).await;
    }

    async fn query(&self, app: &TestApp, document: &str, variables: Value) -> Value {
        let mut answer = app.graphql(&app.token("acme", self.user), document, variables).await;
        assert!(answer.get("errors").is_none(), "{}: {answer}", self.name);
        answer["data"].take()
    }

    /// The variables of a snapshot with pages of these sizes.
    fn snapshot_variables(&self, size: impl Fn(&List) -> usize) -> Value {
        let mut variables = Map::new();
        for (n, list) in self.lists.iter().enumerate() {
            variables.insert(format!("filter{n}"), list.filter_input());
            variables.insert(format!("order{n}"), list.order_input());
            variables.insert(format!("first{n}"), json!(size(list)));
        }
        Value::Object(variables)
    }

    /// Begins all lists again with their first pages. Returns the cursor of the log before the snapshot.
    async fn query_first_pages(&mut self, app: &TestApp) -> Value {
        self.unordered_changes += 1;
        let mut data = self.query(app, SNAPSHOT, self.snapshot_variables(|list| list.page_size)).await;
        for n in 0..self.lists.len() {
            let page = data[format!("list{n}").as_str()].take();
            self.merge_page(&page);
            self.lists[n].begin(&page);
        }
        data["eventCursor"].take()
    }

    /// Loads the next page of a list. Up to `late_by` events are processed before the response, as if it came late.
    pub(super) async fn load_next_page(&mut self, app: &TestApp, n: usize, late_by: usize) {
        if !self.lists[n].has_more {
            return;
        }
        let changes_before = self.unordered_changes;
        let data = self.query(app, PAGE, self.lists[n].next_page()).await;
        self.read_available(app, late_by).await;
        if self.unordered_changes == changes_before {
            self.merge_page(&data["threads"]);
            self.lists[n].extend(&data["threads"]);
        }
    }

    fn merge_page(&mut self, page: &Value) {
        for node in page["nodes"].as_array().unwrap_or_else(|| panic!("{page}")) {
            self.merge(node);
        }
    }

    /// Keeps the newer of two snapshots of a thread.
    fn merge(&mut self, node: &Value) {
        let thread = Thread::read(node);
        if let Some(seen) = node.get("viewerSeenCount") {
            self.seen.insert(thread.id.clone(), seen.as_i64());
        }
        if self.threads.get(&thread.id).is_none_or(|held| held.revision <= thread.revision) {
            self.threads.insert(thread.id.clone(), thread);
        }
    }

    fn remove(&mut self, thread: &str) {
        self.threads.remove(thread);
        self.seen.remove(thread);
        self.unordered_changes += 1;
    }

    /// Applies the payload of a mutation that this window has called.
    pub(super) fn apply_payload(&mut self, thread: &str, payload: &Value) {
        if payload["userErrors"] != json!([]) {
            return;
        }
        match &payload["thread"] {
            Value::Null => self.remove(thread),
            node => self.merge(node),
        }
    }

    /// Processes up to `most` messages that have arrived.
    pub(super) async fn read_available(&mut self, app: &TestApp, most: usize) {
        for _ in 0..most {
            let Some(socket) = &mut self.socket else { return };
            let Some(message) = socket.next().now_or_never() else { return };
            self.handle(app, message).await;
        }
    }

    /// Expects the sentinel's next events.
    pub(super) fn expect_sentinel(&mut self) {
        self.at_end = [false; 2];
    }

    /// Processes messages up to the sentinel's events.
    pub(super) async fn read_to_sentinel(&mut self, app: &TestApp) {
        while self.at_end != [true; 2] {
            let message = match &mut self.socket {
                Some(socket) => socket.next().await,
                None => panic!("{} is not connected", self.name),
            };
            self.handle(app, message).await;
        }
    }

    async fn handle(&mut self, app: &TestApp, message: Result<Value, Closed>) {
        let message = message.unwrap_or_else(|closed| panic!("{}: {closed:?}", self.name));
        let operation = message["id"].as_str().unwrap_or_default();
        // Others belong to subscriptions that the client has replaced.
        let Some(subscription) = self.operations.iter().position(|id| id == operation) else { return };
        let payload = &message["payload"];
        match message["type"].as_str() {
            Some("next") => {
                assert!(payload.get("errors").is_none(), "{}: {message}", self.name);
                let event = &payload["data"][FIELDS[subscription]];
                self.cursors[subscription] = event["cursor"].clone();
                match subscription {
                    THREADS => self.thread_updated(event),
                    _ => self.viewer_updated(app, event).await,
                }
            }
            Some("error") => match payload[0]["extensions"]["code"].as_str() {
                Some("CURSOR_EXPIRED") => self.begin_again(app).await,
                Some("RESUME") => {
                    self.cursors[subscription] = payload[0]["extensions"]["cursor"].clone();
                    self.subscribe(subscription).await;
                }
                _ => panic!("{}: {message}", self.name),
            },
            _ => panic!("{}: {message}", self.name),
        }
    }

    fn thread_updated(&mut self, event: &Value) {
        let thread = event["threadId"].as_str().unwrap_or_else(|| panic!("{event}"));
        match &event["thread"] {
            Value::Null => self.remove(thread),
            node => self.merge(node),
        }
        self.at_end[THREADS] |= thread == self.sentinel;
    }

    async fn viewer_updated(&mut self, app: &TestApp, event: &Value) {
        match event["change"].as_str() {
            Some("THREAD_READ") => {
                self.unordered_changes += 1;
                match event["thread"]["id"].as_str() {
                    Some(thread) => {
                        self.seen.insert(thread.to_owned(), event["thread"]["viewerSeenCount"].as_i64());
                        self.at_end[VIEWER] |= thread == self.sentinel;
                    }
                    // The event does not name a thread that the viewer may no longer see. If the viewer may see it
                    // again, no other event has the read mark.
                    None => self.seen.clear(),
                }
            }
            Some("ACCESS") => self.change_access(app, event["phoneNumber"]["id"].as_str()).await,
            _ => {}
        }
    }

    /// Drops the threads of a number, or all, and queries the first pages again.
    async fn change_access(&mut self, app: &TestApp, number: Option<&str>) {
        self.threads.retain(|_, thread| number.is_some_and(|number| !thread.is_on(number)));
        let threads = &self.threads;
        self.seen.retain(|thread, _| threads.contains_key(thread));
        // The subscriptions are independent: an event that was rendered before the change could arrive after this one,
        // and bring back a row or remove one. A new subscription renders it with the present access.
        self.resubscribe(THREADS).await;
        self.query_first_pages(app).await;
    }

    /// The log does not contain the missed events: begins with a new snapshot.
    async fn begin_again(&mut self, app: &TestApp) {
        self.threads.clear();
        self.seen.clear();
        let cursor = self.query_first_pages(app).await;
        self.cursors = [cursor.clone(), cursor];
        self.resubscribe(THREADS).await;
        self.resubscribe(VIEWER).await;
        // If clients read to the sentinel's events, both were committed before the snapshot.
        self.at_end = [true; 2];
    }

    /// Fills the first page of each list, and queries the read marks of rows that only events have shown.
    pub(super) async fn complete_lists(&mut self, app: &TestApp) {
        for n in 0..self.lists.len() {
            while self.lists[n].has_more && self.rows(n).len() < self.lists[n].page_size {
                self.load_next_page(app, n, 0).await;
            }
        }
        let shown = (0..self.lists.len()).flat_map(|n| self.rows(n)).map(|thread| thread.id.clone());
        let unknown: BTreeSet<String> = shown.filter(|thread| !self.seen.contains_key(thread)).collect();
        if unknown.is_empty() {
            return;
        }
        let field = |(n, thread): (usize, &String)| {
            format!("thread{n}: node(id: \"{thread}\") {{ ... on Thread {{ id viewerSeenCount }} }}")
        };
        let fields: Vec<String> = unknown.iter().enumerate().map(field).collect();
        let data = self.query(app, &format!("{{ {} }}", fields.join(" ")), json!({})).await;
        for node in data.as_object().unwrap_or_else(|| panic!("{data}")).values() {
            // The node of a thread that the viewer may not see is null. The comparison then fails.
            if let Some(thread) = node["id"].as_str() {
                self.seen.insert(thread.to_owned(), node["viewerSeenCount"].as_i64());
            }
        }
    }

    fn rows(&self, n: usize) -> Vec<&Thread> {
        self.lists[n].rows(&self.threads, &self.user_id)
    }

    fn unread(&self, thread: &Thread) -> i64 {
        thread.unread(self.seen.get(&thread.id).copied().flatten())
    }

    /// Compares each list with a query of its loaded part. The error shows the first difference.
    pub(super) async fn compare(&self, app: &TestApp) -> Result<(), String> {
        // One row more shows whether a list that is complete on the client has more rows.
        let size = |list: &List| list.rows(&self.threads, &self.user_id).len() + 1;
        let data = self.query(app, SNAPSHOT, self.snapshot_variables(size)).await;
        for (n, list) in self.lists.iter().enumerate() {
            let nodes = data[format!("list{n}").as_str()]["nodes"].as_array().unwrap();
            let unread_of = |node: &Value| node["unreadCount"].as_i64().unwrap_or_else(|| panic!("{node}"));
            let of_node = |node: &Value| Row { unread: unread_of(node), thread: Thread::read(node) };
            let mut expected: Vec<Row> = nodes.iter().map(of_node).collect();
            let of_thread = |thread: &Thread| Row { unread: self.unread(thread), thread: thread.clone() };
            let got: Vec<Row> = self.rows(n).into_iter().map(of_thread).collect();
            if list.has_more {
                expected.truncate(got.len());
            }
            if got != expected {
                let (expected, got) = (lines(&expected), lines(&got));
                return Err(format!("{}, list `{}`:\nexpected:\n{expected}got:\n{got}", self.name, list.name));
            }
        }
        if self.lists.iter().any(List::holds_all) && self.counts() != data["threadCounts"] {
            let (expected, got) = (&data["threadCounts"], self.counts());
            return Err(format!("{}, counts:\nexpected: {expected}\ngot: {got}\n", self.name));
        }
        Ok(())
    }

    fn counts(&self) -> Value {
        let count =
            |is_counted: &dyn Fn(&Thread) -> bool| self.threads.values().filter(|thread| is_counted(thread)).count();
        let is_mine = |thread: &Thread| thread.is_held_by(&self.user_id);
        json!({
            "mine": count(&is_mine),
            "unclaimed": count(&|thread: &Thread| thread.status == "UNCLAIMED"),
            "open": count(&|thread: &Thread| thread.status != "CLOSED"),
            "closed": count(&|thread: &Thread| thread.status == "CLOSED"),
            "needsReply": count(&|thread: &Thread| thread.needs_reply),
            "mineUnread": count(&|thread: &Thread| is_mine(thread) && self.unread(thread) > 0),
        })
    }
}

fn lines(rows: &[Row]) -> String {
    rows.iter().map(|row| format!("  {row:?}\n")).collect()
}
