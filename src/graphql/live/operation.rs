//! Operations shared by subscriptions: equal subscriptions refer to one [`Operation`], which is executed once per
//! event.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_graphql::parser::types::{ExecutableDocument, Selection};
use async_graphql::{Name, Request, Variables};

use crate::domain::AgencyId;
use crate::graphql::documents::Document;
use crate::graphql::operation::Prepared;

/// Identifies an operation: everything in a request except the requester and the position in the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    agency: AgencyId,
    query: Arc<str>,
    name: Option<String>,
    /// JSON, without the variable of the argument `after`.
    variables: String,
}

/// An operation with at least one open subscription.
pub(super) struct Operation {
    /// Unique within the process and never reused.
    pub(super) id: u64,
    /// True once a response has depended on the viewer. From then on, responses are not shared between users.
    pub(super) personal: AtomicBool,
    /// The expected size of a payload.
    pub(super) expected_bytes: usize,
    key: Key,
    document: Arc<Document>,
    variables: Variables,
    operations: Weak<Operations>,
}

impl Operation {
    /// Returns the request that executes the operation for an event.
    pub(super) fn request(&self) -> Request {
        self.request_with(self.variables.clone())
    }

    /// The same with one subscriber's variables, which include that of the argument `after`.
    pub(super) fn request_with(&self, variables: Variables) -> Request {
        let mut request = Request::new(&*self.key.query).variables(variables);
        request.operation_name.clone_from(&self.key.name);
        request.set_parsed_query(self.document.parsed.clone());
        request
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        let Some(operations) = self.operations.upgrade() else { return };
        let mut all = operations.lock();
        // A new operation with the same key may have been registered in the meantime.
        if all.get(&self.key).is_some_and(|held| held.strong_count() == 0) {
            all.remove(&self.key);
        }
    }
}

/// The operations with open subscriptions.
#[derive(Default)]
pub(super) struct Operations {
    all: Mutex<HashMap<Key, Weak<Operation>>>,
    next_id: AtomicU64,
}

impl Operations {
    /// Returns the operation of a request, and registers it if it is new.
    pub(super) fn register(self: &Arc<Self>, agency: AgencyId, prepared: Prepared) -> Arc<Operation> {
        let expected_bytes = prepared.expected_bytes();
        let Prepared { query, name, variables, document, .. } = prepared;
        let cursor = cursor_variable(&document.parsed, &query);
        let distinct: Vec<_> = variables.iter().filter(|(name, _)| cursor.as_ref() != Some(name)).collect();
        // Serializing JSON values under string keys cannot fail.
        let distinct = serde_json::to_string(&distinct).unwrap_or_default();
        let key = Key { agency, query: query.into(), name, variables: distinct };
        let mut all = self.lock();
        if let Some(operation) = all.get(&key).and_then(Weak::upgrade) {
            return operation;
        }
        let operation = Arc::new(Operation {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            personal: AtomicBool::new(false),
            expected_bytes,
            key: key.clone(),
            document,
            variables,
            operations: Arc::downgrade(self),
        });
        all.insert(key, Arc::downgrade(&operation));
        operation
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Weak<Operation>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the variable of the root field's argument `after`, if the document uses it nowhere else. Its value does not
/// affect the responses, so subscriptions that differ only in it share an operation.
fn cursor_variable(document: &ExecutableDocument, query: &str) -> Option<Name> {
    let mut operations = document.operations.iter();
    let (Some((_, operation)), None) = (operations.next(), operations.next()) else { return None };
    let [root] = operation.node.selection_set.node.items.as_slice() else { return None };
    let Selection::Field(field) = &root.node else { return None };
    let value = field.node.get_argument("after")?.node.to_string();
    let name = Name::new(value.strip_prefix('$')?);
    // The variable must occur exactly twice: declared and used. A comment that mentions it only prevents sharing.
    let used = |(at, _): &(usize, &str)| {
        let rest = query.get(at + 1..).and_then(|rest| rest.strip_prefix(name.as_str()));
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
    };
    (query.match_indices('$').filter(used).count() == 2).then_some(name)
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    #[test]
    fn only_a_variable_used_as_the_cursor_alone_is_left_out_of_the_key() {
        let cursor = |query: &str| cursor_variable(&parse_query(query).unwrap(), query).map(|name| name.to_string());
        for query in [
            "subscription($after: EventCursor) { inboundMessage(after: $after) { cursor } }",
            "subscription S($x: Int, $after:EventCursor){threadUpdated(after:$after){cursor}}",
            "subscription($after: EventCursor, $afters: Int) { a(after: $after) { b(after: $afters) } }",
        ] {
            assert_eq!(cursor(query).as_deref(), Some("after"), "{query}");
        }
        for query in [
            "subscription($after: EventCursor) { a(after: $after) { messages(after: $after) { totalCount } } }",
            "subscription($after: String) { a { messages(after: $after) { totalCount } } }",
            "subscription($after: EventCursor) { a(after: $after) { b @skip(if: $after) } }",
            "subscription { a(after: \"x\") }",
        ] {
            assert_eq!(cursor(query), None, "{query}");
        }
    }
}
