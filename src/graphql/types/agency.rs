use std::sync::Arc;

use async_graphql::{ID, Object};

use crate::service::Viewer;

/// The tenant: the viewer's own agency is the only one there is.
pub struct Agency {
    viewer: Arc<Viewer>,
}

impl Agency {
    /// The viewer's agency.
    pub fn of(viewer: Arc<Viewer>) -> Self {
        Self { viewer }
    }
}

/// The tenant: the viewer's own agency is the only one there is.
#[Object]
impl Agency {
    /// Opaque, `agy_…`.
    pub async fn id(&self) -> ID {
        self.viewer.agency().into()
    }

    /// The stable name that directory files and tokens use.
    async fn key(&self) -> &str {
        &self.viewer.directory.agency.key
    }

    /// Its name, for people.
    async fn name(&self) -> &str {
        &self.viewer.directory.agency.name
    }

    /// An IANA name, `America/Denver`.
    async fn time_zone(&self) -> &str {
        &self.viewer.directory.agency.time_zone
    }
}
