use async_graphql::{Context, SelectionField, SimpleObject};
use sea_orm::DbErr;

use crate::domain::{PhoneNumberId, ThreadStatus};
use crate::graphql::context::requester;
use crate::graphql::errors::Result;
use crate::graphql::limits::MAX_COUNT;
use crate::service::{Services, Viewer};
use crate::store::threads::{ThreadFilter, counts_to};

/// The numbers of threads that the viewer may see, by state. Each is counted up to 1,000.
#[derive(Debug, SimpleObject, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ThreadCounts {
    /// The number of threads that the viewer holds, at most 1,000.
    mine: i32,
    /// The number of open threads without an assignee, at most 1,000.
    unclaimed: i32,
    /// The number of threads that are not closed, at most 1,000.
    open: i32,
    /// The number of closed threads, at most 1,000.
    closed: i32,
    /// The number of open threads in which no user has replied since the last inbound message, at most 1,000.
    needs_reply: i32,
    /// The number of threads that the viewer holds and that have unread messages, at most 1,000.
    mine_unread: i32,
}

impl ThreadCounts {
    /// Counts the threads on these numbers, or on all if there are none, in one statement. Only the counts that the
    /// current field selects are counted.
    pub async fn read(ctx: &Context<'_>, viewer: &Viewer, numbers: Vec<PhoneNumberId>) -> Result<Self> {
        let requester = requester(ctx)?;
        let selected: Vec<&str> = ctx.field().selection_set().map(|field: SelectionField<'_>| field.name()).collect();
        let counted = Self::count(&requester.services, viewer, &numbers, |name| selected.contains(&name)).await;
        counted.map_err(|error| requester.fault(error))
    }

    /// Counts the threads on these numbers, or on all if there are none, in one statement. Counts that are not wanted
    /// stay 0.
    pub async fn count(
        services: &Services,
        viewer: &Viewer,
        numbers: &[PhoneNumberId],
        is_wanted: impl Fn(&str) -> bool,
    ) -> std::result::Result<Self, DbErr> {
        let mut counts = Self::default();
        let on_numbers = ThreadFilter { numbers: numbers.to_vec(), ..ThreadFilter::default() };
        let with_status = |status: &[ThreadStatus]| ThreadFilter { status: status.to_vec(), ..on_numbers.clone() };
        let mine = ThreadFilter { assigned_to_me: Some(true), ..on_numbers.clone() };
        let mut all = [
            ("mine", &mut counts.mine, mine.clone()),
            ("unclaimed", &mut counts.unclaimed, with_status(&[ThreadStatus::Unclaimed])),
            ("open", &mut counts.open, with_status(&[ThreadStatus::Unclaimed, ThreadStatus::Claimed])),
            ("closed", &mut counts.closed, with_status(&[ThreadStatus::Closed])),
            ("needsReply", &mut counts.needs_reply, ThreadFilter { needs_reply: Some(true), ..on_numbers.clone() }),
            ("mineUnread", &mut counts.mine_unread, ThreadFilter { unread: Some(true), ..mine }),
        ];
        let wanted: Vec<_> = all.iter_mut().filter(|(name, ..)| is_wanted(name)).collect();
        let filters: Vec<ThreadFilter> = wanted.iter().map(|(.., filter)| filter.clone()).collect();
        let found = counts_to(services.request_reader(), &viewer.scope(), &filters, MAX_COUNT).await?;
        for ((_, count, _), found) in wanted.into_iter().zip(found) {
            **count = i32::try_from(found).unwrap_or(i32::MAX);
        }
        Ok(counts)
    }
}
