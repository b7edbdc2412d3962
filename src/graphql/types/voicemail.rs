use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::User;
use crate::domain::MediaState as State;
use crate::entity::voicemail;
use crate::graphql::context::caller;
use crate::graphql::errors::Result;
use crate::graphql::scalars::DateTime;
use crate::graphql::words::{MediaState, VoicemailFailure};
use crate::service::Viewer;

/// What a caller said to nobody.
pub struct Voicemail {
    viewer: Arc<Viewer>,
    model: Arc<voicemail::Model>,
}

impl Voicemail {
    /// The voicemail of a call that the viewer sees in full.
    pub fn new(viewer: &Arc<Viewer>, model: Arc<voicemail::Model>) -> Self {
        Self { viewer: Arc::clone(viewer), model }
    }
}

/// What a caller said to nobody.
#[Object]
impl Voicemail {
    /// Opaque, `vml_…`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// Whether it can be heard.
    async fn state(&self) -> MediaState {
        self.model.state.into()
    }

    /// The address of the recording on this server, with ranges. It is signed for the viewer, is valid for 15 minutes and
    /// answers 404 from the moment at which the viewer may no longer see the call. Null until the state is READY.
    async fn url(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let services = &caller(ctx)?.services;
        let link = || {
            let id = self.model.id.to_string();
            services.media_links.link((self.model.agency_id, self.viewer.id()), &id, services.clock.now())
        };
        Ok((self.model.state == State::Ready).then(link))
    }

    /// Why the recording could not be fetched from the carrier. Null unless the state is FAILED.
    async fn failure(&self) -> Option<VoicemailFailure> {
        self.model.failure.map(Into::into)
    }

    /// How long it is, in seconds.
    async fn duration_seconds(&self) -> i32 {
        self.model.duration_seconds
    }

    /// What it says in words, where the carrier gives it.
    async fn transcript(&self) -> Option<&str> {
        self.model.transcript.as_deref()
    }

    /// When somebody first listened to it.
    async fn listened_at(&self) -> Option<DateTime> {
        self.model.listened_at.map(DateTime)
    }

    /// Who that was.
    async fn listened_by(&self) -> Option<User> {
        self.model.listened_by_id.and_then(|id| User::find(&self.viewer, id))
    }
}
