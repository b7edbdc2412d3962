use std::collections::BTreeSet;

use async_graphql::{Context, ID, InputObject, Object, SelectionField};

use crate::graphql::context::requester;
use crate::graphql::enums::{ThreadOrder, ThreadStatus};
use crate::graphql::errors::{Failure, Result};
use crate::graphql::ids;
use crate::graphql::limits::MAX_SEARCH_CHARS;
use crate::graphql::pagination::{Connection, PageArgs, Total};
use crate::graphql::scalars::DateTime;
use crate::graphql::types::Thread;
use crate::store::inbox::{Details, inbox};
use crate::store::page::Page;
use crate::store::threads::{self, ThreadFilter};

/// The filter of `Query.threads`. A thread must meet all conditions that are given.
#[derive(InputObject, Default)]
#[graphql(name = "ThreadFilter")]
pub(super) struct ThreadFilterInput {
    /// Returns threads in any of these states. An empty list means any state.
    status: Option<Vec<ThreadStatus>>,
    /// True: threads that the viewer holds. False: threads that the viewer does not hold.
    assigned_to_me: Option<bool>,
    /// Returns only threads that the user with this ID holds.
    assignee_id: Option<ID>,
    /// Returns only threads of the phone numbers with these IDs. An empty list means any phone number.
    phone_number_ids: Option<Vec<ID>>,
    /// Returns only threads with the contact with this ID.
    contact_id: Option<ID>,
    /// Returns only threads whose later texts are routed to the extension with this ID.
    extension_id: Option<ID>,
    /// True: threads with inbound messages that the viewer has not read. False: threads without.
    unread: Option<bool>,
    /// True: open threads in which no user has replied since the last inbound message. False: all other threads.
    needs_reply: Option<bool>,
    /// True: threads with a message for which `needsDecision` is true. False: threads without.
    needs_decision: Option<bool>,
    /// Returns only threads whose last message is later than this time.
    last_message_after: Option<DateTime>,
    /// Returns only threads whose last message is earlier than this time.
    last_message_before: Option<DateTime>,
    /// Returns only threads whose contact's name or phone contains this text, in any letter case. A phone matches its
    /// digits as typed, such as `(303) 555-01`. At most 200 characters.
    search: Option<String>,
}

impl ThreadFilterInput {
    /// Parses the IDs. `None` if no thread can match: an ID is malformed, or all phone numbers are.
    fn parse(self) -> Result<Option<ThreadFilter>> {
        let assignee = self.assignee_id.as_ref().map(ids::parse);
        let contact = self.contact_id.as_ref().map(ids::parse);
        let extension = self.extension_id.as_ref().map(ids::parse);
        let numbers = ids::parse_some(&self.phone_number_ids.unwrap_or_default());
        let (Some(numbers), false) =
            (numbers, assignee == Some(None) || contact == Some(None) || extension == Some(None))
        else {
            return Ok(None);
        };
        let status: BTreeSet<_> = self.status.unwrap_or_default().into_iter().map(Into::into).collect();
        Ok(Some(ThreadFilter {
            status: status.into_iter().collect(),
            assigned_to_me: self.assigned_to_me,
            assignee: assignee.flatten(),
            numbers,
            contact: contact.flatten(),
            extension: extension.flatten(),
            unread: self.unread,
            needs_reply: self.needs_reply,
            needs_decision: self.needs_decision,
            last_message_after: self.last_message_after.map(|at| at.0),
            last_message_before: self.last_message_before.map(|at| at.0),
            search: search_text(self.search)?,
        }))
    }
}

/// Trims a search text. `None` if nothing is left.
pub(super) fn search_text(text: Option<String>) -> Result<Option<String>> {
    let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if text.as_ref().is_some_and(|text| text.chars().count() > MAX_SEARCH_CHARS || text.contains('\0')) {
        let message = format!("A search text can have at most {MAX_SEARCH_CHARS} characters and no NUL character.");
        return Err(Failure::bad_input(message));
    }
    Ok(text)
}

/// The fields for which the inbox query reads all columns anyway; for any other field of a thread, its contact or its
/// last message, [`Details`] requests the rest. A field that is added to the schema but not here costs columns, and is
/// never shown as null by mistake. A field that leads back to the thread must be called `thread`;
/// `tests/it/http/direct.rs` looks for others.
const THREAD: [&str; 19] = [
    "__typename",
    "id",
    "phoneNumber",
    "contact",
    "status",
    "assignee",
    "activity",
    "lastMessage",
    "lastActivityAt",
    "unreadCount",
    "viewerCanClaim",
    "viewerSeenCount",
    "inboundCount",
    "answeredCount",
    "needsReply",
    "revision",
    "timeline",
    "calls",
    "messages",
];
const CONTACT: [&str; 6] = ["__typename", "id", "address", "phone", "name", "threads"];
const MESSAGE: [&str; 7] = ["__typename", "id", "direction", "body", "media", "status", "createdAt"];

/// Determines which columns the selected fields need.
fn details(ctx: &Context<'_>, order: threads::ThreadOrder) -> Details {
    let mut lines = Vec::new();
    for field in ctx.field().selection_set() {
        match field.name() {
            "nodes" => lines.extend(field.selection_set()),
            "edges" => lines.extend(field.selection_set().flat_map(|edge| edge.selection_set().collect::<Vec<_>>())),
            _ => {}
        }
    }
    let back = lines.iter().any(leads_back);
    let inner = |name: &str, usual: &[&str]| {
        let fields = lines.iter().filter(|field| field.name() == name);
        back || fields.flat_map(SelectionField::selection_set).any(|field| !usual.contains(&field.name()))
    };
    Details {
        // The cursors of the other order are made of columns that few inboxes show.
        thread: back
            || order != threads::ThreadOrder::LatestActivity
            || lines.iter().any(|field| !THREAD.contains(&field.name())),
        contact: inner("contact", &CONTACT)
            || lines.iter().any(|field| ["replyBlock", "viewerActions"].contains(&field.name())),
        message: inner("lastMessage", &MESSAGE),
    }
}

/// Returns whether the field, or a field below it, leads from a message back to its thread.
fn leads_back(field: &SelectionField<'_>) -> bool {
    field.name() == "thread" || field.selection_set().any(|inner| leads_back(&inner))
}

#[derive(Default)]
pub(super) struct ThreadsQuery;

#[Object]
impl ThreadsQuery {
    /// The inbox: the threads that the viewer may see.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn threads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The conditions that a thread must meet. Default: none, so that all threads are returned.")]
        filter: Option<ThreadFilterInput>,
        #[graphql(
            desc = "The order of the threads. Default: LATEST_ACTIVITY. A cursor is valid only with the order of its list.",
            default_with = "Some(ThreadOrder::LatestActivity)"
        )]
        order_by: Option<ThreadOrder>,
        #[graphql(desc = "The number of items from the start, 0 to 100. Default: 25.")] first: Option<i32>,
        #[graphql(desc = "Returns only the items after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, 0 to 100. Not allowed with `first`.")] last: Option<i32>,
        #[graphql(desc = "Returns only the items before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<Thread>> {
        let requester = requester(ctx)?;
        let viewer = requester.viewer().await?;
        let window = PageArgs { first, after, last, before }.window()?;
        let Some(filter) = filter.unwrap_or_default().parse()? else {
            return Ok(Connection::new(Page { rows: vec![], has_next: false, has_previous: false }, Total::Known(0)));
        };
        let (scope, order) = (viewer.scope(), order_by.map_or_else(threads::ThreadOrder::default, Into::into));
        let page =
            inbox(requester.services.request_reader(), &scope, &filter, order, &window, details(ctx, order)).await;
        let page = page.map_err(|error| requester.fault(error))?;
        let total = Total::later(move |requester| {
            let (scope, filter) = (scope.clone(), filter.clone());
            async move { Ok(threads::count(requester.services.request_reader(), &scope, &filter).await?) }
        });
        Ok(Connection::new(page.map(|row| Thread::from_inbox(&viewer, row, order)), total))
    }
}
