use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};

use crate::graphql::context::caller;
use crate::graphql::errors::Result;
use crate::graphql::scalars::DateTime;
use crate::graphql::words::CarrierProblemKind;
use crate::service::Viewer;
use crate::store;

/// Why Twilio does not serve an agency's account. Texts, calls or recordings wait until the operator has repaired it.
#[derive(SimpleObject)]
pub struct CarrierProblem {
    /// What is wrong.
    kind: CarrierProblemKind,
    /// When Twilio first refused a request for this reason.
    since: DateTime,
}

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
    /// Why Twilio does not serve the agency's account at the moment. Null while it does, and for users who are not ADMIN.
    async fn carrier_problem(&self, ctx: &Context<'_>) -> Option<Result<CarrierProblem>> {
        let account = self.viewer.directory.agency.twilio_account_id.filter(|_| self.viewer.is_admin())?;
        let find = async {
            let caller = caller(ctx)?;
            let found = store::accounts::by_id(caller.services.request_reader(), account).await;
            let found = found.map_err(|error| caller.fault(error))?;
            Ok(found
                .and_then(|row| Some(CarrierProblem { kind: row.trouble?.into(), since: row.trouble_since?.into() })))
        };
        find.await.transpose()
    }
}
