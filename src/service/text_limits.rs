//! How many texts staff may send: per day, and waiting on one number.

use chrono::TimeDelta;
use sea_orm::DbErr;

use super::{Refusal, RefusalCode};
use crate::domain::text_quota::{Period, TextLimits};
use crate::domain::turns::MAX_WAITING;
use crate::domain::{AgencyId, UserId};
use crate::entity::{phone_number, text_quota};
use crate::store::outbox;
use crate::store::text_quotas::{WHOLE_AGENCY, of_user, save};
use crate::store::writer::Tx;

/// Counts a text of a user, and returns its turn in the queue of the number. The transaction holds the agency's lock, so
/// simultaneous texts are counted one after the other.
pub(super) async fn admit(
    tx: &Tx<'_>,
    agency: AgencyId,
    user: UserId,
    number: &phone_number::Model,
    limits: TextLimits,
) -> Result<Result<i64, Refusal>, DbErr> {
    let waiting = outbox::waiting(tx.conn, agency, number.id, user, tx.now).await?;
    let Some(turn) = waiting.next_turn() else {
        let message = format!("You have {MAX_WAITING} texts waiting on this number, which is the most.");
        // By then some have left.
        let seconds = 10 / number.texts_per_second.max(1);
        return Ok(Err(limit_exceeded(message, TimeDelta::seconds(seconds.into()))));
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
                let message = format!("{whose} sent {limit} texts within 24 hours, which is the most.");
                return Ok(Err(limit_exceeded(message, wait)));
            }
        }
    }
    save(tx.conn, counted).await?;
    Ok(Ok(turn))
}

/// The refusal of what exceeds a limit, with the time after which the same may succeed.
pub(super) fn limit_exceeded(message: String, wait: TimeDelta) -> Refusal {
    let seconds = wait.num_seconds() + i64::from(wait.subsec_nanos() > 0);
    let retry_after_seconds = i32::try_from(seconds.max(1)).ok();
    Refusal::new(RefusalCode::LimitExceeded { retry_after_seconds }, message)
}
