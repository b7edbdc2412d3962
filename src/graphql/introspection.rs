//! Rejects introspection queries when introspection is disabled. async-graphql would answer null instead of an error.

use async_graphql::parser::types::{ExecutableDocument, Selection};

use super::documents::selections;
use super::errors::{Code, Failure};

/// Returns whether a document selects `__schema` or `__type` anywhere. `__typename` is always allowed.
pub(super) fn selects_schema(document: &ExecutableDocument) -> bool {
    selections(document).any(|selection| match selection {
        Selection::Field(field) => matches!(field.node.name.node.as_str(), "__schema" | "__type"),
        Selection::InlineFragment(_) | Selection::FragmentSpread(_) => false,
    })
}

/// The error for a document that selects the schema while introspection is disabled.
pub(super) fn disabled() -> Failure {
    let message = "Introspection is disabled on this server. Set PARTYLINE_INTROSPECTION=on to enable it.";
    Failure::new(Code::IntrospectionDisabled, message)
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    #[test]
    fn introspection_is_found_anywhere_in_a_document() {
        for (text, expected) in [
            ("{ __schema { queryType { name } } }", true),
            ("{ viewer { key } name: __type(name: \"User\") { name } }", true),
            ("{ ... { ... on Query { __schema { queryType { name } } } } }", true),
            ("{ viewer { key } ...F } fragment F on Query { __schema { queryType { name } } }", true),
            ("query A { viewer { key } } query B { __schema { queryType { name } } }", true),
            ("{ __schema @skip(if: true) { queryType { name } } }", true),
            ("{ __typename viewer { __typename __schema: key } }", false),
        ] {
            assert_eq!(selects_schema(&parse_query(text).unwrap()), expected, "{text}");
        }
    }
}
