//! Preparation of requests and their responses, shared by the HTTP and WebSocket transports.

use std::sync::Arc;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Name, Response, ServerError, Value, Variables};
use serde::{Deserialize, Serialize};

use super::GraphqlState;
use super::documents::{Document, Documents};
use super::errors::{Code, Failure, Result, add_codes, code_of};
use super::introspection;
use super::limits::{BYTES_PER_POINT, check_value};
use super::variables::coerce;

type Object = serde_json::Map<String, serde_json::Value>;

/// The parameters of a request, in the format that GraphQL over HTTP and graphql-transport-ws share.
#[derive(Deserialize)]
#[serde(try_from = "RawParameters")]
pub(super) struct RequestParameters {
    /// The document; `None` if the request contains the hash of a persisted query instead.
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<Object>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawParameters {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<Object>,
    extensions: Option<Object>,
}

impl TryFrom<RawParameters> for RequestParameters {
    type Error = &'static str;

    fn try_from(raw: RawParameters) -> std::result::Result<Self, Self::Error> {
        let RawParameters { query, operation_name, variables, extensions } = raw;
        let is_persisted = extensions.is_some_and(|all| all.get("persistedQuery").is_some_and(|one| !one.is_null()));
        if query.is_none() && !is_persisted {
            return Err("`query` is missing");
        }
        Ok(Self { query, operation_name, variables })
    }
}

/// An operation that has passed all checks before validation and execution.
pub(super) struct Prepared {
    pub(super) kind: OperationType,
    pub(super) query: String,
    /// The requested operation; `None` if the document has only one.
    pub(super) name: Option<String>,
    /// The name in the document, for metrics.
    pub(super) label: Option<Name>,
    pub(super) variables: Variables,
    pub(super) document: Arc<Document>,
    /// Points, see [`Costs`](super::limits::Costs).
    pub(super) cost: usize,
}

impl Prepared {
    /// Whether the operation is a mutation that selects this root field directly, and nothing else.
    pub(super) fn selects_only(&self, field: &str) -> bool {
        let Ok(operation) = select_operation(&self.document.parsed, self.name.as_deref()) else { return false };
        let [selection] = operation.selection_set.node.items.as_slice() else { return false };
        let is_field = matches!(&selection.node, Selection::Field(root) if root.node.name.node == field);
        self.kind == OperationType::Mutation && is_field
    }

    /// The size of the document and the variables, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.query.len() + serde_json::to_string(&self.variables).map_or(0, |variables| variables.len())
    }

    /// The expected size of a response, in bytes.
    pub(super) fn expected_bytes(&self) -> usize {
        self.cost.saturating_mul(BYTES_PER_POINT)
    }
}

/// Parses a request and checks it against the limits.
pub(super) fn prepare(state: &GraphqlState, parameters: RequestParameters) -> Result<Prepared> {
    prepare_with(state, parameters, |text| state.documents.get(text))
}

/// The same for a request without a token.
pub(super) fn prepare_sign_in(state: &GraphqlState, parameters: RequestParameters) -> Result<Prepared> {
    prepare_with(state, parameters, Documents::parse_uncached)
}

fn prepare_with(
    state: &GraphqlState,
    parameters: RequestParameters,
    parse: impl FnOnce(&str) -> Result<Arc<Document>>,
) -> Result<Prepared> {
    let Some(query) = parameters.query else {
        // Some clients check for this message instead of the code.
        return Err(Failure::new(Code::PersistedQueryNotSupported, "PersistedQueryNotSupported"));
    };
    let document = parse(&query)?;
    if document.selects_schema && !state.introspection {
        return Err(introspection::disabled());
    }
    let operation = select_operation(&document.parsed, parameters.operation_name.as_deref())?;
    let kind = operation.ty;
    if kind == OperationType::Subscription && root_fields(&document.parsed, &operation.selection_set.node) != 1 {
        let message = "A subscription must have exactly one root field.";
        return Err(Failure::new(Code::ValidationFailed, message));
    }
    let variables = coerce(operation, &document.conditions, parameters.variables)?;
    variables.values().try_for_each(check_value)?;
    let cost = state.costs.check(&document.parsed, operation, &variables)?;
    let label = operation_label(&document.parsed, parameters.operation_name.as_deref());
    Ok(Prepared { kind, query, name: parameters.operation_name, label, variables, document, cost })
}

/// The name of the operation that is executed; `None` for an anonymous one.
fn operation_label(document: &ExecutableDocument, requested: Option<&str>) -> Option<Name> {
    match &document.operations {
        DocumentOperations::Single(_) => None,
        DocumentOperations::Multiple(operations) => {
            operations.keys().find(|name| requested.is_none_or(|requested| requested == name.as_str())).cloned()
        }
    }
}

fn select_operation<'a>(document: &'a ExecutableDocument, name: Option<&str>) -> Result<&'a OperationDefinition> {
    let wrong = |message: &'static str| Failure::new(Code::ValidationFailed, message);
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Ok(&operation.node),
        (DocumentOperations::Multiple(operations), None) => {
            let mut all = operations.values();
            match (all.next(), all.next()) {
                (Some(only), None) => Ok(&only.node),
                _ => Err(wrong("The document has several operations. Set `operationName` to one of them.")),
            }
        }
        (DocumentOperations::Multiple(operations), Some(name)) => match operations.get(name) {
            Some(operation) => Ok(&operation.node),
            None => Err(wrong("The document has no operation with the name in `operationName`.")),
        },
        (DocumentOperations::Single(_), Some(_)) => {
            Err(wrong("The document has no operation with the name in `operationName`."))
        }
    }
}

/// Counts the root fields. The recursion is bounded, because [`limits::check`](super::limits::check) has rejected
/// cycles.
fn root_fields(document: &ExecutableDocument, set: &SelectionSet) -> usize {
    let count = |item: &Selection| match item {
        Selection::Field(_) => 1,
        Selection::InlineFragment(fragment) => root_fields(document, &fragment.node.selection_set.node),
        Selection::FragmentSpread(spread) => document
            .fragments
            .get(&spread.node.fragment_name.node)
            .map_or(0, |fragment| root_fields(document, &fragment.node.selection_set.node)),
    };
    set.items.iter().map(|item| count(&item.node)).sum()
}

/// Whether a field with this name is selected at the top level of an operation or a fragment.
pub(super) fn selects(document: &ExecutableDocument, name: &str) -> bool {
    fn within(set: &SelectionSet, name: &str) -> bool {
        set.items.iter().any(|item| match &item.node {
            Selection::Field(field) => field.node.name.node == name,
            Selection::InlineFragment(fragment) => within(&fragment.node.selection_set.node, name),
            Selection::FragmentSpread(_) => false,
        })
    }
    document.operations.iter().any(|(_, operation)| within(&operation.node.selection_set.node, name))
        || document.fragments.values().any(|fragment| within(&fragment.node.selection_set.node, name))
}

/// A response without `data`: the request was not executed.
#[derive(Serialize)]
pub(super) struct RejectedRequest {
    errors: Vec<ServerError>,
}

impl RejectedRequest {
    pub(super) fn errors(&self) -> &[ServerError] {
        &self.errors
    }

    /// Whether the response says that the user is no longer active.
    pub(super) fn is_unauthenticated(&self) -> bool {
        is_unauthenticated(&self.errors)
    }
}

impl From<Vec<ServerError>> for RejectedRequest {
    fn from(errors: Vec<ServerError>) -> Self {
        Self { errors }
    }
}

impl From<Failure> for RejectedRequest {
    fn from(failure: Failure) -> Self {
        Self { errors: vec![failure.into_server_error()] }
    }
}

/// A serializable response. It has `data` if and only if the operation was executed.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum OperationResponse {
    Executed(Response),
    Rejected(RejectedRequest),
}

impl OperationResponse {
    pub(super) fn of(mut response: Response) -> Self {
        add_codes(&mut response.errors);
        // Errors with a path come from execution.
        let executed = response.data != Value::Null || response.errors.iter().any(|error| !error.path.is_empty());
        if executed { Self::Executed(response) } else { Self::Rejected(RejectedRequest { errors: response.errors }) }
    }

    /// The codes of the response's errors.
    pub(super) fn error_codes(&self) -> impl Iterator<Item = &str> {
        let errors = match self {
            Self::Executed(response) => &response.errors,
            Self::Rejected(rejected) => &rejected.errors,
        };
        errors.iter().filter_map(code_of)
    }

    /// Whether the response says that the user is no longer active.
    pub(super) fn is_unauthenticated(&self) -> bool {
        match self {
            Self::Executed(response) => is_unauthenticated(&response.errors),
            Self::Rejected(rejected) => rejected.is_unauthenticated(),
        }
    }
}

fn is_unauthenticated(errors: &[ServerError]) -> bool {
    errors.iter().any(|error| code_of(error) == Some(Code::Unauthenticated.as_str()))
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    #[test]
    fn the_operation_is_selected_by_its_name() {
        let kind = |text: &str, name: Option<&str>| {
            select_operation(&parse_query(text).unwrap(), name)
                .map(|operation| operation.ty)
                .map_err(|failure| failure.code())
        };
        assert_eq!(kind("{ a }", None), Ok(OperationType::Query));
        assert_eq!(kind("mutation M { a }", None), Ok(OperationType::Mutation));
        assert_eq!(kind("query A { a } mutation M { a }", Some("M")), Ok(OperationType::Mutation));
        for (text, name) in [("{ a }", Some("A")), ("query A { a } query B { a }", None), ("query A { a }", Some("B"))]
        {
            assert_eq!(kind(text, name), Err(Code::ValidationFailed), "{text}");
        }
    }

    #[test]
    fn root_fields_are_counted_through_fragments() {
        let count = |text: &str| {
            let document = parse_query(text).unwrap();
            root_fields(&document, &select_operation(&document, None).ok().unwrap().selection_set.node)
        };
        assert_eq!(count("subscription { a { b c } }"), 1);
        assert_eq!(count("subscription { a ... { b ...F } } fragment F on Subscription { c }"), 3);
    }
}
