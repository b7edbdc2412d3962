use std::sync::Arc;

use async_graphql::{ID, Object};

use crate::entity::media;
use crate::graphql::words::MediaState;

/// One attachment.
pub struct Media {
    model: Arc<media::Model>,
}

impl Media {
    /// An attachment of a message that the viewer may see.
    pub fn new(model: Arc<media::Model>) -> Self {
        Self { model }
    }
}

/// One attachment.
#[Object]
impl Media {
    /// Opaque, `med_…`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// Its MIME type, as the carrier named it.
    async fn content_type(&self) -> &str {
        &self.model.content_type
    }

    /// Whether it can be shown.
    async fn state(&self) -> MediaState {
        self.model.state.into()
    }

    /// Where to read it: on this server, signed, for 15 minutes. Null until it is READY.
    async fn url(&self) -> Option<String> {
        // Nothing is READY yet: what fetches attachments will sign their addresses too.
        None
    }
}
