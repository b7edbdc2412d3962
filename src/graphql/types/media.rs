use std::sync::Arc;

use async_graphql::{ID, Object};

use crate::entity::media;
use crate::graphql::enums::MediaState;

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

    /// The signed URL of the attachment on this server, valid for 15 minutes. Null until `state` is READY.
    async fn url(&self) -> Option<String> {
        // Attachments are not fetched yet, so that none is READY and there is no URL to sign.
        None
    }
}
