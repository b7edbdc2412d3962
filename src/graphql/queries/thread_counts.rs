use async_graphql::{Context, Object};

use crate::domain::ThreadStatus;
use crate::graphql::context::requester;
use crate::graphql::errors::Result;
use crate::graphql::limits::MAX_COUNT;
use crate::store::threads::{Scope, ThreadFilter, count_to};

pub(super) struct ThreadCounts {
    scope: Scope,
}

impl ThreadCounts {
    async fn count(&self, ctx: &Context<'_>, filter: ThreadFilter) -> Result<i32> {
        let requester = requester(ctx)?;
        let count = count_to(requester.services.request_reader(), &self.scope, &filter, MAX_COUNT).await;
        let count = count.map_err(|error| requester.fault(error))?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// The numbers of threads that the viewer may see, by state. Each is counted up to 1,000.
#[Object]
impl ThreadCounts {
    /// The number of threads that the viewer holds, at most 1,000.
    async fn mine(&self, ctx: &Context<'_>) -> Result<i32> {
        self.count(ctx, ThreadFilter { assigned_to_me: Some(true), ..ThreadFilter::default() }).await
    }

    /// The number of open threads without an assignee, at most 1,000.
    async fn unclaimed(&self, ctx: &Context<'_>) -> Result<i32> {
        self.count(ctx, ThreadFilter { status: vec![ThreadStatus::Unclaimed], ..ThreadFilter::default() }).await
    }

    /// The number of threads that are not closed, at most 1,000.
    async fn open(&self, ctx: &Context<'_>) -> Result<i32> {
        let status = vec![ThreadStatus::Unclaimed, ThreadStatus::Claimed];
        self.count(ctx, ThreadFilter { status, ..ThreadFilter::default() }).await
    }

    /// The number of closed threads, at most 1,000.
    async fn closed(&self, ctx: &Context<'_>) -> Result<i32> {
        self.count(ctx, ThreadFilter { status: vec![ThreadStatus::Closed], ..ThreadFilter::default() }).await
    }
}

#[derive(Default)]
pub(super) struct ThreadCountsQuery;

#[Object]
impl ThreadCountsQuery {
    /// The numbers of threads that the viewer may see, by state. Each is counted up to 1,000, so 1,000 means 1,000 or
    /// more.
    async fn thread_counts(&self, ctx: &Context<'_>) -> Result<ThreadCounts> {
        let scope = requester(ctx)?.viewer().await?.scope();
        Ok(ThreadCounts { scope })
    }
}
