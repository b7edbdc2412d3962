//! How much one request may ask for: every bound of the API in one place.
//!
//! All of them are checked before anything is executed. [`check_text`] comes first of all, before the
//! document is parsed; then [`check`], on the parsed document alone: the library's own rules walk a
//! fragment as often as it is spread, so that a few lines of nested fragments would keep them busy
//! for ever. It looks at each fragment once. Last, [`Costs`] bounds the cost of the operation with the variables of the
//! request.

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

/// The longest request body, and the longest message on a socket.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// How long a request body may take to arrive.
pub const BODY_WITHIN: Duration = Duration::from_secs(10);
/// The most lexical tokens in a document.
pub const MAX_TOKENS: usize = 10_000;
/// How deep brackets of all kinds may nest, those of arguments and values among them.
pub const MAX_BRACKETS: usize = 64;
/// The most errors that one answer lists.
pub const MAX_ERRORS: usize = 20;
/// The longest message of an error.
pub const MAX_MESSAGE_CHARS: usize = 200;
/// How deep fields may nest. The usual introspection query needs 15.
pub const MAX_DEPTH: usize = 15;
/// How deep selection sets may nest, fragments counted.
pub const MAX_NESTING: usize = 32;
/// The most selections (fields, fragments and spreads of fragments) that a document may come to once
/// its fragments are put in.
pub const MAX_SELECTIONS: usize = 2_000;
/// The most aliases among them.
pub const MAX_ALIASES: usize = 100;
/// The most directives in a document.
pub const MAX_DIRECTIVES: usize = 100;
/// The most points that a query or a mutation may cost. A field costs one, and what runs a SQL statement costs
/// [`STATEMENT_COST`] more. A connection multiplies the cost of its nodes by its page, a plain list of objects by
/// [`LIST_COST`].
pub const MAX_COMPLEXITY: usize = 20_000;
/// The most points that a subscription document may cost: it is executed again for each event.
pub const MAX_SUBSCRIPTION_COMPLEXITY: usize = 500;
/// The points of a SQL statement, or of one part of a statement that is shared by many parents.
pub const STATEMENT_COST: usize = 20;
/// How long a query may take, with the time for which it waits for its turn. Its statements are stopped then.
pub const QUERY_WITHIN: Duration = Duration::from_secs(5);
/// How long a mutation may take. Some of them ask the carrier, who may need several seconds.
pub const MUTATION_WITHIN: Duration = Duration::from_secs(15);
/// What one point of an operation is expected to add to its answer, in bytes.
pub const BYTES_PER_POINT: usize = 1_024;
/// How many parsed documents are kept.
pub const MAX_KEPT_DOCUMENTS: usize = 64;
/// The longest text of one that is. Parsed it may be a hundred times as large.
pub const MAX_KEPT_BYTES: usize = 4 * 1024;
/// What a list without pages counts for: about as long as such lists are.
pub const LIST_COST: usize = 20;
/// How many rows a page has unless asked otherwise.
pub const DEFAULT_PAGE: i32 = 25;
/// How many rows a page has at most.
pub const MAX_PAGE: i32 = 100;
/// The most values in a list, wherever it stands in a request.
pub const MAX_LIST: usize = 1_000;
/// How long a search text may be.
pub const MAX_SEARCH_CHARS: usize = 200;
/// To how much threads are counted.
pub const MAX_COUNT: u64 = 1_000;

/// How long a new socket may take to introduce itself.
pub const INIT_WITHIN: Duration = Duration::from_secs(3);
/// How long one message may take to go out before its socket is dropped.
pub const SEND_WITHIN: Duration = Duration::from_secs(10);
/// How long a closing socket waits for the other side's farewell.
pub const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// How long after a change of the directory a socket makes sure once more that its user is active: a
/// directory in memory may be a second old.
pub const CHECK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How many operations may be under way on one socket.
pub const MAX_OPERATIONS: usize = 32;
/// The longest id of an operation on a socket.
pub const MAX_ID_BYTES: usize = 256;
/// How far a live subscription may fall behind before it is told to resume: what a feed holds in
/// memory. Further back, every step would read the log.
pub const MAX_LAG: i64 = 1_024;

/// Checks a parsed document against the bounds that need no schema.
///
/// # Errors
/// What it exceeds.
pub fn check(document: &ExecutableDocument) -> Result<(), Failure> {
    let mut measured = Measured { document, fragments: HashMap::new() };
    let mut all = Size::default();
    for (_, operation) in document.operations.iter() {
        // All of them are walked, whichever is executed.
        all.add(measured.selection(&operation.node.selection_set.node, 1)?);
        all.directives = all.directives.saturating_add(operation.node.directives.len());
        within("selections", all.selections, MAX_SELECTIONS)?;
        within("aliases", all.aliases, MAX_ALIASES)?;
    }
    within("directives", all.directives, MAX_DIRECTIVES)
}

fn within(what: &str, count: usize, most: usize) -> Result<(), Failure> {
    if count > most {
        return Err(Failure::new(Code::QueryTooComplex, format!("The document has more than {most} {what}.")));
    }
    Ok(())
}

/// What a selection comes to with its fragments put in.
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

struct Measured<'a> {
    document: &'a ExecutableDocument,
    /// `None` while a fragment is being measured: to come upon it then is a cycle.
    fragments: HashMap<&'a Name, Option<Size>>,
}

impl<'a> Measured<'a> {
    /// What a selection at this depth comes to.
    fn selection(&mut self, set: &'a SelectionSet, depth: usize) -> Result<Size, Failure> {
        let mut size = Size::default();
        if set.items.is_empty() {
            return Ok(size);
        }
        within("levels", depth, MAX_NESTING)?;
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
        // A fragment that was measured before may be spread deeper now.
        within("levels", depth + size.nesting - 1, MAX_NESTING)?;
        Ok(size)
    }

    fn fragment(&mut self, name: &'a Name, depth: usize) -> Result<Size, Failure> {
        match self.fragments.get(name) {
            Some(Some(size)) => Ok(*size),
            Some(None) => Err(Failure::new(Code::ValidationFailed, "A fragment contains itself.")),
            None => {
                // An unknown name is the validation's to refuse.
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
    fn fragments_that_multiply_are_refused_at_once() {
        let mut text = "{ ...F0 }".to_owned();
        for n in 0..24 {
            text += &format!(" fragment F{n} on Query {{ ...F{m} ...F{m} }}", m = n + 1);
        }
        text += " fragment F24 on Query { a }";
        assert_eq!(verdict(&text), Err(Code::QueryTooComplex));
    }

    #[test]
    fn spreads_of_nothing_count_too() {
        let mut text = "{ ...F0 }".to_owned();
        for n in 0..24 {
            text += &format!(" fragment F{n} on Query {{ ...F{m} ...F{m} }}", m = n + 1);
        }
        assert_eq!(verdict(&text), Err(Code::QueryTooComplex));
    }

    #[test]
    fn operations_count_together() {
        let fields = "a ".repeat(MAX_SELECTIONS / 4);
        let document = |count: usize| (0..count).map(|n| format!("query A{n} {{ ...F }} ")).collect::<String>();
        let fragment = format!("fragment F on Query {{ {fields} }}");
        assert_eq!(verdict(&(document(3) + &fragment)), Ok(()));
        assert_eq!(verdict(&(document(4) + &fragment)), Err(Code::QueryTooComplex));
    }

    #[test]
    fn each_bound_is_kept() {
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
