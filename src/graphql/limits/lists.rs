//! The limit on the length of lists in a request: in the document, in variables and in default values.
//!
//! Lists become parameters of SQL statements, whose number is limited by the database.

use async_graphql::Value;
use async_graphql::parser::types::{ExecutableDocument, Selection};
use async_graphql_value::Value as Literal;

use super::MAX_LIST;
use crate::graphql::documents::selections;
use crate::graphql::errors::{Code, Failure};

/// Checks the lists in a document.
///
/// # Errors
/// BAD_USER_INPUT if one of them has more than [`MAX_LIST`] values.
pub(in crate::graphql) fn check_literals(document: &ExecutableDocument) -> Result<(), Failure> {
    let operations = document.operations.iter().map(|(_, operation)| &operation.node);
    let variables = operations.flat_map(|operation| &operation.variable_definitions);
    let defaults = variables.filter_map(|variable| variable.node.default_value.as_ref());
    defaults.map(|default| &default.node).try_for_each(check_value)?;
    let arguments = selections(document).flat_map(|selection| match selection {
        Selection::Field(field) => field.node.arguments.as_slice(),
        Selection::InlineFragment(_) | Selection::FragmentSpread(_) => &[],
    });
    arguments.map(|(_, value)| &value.node).try_for_each(check_literal)
}

fn check_literal(value: &Literal) -> Result<(), Failure> {
    match value {
        Literal::List(values) => {
            check_length(values.len())?;
            values.iter().try_for_each(check_literal)
        }
        Literal::Object(fields) => fields.values().try_for_each(check_literal),
        _ => Ok(()),
    }
}

/// Checks the lists in the value of a variable.
///
/// # Errors
/// BAD_USER_INPUT if one of them has more than [`MAX_LIST`] values.
pub(in crate::graphql) fn check_value(value: &Value) -> Result<(), Failure> {
    match value {
        Value::List(values) => {
            check_length(values.len())?;
            values.iter().try_for_each(check_value)
        }
        Value::Object(fields) => fields.values().try_for_each(check_value),
        _ => Ok(()),
    }
}

fn check_length(length: usize) -> Result<(), Failure> {
    if length > MAX_LIST {
        return Err(Failure::new(
            Code::BadUserInput,
            format!("A list has more than {MAX_LIST} values. Send fewer values per request."),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    #[test]
    fn long_lists_are_rejected_everywhere_in_a_request() {
        let list = |count: usize| format!("[{}]", "1 ".repeat(count));
        for at in [
            "{ a(b: LIST) }",
            "{ a(b: {c: [LIST]}) }",
            "{ a { b(c: LIST) } }",
            "{ ...F } fragment F on Q { ... { a(b: LIST) } }",
            "query($x: [Int!] = LIST) { a(b: $x) }",
        ] {
            let verdict = |count: usize| {
                let document = parse_query(at.replace("LIST", &list(count))).unwrap();
                check_literals(&document).map_err(|failure| failure.code())
            };
            assert_eq!(verdict(MAX_LIST), Ok(()), "{at}");
            assert_eq!(verdict(MAX_LIST + 1), Err(Code::BadUserInput), "{at}");
        }
        let nested = |count: usize| Value::List(vec![Value::List(vec![Value::Null; count])]);
        assert!(check_value(&nested(MAX_LIST)).is_ok());
        assert!(check_value(&nested(MAX_LIST + 1)).is_err());
    }
}
