//! The library's hooks: fresh loaders for each execution, a code for each error.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_graphql::async_trait::async_trait;
use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextExecute, NextParseQuery, NextValidation,
};
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Data, Response, ServerError, ServerResult, ValidationResult, Variables};

use super::context::Caller;
use super::errors::{Code, label};
use super::loaders::Loaders;

/// Whether a request got as far as being executed. Before that its answer has no `data` at all.
#[derive(Debug, Clone, Default)]
pub(super) struct Executed(Arc<AtomicBool>);

impl Executed {
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Makes [`Hooks`].
pub(super) struct HooksFactory;

impl ExtensionFactory for HooksFactory {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Hooks)
    }
}

struct Hooks;

#[async_trait]
impl Extension for Hooks {
    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        next.run(ctx, query, variables).await.map_err(|error| {
            let mut errors = vec![error];
            label(&mut errors, Code::QueryTooComplex);
            errors.remove(0)
        })
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        next.run(ctx).await.map_err(|mut errors| {
            label(&mut errors, Code::ValidationFailed);
            errors
        })
    }

    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        if let Some(executed) = ctx.data_opt::<Executed>() {
            executed.0.store(true, Ordering::Relaxed);
        }
        let mut data = Data::default();
        if let Some(caller) = ctx.data_opt::<Caller>() {
            data.insert(Loaders::new(caller));
        }
        next.run_with_data(ctx, operation_name, data).await
    }
}
