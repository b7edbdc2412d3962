//! Revoke all tokens of a user.

use std::convert::Infallible;

use super::{Fault, Services};
use crate::domain::{AgencyId, UserId};
use crate::entity::user;
use crate::store::directory_writes::save;
use crate::store::sign_in_codes;
use crate::store::writer::{Tx, Unit, UnitError};

/// Increments a user's token generation: tokens issued before are rejected, and sockets opened with them are closed.
/// Unused sign-in codes become invalid, too. Returns false if the user does not exist.
///
/// Tokens of an external issuer have no generation. They end when the issuer revokes them or the user is deactivated.
pub async fn revoke_tokens(services: &Services, agency: AgencyId, user: UserId) -> Result<bool, Fault> {
    Ok(services.writer.run(agency, RevokeTokens { agency, user }).await?)
}

struct RevokeTokens {
    agency: AgencyId,
    user: UserId,
}

impl Unit for RevokeTokens {
    type Output = bool;
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, UnitError> {
        let directory = tx.directory(self.agency).await?;
        let Some(before) = directory.user(self.user) else { return Ok(false) };
        let after = user::Model {
            token_generation: before.token_generation.wrapping_add(1),
            updated_at: tx.now,
            ..user::Model::clone(before)
        };
        save(tx.conn, after).await?;
        sign_in_codes::delete_of(tx.conn, self.agency, self.user).await?;
        tx.directory_updated(self.agency, &self.user.to_string(), "revokeTokens", None)?;
        Ok(true)
    }
}
