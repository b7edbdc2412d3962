use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use crate::domain::MediaState as State;
use crate::entity::media;
use crate::graphql::context::requester;
use crate::graphql::enums::{MediaFailure, MediaState};
use crate::graphql::errors::Result;
use crate::graphql::scalars::DateTime;
use crate::service::Viewer;
use crate::service::media_links::MediaLinks;

pub struct Media {
    viewer: Arc<Viewer>,
    model: Arc<media::Model>,
}

impl Media {
    /// Wraps an attachment of a message that the viewer may see.
    pub fn new(viewer: &Arc<Viewer>, model: Arc<media::Model>) -> Self {
        Self { viewer: Arc::clone(viewer), model }
    }

    fn is_ready(&self) -> bool {
        self.model.state == State::Ready
    }
}

/// An attachment of a message.
#[Object]
impl Media {
    /// The opaque, globally unique ID of the attachment, prefixed with `med_`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The MIME type of the attachment: the type of its content, or the type that the carrier announced until `state` is
    /// READY.
    async fn content_type(&self) -> &str {
        &self.model.content_type
    }

    /// The state of the attachment. It can be downloaded once the state is READY. `threadUpdated` delivers the message
    /// when the state changes.
    async fn state(&self) -> MediaState {
        self.model.state.into()
    }

    /// The reason why the attachment could not be fetched from the carrier. Null unless `state` is FAILED.
    async fn failure(&self) -> Option<MediaFailure> {
        self.model.failure.map(Into::into)
    }

    /// The name of the file, as reported by the carrier. It contains no folders and ends with the extension of
    /// `contentType`. Null until `state` is READY, or if the carrier reports none.
    async fn file_name(&self) -> Option<&str> {
        self.model.file_name.as_deref()
    }

    /// The size of the file in bytes. Null until `state` is READY.
    async fn byte_size(&self) -> Option<i32> {
        self.model.byte_size
    }

    /// The signed URL of the attachment on this server. It supports range requests, is valid for 15 minutes, and answers
    /// 404 as soon as the viewer may no longer see the thread. Null until `state` is READY.
    async fn url(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let services = &requester(ctx)?.services;
        let link = || {
            let id = self.model.id.to_string();
            services.media_links.link((self.model.agency_id, self.viewer.id()), &id, services.clock.now())
        };
        Ok(self.is_ready().then(link))
    }

    /// The time at which `url` expires. Query the attachment again for another URL. Null until `state` is READY.
    async fn url_expires_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime>> {
        let now = requester(ctx)?.services.clock.now();
        Ok(self.is_ready().then(|| MediaLinks::expiry(now).into()))
    }
}
