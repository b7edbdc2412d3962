use std::collections::BTreeSet;

use async_graphql::{Context, ID, InputObject, Object, SelectionField};

use crate::graphql::context::caller;
use crate::graphql::errors::{Failure, Result};
use crate::graphql::ids;
use crate::graphql::limits::MAX_SEARCH_CHARS;
use crate::graphql::pagination::{Connection, PageArgs, Total};
use crate::graphql::types::Thread;
use crate::graphql::words::ThreadStatus;
use crate::store::inbox::{Details, inbox};
use crate::store::page::Page;
use crate::store::threads::{self, ThreadFilter};

/// Which threads. What is given must all hold.
#[derive(InputObject, Default)]
#[graphql(name = "ThreadFilter")]
pub(super) struct ThreadFilterInput {
    /// In any of these states; empty is any state.
    status: Option<Vec<ThreadStatus>>,
    /// Held by the viewer; false: not held by the viewer.
    assigned_to_me: Option<bool>,
    /// On this number.
    phone_number_id: Option<ID>,
    /// With this contact.
    contact_id: Option<ID>,
    /// With messages that the viewer has not read; false: without.
    unread: Option<bool>,
    /// Not closed, and the contact had the last word; false: closed, or answered.
    needs_reply: Option<bool>,
    /// Matches threads whose contact's name or phone contains this text. Letter case is ignored in every script; a
    /// phone matches its digits as typed, such as `(303) 555-01`.
    search: Option<String>,
}

impl ThreadFilterInput {
    /// `None` if an id names nothing: then nothing is found.
    fn read(self) -> Result<Option<ThreadFilter>> {
        let number = self.phone_number_id.as_ref().map(ids::parse);
        let contact = self.contact_id.as_ref().map(ids::parse);
        if number == Some(None) || contact == Some(None) {
            return Ok(None);
        }
        Ok(Some(ThreadFilter {
            status: self
                .status
                .unwrap_or_default()
                .into_iter()
                .map(Into::into)
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            assigned_to_me: self.assigned_to_me,
            number: number.flatten(),
            contact: contact.flatten(),
            unread: self.unread,
            needs_reply: self.needs_reply,
            search: search_text(self.search)?,
        }))
    }
}

/// A search text that says something, if one was given.
pub(super) fn search_text(text: Option<String>) -> Result<Option<String>> {
    let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if text.as_ref().is_some_and(|text| text.chars().count() > MAX_SEARCH_CHARS || text.contains('\0')) {
        let message = format!("A search text has at most {MAX_SEARCH_CHARS} characters, none of them NUL.");
        return Err(Failure::bad_input(message));
    }
    Ok(text)
}

/// What every inbox shows of a thread, its contact and its last message: [`Details`] has the rest. So
/// a field that is added to one of them and not here costs columns, and is never shown as null. What
/// leads back to the thread itself must be called `thread`; `tests/it/http/direct.rs` looks for others.
const THREAD: [&str; 13] = [
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
    "calls",
    "messages",
];
const CONTACT: [&str; 5] = ["__typename", "id", "phone", "name", "threads"];
const MESSAGE: [&str; 7] = ["__typename", "id", "direction", "body", "media", "status", "createdAt"];

/// What the selected fields need.
fn details(ctx: &Context<'_>) -> Details {
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
        thread: back || lines.iter().any(|field| !THREAD.contains(&field.name())),
        contact: inner("contact", &CONTACT),
        message: inner("lastMessage", &MESSAGE),
    }
}

/// A message leads back to its thread.
fn leads_back(field: &SelectionField<'_>) -> bool {
    field.name() == "thread" || field.selection_set().any(|inner| leads_back(&inner))
}

#[derive(Default)]
pub(super) struct ThreadsQuery;

#[Object]
impl ThreadsQuery {
    /// The inbox: the threads that the viewer may see, newest activity first.
    async fn threads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which threads; all of them unless given.")] filter: Option<ThreadFilterInput>,
        #[graphql(desc = "How many, from the start: 25 unless given, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Thread>> {
        let caller = caller(ctx)?;
        let viewer = caller.viewer().await?;
        let window = PageArgs { first, after, last, before }.window()?;
        let Some(filter) = filter.unwrap_or_default().read()? else {
            return Ok(Connection::new(Page { rows: vec![], has_next: false, has_previous: false }, Total::Known(0)));
        };
        let scope = viewer.scope();
        let page = inbox(caller.services.request_reader(), &scope, &filter, &window, details(ctx)).await;
        let page = page.map_err(|error| caller.fault(error))?;
        let total = Total::later(move |caller| {
            let (scope, filter) = (scope.clone(), filter.clone());
            async move { Ok(threads::count(caller.services.request_reader(), &scope, &filter).await?) }
        });
        Ok(Connection::new(page.map(|row| Thread::of_inbox(&viewer, row)), total))
    }
}
