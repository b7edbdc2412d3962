use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};
use futures_util::future::try_join;
use uuid::Uuid;

use super::timeline::TimelineConnection;
use super::{Call, Contact, Draft, Extension, Message, PhoneNumber, Presence, ThreadActivity, User};
use crate::domain::access::{ThreadRelation, handler_reasons};
use crate::domain::opt_out::{Cleared, OptOutState};
use crate::domain::reply::clear_reply;
use crate::domain::thread_actions::{Actionable, actions};
use crate::domain::{self, PhoneNumberId, ThreadId, UserId};
use crate::entity::{contact, message, thread, user};
use crate::graphql::context::{loaders, requester};
use crate::graphql::direct_json::{DirectJson, ObjectField};
use crate::graphql::enums::{HandlerReason, ReplyBlock, ThreadAction, ThreadStatus};
use crate::graphql::errors::{Failure, Result};
use crate::graphql::loaders::ThreadList;
use crate::graphql::pagination::{Connection, ConnectionNode, PageArgs, Total};
use crate::graphql::scalars::DateTime;
use crate::service::Viewer;
use crate::service::calls::own_phone;
use crate::store::inbox::InboxRow;
use crate::store::page::{Page, Window};
use crate::store::threads::ThreadOrder;
use crate::store::timeline::{self, TimelineId};

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
    order: ThreadOrder,
}

impl Thread {
    pub fn new(viewer: &Arc<Viewer>, model: Arc<thread::Model>) -> Self {
        Self { viewer: Arc::clone(viewer), model, preloaded: None }
    }

    /// Builds a thread from a row of the inbox query.
    pub fn from_inbox(viewer: &Arc<Viewer>, row: InboxRow, order: ThreadOrder) -> Self {
        let preloaded = Preloaded {
            contact: row.contact.map(Arc::new),
            last_message: row.last_message.map(Arc::new),
            seen_count: row.seen_count,
            order,
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

    /// Decides whether a text can be sent in the thread at all.
    fn clear(&self, contact: &Contact) -> std::result::Result<Cleared, domain::reply::ReplyBlock> {
        let number = self.viewer.directory.number(self.model.phone_number_id);
        let is_live = number.is_some_and(|number| number.live == Some(true));
        let (contact, blocked) = (contact.model(), self.model.blocked_at.is_some());
        clear_reply(is_live, &contact.phone, OptOutState { opted_out: contact.opted_out_at.is_some(), blocked })
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

    async fn page_of_timeline(
        &self,
        ctx: &Context<'_>,
        args: &PageArgs,
        around: Option<ID>,
    ) -> Result<TimelineConnection> {
        let (loaders, thread) = (loaders(ctx)?, self.model.id);
        let Some(around) = around else {
            let page = loaders.timeline_of(thread, args.window()?).await?;
            return Ok(TimelineConnection::new(self, page));
        };
        let count = args.size_around()?;
        let requester = requester(ctx)?;
        let position = match TimelineId::parse(&around) {
            Some(id) => timeline::position(requester.services.request_reader(), self.viewer.agency(), thread, id).await,
            None => Ok(None),
        };
        let Some(key) = position.map_err(|error| requester.fault(error))? else {
            return Err(Failure::bad_input("Invalid value for `around`: the item does not belong to this timeline."));
        };
        let (before, after) = Window::around(key, count);
        let (before, after) = try_join(loaders.timeline_of(thread, before), loaders.timeline_of(thread, after)).await?;
        let (has_previous, has_next) = (before.has_previous, after.has_next);
        let rows = before.rows.into_iter().chain(after.rows).collect();
        Ok(TimelineConnection::new(self, Page { rows, has_next, has_previous }))
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
            "lastAssignee" => field.object(self.last_assignee(&ctx)),
            "lastMessage" => field.object(self.preloaded_message()?),
            "optOutHint" if self.model.opt_out_hint_id.is_none() => field.object(None::<Message>),
            "phoneNumber" => field.object(Some(PhoneNumber::find(&self.viewer, self.model.phone_number_id)?)),
            _ => None,
        }
    }
}

impl ConnectionNode for Thread {
    fn cursor(&self) -> String {
        let order = self.preloaded.as_ref().map_or_else(ThreadOrder::default, |preloaded| preloaded.order);
        order.key(&self.model).to_string()
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

    /// The user who held the thread when it was last closed. Null if it was never closed with an assignee.
    fn last_assignee(&self) -> Option<User> {
        self.model.last_assignee_id.and_then(|id| User::find(&self.viewer, id))
    }

    /// The time at which the thread was closed. Null unless `status` is CLOSED.
    async fn closed_at(&self) -> Option<DateTime> {
        self.model.closed_at.filter(|_| self.model.status == domain::ThreadStatus::Closed).map(DateTime)
    }

    /// The number of changes of the thread. It grows with each event of `threadUpdated`: of two snapshots of the
    /// thread, the one with the greater revision is newer.
    async fn revision(&self) -> i32 {
        self.model.revision
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

    /// The time of the last message of the thread. Null if it has no messages.
    async fn last_message_at(&self) -> Option<DateTime> {
        self.model.last_message_at.map(DateTime)
    }

    /// The time of the last message or call in the thread. The inbox is sorted by this time, so claiming, transferring
    /// or closing a thread does not change its position.
    async fn last_activity_at(&self) -> DateTime {
        self.model.last_activity_at.into()
    }

    /// The number of inbound messages of the thread.
    async fn inbound_count(&self) -> i32 {
        self.model.inbound_count
    }

    /// The value of `inboundCount` when a user last sent a message. Unanswered inbound messages are the difference.
    async fn answered_count(&self) -> i32 {
        self.model.answered_count
    }

    /// True if the thread is open and no user has replied since the last inbound message.
    async fn needs_reply(&self) -> bool {
        self.model.needs_reply()
    }

    /// The time at which the contact began to wait for a reply: the time of the first inbound message after the last
    /// message from a user, or of the inbound message that reopened the thread. Null unless `needsReply` is true.
    async fn waiting_since(&self) -> Option<DateTime> {
        self.model.waiting_since.filter(|_| self.model.needs_reply()).map(DateTime)
    }

    /// The time at which the pool is alerted of a text that so far only an extension's user has received, unless the
    /// thread is claimed before. Null if no such alert is due.
    async fn escalates_at(&self) -> Option<DateTime> {
        self.model.escalate_at.map(DateTime)
    }

    /// The reason why nobody can send a text in this thread. Null if there is none. An opt-out is not shown to a viewer
    /// who may see only the contact's address.
    async fn reply_block(&self, ctx: &Context<'_>) -> Result<Option<ReplyBlock>> {
        let contact = self.find_contact(ctx).await?;
        Ok(self.clear(&contact).err().map(Into::into))
    }

    /// The number of inbound messages that the viewer has not read. If the viewer never read the thread, the number of
    /// inbound messages since the last reply of a user.
    async fn unread_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let seen = self.seen_count(ctx).await?.unwrap_or(self.model.answered_count);
        Ok((self.model.inbound_count - seen).max(0))
    }

    /// The users who look at the thread or write in it at the moment, including the viewer; the earliest first.
    /// `presenceUpdated` delivers changes.
    async fn presence(&self, ctx: &Context<'_>) -> Result<Vec<Presence>> {
        let present = requester(ctx)?.services.presence.of_thread(self.viewer.agency(), self.model.id);
        Ok(present.iter().filter_map(|presence| Presence::new(&self.viewer, presence)).collect())
    }

    /// The users who may see the thread and act on it now, with the reasons; ordered by name. For a closed thread these
    /// are the ADMINs and the eligible users of the pool.
    async fn handlers(&self, ctx: &Context<'_>) -> Result<Vec<ThreadHandler>> {
        let stand_ins = loaders(ctx)?.stand_ins(self.model.id).await?;
        let directory = &self.viewer.directory;
        let handler = |user: &Arc<user::Model>| {
            let rungs: Vec<_> = stand_ins.rungs_of(directory, user.id).collect();
            let relation = ThreadRelation {
                active: user.active,
                role: user.role,
                eligible: directory.is_eligible(self.model.phone_number_id, user.id),
                assignee: self.model.assignee_id == Some(user.id),
                stands_in: !rungs.is_empty(),
                status: self.model.status,
            };
            let because: Vec<HandlerReason> = handler_reasons(&relation, rungs).into_iter().map(Into::into).collect();
            (!because.is_empty()).then(|| ThreadHandler { user: User::new(&self.viewer, Arc::clone(user)), because })
        };
        Ok(directory.users.iter().filter_map(handler).collect())
    }

    /// The extensions as which a text can be sent in this thread: the active ones that are valid on its phone number.
    async fn reply_extensions(&self) -> Vec<Extension> {
        let number = self.model.phone_number_id;
        let rows = self.viewer.directory.extensions_on(number);
        rows.map(|row| Extension::new(&self.viewer, row.clone())).collect()
    }

    /// The actions that the viewer can take on the thread now. An action that would change nothing is not listed.
    async fn viewer_actions(&self, ctx: &Context<'_>) -> Result<Vec<ThreadAction>> {
        let (viewer, now) = (&self.viewer, requester(ctx)?.services.clock.now());
        let contact = self.find_contact(ctx).await?;
        let number = viewer.directory.number(self.model.phone_number_id).filter(|number| number.live == Some(true));
        let pool = viewer.directory.pool(self.model.phone_number_id.into());
        let actionable = Actionable {
            claim_state: &self.model.claim_state(),
            policy: pool.map_or(domain::PoolPolicy::FirstClaim, |pool| pool.policy),
            can_be_texted: self.clear(&contact).is_ok(),
            can_be_called: number.is_some_and(|number| own_phone(viewer, number, &contact.model().phone).is_ok()),
        };
        // Not the id of any user.
        let other = UserId(Uuid::nil());
        Ok(actions(&actionable, viewer.actor(), other, now).into_iter().map(Into::into).collect())
    }

    /// The number of inbound messages that the viewer has read. Null if the viewer has never read the thread; the
    /// inbound messages after `answeredCount` are then unread.
    async fn viewer_seen_count(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        self.seen_count(ctx).await
    }

    /// The viewer's draft in this thread. Null if there is none.
    async fn viewer_draft(&self, ctx: &Context<'_>) -> Result<Option<Draft>> {
        Ok(loaders(ctx)?.draft(self.model.id).await?.map(|row| Draft::within(self, row)))
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

    /// The messages, calls and activity of the thread in one order: by the time of each item, then by its ID; oldest
    /// first. Use `last: 25` for the newest page.
    async fn timeline(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The ID of a message, call or activity entry of this thread. Returns the page that has this item in its \
                    middle, with `first` or `last` as its size. Not allowed with `after` and `before`."
        )]
        around: Option<ID>,
        #[graphql(desc = "The number of items from the start, 0 to 100. Default: 25.")] first: Option<i32>,
        #[graphql(desc = "Returns only the items after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, 0 to 100. Not allowed with `first`.")] last: Option<i32>,
        #[graphql(desc = "Returns only the items before this cursor of the same list.")] before: Option<String>,
    ) -> Result<TimelineConnection> {
        Box::pin(self.page_of_timeline(ctx, &PageArgs { first, after, last, before }, around)).await
    }
}

/// A user who may see a thread and act on it.
#[derive(SimpleObject)]
pub(super) struct ThreadHandler {
    /// The user who handles the thread.
    user: User,
    /// The reasons for which the user is a handler, at least one.
    because: Vec<HandlerReason>,
}
