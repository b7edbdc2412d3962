//! A filtered and sorted list of threads, as a client keeps it: filter and order are evaluated on the client.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

/// A snapshot of a thread. All fields are the same for all viewers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Thread {
    pub(super) id: String,
    pub(super) revision: i64,
    pub(super) status: String,
    assignee: Option<Node>,
    phone_number: Node,
    inbound_count: i64,
    answered_count: i64,
    pub(super) needs_reply: bool,
    waiting_since: Option<String>,
    last_activity_at: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Node {
    id: String,
}

impl Thread {
    pub(super) fn read(node: &Value) -> Self {
        Self::deserialize(node).unwrap_or_else(|error| panic!("{error}: {node}"))
    }

    pub(super) fn is_held_by(&self, user: &str) -> bool {
        self.assignee.as_ref().is_some_and(|assignee| assignee.id == user)
    }

    pub(super) fn is_on(&self, number: &str) -> bool {
        self.phone_number.id == number
    }

    /// The unread count of a viewer who has read this many messages; `None` if the viewer never read the thread.
    pub(super) fn unread(&self, seen: Option<i64>) -> i64 {
        (self.inbound_count - seen.unwrap_or(self.answered_count)).max(0)
    }
}

#[derive(Debug, Clone, Copy)]
enum Order {
    LatestActivity,
    LongestWaiting,
}

/// The position of a thread in its list. Times and ids have a fixed width, so their texts sort as the values do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    LatestActivity(Reverse<(String, String)>),
    /// Threads that wait for nothing come last, in the order of their ids.
    LongestWaiting(bool, Option<String>, String),
}

impl Order {
    fn key(self, thread: &Thread) -> Key {
        let id = thread.id.clone();
        match self {
            Self::LatestActivity => Key::LatestActivity(Reverse((thread.last_activity_at.clone(), id))),
            Self::LongestWaiting => {
                Key::LongestWaiting(thread.waiting_since.is_none(), thread.waiting_since.clone(), id)
            }
        }
    }

    fn input(self) -> Value {
        match self {
            Self::LatestActivity => json!("LATEST_ACTIVITY"),
            Self::LongestWaiting => json!("LONGEST_WAITING"),
        }
    }
}

/// The conditions of a list. The default selects all threads.
#[derive(Debug, Default)]
struct Filter {
    /// Any status if empty.
    status: &'static [&'static str],
    mine: Option<bool>,
    /// Any number if empty.
    numbers: Vec<String>,
    needs_reply: Option<bool>,
}

impl Filter {
    fn input(&self) -> Value {
        let Self { status, mine, numbers, needs_reply } = self;
        json!({"status": status, "assignedToMe": mine, "phoneNumberIds": numbers, "needsReply": needs_reply})
    }

    fn matches(&self, thread: &Thread, viewer: &str) -> bool {
        (self.status.is_empty() || self.status.contains(&thread.status.as_str()))
            && self.mine.is_none_or(|mine| thread.is_held_by(viewer) == mine)
            && (self.numbers.is_empty() || self.numbers.iter().any(|number| thread.is_on(number)))
            && self.needs_reply.is_none_or(|needs_reply| thread.needs_reply == needs_reply)
    }
}

#[derive(Debug)]
pub(super) struct List {
    pub(super) name: &'static str,
    pub(super) page_size: usize,
    filter: Filter,
    order: Order,
    /// The key of the last row of the last page, when that page was queried.
    tail: Option<Key>,
    end_cursor: Value,
    pub(super) has_more: bool,
}

impl List {
    fn new(name: &'static str, page_size: usize, order: Order, filter: Filter) -> Self {
        Self { name, page_size, filter, order, tail: None, end_cursor: Value::Null, has_more: true }
    }

    /// The lists of a user's window. Each of the three windows shows others.
    pub(super) fn of_window(window: usize, desk: &str, nurses: &str) -> Vec<Self> {
        use Order::{LatestActivity, LongestWaiting};
        let on = |number: &str| Filter { numbers: vec![number.to_owned()], ..Filter::default() };
        let with_status = |status: &'static [&'static str]| Filter { status, ..Filter::default() };
        let mine = |mine: bool| Filter { mine: Some(mine), ..Filter::default() };
        let needs_reply = |needs_reply: bool| Filter { needs_reply: Some(needs_reply), ..Filter::default() };
        match window {
            0 => vec![
                Self::new("mine", 3, LatestActivity, mine(true)),
                Self::new("unclaimed at the desk", 4, LongestWaiting, Filter { status: &["UNCLAIMED"], ..on(desk) }),
                Self::new("needs reply", 5, LatestActivity, needs_reply(true)),
            ],
            1 => vec![
                Self::new("open", 6, LongestWaiting, with_status(&["UNCLAIMED", "CLAIMED"])),
                Self::new("not mine", 5, LatestActivity, mine(false)),
                Self::new("at the nurses", 4, LatestActivity, on(nurses)),
            ],
            _ => vec![
                // One page holds all threads, so this window can also count them.
                Self::new("all", 100, LatestActivity, Filter::default()),
                Self::new("closed", 3, LatestActivity, with_status(&["CLOSED"])),
                Self::new("needs no reply", 4, LongestWaiting, needs_reply(false)),
            ],
        }
    }

    /// True if the client holds every thread that its user may see.
    pub(super) fn holds_all(&self) -> bool {
        self.name == "all" && !self.has_more
    }

    pub(super) fn filter_input(&self) -> Value {
        self.filter.input()
    }

    pub(super) fn order_input(&self) -> Value {
        self.order.input()
    }

    /// The variables of the query for the next page.
    pub(super) fn next_page(&self) -> Value {
        let (filter, order) = (self.filter_input(), self.order_input());
        json!({"filter": filter, "order": order, "first": self.page_size, "after": self.end_cursor})
    }

    /// Begins the list again with its first page.
    pub(super) fn begin(&mut self, page: &Value) {
        self.tail = None;
        self.extend(page);
    }

    /// Extends the loaded part of the list by a page.
    pub(super) fn extend(&mut self, page: &Value) {
        if let Some(last) = page["nodes"].as_array().and_then(|nodes| nodes.last()) {
            self.tail = Some(self.order.key(&Thread::read(last)));
            self.end_cursor = page["pageInfo"]["endCursor"].clone();
        }
        self.has_more = page["pageInfo"]["hasNextPage"].as_bool().unwrap_or_else(|| panic!("{page}"));
    }

    /// The rows: the threads that match, up to the tail of the loaded part. Threads below it are left to paging.
    pub(super) fn rows<'a>(&self, threads: &'a BTreeMap<String, Thread>, viewer: &str) -> Vec<&'a Thread> {
        let matching = threads.values().filter(|thread| self.filter.matches(thread, viewer));
        let keyed = matching.map(|thread| (self.order.key(thread), thread));
        let is_loaded = |key: &Key| !self.has_more || self.tail.as_ref().is_some_and(|tail| key <= tail);
        let mut rows: Vec<(Key, &Thread)> = keyed.filter(|(key, _)| is_loaded(key)).collect();
        rows.sort_by(|(one, _), (other, _)| one.cmp(other));
        rows.into_iter().map(|(_, thread)| thread).collect()
    }
}
