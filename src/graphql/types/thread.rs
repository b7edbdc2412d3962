use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Call, Contact, Extension, Message, PhoneNumber, ThreadActivity, User};
use crate::domain::{self, PhoneNumberId, ThreadId};
use crate::entity::{contact, message, thread};
use crate::graphql::context::{caller, loaders};
use crate::graphql::direct::{Direct, Inner};
use crate::graphql::errors::Result;
use crate::graphql::loaders::ThreadList;
use crate::graphql::pagination::{Connection, Listed, PageArgs, Total};
use crate::graphql::scalars::DateTime;
use crate::graphql::words::ThreadStatus;
use crate::service::Viewer;
use crate::store::inbox::InboxRow;
use crate::store::page::Key;

/// All messages between one phone number and one contact, for ever.
#[derive(Clone)]
pub struct Thread {
    viewer: Arc<Viewer>,
    model: Arc<thread::Model>,
    shown: Option<Shown>,
}

/// What came with the thread in the inbox's one statement.
#[derive(Clone)]
struct Shown {
    contact: Option<Arc<contact::Model>>,
    last_message: Option<Arc<message::Model>>,
    seen_count: Option<i32>,
}

impl Thread {
    /// A thread that the viewer may see.
    pub fn new(viewer: &Arc<Viewer>, model: Arc<thread::Model>) -> Self {
        Self { viewer: Arc::clone(viewer), model, shown: None }
    }

    /// A line of the viewer's inbox.
    pub fn of_inbox(viewer: &Arc<Viewer>, row: InboxRow) -> Self {
        let shown = Shown {
            contact: row.contact.map(Arc::new),
            last_message: row.last_message.map(Arc::new),
            seen_count: row.seen_count,
        };
        Self { viewer: Arc::clone(viewer), model: Arc::new(row.thread), shown: Some(shown) }
    }

    /// Its id.
    pub fn thread_id(&self) -> ThreadId {
        self.model.id
    }

    /// The number it is on.
    pub fn number(&self) -> PhoneNumberId {
        self.model.phone_number_id
    }

    /// Who looks at it.
    pub(super) fn viewer(&self) -> &Arc<Viewer> {
        &self.viewer
    }

    async fn seen_count(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        match &self.shown {
            Some(shown) => Ok(shown.seen_count),
            None => loaders(ctx)?.seen(self.model.id).await,
        }
    }

    /// Whether the viewer may see the contact because they may see the thread.
    fn shows_contact(&self) -> bool {
        self.viewer.is_admin() || self.model.shows_contact()
    }

    /// The contact as it came with the thread, if the thread shows it.
    fn shown_contact(&self) -> Option<Contact> {
        let contact = self.shown.as_ref().filter(|_| self.shows_contact())?.contact.clone()?;
        Some(Contact::new(&self.viewer, contact))
    }

    /// The last message as it came with the thread, if anything did.
    fn shown_message(&self) -> Option<Option<Message>> {
        let message = self.shown.as_ref()?.last_message.clone();
        Some(message.map(|message| Message::within(self, message)))
    }

    async fn find_contact(&self, ctx: &Context<'_>) -> Result<Contact> {
        if let Some(contact) = self.shown_contact() {
            return Ok(contact);
        }
        let (loaders, id) = (loaders(ctx)?, self.model.contact_id);
        let contact =
            if self.shows_contact() { loaders.contact(id).await? } else { loaders.contact_as_seen(id).await? };
        match contact {
            Some(contact) => Ok(Contact::new(&self.viewer, contact)),
            None => Err(caller(ctx)?.absent("contact")),
        }
    }

    async fn find_last_message(&self, ctx: &Context<'_>) -> Result<Option<Message>> {
        if let Some(message) = self.shown_message() {
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

impl Direct for Thread {
    fn write(&self, field: &mut Inner<'_>) -> Option<()> {
        let ctx = field.context();
        match field.name() {
            "assignee" => field.object(self.assignee(&ctx)),
            "contact" => field.object(Some(self.shown_contact()?)),
            "extension" => field.object(self.extension(&ctx)),
            "lastMessage" => field.object(self.shown_message()?),
            "optOutHint" if self.model.opt_out_hint_id.is_none() => field.object(None::<Message>),
            "phoneNumber" => field.object(Some(PhoneNumber::find(&self.viewer, self.model.phone_number_id)?)),
            _ => None,
        }
    }
}

impl Listed for Thread {
    fn cursor(&self) -> String {
        Key { at: self.model.last_activity_at, id: self.model.id.0 }.to_string()
    }
}

/// All messages between one phone number and one contact, for ever.
#[Object]
impl Thread {
    /// Opaque, `thr_…`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// Our side of it.
    async fn phone_number(&self, ctx: &Context<'_>) -> Result<PhoneNumber> {
        PhoneNumber::named(ctx, &self.viewer, self.model.phone_number_id)
    }

    /// The contact of the thread. If the user who started the thread could not see the contact, members without other
    /// access to the contact get only the phone, until the contact texts or calls this number.
    async fn contact(&self, ctx: &Context<'_>) -> Result<Contact> {
        self.find_contact(ctx).await
    }

    /// Where it stands.
    async fn status(&self) -> ThreadStatus {
        self.model.status.into()
    }

    /// Who holds it, while it is CLAIMED.
    fn assignee(&self) -> Option<User> {
        self.model.assignee_id.and_then(|id| User::find(&self.viewer, id))
    }

    /// Since when.
    async fn claimed_at(&self) -> Option<DateTime> {
        self.model.claimed_at.map(DateTime)
    }

    /// Who did what with it, when, to whom, with which note; oldest first.
    async fn activity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start: 25 unless given, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<ThreadActivity>> {
        // Boxed, as loads are.
        Box::pin(self.page_of_activity(ctx, &PageArgs { first, after, last, before })).await
    }

    /// The extension that it is spoken as, if it is.
    fn extension(&self) -> Option<Extension> {
        self.model.extension_id.and_then(|id| Extension::find(&self.viewer, id))
    }

    /// What was said last.
    async fn last_message(&self, ctx: &Context<'_>) -> Option<Result<Message>> {
        self.find_last_message(ctx).await.transpose()
    }

    /// The last inbound text of this thread that sounds like a request to stop, such as "please take me off your list".
    /// Null if there is none. Such a text has no automatic effect. The hint is the same for all viewers and remains until
    /// an ADMIN calls `setOptOut` for the contact, in either direction, or the contact opts out with a keyword such as
    /// STOP. Both settle the hints of all threads of the contact.
    async fn opt_out_hint(&self, ctx: &Context<'_>) -> Option<Result<Message>> {
        self.find_opt_out_hint(ctx).await.transpose()
    }

    /// When something last happened in it. The inbox is ordered by it.
    async fn last_activity_at(&self) -> DateTime {
        self.model.last_activity_at.into()
    }

    /// How many inbound messages the viewer has not read. For one who never read the thread: those
    /// since the last outbound one.
    async fn unread_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let seen = self.seen_count(ctx).await?.unwrap_or(self.model.answered_count);
        Ok((self.model.inbound_count - seen).max(0))
    }

    /// Whether `claimThread` by the viewer would win now. Who may see a thread may claim it, unless
    /// somebody holds it.
    async fn viewer_can_claim(&self) -> bool {
        self.model.status != domain::ThreadStatus::Claimed
    }

    /// The calls of the same contact and number, newest first.
    async fn calls(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start: 25 unless given, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Call>> {
        Box::pin(self.page_of_calls(ctx, &PageArgs { first, after, last, before })).await
    }

    /// What was said, oldest first. `last: 25` is the newest page.
    async fn messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start: 25 unless given, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Message>> {
        Box::pin(self.page_of_messages(ctx, &PageArgs { first, after, last, before })).await
    }
}
