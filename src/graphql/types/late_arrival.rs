use async_graphql::{ID, Object};

use crate::entity::late_arrival;
use crate::graphql::scalars::DateTime;

pub struct LateArrival {
    model: late_arrival::Model,
}

impl LateArrival {
    /// The viewer must be an ADMIN of the agency.
    pub fn new(model: late_arrival::Model) -> Self {
        Self { model }
    }
}

/// Texts and calls that were imported from the carrier, because their webhooks did not reach this server.
#[Object]
impl LateArrival {
    /// The opaque, globally unique ID of the late arrivals, prefixed with `lat_`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The number of texts that arrived late.
    async fn texts(&self) -> i32 {
        self.model.texts
    }

    /// The number of calls without a voicemail that arrived late.
    async fn calls(&self) -> i32 {
        self.model.calls
    }

    /// The number of voicemails that arrived late.
    async fn voicemails(&self) -> i32 {
        self.model.voicemails
    }

    /// The time at which the first of these texts and calls reached the carrier.
    async fn first_at(&self) -> DateTime {
        self.model.first_at.into()
    }

    /// The time at which the last of these texts and calls reached the carrier.
    async fn last_at(&self) -> DateTime {
        self.model.last_at.into()
    }
}
