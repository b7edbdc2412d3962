//! Documents that were parsed and found to be within all bounds that need no schema.
//!
//! Clients send the same few documents again and again, with other variables: those are kept.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::Name;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Selection};
use async_graphql_value::Value;
use hashlink::LruCache;

use super::direct;
use super::errors::{Failure, Result};
use super::introspection;
use super::limits::{self, MAX_KEPT_BYTES, MAX_KEPT_DOCUMENTS};

/// A document that may be executed.
pub(super) struct Document {
    pub(super) parsed: ExecutableDocument,
    /// Whether rows may be written directly.
    pub(super) is_plain: bool,
    /// Whether the document selects `__schema` or `__type`.
    pub(super) selects_schema: bool,
    /// The variables that `@include` and `@skip` use.
    pub(super) conditions: Vec<Name>,
}

impl Document {
    fn read(text: &str) -> Result<Self> {
        limits::check_text(text)?;
        let parsed = parse_query(text).map_err(|error| Failure::parse(&error))?;
        limits::check(&parsed)?;
        limits::check_literals(&parsed)?;
        let is_plain = direct::is_plain(&parsed);
        let selects_schema = introspection::selects_schema(&parsed);
        let conditions = selections(&parsed).flat_map(condition_variables).cloned().collect();
        Ok(Self { parsed, is_plain, selects_schema, conditions })
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

/// The documents that were asked for last, by their text.
pub struct Documents(Mutex<LruCache<Box<str>, Arc<Document>>>);

impl Default for Documents {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MAX_KEPT_DOCUMENTS)))
    }
}

impl Documents {
    /// Parses and checks a text, unless that was done before.
    pub(super) fn read(&self, text: &str) -> Result<Arc<Document>> {
        if text.len() > MAX_KEPT_BYTES {
            return Document::read(text).map(Arc::new);
        }
        if let Some(known) = self.lock().get(text) {
            return Ok(Arc::clone(known));
        }
        let document = Arc::new(Document::read(text)?);
        self.lock().insert(text.into(), Arc::clone(&document));
        Ok(document)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<Box<str>, Arc<Document>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_parsed_once_while_it_is_kept() {
        let documents = Documents::default();
        let first = documents.read("{ a }").unwrap();
        assert!(Arc::ptr_eq(&first, &documents.read("{ a }").unwrap()));
        for n in 0..MAX_KEPT_DOCUMENTS {
            documents.read(&format!("{{ a{n} }}")).unwrap();
        }
        assert!(!Arc::ptr_eq(&first, &documents.read("{ a }").unwrap()));
        assert_eq!(documents.lock().len(), MAX_KEPT_DOCUMENTS);
    }

    #[test]
    fn variables_of_conditions_are_found_at_every_place_of_a_document() {
        let text = "query($a: Boolean!, $b: Boolean!, $c: Boolean!) { d(if: $n) @include(if: $a) { ... @skip(if: $b) { e } ...F } }
                    fragment F on G { h @include(if: true) @other(if: $n) i @skip(if: $c) @include(if: $a) }";
        let mut found: Vec<_> = Document::read(text).unwrap().conditions.iter().map(Name::to_string).collect();
        found.sort();
        assert_eq!(found, ["a", "a", "b", "c"]);
    }

    #[test]
    fn what_is_refused_or_long_is_not_kept() {
        let documents = Documents::default();
        assert!(documents.read("{ a").is_err());
        let long = format!("{{ a }} #{}", "x".repeat(MAX_KEPT_BYTES));
        assert!(documents.read(&long).is_ok());
        assert_eq!(documents.lock().len(), 0);
    }
}
