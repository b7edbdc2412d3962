//! The values of an operation's variables (GraphQL, section 6.1.2, CoerceVariableValues). Validation checks their types
//! where they are used.

use async_graphql::parser::types::OperationDefinition;
use async_graphql::{Name, Value, Variables};

use super::errors::{Code, Failure, Result};
use super::limits::MAX_MESSAGE_CHARS;

type Object = serde_json::Map<String, serde_json::Value>;

/// Returns the given values, and the defaults of omitted variables. An omitted variable without a default has no entry:
/// its argument or input field is then absent, which is not the same as null. `conditions` are the variables that
/// `@include` and `@skip` use.
///
/// # Errors
/// GRAPHQL_VALIDATION_FAILED if a variable of a non-null type has no value, or a variable of `conditions`.
/// async-graphql would treat a missing condition as false, and it would report a missing argument only when it reaches
/// the field, after other fields may have been executed.
pub(super) fn coerce(operation: &OperationDefinition, conditions: &[Name], given: Option<Object>) -> Result<Variables> {
    let mut variables = given.map(|object| Variables::from_json(object.into())).unwrap_or_default();
    for definition in operation.variable_definitions.iter().map(|definition| &definition.node) {
        let name = &definition.name.node;
        let nullable = definition.var_type.node.nullable && !conditions.contains(name);
        match (variables.get(name), &definition.default_value) {
            (None, Some(default)) => {
                variables.insert(name.clone(), default.node.clone());
            }
            (None | Some(Value::Null), _) if !nullable => {
                let of = &definition.var_type.node;
                let message = format!("A value is required for the variable `${name}` of type `{of}`.");
                // The name comes from the document and can be long.
                let message: String = message.chars().take(MAX_MESSAGE_CHARS).collect();
                return Err(Failure::new(Code::ValidationFailed, message));
            }
            _ => {}
        }
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;

    fn coerced(definitions: &str, given: serde_json::Value) -> std::result::Result<serde_json::Value, String> {
        let document = parse_query(format!("query({definitions}) {{ a }}")).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let given = given.as_object().cloned();
        match coerce(&operation.node, &[Name::new("condition")], given) {
            Ok(variables) => Ok(serde_json::to_value(variables).unwrap()),
            Err(failure) => Err(failure.into_server_error().message),
        }
    }

    #[test]
    fn omitted_variables_take_their_defaults() {
        for (definitions, given, expected) in [
            ("$a: Int", json!({}), json!({})),
            ("$a: Int", json!(null), json!({})),
            ("$a: Int", json!({"a": null}), json!({"a": null})),
            ("$a: Int = 5", json!({}), json!({"a": 5})),
            ("$a: Int = 5", json!({"a": null}), json!({"a": null})),
            ("$a: Int = 5", json!({"a": 6}), json!({"a": 6})),
            ("$a: Int! = 5", json!({}), json!({"a": 5})),
            ("$a: Boolean = true, $b: [Status!] = [OPEN]", json!({}), json!({"a": true, "b": ["OPEN"]})),
        ] {
            assert_eq!(coerced(definitions, given.clone()), Ok(expected), "{definitions} {given}");
        }
    }

    #[test]
    fn a_missing_required_variable_is_named() {
        for (definitions, given, named) in [
            ("$id: ID!", json!({}), "`$id` of type `ID!`"),
            ("$id: ID!", json!({"id": null}), "`$id` of type `ID!`"),
            ("$a: Int! = 5", json!({"a": null}), "`$a` of type `Int!`"),
            ("$condition: Boolean", json!({}), "`$condition` of type `Boolean`"),
            ("$a: Int, $ids: [ID!]!", json!({"a": 1}), "`$ids` of type `[ID!]!`"),
        ] {
            let refused = coerced(definitions, given.clone()).unwrap_err();
            assert!(refused.contains(named), "{definitions} {given}: {refused}");
        }
        let refused = coerced(&format!("${}: ID!", "x".repeat(10_000)), json!({})).unwrap_err();
        assert_eq!(refused.chars().count(), MAX_MESSAGE_CHARS);
    }
}
