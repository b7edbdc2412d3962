use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Call, Contact, Extension, Message, PhoneNumber, ThreadActivity, User};
use crate::domain::{self, PhoneNumberId, ThreadId};
use crate::entity::{contact, message, thread};
use crate::graphql::context::{loaders, requester};
use crate::graphql::direct_json::{DirectJson, ObjectField};
use crate::graphql::enums::ThreadStatus;
use crate::graphql::errors::Result;
use crate::graphql::loaders::ThreadList;
use crate::graphql::pagination::{Connection, ConnectionNode, PageArgs, Total};
use crate::graphql::scalars::DateTime;
use crate::service::Viewer;
use crate::store::inbox::InboxRow;
use crate::store::page::Key;

#[derive(Clone)]
pub struct Thread {
    viewer: Arc<Viewer>,
    model: Arc<thread::Model>,
    preloaded: Option<Preloaded>,
}

/// Rows that the inbox query reads together with the thread.
#[derive(Clone)]
struct Preloaded {
    contact: Option<Arc<contact::Model>>,
    last_message: Option<Arc<message::Model>>,
    seen_count: Option<i32>,
}

impl Thread {
    pub fn new(viewer: &Arc<Viewer>, model: Arc<thread::Model>) -> Self {
        Self { viewer: Arc::clone(viewer), model, preloaded: None }
    }

    /// Builds a thread from a row of the inbox query.
    pub fn from_inbox(viewer: &Arc<Viewer>, row: InboxRow) -> Self {
        let preloaded = Preloaded {
            contact: row.contact.map(Arc::new),
            last_message: row.last_message.map(Arc::new),
            seen_count: row.seen_count,
        };
        Self { viewer: Arc::clone(viewer), model: Arc::new(row.thread), preloaded: Some(preloaded) }
    }

    pub fn thread_id(&self) -> ThreadId {
        self.model.id
    }

    pub fn number(&self) -> PhoneNumberId {
        self.model.phone_number_id
    }

    pub(super) fn viewer(&self) -> &Arc<Viewer> {
        &self.viewer
    }

    async fn seen_count(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        match &self.preloaded {
            Some(preloaded) => Ok(preloaded.seen_count),
            None => loaders(ctx)?.seen_count(self.model.id).await,
        }
    }

    /// Returns whether access to the thread includes access to its contact.
    fn shows_contact(&self) -> bool {
        self.viewer.is_admin() || self.model.shows_contact()
    }

    /// The contact that the inbox query read, if the thread shows it.
    fn preloaded_contact(&self) -> Option<Contact> {
        let contact = self.preloaded.as_ref().filter(|_| self.shows_contact())?.contact.clone()?;
        Some(Contact::new(&self.viewer, contact))
    }

    /// The last message that the inbox query read. `None` if the thread did not come from it.
    fn preloaded_message(&self) -> Option<Option<Message>> {
        let message = self.preloaded.as_ref()?.last_message.clone();
        Some(message.map(|message| Message::within(self, message)))
    }

    async fn find_contact(&self, ctx: &Context<'_>) -> Result<Contact> {
        if let Some(contact) = self.preloaded_contact() {
            return Ok(contact);
        }
        let (loaders, id) = (loaders(ctx)?, self.model.contact_id);
        let contact =
            if self.shows_contact() { loaders.contact(id).await? } else { loaders.redacted_contact(id).await? };
        match contact {
            Some(contact) => Ok(Contact::new(&self.viewer, contact)),
            None => Err(requester(ctx)?.missing_reference("contact")),
        }
    }

    async fn find_last_message(&self, ctx: &Context<'_>) -> Result<Option<Message>> {
        if let Some(message) = self.preloaded_message() {
            return Ok(message);
        }
        let Some(id) = self.model.last_message_id else { return Ok(None) };
        Ok(loaders(ctx)?.message(id).await?.map(|message| Message::within(self, message)))
    }

    async fn find_opt_out_hint(&self, ctx: &Context<'_>) -> Result<Option<Message>> {
        let Some(id) = self.model.opt_out_hint_id else { return Ok(None) };
        Ok(loaders(ctx)?.message(id).await?.map(|message| Message::within(self, message)))
    }

    async fn page_of_messages(&self, ctx: &Context<'_>, args: &PageArgs) -> Result<Connection<Message>> {
        let page = loaders(ctx)?.messages_of(self.model.id, args.window()?).await?;
        let total = Total::OfThread(ThreadList::Messages, self.model.id);
        Ok(Connection::new(page.map(|row| Message::within(self, row)), total))
    }

    async fn page_of_activity(&self, ctx: &Context<'_>, args: &PageArgs) -> Result<Connection<ThreadActivity>> {
        let page = loaders(ctx)?.activity_of(self.model.id, args.window()?).await?;
        let total = Total::OfThread(ThreadList::Activity, self.model.id);
        Ok(Connection::new(page.map(|row| ThreadActivity::new(&self.viewer, row)), total))
    }

    async fn page_of_calls(&self, ctx: &Context<'_>, args: &PageArgs) -> Result<Connection<Call>> {
        let page = loaders(ctx)?.calls_of(self.model.id, args.window()?).await?;
        let total = Total::OfThread(ThreadList::Calls, self.model.id);
        Ok(Connection::new(page.map(|row| Call::new(&self.viewer, row)), total))
    }
}

impl DirectJson for Thread {
    fn write_object_field(&self, field: &mut ObjectField<'_>) -> Option<()> {
        let ctx = field.context();
        match field.name() {
            "assignee" => field.object(self.assignee(&ctx)),
            "contact" => field.object(Some(self.preloaded_contact()?)),
            "extension" => field.object(self.extension(&ctx)),
            "lastMessage" => field.object(self.preloaded_message()?),
            "optOutHint" if self.model.opt_out_hint_id.is_none() => field.object(None::<Message>),
            "phoneNumber" => field.object(Some(PhoneNumber::find(&self.viewer, self.model.phone_number_id)?)),
            _ => None,
        }
    }
}

impl ConnectionNode for Thread {
    fn cursor(&self) -> String {
        Key { at: self.model.last_activity_at, id: self.model.id.0 }.to_string()
    }
}

/// All messages and calls between one phone number and one contact. There is exactly one thread per phone number and
/// contact, permanently.
#[Object]
impl Thread {
    /// The opaque, globally unique ID of the thread, prefixed with `thr_`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The agency's phone number of the thread.
    async fn phone_number(&self, ctx: &Context<'_>) -> Result<PhoneNumber> {
        PhoneNumber::get(ctx, &self.viewer, self.model.phone_number_id)
    }

    /// The contact of the thread. If the user who started the thread could not see the contact, members without other
    /// access to the contact get only the address, until the contact texts or calls this number.
    async fn contact(&self, ctx: &Context<'_>) -> Result<Contact> {
        self.find_contact(ctx).await
    }

    /// The state of the thread.
    async fn status(&self) -> ThreadStatus {
        self.model.status.into()
    }

    /// The user who holds the thread. Null unless `status` is CLAIMED.
    fn assignee(&self) -> Option<User> {
        self.model.assignee_id.and_then(|id| User::find(&self.viewer, id))
    }

    /// The time at which the current assignee got the thread. Null unless `status` is CLAIMED.
    async fn claimed_at(&self) -> Option<DateTime> {
        self.model.claimed_at.map(DateTime)
    }

    /// The history of the thread: each claim, release, transfer, closing and reopening, and each change of the
    /// contact's opt-out; oldest first.
    async fn activity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of items from the start, 0 to 100. Default: 25.")] first: Option<i32>,
        #[graphql(desc = "Returns only the items after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, 0 to 100. Not allowed with `first`.")] last: Option<i32>,
        #[graphql(desc = "Returns only the items before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<ThreadActivity>> {
        // Boxed, as loads are.
        Box::pin(self.page_of_activity(ctx, &PageArgs { first, after, last, before })).await
    }

    /// The extension as which the last extension reply was sent; it routes later texts of the thread. Null if there is
    /// none.
    fn extension(&self) -> Option<Extension> {
        self.model.extension_id.and_then(|id| Extension::find(&self.viewer, id))
    }

    /// The last message of the thread. Null if it has no messages.
    async fn last_message(&self, ctx: &Context<'_>) -> Option<Result<Message>> {
        self.find_last_message(ctx).await.transpose()
    }

    /// The last inbound text of this thread that sounds like a request to stop, such as "please take me off your list".
    /// Null if there is none. Such a text has no automatic effect. The hint is the same for all viewers and remains
    /// until an ADMIN calls `setOptOut` for the contact, in either direction, or the contact opts out with a keyword
    /// such as STOP. Both remove the hints of all threads of the contact.
    async fn opt_out_hint(&self, ctx: &Context<'_>) -> Option<Result<Message>> {
        self.find_opt_out_hint(ctx).await.transpose()
    }

    /// The time of the last change or message in the thread. The inbox is ordered by it.
    async fn last_activity_at(&self) -> DateTime {
        self.model.last_activity_at.into()
    }

    /// The number of inbound messages that the viewer has not read. If the viewer never read the thread, the number of
    /// inbound messages since the last reply of a user.
    async fn unread_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let seen = self.seen_count(ctx).await?.unwrap_or(self.model.answered_count);
        Ok((self.model.inbound_count - seen).max(0))
    }

    /// True if the thread has no assignee, so that the viewer can claim it with `claimThread`.
    async fn viewer_can_claim(&self) -> bool {
        self.model.status != domain::ThreadStatus::Claimed
    }

    /// The calls between the thread's contact and phone number, newest first.
    async fn calls(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of items from the start, 0 to 100. Default: 25.")] first: Option<i32>,
        #[graphql(desc = "Returns only the items after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, 0 to 100. Not allowed with `first`.")] last: Option<i32>,
        #[graphql(desc = "Returns only the items before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<Call>> {
        Box::pin(self.page_of_calls(ctx, &PageArgs { first, after, last, before })).await
    }

    /// The messages of the thread, oldest first. Use `last: 25` for the newest page.
    async fn messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of items from the start, 0 to 100. Default: 25.")] first: Option<i32>,
        #[graphql(desc = "Returns only the items after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, 0 to 100. Not allowed with `first`.")] last: Option<i32>,
        #[graphql(desc = "Returns only the items before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<Message>> {
        Box::pin(self.page_of_messages(ctx, &PageArgs { first, after, last, before })).await
    }
}
