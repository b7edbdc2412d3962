use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::{AgencyId, Availability, UserId};
use crate::entity::user;
use crate::store::directory_writes::save;
use crate::store::writer::{Tx, Unit, UnitError};

/// Sets the viewer's availability.
pub async fn set_availability(
    services: &Services,
    viewer: &Viewer,
    availability: Availability,
) -> Outcome<user::Model> {
    let unit = SetAvailability { agency: viewer.agency(), user: viewer.id(), availability };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

struct SetAvailability {
    agency: AgencyId,
    user: UserId,
    availability: Availability,
}

impl Unit for SetAvailability {
    type Output = user::Model;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<user::Model, UnitError<Refusal>> {
        let directory = tx.directory(self.agency).await?;
        let before = directory.active_user(self.user).ok_or_else(|| Refusal::not_found("user", "availability"))?;
        let mut after = user::Model::clone(before);
        if after.availability != self.availability {
            after.availability = self.availability;
            after.updated_at = tx.now;
            save(tx.conn, after.clone()).await?;
            tx.directory_updated(self.agency, &after.id.to_string(), "setAvailability", Some(self.user))?;
        }
        Ok(after)
    }
}
