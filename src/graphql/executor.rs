//! Executes prepared operations: within their timeout, with the user's permits, and with a panic contained to the one
//! operation.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{Name, Request};
use futures_util::FutureExt as _;
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use super::Schema;
use super::context::{Origin, Requester};
use super::direct_json::AllowDirectJson;
use super::errors::{Code, Failure, Result};
use super::limits::{MUTATION_TIMEOUT, QUERY_TIMEOUT};
use super::loaders::Loaders;
use super::operation::{OperationResponse, Prepared, selects};
use super::queries::SnapshotCursor;
use crate::admission::{Admission, Reservation};
use crate::metrics::{Component, Metrics, OperationKind};
use crate::ports::Clock;
use crate::store::cancel_on_drop;

/// Executes queries and mutations of both transports.
#[derive(Clone)]
pub struct Executor {
    pub schema: Schema,
    pub admission: Arc<Admission>,
    pub metrics: Arc<Metrics>,
    /// The permits of sign-ins.
    sign_ins: Arc<Semaphore>,
}

/// The number of sign-ins that run at the same time; further ones wait.
const SIGN_INS: usize = 4;

impl Executor {
    pub fn new(schema: Schema, admission: Arc<Admission>, metrics: Arc<Metrics>) -> Self {
        Self { schema, admission, metrics, sign_ins: Arc::new(Semaphore::new(SIGN_INS)) }
    }

    /// Executes a query or a mutation. The reservation counts the bytes of the response until they are sent.
    pub(super) async fn execute(
        &self,
        requester: &Requester,
        prepared: Prepared,
    ) -> Result<(OperationResponse, Reservation)> {
        let (kind, name) = (prepared.kind, prepared.label.clone());
        let span = tracing::debug_span!("graphql", kind = %kind, request = &*requester.request_id, agency = %requester.agency());
        let executed = self.execute_in_time(requester, prepared).instrument(span);
        self.contain((kind, name), &*requester.services.clock, &requester.request_id, executed).await
    }

    /// Executes the mutation of a sign-in, which has no requester: few of them run at the same time. Its operation name
    /// is not counted, because anybody could fill the list of names.
    pub(super) async fn execute_sign_in(&self, origin: Origin, prepared: Prepared) -> Result<OperationResponse> {
        let kind = prepared.kind;
        let Origin { services, request_id } = origin.clone();
        let executed = async {
            let mut request = Request::new(prepared.query).variables(prepared.variables).data(origin);
            request.operation_name = prepared.name;
            request.set_parsed_query(prepared.document.parsed.clone());
            let admitted = async {
                // The semaphore is never closed.
                let _permit = self.sign_ins.acquire().await;
                self.schema.execute(request).await
            };
            tokio::select! {
                response = cancel_on_drop(admitted) => Ok((OperationResponse::of(response), ())),
                () = services.clock.sleep(MUTATION_TIMEOUT) => Err(timeout_failure(kind, MUTATION_TIMEOUT)),
            }
        };
        let contained = self.contain((kind, None), &*services.clock, &request_id, executed).await;
        contained.map(|(response, ())| response)
    }

    /// Contains a panic of an execution to the one operation, and measures it.
    async fn contain<T>(
        &self,
        (kind, name): (OperationType, Option<Name>),
        clock: &dyn Clock,
        request_id: &Arc<str>,
        executed: impl Future<Output = Result<(OperationResponse, T)>>,
    ) -> Result<(OperationResponse, T)> {
        let started = clock.monotonic();
        let result = AssertUnwindSafe(executed).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(%request_id, "an operation panicked");
            self.metrics.panicked(Component::GraphQl);
            Err(Failure::internal(request_id))
        });
        let took = clock.monotonic() - started;
        let kind = match kind {
            OperationType::Query => OperationKind::Query,
            OperationType::Mutation => OperationKind::Mutation,
            OperationType::Subscription => OperationKind::Subscription,
        };
        match &result {
            Ok((response, _)) => self.metrics.operation(kind, name.as_deref(), took, response.error_codes()),
            Err(failure) => self.metrics.operation(kind, name.as_deref(), took, [failure.code().as_str()]),
        }
        result
    }

    async fn execute_in_time(
        &self,
        requester: &Requester,
        prepared: Prepared,
    ) -> Result<(OperationResponse, Reservation)> {
        let kind = prepared.kind;
        let timeout = if kind == OperationType::Query { QUERY_TIMEOUT } else { MUTATION_TIMEOUT };
        let executed = async {
            let (agency, user, admission) = (requester.agency(), requester.user(), &self.admission);
            let reservation = admission.reserve(user, prepared.expected_bytes()).await;
            let permit = match kind {
                OperationType::Query => admission.acquire_query(agency, user).await,
                OperationType::Mutation | OperationType::Subscription => admission.acquire_mutation(agency, user).await,
            };
            let _permit = permit.map_err(|limited| Failure::limited(&limited))?;
            Ok((self.execute_admitted(requester, prepared).await?, reservation))
        };
        tokio::select! {
            executed = cancel_on_drop(executed) => executed,
            () = requester.services.clock.sleep(timeout) => Err(timeout_failure(kind, timeout)),
        }
    }

    async fn execute_admitted(&self, requester: &Requester, prepared: Prepared) -> Result<OperationResponse> {
        let Prepared { kind, query, name, variables, document, .. } = prepared;
        let requester = &requester.for_execution();
        let loaders = Loaders::new(requester);
        let mut request = Request::new(query).variables(variables).data(requester.clone()).data(loaders);
        if kind == OperationType::Query && selects(&document.parsed, "eventCursor") {
            // Read first, so that an event during the execution is delivered again after the cursor instead of being
            // missed.
            request = request.data(SnapshotCursor::read(requester).await?);
        }
        if document.supports_direct_json {
            request = request.data(AllowDirectJson);
        }
        request.operation_name = name;
        request.set_parsed_query(document.parsed.clone());
        Ok(OperationResponse::of(self.schema.execute(request).await))
    }
}

fn timeout_failure(kind: OperationType, timeout: Duration) -> Failure {
    let advice = match kind {
        OperationType::Query => "Request less data at a time.",
        OperationType::Mutation | OperationType::Subscription => {
            "The change may have been made. Read the current state before you repeat it."
        }
    };
    Failure::new(Code::Timeout, format!("The request took longer than {} s. {advice}", timeout.as_secs()))
}
