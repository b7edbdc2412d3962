//! Documents that were parsed and found to be within all bounds that need no schema.
//!
//! Clients send the same few documents again and again, with other variables: those are kept.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::parser::parse_query;
use async_graphql::parser::types::ExecutableDocument;
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
    /// Whether the schema itself is queried.
    pub(super) selects_schema: bool,
}

impl Document {
    fn read(text: &str) -> Result<Self> {
        limits::check_text(text)?;
        let parsed = parse_query(text).map_err(|error| Failure::parse(&error))?;
        limits::check(&parsed)?;
        let is_plain = direct::is_plain(&parsed);
        let selects_schema = introspection::selects_schema(&parsed);
        Ok(Self { parsed, is_plain, selects_schema })
    }
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
    fn what_is_refused_or_long_is_not_kept() {
        let documents = Documents::default();
        assert!(documents.read("{ a").is_err());
        let long = format!("{{ a }} #{}", "x".repeat(MAX_KEPT_BYTES));
        assert!(documents.read(&long).is_ok());
        assert_eq!(documents.lock().len(), 0);
    }
}
