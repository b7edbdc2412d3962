//! One operation that many subscribe to: executed once per event for all who would get the same.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_graphql::parser::types::{ExecutableDocument, Selection};
use async_graphql::{Name, Request, Variables};

use crate::domain::AgencyId;
use crate::graphql::documents::Document;
use crate::graphql::operation::Prepared;

/// What an operation is, apart from who asks and where in the log they stand.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    agency: AgencyId,
    query: Arc<str>,
    name: Option<String>,
    /// As JSON, without the one that says after which place in the log.
    variables: String,
}

/// An operation that somebody subscribes to.
pub(super) struct Operation {
    /// Tells it from the others, also from one that is gone.
    pub(super) id: u64,
    /// Whether an answer has depended on who asked, so that it is no use to make one for all.
    pub(super) personal: AtomicBool,
    key: Key,
    document: Arc<Document>,
    variables: Variables,
    operations: Weak<Operations>,
}

impl Operation {
    /// A request that executes it for an event.
    pub(super) fn request(&self) -> Request {
        self.request_with(self.variables.clone())
    }

    /// The same with a subscriber's own variables, which say after which place in the log.
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
        // Another one may have taken its place by now.
        if all.get(&self.key).is_some_and(|held| held.strong_count() == 0) {
            all.remove(&self.key);
        }
    }
}

/// All operations that somebody subscribes to.
#[derive(Default)]
pub(super) struct Operations {
    all: Mutex<HashMap<Key, Weak<Operation>>>,
    count: AtomicU64,
}

impl Operations {
    /// The operation that this request asks for.
    pub(super) fn enter(self: &Arc<Self>, agency: AgencyId, prepared: Prepared) -> Arc<Operation> {
        let Prepared { query, name, variables, document, .. } = prepared;
        let place = place(&document.parsed, &query);
        let distinct: Vec<_> = variables.iter().filter(|(name, _)| place.as_ref() != Some(name)).collect();
        // Values of JSON under their names, in order: that cannot fail.
        let distinct = serde_json::to_string(&distinct).unwrap_or_default();
        let key = Key { agency, query: query.into(), name, variables: distinct };
        let mut all = self.lock();
        if let Some(operation) = all.get(&key).and_then(Weak::upgrade) {
            return operation;
        }
        let operation = Arc::new(Operation {
            id: self.count.fetch_add(1, Ordering::Relaxed),
            personal: AtomicBool::new(false),
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

/// The variable that says nothing but after which place in the log to go on: the argument `after` of
/// the root field, if it stands nowhere else.
fn place(document: &ExecutableDocument, query: &str) -> Option<Name> {
    let mut operations = document.operations.iter();
    let (Some((_, operation)), None) = (operations.next(), operations.next()) else { return None };
    let [root] = operation.node.selection_set.node.items.as_slice() else { return None };
    let Selection::Field(field) = &root.node else { return None };
    let value = field.node.get_argument("after")?.node.to_string();
    let name = Name::new(value.strip_prefix('$')?);
    // Declared and used once. Counted in the text: a comment can only make it more.
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
    fn only_the_place_in_the_log_is_left_out() {
        let place = |query: &str| place(&parse_query(query).unwrap(), query).map(|name| name.to_string());
        for query in [
            "subscription($after: EventCursor) { inboundMessage(after: $after) { cursor } }",
            "subscription S($x: Int, $after:EventCursor){threadUpdated(after:$after){cursor}}",
            "subscription($after: EventCursor, $afters: Int) { a(after: $after) { b(after: $afters) } }",
        ] {
            assert_eq!(place(query).as_deref(), Some("after"), "{query}");
        }
        for query in [
            "subscription($after: EventCursor) { a(after: $after) { messages(after: $after) { totalCount } } }",
            "subscription($after: String) { a { messages(after: $after) { totalCount } } }",
            "subscription($after: EventCursor) { a(after: $after) { b @skip(if: $after) } }",
            "subscription { a(after: \"x\") }",
        ] {
            assert_eq!(place(query), None, "{query}");
        }
    }
}
