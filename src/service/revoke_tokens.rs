//! End all tokens of a user before their time.

use sea_orm::DbErr;

use super::{Fault, Services};
use crate::domain::{AgencyId, UserId};
use crate::entity::user;
use crate::store::directory_writes::save;
use crate::store::writer::{Tx, Unit};

/// Raises the generation of a user's tokens: those that were issued before are refused from then on, and sockets that
/// were opened with one are closed. Returns whether there is such a user.
///
/// Tokens of an issuer have no generation. They end at the issuer, or when the user is deactivated.
///
/// # Errors
/// If the database fails.
pub async fn revoke_tokens(services: &Services, agency: AgencyId, user: UserId) -> Result<bool, Fault> {
    Ok(services.writer.run(agency, RevokeTokens { agency, user }).await?)
}

struct RevokeTokens {
    agency: AgencyId,
    user: UserId,
}

impl Unit for RevokeTokens {
    type Output = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, DbErr> {
        let directory = tx.directory(self.agency).await?;
        let Some(before) = directory.user(self.user) else { return Ok(false) };
        let after = user::Model {
            token_generation: before.token_generation.wrapping_add(1),
            updated_at: tx.now,
            ..user::Model::clone(before)
        };
        save(tx.conn, after).await?;
        tx.directory_updated(self.agency, &self.user.to_string(), "revokeTokens", None)?;
        Ok(true)
    }
}
