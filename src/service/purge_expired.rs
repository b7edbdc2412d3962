use std::convert::Infallible;

use super::purge_uploads::purge_uploads;
use super::{Fault, Services};
use crate::domain::AgencyId;
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{drafts, idempotency};

/// Deletes the expired idempotency keys, drafts and uploads of all agencies.
pub async fn purge_expired(services: &Services) -> Result<(), Fault> {
    let before = services.clock.now() - idempotency::RETENTION;
    for agency in idempotency::agencies_with(services.reader(), before).await? {
        services.writer.run(agency, PurgeKeys { agency }).await?;
    }
    let before = services.clock.now() - drafts::RETENTION;
    for agency in drafts::agencies_with(services.reader(), before).await? {
        services.writer.run(agency, PurgeDrafts { agency }).await?;
    }
    // Last, because it depends on the media store.
    purge_uploads(services).await
}

struct PurgeDrafts {
    agency: AgencyId,
}

impl Unit for PurgeDrafts {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        Ok(drafts::delete_before(tx.conn, self.agency, tx.now - drafts::RETENTION).await?)
    }
}

struct PurgeKeys {
    agency: AgencyId,
}

impl Unit for PurgeKeys {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        Ok(idempotency::delete_before(tx.conn, self.agency, tx.now - idempotency::RETENTION).await?)
    }
}
