//! A request from the outside, made ready to execute: what both transports share.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Request, Response, ServerError, Value, Variables};
use serde::{Deserialize, Serialize};

use super::context::Caller;
use super::direct::IsPlain;
use super::documents::Document;
use super::errors::{Code, Failure, Result, code_of, label};
use super::introspection;
use super::limits::{BYTES_PER_POINT, MUTATION_WITHIN, QUERY_WITHIN, check_value};
use super::loaders::Loaders;
use super::queries::SnapshotCursor;
use super::variables::coerce;
use super::{GraphqlState, Schema};
use crate::admission::{Admission, Reservation};
use crate::store::cancel_on_drop;

type Object = serde_json::Map<String, serde_json::Value>;

/// What a client asks, as GraphQL over HTTP and graphql-transport-ws both write it.
#[derive(Deserialize)]
#[serde(try_from = "Parameters")]
pub(super) struct Asked {
    /// The document; `None` if the request contains the hash of a persisted query instead.
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<Object>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<Object>,
    extensions: Option<Object>,
}

impl TryFrom<Parameters> for Asked {
    type Error = &'static str;

    fn try_from(parameters: Parameters) -> std::result::Result<Self, Self::Error> {
        let Parameters { query, operation_name, variables, extensions } = parameters;
        let is_persisted = extensions.is_some_and(|all| all.get("persistedQuery").is_some_and(|one| !one.is_null()));
        if query.is_none() && !is_persisted {
            return Err("`query` is missing");
        }
        Ok(Self { query, operation_name, variables })
    }
}

/// An operation that is within all bounds that need no schema.
pub(super) struct Prepared {
    pub(super) kind: OperationType,
    pub(super) query: String,
    pub(super) name: Option<String>,
    pub(super) variables: Variables,
    pub(super) document: Arc<Document>,
    /// In points, see [`Costs`](super::limits::Costs).
    pub(super) cost: usize,
}

impl Prepared {
    /// The size of the document and the variables.
    pub(super) fn bytes(&self) -> usize {
        self.query.len() + serde_json::to_string(&self.variables).map_or(0, |variables| variables.len())
    }

    /// The expected size of an answer.
    pub(super) fn expected_bytes(&self) -> usize {
        self.cost.saturating_mul(BYTES_PER_POINT)
    }
}

/// Parses and checks what is asked.
pub(super) fn prepare(state: &GraphqlState, asked: Asked) -> Result<Prepared> {
    let Some(query) = asked.query else {
        // Some clients look for this message instead of the code.
        return Err(Failure::new(Code::PersistedQueryNotSupported, "PersistedQueryNotSupported"));
    };
    let document = state.documents.read(&query)?;
    if document.selects_schema && !state.introspection {
        return Err(introspection::disabled());
    }
    let operation = choose(&document.parsed, asked.operation_name.as_deref())?;
    let kind = operation.ty;
    if kind == OperationType::Subscription && root_fields(&document.parsed, &operation.selection_set.node) != 1 {
        let message = "A subscription has exactly one root field.";
        return Err(Failure::new(Code::ValidationFailed, message));
    }
    let variables = coerce(operation, &document.conditions, asked.variables)?;
    variables.values().try_for_each(check_value)?;
    let cost = state.costs.check(&document.parsed, operation, &variables)?;
    Ok(Prepared { kind, query, name: asked.operation_name, variables, document, cost })
}

/// Executes a query or a mutation when it is the user's turn, within its deadline. The reservation is for the bytes of the
/// answer, until they are sent.
pub(super) async fn execute(
    schema: &Schema,
    admission: &Admission,
    caller: &Caller,
    prepared: Prepared,
) -> Result<(Answer, Reservation)> {
    let kind = prepared.kind;
    let within = if kind == OperationType::Query { QUERY_WITHIN } else { MUTATION_WITHIN };
    let executed = async {
        let (agency, user) = (caller.agency(), caller.user());
        let reservation = admission.reserve(user, prepared.expected_bytes()).await;
        let turn = match kind {
            OperationType::Query => admission.query(agency, user).await,
            OperationType::Mutation | OperationType::Subscription => admission.mutation(agency, user).await,
        };
        let _turn = turn.map_err(|limited| Failure::limited(&limited))?;
        Ok((execute_now(schema, caller, prepared).await?, reservation))
    };
    tokio::select! {
        executed = cancel_on_drop(executed) => executed,
        () = caller.services.clock.sleep(within) => Err(timeout(kind, within)),
    }
}

fn timeout(kind: OperationType, within: Duration) -> Failure {
    let advice = match kind {
        OperationType::Query => "Request less at a time.",
        OperationType::Mutation | OperationType::Subscription => {
            "The change may have been made nevertheless: read before you repeat it."
        }
    };
    Failure::new(Code::Timeout, format!("The request took longer than {} s. {advice}", within.as_secs()))
}

async fn execute_now(schema: &Schema, caller: &Caller, prepared: Prepared) -> Result<Answer> {
    let Prepared { kind, query, name, variables, document, .. } = prepared;
    let caller = &caller.for_execution();
    let loaders = Loaders::new(caller);
    let mut request = Request::new(query).variables(variables).data(caller.clone()).data(loaders);
    if kind == OperationType::Query && selects(&document.parsed, "eventCursor") {
        // Before anything else is read: what happens in between is then told twice, never missed.
        request = request.data(SnapshotCursor::take(caller).await?);
    }
    if document.is_plain {
        request = request.data(IsPlain);
    }
    request.operation_name = name;
    request.set_parsed_query(document.parsed.clone());
    Ok(Answer::of(schema.execute(request).await))
}

fn choose<'a>(document: &'a ExecutableDocument, name: Option<&str>) -> Result<&'a OperationDefinition> {
    let wrong = |message: &'static str| Failure::new(Code::ValidationFailed, message);
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Ok(&operation.node),
        (DocumentOperations::Multiple(operations), None) => {
            let mut all = operations.values();
            match (all.next(), all.next()) {
                (Some(only), None) => Ok(&only.node),
                _ => Err(wrong("The document has several operations: `operationName` must say which.")),
            }
        }
        (DocumentOperations::Multiple(operations), Some(name)) => match operations.get(name) {
            Some(operation) => Ok(&operation.node),
            None => Err(wrong("The document has no operation of this name.")),
        },
        (DocumentOperations::Single(_), Some(_)) => Err(wrong("The document has no operation of this name.")),
    }
}

/// How many fields a selection has at its top. [`limits::check`] has seen to it that this ends.
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

/// Whether a field of this name stands at the top of an operation, or of a fragment.
fn selects(document: &ExecutableDocument, name: &str) -> bool {
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

/// A response without data: nothing was executed.
#[derive(Serialize)]
pub(super) struct Refused {
    errors: Vec<ServerError>,
}

impl Refused {
    pub(super) fn errors(&self) -> &[ServerError] {
        &self.errors
    }

    /// Whether it says that who asks is not one of ours any more.
    pub(super) fn is_unauthenticated(&self) -> bool {
        is_unauthenticated(&self.errors)
    }
}

impl From<Vec<ServerError>> for Refused {
    fn from(errors: Vec<ServerError>) -> Self {
        Self { errors }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { errors: vec![failure.into_server_error()] }
    }
}

/// A response as it is written: `data` is there exactly if the operation was executed.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    Executed(Response),
    Refused(Refused),
}

impl Answer {
    fn of(mut response: Response) -> Self {
        label(&mut response.errors);
        // An error that names a field came of executing it.
        let executed = response.data != Value::Null || response.errors.iter().any(|error| !error.path.is_empty());
        if executed { Self::Executed(response) } else { Self::Refused(Refused { errors: response.errors }) }
    }

    /// Whether it says that who asks is not one of ours any more.
    pub(super) fn is_unauthenticated(&self) -> bool {
        match self {
            Self::Executed(response) => is_unauthenticated(&response.errors),
            Self::Refused(refused) => refused.is_unauthenticated(),
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
    fn the_operation_is_chosen_by_its_name() {
        let kind = |text: &str, name: Option<&str>| {
            choose(&parse_query(text).unwrap(), name).map(|operation| operation.ty).map_err(|failure| failure.code())
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
            root_fields(&document, &choose(&document, None).ok().unwrap().selection_set.node)
        };
        assert_eq!(count("subscription { a { b c } }"), 1);
        assert_eq!(count("subscription { a ... { b ...F } } fragment F on Subscription { c }"), 3);
    }
}
