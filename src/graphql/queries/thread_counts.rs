use async_graphql::{Context, Object};

use crate::domain::ThreadStatus;
use crate::graphql::context::caller;
use crate::graphql::errors::Result;
use crate::graphql::limits::MAX_COUNT;
use crate::store::threads::{Scope, ThreadFilter, count_to};

/// How many threads the viewer may see, each counted to at most 1,000.
pub(super) struct ThreadCounts {
    scope: Scope,
}

impl ThreadCounts {
    async fn count(&self, ctx: &Context<'_>, filter: ThreadFilter) -> Result<i32> {
        let caller = caller(ctx)?;
        let count = count_to(caller.services.request_reader(), &self.scope, &filter, MAX_COUNT).await;
        let count = count.map_err(|error| caller.fault(error))?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// How many threads the viewer may see, each counted to at most 1,000.
#[Object]
impl ThreadCounts {
    /// Held by the viewer.
    async fn mine(&self, ctx: &Context<'_>) -> Result<i32> {
        self.count(ctx, ThreadFilter { assigned_to_me: Some(true), ..ThreadFilter::default() }).await
    }

    /// Held by nobody.
    async fn unclaimed(&self, ctx: &Context<'_>) -> Result<i32> {
        self.count(ctx, ThreadFilter { status: vec![ThreadStatus::Unclaimed], ..ThreadFilter::default() }).await
    }

    /// Not closed, whoever holds them.
    async fn open(&self, ctx: &Context<'_>) -> Result<i32> {
        let status = vec![ThreadStatus::Unclaimed, ThreadStatus::Claimed];
        self.count(ctx, ThreadFilter { status, ..ThreadFilter::default() }).await
    }

    /// Closed.
    async fn closed(&self, ctx: &Context<'_>) -> Result<i32> {
        self.count(ctx, ThreadFilter { status: vec![ThreadStatus::Closed], ..ThreadFilter::default() }).await
    }
}

#[derive(Default)]
pub(super) struct ThreadCountsQuery;

#[Object]
impl ThreadCountsQuery {
    /// How many threads there are for the viewer, by where they stand. A console shows "999+" for
    /// 1,000.
    async fn thread_counts(&self, ctx: &Context<'_>) -> Result<ThreadCounts> {
        let scope = caller(ctx)?.viewer().await?.scope();
        Ok(ThreadCounts { scope })
    }
}
