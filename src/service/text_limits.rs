//! Limits on texts sent by staff: per 24 hours, and waiting on one number.

use chrono::TimeDelta;

use super::{Refusal, RefusalCode};
use crate::domain::text_quota::{Period, TextLimits};
use crate::domain::turns::MAX_WAITING;
use crate::domain::{AgencyId, UserId};
use crate::entity::{phone_number, text_quota};
use crate::store::outbox;
use crate::store::text_quotas::{WHOLE_AGENCY, of_user, save};
use crate::store::writer::{Tx, UnitError};

/// Counts a text of a user against the limits, and returns its turn in the number's queue. The transaction holds the
/// agency's lock, so simultaneous texts are counted one after another.
pub(super) async fn admit(
    tx: &Tx<'_>,
    agency: AgencyId,
    user: UserId,
    number: &phone_number::Model,
    limits: TextLimits,
) -> Result<i64, UnitError<Refusal>> {
    let waiting = outbox::waiting(tx.conn, agency, number.id, user, tx.now).await?;
    let Some(turn) = waiting.next_turn() else {
        let message = format!("You already have {MAX_WAITING} texts waiting on this number. Try again later.");
        // The time in which the number sends about ten texts.
        let seconds = 10 / number.texts_per_second.max(1);
        return Err(limit_exceeded(message, TimeDelta::seconds(seconds.into())).into());
    };
    let rows = of_user(tx.conn, agency, user).await?;
    let mut counted = Vec::new();
    for (of, limit, whose) in
        [(user, limits.per_user, "You have"), (WHOLE_AGENCY, limits.per_agency, "Your agency has")]
    {
        let row = rows.iter().find(|row| row.user_id == of);
        let current = row.map(|row| Period { began_at: row.began_at, texts: row.texts });
        match Period::with_one_more(current, limit, tx.now) {
            Ok(Period { began_at, texts }) => {
                counted.push(text_quota::Model { agency_id: agency, user_id: of, began_at, texts });
            }
            Err(wait) => {
                let message = format!("{whose} reached the limit of {limit} texts in 24 hours. Try again later.");
                return Err(limit_exceeded(message, wait).into());
            }
        }
    }
    save(tx.conn, counted).await?;
    Ok(turn)
}

/// A refusal of a request that exceeds a limit. `wait` is the time after which the request may succeed.
pub(super) fn limit_exceeded(message: String, wait: TimeDelta) -> Refusal {
    let seconds = wait.num_seconds() + i64::from(wait.subsec_nanos() > 0);
    let retry_after_seconds = i32::try_from(seconds.max(1)).ok();
    Refusal::new(RefusalCode::LimitExceeded { retry_after_seconds }, message)
}
