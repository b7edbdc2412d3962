//! Rotates the key that seals stored secrets: seals the secrets again under the current key.

use std::convert::Infallible;
use std::sync::Arc;

use super::accounts::Secret;
use super::seal::{Sealer, UnsealError};
use super::{Fault, Services};
use crate::entity::account;
use crate::store::accounts;
use crate::store::directory_writes::save;
use crate::store::writer::{Tx, Unit, UnitError};

/// Seals the secrets of all Twilio accounts under the current key, and returns how many accounts changed. An account
/// whose secrets neither key decrypts is left as it is; `doctor` reports it.
pub async fn reseal_accounts(services: &Services, sealer: Arc<Sealer>) -> Result<usize, Fault> {
    Ok(services.writer.run_for(Vec::new(), Reseal { sealer }).await?)
}

struct Reseal {
    sealer: Arc<Sealer>,
}

impl Unit for Reseal {
    type Output = usize;
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<usize, UnitError> {
        let mut changed = 0;
        for row in accounts::all(tx.conn).await? {
            let Ok(resealed) = self.reseal(&row) else { continue };
            if resealed != row {
                save(tx.conn, account::Model { updated_at: tx.now, ..resealed }).await?;
                changed += 1;
            }
        }
        Ok(changed)
    }
}

impl Reseal {
    fn reseal(&self, row: &account::Model) -> Result<account::Model, UnsealError> {
        let again = |sealed: &String, which: Secret| {
            let resealed = self.sealer.reseal(sealed, &which.context(&row.account_sid))?;
            Ok::<_, UnsealError>(resealed.unwrap_or_else(|| sealed.clone()))
        };
        let optional =
            |sealed: &Option<String>, which: Secret| sealed.as_ref().map(|text| again(text, which)).transpose();
        Ok(account::Model {
            auth_token_sealed: again(&row.auth_token_sealed, Secret::AuthToken)?,
            secondary_auth_token_sealed: optional(&row.secondary_auth_token_sealed, Secret::SecondaryAuthToken)?,
            api_key_secret_sealed: optional(&row.api_key_secret_sealed, Secret::ApiKeySecret)?,
            ..row.clone()
        })
    }
}
