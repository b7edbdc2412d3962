use std::sync::Arc;

use async_graphql::{ID, Object};

use crate::entity::media;
use crate::graphql::enums::MediaState;
use crate::graphql::scalars::DateTime;

pub struct Media {
    model: Arc<media::Model>,
}

impl Media {
    pub fn new(model: Arc<media::Model>) -> Self {
        Self { model }
    }
}

/// An attachment of a message.
#[Object]
impl Media {
    /// The opaque, globally unique ID of the attachment, prefixed with `med_`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The MIME type of the attachment, as reported by the carrier.
    async fn content_type(&self) -> &str {
        &self.model.content_type
    }

    /// The state of the attachment. It can be downloaded once the state is READY.
    async fn state(&self) -> MediaState {
        self.model.state.into()
    }

    /// The name of the file, as reported by the carrier. Null until `state` is READY, or if the carrier reports none.
    async fn file_name(&self) -> Option<String> {
        None
    }

    /// The size of the file in bytes. Null until `state` is READY.
    async fn byte_size(&self) -> Option<i32> {
        None
    }

    /// The signed URL of the attachment on this server, valid for 15 minutes. Null until `state` is READY.
    async fn url(&self) -> Option<String> {
        // Attachments are not fetched yet, so that none is READY and there is no URL to sign.
        None
    }

    /// The time at which `url` expires. Null until `state` is READY.
    async fn url_expires_at(&self) -> Option<DateTime> {
        None
    }
}
