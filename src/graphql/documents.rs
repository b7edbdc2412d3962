//! Parsed documents that have passed all checks that need no schema, and a cache of them.
//!
//! Clients send the same few documents repeatedly with different variables.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::Name;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Selection};
use async_graphql_value::Value;
use hashlink::LruCache;

use super::direct_json;
use super::errors::{Failure, Result};
use super::introspection;
use super::limits::{self, MAX_CACHED_DOCUMENT_BYTES, MAX_CACHED_DOCUMENTS};

/// A parsed document that is within all limits that need no schema.
pub(super) struct Document {
    pub(super) parsed: ExecutableDocument,
    /// See [`direct_json::supports_direct_json`].
    pub(super) supports_direct_json: bool,
    /// Whether the document selects `__schema` or `__type`.
    pub(super) selects_schema: bool,
    /// The variables that `@include` and `@skip` use.
    pub(super) conditions: Vec<Name>,
}

impl Document {
    fn parse(text: &str) -> Result<Self> {
        limits::check_text(text)?;
        let parsed = parse_query(text).map_err(|error| Failure::parse(&error))?;
        limits::check(&parsed)?;
        limits::check_literals(&parsed)?;
        let supports_direct_json = direct_json::supports_direct_json(&parsed);
        let selects_schema = introspection::selects_schema(&parsed);
        let conditions = selections(&parsed).flat_map(condition_variables).cloned().collect();
        Ok(Self { parsed, supports_direct_json, selects_schema, conditions })
    }
}

/// Iterates over every selection of a document once, including those of all fragments; spreads are not followed.
pub(super) fn selections(document: &ExecutableDocument) -> impl Iterator<Item = &Selection> {
    let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set);
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set);
    let mut open: Vec<_> = operations.chain(fragments).flat_map(|set| &set.node.items).collect();
    std::iter::from_fn(move || {
        let selection = &open.pop()?.node;
        match selection {
            Selection::Field(field) => open.extend(&field.node.selection_set.node.items),
            Selection::InlineFragment(fragment) => open.extend(&fragment.node.selection_set.node.items),
            Selection::FragmentSpread(_) => {}
        }
        Some(selection)
    })
}

fn condition_variables(selection: &Selection) -> impl Iterator<Item = &Name> {
    let directives = selection.directives().iter().map(|directive| &directive.node);
    let conditions = directives.filter(|directive| matches!(directive.name.node.as_str(), "include" | "skip"));
    conditions.filter_map(|directive| match &directive.get_argument("if")?.node {
        Value::Variable(name) => Some(name),
        _ => None,
    })
}

/// The most recently used documents by their text.
pub struct Documents(Mutex<LruCache<Box<str>, Arc<Document>>>);

impl Default for Documents {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MAX_CACHED_DOCUMENTS)))
    }
}

impl Documents {
    /// Returns the document of a text, and parses and checks it if it is not cached.
    pub(super) fn get(&self, text: &str) -> Result<Arc<Document>> {
        if text.len() > MAX_CACHED_DOCUMENT_BYTES {
            return Document::parse(text).map(Arc::new);
        }
        if let Some(document) = self.lock().get(text) {
            return Ok(Arc::clone(document));
        }
        let document = Arc::new(Document::parse(text)?);
        self.lock().insert(text.into(), Arc::clone(&document));
        Ok(document)
    }

    /// Parses and checks the document of a request without a token, which must not displace cached documents.
    pub(super) fn parse_uncached(text: &str) -> Result<Arc<Document>> {
        Document::parse(text).map(Arc::new)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<Box<str>, Arc<Document>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_parsed_once_while_it_is_cached() {
        let documents = Documents::default();
        let first = documents.get("{ a }").unwrap();
        assert!(Arc::ptr_eq(&first, &documents.get("{ a }").unwrap()));
        for n in 0..MAX_CACHED_DOCUMENTS {
            documents.get(&format!("{{ a{n} }}")).unwrap();
        }
        assert!(!Arc::ptr_eq(&first, &documents.get("{ a }").unwrap()));
        assert_eq!(documents.lock().len(), MAX_CACHED_DOCUMENTS);
    }

    #[test]
    fn variables_of_conditions_are_found_everywhere_in_a_document() {
        let text = "query($a: Boolean!, $b: Boolean!, $c: Boolean!) { d(if: $n) @include(if: $a) { ... @skip(if: $b) { e } ...F } }
                    fragment F on G { h @include(if: true) @other(if: $n) i @skip(if: $c) @include(if: $a) }";
        let mut found: Vec<_> = Document::parse(text).unwrap().conditions.iter().map(Name::to_string).collect();
        found.sort();
        assert_eq!(found, ["a", "a", "b", "c"]);
    }

    #[test]
    fn invalid_and_long_documents_are_not_cached() {
        let documents = Documents::default();
        assert!(documents.get("{ a").is_err());
        let long = format!("{{ a }} #{}", "x".repeat(MAX_CACHED_DOCUMENT_BYTES));
        assert!(documents.get(&long).is_ok());
        assert_eq!(documents.lock().len(), 0);
    }
}
