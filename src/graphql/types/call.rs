use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};

use super::{Contact, Extension, PhoneNumber, Thread, User, Voicemail};
use crate::domain;
use crate::domain::call_error::{actor, explain};
use crate::domain::error_actor::is_carrier_code;
use crate::entity::{call, call_leg};
use crate::graphql::context::{Requester, loaders};
use crate::graphql::direct_json::DirectJson;
use crate::graphql::enums::{CallLegState, CallStatus, Direction, ErrorActor, NotRungReason};
use crate::graphql::errors::Result;
use crate::graphql::pagination::{Connection, ConnectionNode, PageArgs, Total};
use crate::graphql::scalars::DateTime;
use crate::service::Viewer;
use crate::store;
use crate::store::call_visibility::VisibleCall;
use crate::store::calls::CallFilter;
use crate::store::page::Key;

#[derive(Clone)]
pub struct Call {
    viewer: Arc<Viewer>,
    seen: Arc<VisibleCall>,
}

impl Call {
    pub fn new(viewer: &Arc<Viewer>, seen: Arc<VisibleCall>) -> Self {
        Self { viewer: Arc::clone(viewer), seen }
    }

    /// Returns whether the viewer sees all of the call, not only their own part.
    pub fn is_full(&self) -> bool {
        self.seen.is_full()
    }

    pub(super) fn viewer(&self) -> &Arc<Viewer> {
        &self.viewer
    }

    fn row(&self) -> &call::Model {
        self.seen.row()
    }

    /// Reads a page of the calls that the viewer may see, newest first.
    pub async fn page(
        requester: &Requester,
        viewer: &Arc<Viewer>,
        filter: CallFilter,
        args: &PageArgs,
    ) -> Result<Connection<Self>> {
        let (scope, window) = (viewer.scope(), args.window()?);
        let page = store::calls::page(requester.services.request_reader(), &scope, &filter, &window).await;
        let page = page.map_err(|error| requester.fault(error))?;
        let total = Total::later(move |requester| {
            let (scope, filter) = (scope.clone(), filter.clone());
            async move { Ok(store::calls::count(requester.services.request_reader(), &scope, &filter).await?) }
        });
        Ok(Connection::new(page.map(|row| Self::new(viewer, Arc::new(row))), total))
    }

    async fn find_contact(&self, ctx: &Context<'_>) -> Result<Option<Contact>> {
        let Some(id) = self.row().contact_id else { return Ok(None) };
        let contact = match self.row().direction {
            domain::Direction::Inbound => loaders(ctx)?.contact(id).await?,
            domain::Direction::Outbound => loaders(ctx)?.redacted_contact(id).await?,
        };
        Ok(contact.map(|row| Contact::new(&self.viewer, row)))
    }

    async fn find_thread(&self, ctx: &Context<'_>) -> Result<Option<Thread>> {
        let Some(id) = self.row().thread_id else { return Ok(None) };
        Ok(loaders(ctx)?.thread(id).await?.map(|row| Thread::new(&self.viewer, row)))
    }

    async fn find_voicemails(&self, ctx: &Context<'_>) -> Result<Vec<Voicemail>> {
        if !self.is_full() {
            return Ok(Vec::new());
        }
        let found = loaders(ctx)?.voicemails(self.row().id).await?;
        Ok(found.into_iter().map(|row| Voicemail::within(self, row)).collect())
    }
}

impl DirectJson for Call {}

impl ConnectionNode for Call {
    fn cursor(&self) -> String {
        Key { at: self.row().started_at, id: self.row().id.0 }.to_string()
    }
}

/// A telephone call. A viewer who took part in a call but may no longer see its number or thread gets only their own
/// part: when it took place and how it ended, without the contact, the thread, the voicemails and the legs of other
/// users.
#[Object]
impl Call {
    /// The opaque, globally unique ID of the call, prefixed with `cal_`.
    pub async fn id(&self) -> ID {
        self.row().id.into()
    }

    /// The direction of the call.
    async fn direction(&self) -> Direction {
        self.row().direction.into()
    }

    /// The agency's phone number that was called, or from which the call was started.
    async fn phone_number(&self, ctx: &Context<'_>) -> Result<PhoneNumber> {
        PhoneNumber::get(ctx, &self.viewer, self.row().phone_number_id)
    }

    /// The contact on the call. Null if the caller withholds their number, and if the viewer sees only their own part
    /// of the call.
    async fn contact(&self, ctx: &Context<'_>) -> Option<Result<Contact>> {
        self.find_contact(ctx).await.transpose()
    }

    /// The thread of the call's contact and phone number. Null if there is none, or if the viewer may not see it.
    async fn thread(&self, ctx: &Context<'_>) -> Option<Result<Thread>> {
        self.find_thread(ctx).await.transpose()
    }

    /// The extension that the caller dialed. Null if none was dialed, and if the viewer sees only their own part of the
    /// call.
    async fn extension(&self) -> Option<Extension> {
        self.row().extension_id.and_then(|id| Extension::find(&self.viewer, id))
    }

    /// The status of the call.
    async fn status(&self) -> CallStatus {
        self.row().status.into()
    }

    /// The user who answered the call. Null if no user answered it, and if another user answered it and the viewer sees
    /// only their own part of the call.
    async fn answered_by(&self) -> Option<User> {
        self.row().answered_by_id.and_then(|id| User::find(&self.viewer, id))
    }

    /// The user who started the call with `startCall`. Null for inbound calls, and if another user started it and the
    /// viewer sees only their own part of the call.
    async fn started_by(&self) -> Option<User> {
        self.row().started_by_id.and_then(|id| User::find(&self.viewer, id))
    }

    /// The first voicemail that the caller left. Null if `voicemails` is empty. A call can have several voicemails.
    async fn voicemail(&self, ctx: &Context<'_>) -> Option<Result<Voicemail>> {
        self.find_voicemails(ctx).await.map(|found| found.into_iter().next()).transpose()
    }

    /// All voicemails that the caller left during this call, oldest first. Empty if there are none, and if the viewer
    /// sees only their own part of the call. A recording that the carrier found too short or silent is not a voicemail.
    async fn voicemails(&self, ctx: &Context<'_>) -> Result<Vec<Voicemail>> {
        self.find_voicemails(ctx).await
    }

    /// The number of changes of the call. It grows with each event of `callUpdated`: of two snapshots of the call, the
    /// one with the greater revision is newer.
    async fn revision(&self) -> i32 {
        self.row().revision
    }

    /// The legs of the call in the order in which the phones rang. Only the viewer's own legs if the viewer sees only
    /// their own part of the call.
    async fn legs(&self, ctx: &Context<'_>) -> Result<Vec<CallLeg>> {
        let legs = loaders(ctx)?.legs(self.row().id).await?.into_iter();
        let shown = legs.filter(|leg| self.is_full() || leg.user_id == Some(self.viewer.id()));
        Ok(shown.map(|model| CallLeg { viewer: Arc::clone(&self.viewer), model }).collect())
    }

    /// The pool members, or the user of the dialed extension, whose phones could not ring for an inbound call, with the
    /// reasons at the time of the call. Users whose phones could ring but whose turn did not come are not listed. Empty
    /// for outbound calls and for calls outside business hours. Only the viewer's own entry if the viewer sees only their
    /// own part of the call.
    async fn not_rung(&self) -> Vec<NotRung> {
        let users = self.row().not_rung_users().into_iter();
        let found = users.filter_map(|(id, not_rung)| Some((User::find(&self.viewer, id)?, not_rung.reason)));
        found.map(|(user, reason)| NotRung { user, reason: reason.into() }).collect()
    }

    /// The reason why the carrier refused an outbound call. Null if the carrier accepted the call.
    async fn failure(&self) -> Option<CallFailure> {
        let code = self.row().error_code.as_deref()?;
        Some(CallFailure {
            carrier_code: is_carrier_code(code).then(|| code.to_owned()),
            message: explain(code).to_owned(),
            actor: actor(code).into(),
        })
    }

    /// The number of wrong extensions that the caller dialed. 0 if the viewer sees only their own part of the call.
    async fn wrong_extensions(&self) -> i32 {
        self.row().wrong_tries
    }

    /// The time at which the call began.
    async fn started_at(&self) -> DateTime {
        self.row().started_at.into()
    }

    /// The time at which the call was answered. Null if it was not answered.
    async fn answered_at(&self) -> Option<DateTime> {
        self.row().answered_at.map(DateTime)
    }

    /// The time at which the call ended. Null while it is in progress.
    async fn ended_at(&self) -> Option<DateTime> {
        self.row().ended_at.map(DateTime)
    }

    /// The duration of the call from `startedAt` to `endedAt`, in seconds. Null while it is in progress.
    async fn duration_seconds(&self) -> Option<i32> {
        self.row().duration_seconds
    }
}

/// The reason why the carrier refused an outbound call.
#[derive(SimpleObject)]
pub(super) struct CallFailure {
    /// The carrier's error code, as listed at twilio.com/docs/api/errors. Null if the carrier gave none, for example
    /// because it could not be reached.
    carrier_code: Option<String>,
    /// The failure in plain language, to be shown to the user.
    message: String,
    /// The person who has to act on the failure.
    actor: ErrorActor,
}

/// A user whose phone did not ring for an inbound call.
#[derive(SimpleObject)]
pub(super) struct NotRung {
    /// The user whose phone did not ring.
    user: User,
    /// The reason at the time of the call.
    reason: NotRungReason,
}

pub struct CallLeg {
    viewer: Arc<Viewer>,
    model: Arc<call_leg::Model>,
}

/// One phone that took part in a call, with the times at which it rang, was picked up and ended.
#[Object]
impl CallLeg {
    /// The user whose phone this is. Null for the contact's phone.
    async fn user(&self) -> Option<User> {
        self.model.user_id.and_then(|id| User::find(&self.viewer, id))
    }

    /// The state of this leg.
    async fn state(&self) -> CallLegState {
        self.model.state.into()
    }

    /// The time at which the phone began to ring.
    async fn rang_at(&self) -> DateTime {
        self.model.rang_at.into()
    }

    /// The time at which the phone was picked up, by a person or by a mobile's own voicemail. Null if it was not picked
    /// up.
    async fn picked_up_at(&self) -> Option<DateTime> {
        self.model.picked_up_at.map(DateTime)
    }

    /// The time at which this leg ended. Null while it is in progress.
    async fn ended_at(&self) -> Option<DateTime> {
        self.model.ended_at.map(DateTime)
    }

    /// The time for which the phone was connected, in seconds. Null if the carrier has not reported it.
    async fn duration_seconds(&self) -> Option<i32> {
        self.model.duration_seconds
    }
}
