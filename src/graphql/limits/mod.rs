//! All limits of the GraphQL API. They are checked before anything is executed:
//! 1. [`check_text`] checks the text before it is parsed.
//! 2. [`check`] checks the parsed document without the schema. It visits each fragment once. async-graphql's own rules
//!    visit a fragment at each spread, so a few lines of nested fragments would take exponential time.
//! 3. [`Costs`] limits the cost of the operation with the variables of the request.

use std::collections::HashMap;
use std::time::Duration;

use async_graphql::Name;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

use super::errors::{Code, Failure};

mod cost;
mod lists;
mod text;

pub use cost::Costs;
pub(super) use lists::{check_literals, check_value};
pub(super) use text::check_text;

/// The maximum size of a request body and of a message on a socket.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// The maximum size of the body of a sign-in, which needs no token.
pub const MAX_SIGN_IN_BYTES: usize = 8 * 1024;
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum number of lexical tokens in a document.
pub const MAX_TOKENS: usize = 10_000;
/// The maximum nesting of brackets of all kinds, including those of arguments and values.
pub const MAX_BRACKETS: usize = 64;
/// The maximum number of errors in a response.
pub const MAX_ERRORS: usize = 20;
/// The maximum length of an error message.
pub const MAX_MESSAGE_CHARS: usize = 200;
/// The maximum nesting of fields. The usual introspection query needs 15.
pub const MAX_DEPTH: usize = 15;
/// The maximum nesting of selection sets, including fragments.
pub const MAX_NESTING: usize = 32;
/// The maximum number of selections (fields, inline fragments and fragment spreads) of a document with its fragments
/// expanded.
pub const MAX_SELECTIONS: usize = 2_000;
/// The maximum number of aliases with fragments expanded.
pub const MAX_ALIASES: usize = 100;
/// The maximum number of directives with fragments expanded.
pub const MAX_DIRECTIVES: usize = 100;
/// The maximum cost of a query or a mutation in points. A field costs one point, and a field that runs a SQL statement
/// costs [`STATEMENT_COST`] more. A connection multiplies the cost of its nodes by its page, a plain list of objects by
/// [`LIST_COST`].
pub const MAX_COMPLEXITY: usize = 20_000;
/// The maximum cost of a subscription in points, which is lower because the document is executed for each event.
pub const MAX_SUBSCRIPTION_COMPLEXITY: usize = 1_000;
/// The cost of a SQL statement, or of one part of a statement that many parents share.
pub const STATEMENT_COST: usize = 20;
/// The timeout of a query, including the wait for its permits. Its statements are canceled.
pub const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// The timeout of a mutation. Some mutations call the carrier, which may need several seconds.
pub const MUTATION_TIMEOUT: Duration = Duration::from_secs(15);
/// The expected number of bytes per point in a response.
pub const BYTES_PER_POINT: usize = 1_024;
/// The number of parsed documents in the cache.
pub const MAX_CACHED_DOCUMENTS: usize = 64;
/// The maximum length of the text of a cached document. The parsed document may be a hundred times as large.
pub const MAX_CACHED_DOCUMENT_BYTES: usize = 4 * 1024;
/// The assumed length of a list without pages.
pub const LIST_COST: usize = 20;
/// The default page size.
pub const DEFAULT_PAGE: i32 = 25;
/// The maximum page size.
pub const MAX_PAGE: i32 = 100;
/// The maximum number of values in a list anywhere in a request.
pub const MAX_LIST: usize = 1_000;
pub const MAX_SEARCH_CHARS: usize = 200;
/// Threads are counted up to this number.
pub const MAX_COUNT: u64 = 1_000;

/// The time within which a new socket must send `connection_init`.
pub const INIT_TIMEOUT: Duration = Duration::from_secs(3);
/// The time within which a client must accept a message before its socket is closed.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a closing socket waits for the client's close frame.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The delay before a socket checks its user a second time after a change of the directory, because a cached directory
/// may be a second old.
pub const RECHECK_DELAY: Duration = Duration::from_secs(1);
/// The maximum number of concurrent operations on a socket.
pub const MAX_OPERATIONS: usize = 32;
/// The maximum length of an operation id on a socket.
pub const MAX_ID_BYTES: usize = 256;
/// The maximum lag of a live subscription, in events, before it ends with RESUME. It equals the number of events that a
/// feed holds in memory; beyond it, every step would read the log.
pub const MAX_LAG: i64 = 1_024;

/// Checks a parsed document against the limits that need no schema.
///
/// # Errors
/// QUERY_TOO_COMPLEX with the limit that is exceeded; GRAPHQL_VALIDATION_FAILED for a fragment that contains itself.
pub fn check(document: &ExecutableDocument) -> Result<(), Failure> {
    let mut counter = SizeCounter { document, fragments: HashMap::new() };
    let mut all = Size::default();
    for (_, operation) in document.operations.iter() {
        // All operations count, because validation visits all of them.
        all.add(counter.selection(&operation.node.selection_set.node, 1)?);
        all.directives = all.directives.saturating_add(operation.node.directives.len());
        check_limit("selections", all.selections, MAX_SELECTIONS)?;
        check_limit("aliases", all.aliases, MAX_ALIASES)?;
    }
    check_limit("directives", all.directives, MAX_DIRECTIVES)
}

fn check_limit(what: &str, count: usize, limit: usize) -> Result<(), Failure> {
    if count > limit {
        return Err(Failure::new(
            Code::QueryTooComplex,
            format!("The document has more than {limit} {what}. Simplify or split it."),
        ));
    }
    Ok(())
}

/// The size of a selection with its fragments expanded.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    selections: usize,
    aliases: usize,
    directives: usize,
    nesting: usize,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.selections = self.selections.saturating_add(other.selections);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
        self.nesting = self.nesting.max(other.nesting);
    }
}

struct SizeCounter<'a> {
    document: &'a ExecutableDocument,
    /// `None` while a fragment is being counted. A spread of it at that time is a cycle.
    fragments: HashMap<&'a Name, Option<Size>>,
}

impl<'a> SizeCounter<'a> {
    fn selection(&mut self, set: &'a SelectionSet, depth: usize) -> Result<Size, Failure> {
        let mut size = Size::default();
        if set.items.is_empty() {
            return Ok(size);
        }
        check_limit("levels", depth, MAX_NESTING)?;
        for item in &set.items {
            size.selections = size.selections.saturating_add(1);
            size.directives = size.directives.saturating_add(item.node.directives().len());
            let inner = match &item.node {
                Selection::Field(field) => {
                    size.aliases = size.aliases.saturating_add(usize::from(field.node.alias.is_some()));
                    self.selection(&field.node.selection_set.node, depth + 1)?
                }
                Selection::InlineFragment(fragment) => self.selection(&fragment.node.selection_set.node, depth + 1)?,
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, depth + 1)?,
            };
            size.add(inner);
        }
        size.nesting += 1;
        // A fragment that has been counted may be spread at a greater depth here.
        check_limit("levels", depth + size.nesting - 1, MAX_NESTING)?;
        Ok(size)
    }

    fn fragment(&mut self, name: &'a Name, depth: usize) -> Result<Size, Failure> {
        match self.fragments.get(name) {
            Some(Some(size)) => Ok(*size),
            Some(None) => Err(Failure::new(Code::ValidationFailed, "A fragment must not contain itself.")),
            None => {
                // Validation rejects unknown names.
                let Some(fragment) = self.document.fragments.get(name) else { return Ok(Size::default()) };
                self.fragments.insert(name, None);
                let size = self.selection(&fragment.node.selection_set.node, depth)?;
                self.fragments.insert(name, Some(size));
                Ok(size)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn verdict(text: &str) -> Result<(), Code> {
        check(&parse_query(text).unwrap()).map_err(|failure| failure.code())
    }

    #[test]
    fn an_ordinary_document_passes() {
        assert_eq!(verdict("query A { a ...F } fragment F on Query { b { c d: c } }"), Ok(()));
    }

    #[test]
    fn exponentially_nested_fragments_are_rejected_quickly() {
        let mut text = "{ ...F0 }".to_owned();
        for n in 0..24 {
            text += &format!(" fragment F{n} on Query {{ ...F{m} ...F{m} }}", m = n + 1);
        }
        text += " fragment F24 on Query { a }";
        assert_eq!(verdict(&text), Err(Code::QueryTooComplex));
    }

    #[test]
    fn spreads_of_unknown_fragments_count() {
        let mut text = "{ ...F0 }".to_owned();
        for n in 0..24 {
            text += &format!(" fragment F{n} on Query {{ ...F{m} ...F{m} }}", m = n + 1);
        }
        assert_eq!(verdict(&text), Err(Code::QueryTooComplex));
    }

    #[test]
    fn all_operations_of_a_document_count() {
        let fields = "a ".repeat(MAX_SELECTIONS / 4);
        let document = |count: usize| (0..count).map(|n| format!("query A{n} {{ ...F }} ")).collect::<String>();
        let fragment = format!("fragment F on Query {{ {fields} }}");
        assert_eq!(verdict(&(document(3) + &fragment)), Ok(()));
        assert_eq!(verdict(&(document(4) + &fragment)), Err(Code::QueryTooComplex));
    }

    #[test]
    fn each_limit_is_enforced() {
        assert_eq!(verdict("{ ...F } fragment F on Query { a { ...F } }"), Err(Code::ValidationFailed));
        let nested = format!("{}a{}", "{a".repeat(MAX_NESTING), "}".repeat(MAX_NESTING));
        assert_eq!(verdict(&nested), Ok(()));
        assert_eq!(verdict(&format!("{{a{nested}}}")), Err(Code::QueryTooComplex));
        let aliases: String = (0..=MAX_ALIASES).map(|n| format!("a{n}: a ")).collect();
        assert_eq!(verdict(&format!("{{ {aliases} }}")), Err(Code::QueryTooComplex));
        let fields = "a ".repeat(MAX_SELECTIONS + 1);
        assert_eq!(verdict(&format!("{{ {fields} }}")), Err(Code::QueryTooComplex));
        let directives = "@skip(if: true) ".repeat(MAX_DIRECTIVES + 1);
        assert_eq!(verdict(&format!("{{ a {directives} }}")), Err(Code::QueryTooComplex));
    }
}
