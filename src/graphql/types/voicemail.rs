use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Call, User};
use crate::domain::MediaState as State;
use crate::entity::voicemail;
use crate::graphql::context::requester;
use crate::graphql::direct_json::DirectJson;
use crate::graphql::enums::{MediaState, VoicemailFailure};
use crate::graphql::errors::Result;
use crate::graphql::pagination::ConnectionNode;
use crate::graphql::scalars::DateTime;
use crate::service::media_links::MediaLinks;
use crate::store::page::Key;

pub struct Voicemail {
    call: Call,
    model: Arc<voicemail::Model>,
}

impl DirectJson for Voicemail {}

impl ConnectionNode for Voicemail {
    fn cursor(&self) -> String {
        Key { at: self.model.created_at, id: self.model.id.0 }.to_string()
    }
}

impl Voicemail {
    /// Wraps a voicemail of a call that the viewer sees in full.
    pub fn within(call: &Call, model: Arc<voicemail::Model>) -> Self {
        Self { call: call.clone(), model }
    }
}

/// A recording that a caller left because nobody answered.
#[Object]
impl Voicemail {
    /// The opaque, globally unique ID of the voicemail, prefixed with `vml_`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The call in which the voicemail was left.
    async fn call(&self) -> &Call {
        &self.call
    }

    /// The state of the recording. It can be downloaded once the state is READY.
    async fn state(&self) -> MediaState {
        self.model.state.into()
    }

    /// The signed URL of the recording on this server. It supports range requests, is valid for 15 minutes, and answers
    /// 404 as soon as the viewer may no longer see the call. Null until `state` is READY.
    async fn url(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let services = &requester(ctx)?.services;
        let link = || {
            let id = self.model.id.to_string();
            services.media_links.link((self.model.agency_id, self.call.viewer().id()), &id, services.clock.now())
        };
        Ok((self.model.state == State::Ready).then(link))
    }

    /// The time at which `url` expires. Query the voicemail again for another URL. Null until `state` is READY.
    async fn url_expires_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime>> {
        let now = requester(ctx)?.services.clock.now();
        Ok((self.model.state == State::Ready).then(|| MediaLinks::expiry(now).into()))
    }

    /// The reason why the recording could not be fetched from the carrier. Null unless `state` is FAILED.
    async fn failure(&self) -> Option<VoicemailFailure> {
        self.model.failure.map(Into::into)
    }

    /// The length of the recording in seconds.
    async fn duration_seconds(&self) -> i32 {
        self.model.duration_seconds
    }

    /// The transcription of the recording. Null if the carrier has not provided one.
    async fn transcript(&self) -> Option<&str> {
        self.model.transcript.as_deref()
    }

    /// The time at which a user first listened to the voicemail. Null if nobody has.
    async fn listened_at(&self) -> Option<DateTime> {
        self.model.listened_at.map(DateTime)
    }

    /// The user who first listened to the voicemail. Null if nobody has.
    async fn listened_by(&self) -> Option<User> {
        self.model.listened_by_id.and_then(|id| User::find(self.call.viewer(), id))
    }

    /// The time at which a user took care of the voicemail. Null if the voicemail is not handled.
    async fn handled_at(&self) -> Option<DateTime> {
        self.model.handled_at.map(DateTime)
    }

    /// The user who took care of the voicemail. Null if the voicemail is not handled.
    async fn handled_by(&self) -> Option<User> {
        self.model.handled_by_id.and_then(|id| User::find(self.call.viewer(), id))
    }
}
