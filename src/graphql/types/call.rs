use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Contact, Extension, PhoneNumber, Thread, User, Voicemail};
use crate::domain;
use crate::domain::call_error::{actor, explain};
use crate::entity::{call, call_leg};
use crate::graphql::context::{Caller, loaders};
use crate::graphql::direct::Direct;
use crate::graphql::errors::Result;
use crate::graphql::pagination::{Connection, Listed, PageArgs, Total};
use crate::graphql::scalars::DateTime;
use crate::graphql::words::{CallLegState, CallStatus, Direction, ErrorActor};
use crate::service::Viewer;
use crate::store;
use crate::store::call_sight::SeenCall;
use crate::store::page::Key;

/// One telephone call.
#[derive(Clone)]
pub struct Call {
    viewer: Arc<Viewer>,
    seen: Arc<SeenCall>,
}

impl Call {
    /// A call, as far as the viewer may see it.
    pub fn new(viewer: &Arc<Viewer>, seen: Arc<SeenCall>) -> Self {
        Self { viewer: Arc::clone(viewer), seen }
    }

    /// Whether the viewer sees all of it.
    pub fn is_full(&self) -> bool {
        self.seen.is_full()
    }

    fn row(&self) -> &call::Model {
        self.seen.row()
    }

    /// A part of the calls that the viewer may see, newest first.
    pub async fn page(caller: &Caller, viewer: &Arc<Viewer>, args: &PageArgs) -> Result<Connection<Self>> {
        let (scope, window) = (viewer.scope(), args.window()?);
        let page = store::calls::page(caller.services.request_reader(), &scope, &window).await;
        let page = page.map_err(|error| caller.fault(error))?;
        let total = Total::later(move |caller| {
            let scope = scope.clone();
            async move { Ok(store::calls::count(caller.services.request_reader(), &scope).await?) }
        });
        Ok(Connection::new(page.map(|row| Self::new(viewer, Arc::new(row))), total))
    }

    async fn find_contact(&self, ctx: &Context<'_>) -> Result<Option<Contact>> {
        let Some(id) = self.row().contact_id else { return Ok(None) };
        let contact = match self.row().direction {
            domain::Direction::Inbound => loaders(ctx)?.contact(id).await?,
            domain::Direction::Outbound => loaders(ctx)?.contact_as_seen(id).await?,
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
        Ok(found.into_iter().map(|row| Voicemail::new(&self.viewer, row)).collect())
    }
}

impl Direct for Call {}

impl Listed for Call {
    fn cursor(&self) -> String {
        Key { at: self.row().started_at, id: self.row().id.0 }.to_string()
    }
}

/// One telephone call. A viewer who took part in it but may see neither its number nor its thread any more gets their own
/// part: when it took place and how it ended, without the contact, the thread, the voicemails, and the parts of colleagues.
#[Object]
impl Call {
    /// Opaque, `cal_…`.
    pub async fn id(&self) -> ID {
        self.row().id.into()
    }

    /// Which way it goes.
    async fn direction(&self) -> Direction {
        self.row().direction.into()
    }

    /// Our side of it.
    async fn phone_number(&self, ctx: &Context<'_>) -> Result<PhoneNumber> {
        PhoneNumber::named(ctx, &self.viewer, self.row().phone_number_id)
    }

    /// The other side. Null for a caller who hides their number, and if the viewer sees only their own part of the call.
    async fn contact(&self, ctx: &Context<'_>) -> Option<Result<Contact>> {
        self.find_contact(ctx).await.transpose()
    }

    /// The thread of that contact and that number, with their texts; null if there is none, or the viewer may not
    /// see it.
    async fn thread(&self, ctx: &Context<'_>) -> Option<Result<Thread>> {
        self.find_thread(ctx).await.transpose()
    }

    /// The extension that was dialed. Null if none was, and if the viewer sees only their own part of the call.
    async fn extension(&self) -> Option<Extension> {
        self.row().extension_id.and_then(|id| Extension::find(&self.viewer, id))
    }

    /// How far it got.
    async fn status(&self) -> CallStatus {
        self.row().status.into()
    }

    /// The user who has or had the call. Null if nobody has had it, and a colleague is not shown to a viewer who sees only
    /// their own part.
    async fn answered_by(&self) -> Option<User> {
        self.row().answered_by_id.and_then(|id| User::find(&self.viewer, id))
    }

    /// Who of the staff started it, if it is outbound.
    async fn started_by(&self) -> Option<User> {
        self.row().started_by_id.and_then(|id| User::find(&self.viewer, id))
    }

    /// The first voicemail that the caller left; null if `voicemails` is empty. A call can have several.
    async fn voicemail(&self, ctx: &Context<'_>) -> Option<Result<Voicemail>> {
        self.find_voicemails(ctx).await.map(|found| found.into_iter().next()).transpose()
    }

    /// All voicemails that the caller left during this call, oldest first; empty if there are none, and if the viewer sees
    /// only their own part of the call. A recording that
    /// the carrier found too short or silent is not a voicemail.
    async fn voicemails(&self, ctx: &Context<'_>) -> Result<Vec<Voicemail>> {
        self.find_voicemails(ctx).await
    }

    /// The phones that rang, in that order, and what became of each; only the viewer's own if the viewer sees only their
    /// own part of the call.
    async fn course(&self, ctx: &Context<'_>) -> Result<Vec<CallLeg>> {
        let legs = loaders(ctx)?.legs(self.row().id).await?.into_iter();
        let shown = legs.filter(|leg| self.is_full() || leg.user_id == Some(self.viewer.id()));
        Ok(shown.map(|model| CallLeg { viewer: Arc::clone(&self.viewer), model }).collect())
    }

    /// Why the carrier refused an outbound call that a user started: the carrier's code (twilio.com/docs/api/errors), or
    /// a word of Partyline such as UNREACHABLE. Null if the carrier accepted the call.
    async fn error_code(&self) -> Option<&str> {
        self.row().error_code.as_deref()
    }

    /// What the error code means, for a person. Null if there is no error code.
    async fn error_message(&self) -> Option<&str> {
        self.row().error_code.as_deref().map(explain)
    }

    /// Who has to act on the error: the staff, an admin of the agency, or the operator of the server. Null if there is no
    /// error code.
    async fn error_actor(&self) -> Option<ErrorActor> {
        self.row().error_code.as_deref().map(|code| actor(code).into())
    }

    /// How many wrong extensions the caller dialed; 0 if the viewer sees only their own part of the call.
    async fn wrong_extensions(&self) -> i32 {
        self.row().wrong_tries
    }

    /// When it began.
    async fn started_at(&self) -> DateTime {
        self.row().started_at.into()
    }

    /// When somebody had it.
    async fn answered_at(&self) -> Option<DateTime> {
        self.row().answered_at.map(DateTime)
    }

    /// When it was over.
    async fn ended_at(&self) -> Option<DateTime> {
        self.row().ended_at.map(DateTime)
    }

    /// How long it was from beginning to end, in seconds; null while it goes on.
    async fn duration_seconds(&self) -> Option<i32> {
        self.row().duration_seconds
    }
}

/// One phone's part in a call.
pub struct CallLeg {
    viewer: Arc<Viewer>,
    model: Arc<call_leg::Model>,
}

/// One phone's part in a call.
#[Object]
impl CallLeg {
    /// Whose phone; null is the contact's.
    async fn user(&self) -> Option<User> {
        self.model.user_id.and_then(|id| User::find(&self.viewer, id))
    }

    /// What became of it.
    async fn state(&self) -> CallLegState {
        self.model.state.into()
    }

    /// When it began to ring.
    async fn rang_at(&self) -> DateTime {
        self.model.rang_at.into()
    }

    /// When it was picked up, by somebody or by a mobile's own voicemail.
    async fn picked_up_at(&self) -> Option<DateTime> {
        self.model.picked_up_at.map(DateTime)
    }

    /// When its part was over.
    async fn ended_at(&self) -> Option<DateTime> {
        self.model.ended_at.map(DateTime)
    }

    /// How long it was connected, in seconds, as far as the carrier says.
    async fn duration_seconds(&self) -> Option<i32> {
        self.model.duration_seconds
    }
}
