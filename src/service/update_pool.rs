//! Change a pool's assignment policy and its call handling. Admins only.

use sea_orm::DbErr;

use super::manage_pool::pool_for;
use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::hours::Hours;
use crate::domain::schedule::Holiday;
use crate::domain::voice_settings::{
    InvalidSetting, check_greeting, check_holidays, check_hours, check_ring_seconds, check_text,
};
use crate::domain::{AgencyId, LegCallerId, PhoneNumberId, PoolPolicy, RingStrategy, UserId};
use crate::entity::pool;
use crate::store::directory_writes::save;
use crate::store::writer::{Tx, Unit, UnitError};

/// Changes to a pool. `None` leaves a field unchanged.
#[derive(Debug, Clone, Default)]
pub struct UpdatePool {
    pub policy: Option<PoolPolicy>,
    pub ring_strategy: Option<RingStrategy>,
    pub ring_seconds: Option<i32>,
    pub leg_caller_id: Option<LegCallerId>,
    pub schedule: Option<ScheduleChange>,
    /// `Some(None)`: the default greeting.
    pub greeting: Option<Option<String>>,
    /// `Some(None)`: the default greeting.
    pub voicemail_greeting: Option<Option<String>>,
    /// `Some(None)`: no text is sent after a missed call.
    pub missed_call_text: Option<Option<String>>,
}

/// A new schedule of a pool.
#[derive(Debug, Clone)]
pub struct ScheduleChange {
    /// `None`: always open.
    pub hours: Option<Hours>,
    /// `None` leaves the holidays unchanged.
    pub holidays: Option<Vec<Holiday>>,
}

impl UpdatePool {
    fn check(&self) -> Result<(), Refusal> {
        fn check_given<T>(
            value: Option<T>,
            check: impl Fn(T) -> Result<(), InvalidSetting>,
        ) -> Result<(), InvalidSetting> {
            value.map_or(Ok(()), check)
        }
        let text = |text: &Option<Option<String>>| text.clone().flatten();
        let schedule = self.schedule.as_ref();
        let checked = [
            ("ringSeconds", check_given(self.ring_seconds, check_ring_seconds)),
            ("schedule", check_given(schedule.and_then(|schedule| schedule.hours.as_ref()), check_hours)),
            ("schedule", check_given(schedule.and_then(|schedule| schedule.holidays.as_deref()), check_holidays)),
            ("greeting", check_given(text(&self.greeting), |text| check_greeting(&text))),
            ("voicemailGreeting", check_given(text(&self.voicemail_greeting), |text| check_greeting(&text))),
            ("missedCallText", check_given(text(&self.missed_call_text), |text| check_text(&text))),
        ];
        for (field, checked) in checked {
            checked.map_err(|error| Refusal::invalid(error.to_string(), field))?;
        }
        Ok(())
    }

    fn apply(&self, before: &pool::Model) -> Result<pool::Model, DbErr> {
        let json = |error: serde_json::Error| DbErr::Json(error.to_string());
        let mut after = before.clone();
        after.policy = self.policy.unwrap_or(before.policy);
        after.ring_strategy = self.ring_strategy.unwrap_or(before.ring_strategy);
        after.ring_seconds = self.ring_seconds.unwrap_or(before.ring_seconds);
        after.leg_caller_id = self.leg_caller_id.unwrap_or(before.leg_caller_id);
        if let Some(ScheduleChange { hours, holidays }) = &self.schedule {
            after.hours = hours.as_ref().map(serde_json::to_string).transpose().map_err(json)?;
            if let Some(holidays) = holidays {
                after.holidays = Some(serde_json::to_string(holidays).map_err(json)?);
            }
        }
        for (text, to) in [
            (&self.greeting, &mut after.greeting),
            (&self.voicemail_greeting, &mut after.voicemail_greeting),
            (&self.missed_call_text, &mut after.missed_call_text),
        ] {
            if let Some(text) = text {
                to.clone_from(text);
            }
        }
        Ok(after)
    }
}

pub async fn update_pool(
    services: &Services,
    viewer: &Viewer,
    number: PhoneNumberId,
    change: UpdatePool,
) -> Outcome<pool::Model> {
    change.check()?;
    let unit = Change { agency: viewer.agency(), actor: viewer.id(), number, change };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

struct Change {
    agency: AgencyId,
    actor: UserId,
    number: PhoneNumberId,
    change: UpdatePool,
}

impl Unit for Change {
    type Output = pool::Model;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<pool::Model, UnitError<Refusal>> {
        let directory = tx.directory(self.agency).await?;
        let before = pool_for(&directory, self.actor, self.number)?;
        let after = self.change.apply(&before)?;
        if after == before {
            return Ok(before);
        }
        let after = pool::Model { updated_at: tx.now, ..after };
        save(tx.conn, after.clone()).await?;
        tx.directory_updated(self.agency, &after.id.to_string(), "updatePool", Some(self.actor))?;
        Ok(after)
    }
}
