//! Idempotency keys are forgotten when their time is over.

use sea_orm::DbErr;

use super::{Fault, Services};
use crate::domain::AgencyId;
use crate::store::idempotency;
use crate::store::writer::{Tx, Unit};

/// Forgets the keys of all agencies that are older than they are kept.
///
/// # Errors
/// When the database fails; the next round makes up for it.
pub async fn forget_keys(services: &Services) -> Result<(), Fault> {
    let before = services.clock.now() - idempotency::KEPT;
    for agency in idempotency::agencies_with(services.reader(), before).await? {
        services.writer.run(agency, Forget { agency }).await?;
    }
    Ok(())
}

struct Forget {
    agency: AgencyId,
}

impl Unit for Forget {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        idempotency::forget(tx.conn, self.agency, tx.now - idempotency::KEPT).await
    }
}
