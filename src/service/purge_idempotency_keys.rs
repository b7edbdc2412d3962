use std::convert::Infallible;

use super::{Fault, Services};
use crate::domain::AgencyId;
use crate::store::idempotency;
use crate::store::writer::{Tx, Unit, UnitError};

/// Deletes the expired idempotency keys of all agencies.
pub async fn purge_idempotency_keys(services: &Services) -> Result<(), Fault> {
    let before = services.clock.now() - idempotency::RETENTION;
    for agency in idempotency::agencies_with(services.reader(), before).await? {
        services.writer.run(agency, PurgeKeys { agency }).await?;
    }
    Ok(())
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
