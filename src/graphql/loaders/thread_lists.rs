//! The paginated lists of a thread, each read for many threads at once.

use std::collections::HashMap;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use sea_orm::DbErr;

use super::{BatchSource, Calls, LoadedRows, Messages, PageOf};
use crate::domain::ThreadId;
use crate::entity::{activity, message};
use crate::graphql::context::Requester;
use crate::service::Viewer;
use crate::store;
use crate::store::call_visibility::VisibleCall;
use crate::store::page::{Page, Window};
use crate::store::timeline::TimelineRow;

/// A paginated list of a thread, read for many threads in one statement.
pub(super) trait ListOfThread: Send + Sync + 'static {
    type Row: Send + Sync + 'static;

    fn pages(
        requester: &Requester,
        viewer: &Viewer,
        parts: &[(ThreadId, Window)],
    ) -> impl Future<Output = Result<Vec<Page<Self::Row>>, DbErr>> + Send;

    fn counts(
        requester: &Requester,
        viewer: &Viewer,
        threads: &[ThreadId],
    ) -> impl Future<Output = Result<Vec<(ThreadId, i64)>, DbErr>> + Send;
}

pub(super) struct Pages<L>(PhantomData<L>);

impl<L: ListOfThread> BatchSource for Pages<L> {
    type Key = (ThreadId, Window);
    type Value = PageOf<L::Row>;

    async fn read(requester: &Requester, viewer: &Viewer, keys: &[(ThreadId, Window)]) -> LoadedRows<Self> {
        let pages = L::pages(requester, viewer, keys).await?;
        Ok(keys.iter().copied().zip(pages.into_iter().map(|page| page.map(Arc::new))).collect())
    }
}

pub(super) struct Counts<L>(PhantomData<L>);

impl<L: ListOfThread> BatchSource for Counts<L> {
    type Key = ThreadId;
    type Value = i64;

    async fn read(requester: &Requester, viewer: &Viewer, keys: &[ThreadId]) -> LoadedRows<Self> {
        Ok(L::counts(requester, viewer, keys).await?.into_iter().collect())
    }
}

impl ListOfThread for Messages {
    type Row = message::Model;

    async fn pages(
        requester: &Requester,
        viewer: &Viewer,
        parts: &[(ThreadId, Window)],
    ) -> Result<Vec<Page<message::Model>>, DbErr> {
        store::messages::pages(requester.services.request_reader(), viewer.agency(), parts).await
    }

    async fn counts(
        requester: &Requester,
        viewer: &Viewer,
        threads: &[ThreadId],
    ) -> Result<Vec<(ThreadId, i64)>, DbErr> {
        store::messages::counts(requester.services.request_reader(), viewer.agency(), threads).await
    }
}

pub(super) struct Activity;

impl ListOfThread for Activity {
    type Row = activity::Model;

    async fn pages(
        requester: &Requester,
        viewer: &Viewer,
        parts: &[(ThreadId, Window)],
    ) -> Result<Vec<Page<activity::Model>>, DbErr> {
        store::threads::activity_pages(requester.services.request_reader(), viewer.agency(), parts).await
    }

    async fn counts(
        requester: &Requester,
        viewer: &Viewer,
        threads: &[ThreadId],
    ) -> Result<Vec<(ThreadId, i64)>, DbErr> {
        store::threads::activity_counts(requester.services.request_reader(), viewer.agency(), threads).await
    }
}

impl ListOfThread for Calls {
    type Row = VisibleCall;

    async fn pages(
        requester: &Requester,
        viewer: &Viewer,
        parts: &[(ThreadId, Window)],
    ) -> Result<Vec<Page<VisibleCall>>, DbErr> {
        store::calls::pages(requester.services.request_reader(), &viewer.scope(), parts).await
    }

    async fn counts(
        requester: &Requester,
        viewer: &Viewer,
        threads: &[ThreadId],
    ) -> Result<Vec<(ThreadId, i64)>, DbErr> {
        store::calls::counts(requester.services.request_reader(), &viewer.scope(), threads).await
    }
}

pub(super) struct Timeline;

impl ListOfThread for Timeline {
    type Row = TimelineRow;

    async fn pages(
        requester: &Requester,
        viewer: &Viewer,
        parts: &[(ThreadId, Window)],
    ) -> Result<Vec<Page<TimelineRow>>, DbErr> {
        store::timeline::pages(requester.services.request_reader(), viewer.agency(), parts).await
    }

    async fn counts(
        requester: &Requester,
        viewer: &Viewer,
        threads: &[ThreadId],
    ) -> Result<Vec<(ThreadId, i64)>, DbErr> {
        let mut sums = HashMap::<ThreadId, i64>::new();
        for counts in [
            Messages::counts(requester, viewer, threads).await?,
            Calls::counts(requester, viewer, threads).await?,
            Activity::counts(requester, viewer, threads).await?,
        ] {
            for (thread, count) in counts {
                *sums.entry(thread).or_default() += count;
            }
        }
        Ok(sums.into_iter().collect())
    }
}
