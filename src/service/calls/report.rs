//! What the carrier reports of a call and of its legs, in whatever order and however often.

use sea_orm::DbErr;

use super::outbound::{self, OWN_LEG, OutboundKey};
use super::rows::{Legs, Row, find_or_begin};
use super::settle::{end, settle};
use super::{CallKey, LegNews, commit};
use crate::domain::{AgencyId, CallEnd, LegState, UserId};
use crate::service::{Fault, Services};
use crate::store::writer::{Tx, Unit, WhenAway};

/// Which call a report is of.
#[derive(Debug, Clone)]
pub enum CallReport {
    /// One that came in.
    Inbound(CallKey),
    /// One that a user started.
    Outbound(OutboundKey),
}

/// What is reported of a leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegReport {
    /// The step of the call that let it ring.
    pub step: u8,
    /// Whose phone; `None` is the contact's.
    pub user: Option<UserId>,
    /// Twilio's name for it.
    pub sid: String,
    /// What became of it.
    pub state: LegState,
    /// Whether it is over.
    pub ended: bool,
    /// How long it was.
    pub seconds: Option<i32>,
}

/// Takes up how a call ended.
///
/// # Errors
/// When it is not stored; the carrier must say it again.
pub async fn report_call(
    services: &Services,
    call: CallReport,
    ended: CallEnd,
    seconds: Option<i32>,
) -> Result<(), Fault> {
    let agency = agency_of(&call);
    Ok(commit(services, agency, Report { call, news: News::End(ended, seconds) }).await?)
}

/// Takes up what became of a leg.
///
/// # Errors
/// When it is not stored; the carrier must say it again.
pub async fn report_leg(services: &Services, call: CallReport, leg: LegReport) -> Result<(), Fault> {
    let agency = agency_of(&call);
    Ok(commit(services, agency, Report { call, news: News::Leg(leg) }).await?)
}

fn agency_of(call: &CallReport) -> AgencyId {
    match call {
        CallReport::Inbound(key) => key.agency,
        CallReport::Outbound(key) => key.agency,
    }
}

enum News {
    End(CallEnd, Option<i32>),
    Leg(LegReport),
}

struct Report {
    call: CallReport,
    news: News,
}

impl Unit for Report {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        let Some(mut row) = find(tx, &self.call).await? else { return Ok(()) };
        let mut legs = Legs::of(tx, &row).await?;
        match &self.news {
            News::End(ended, seconds) => {
                end(tx, &mut row.after, *ended, *seconds);
                // An outbound call is the user's own leg, too.
                if let CallReport::Outbound(key) = &self.call
                    && let Some(user) = row.after.started_by_id
                {
                    let news =
                        LegNews::of(OWN_LEG, Some(user), Some(key.sid.clone()), own_state(*ended)).over(*seconds);
                    legs.hear(tx, &news);
                }
            }
            News::Leg(leg) => {
                let LegReport { step, user, sid, state, ended, seconds } = leg.clone();
                // The contact's phone has no keys to press first: it is connected when it is picked up.
                let state = if user.is_none() && state == LegState::PickedUp { LegState::Connected } else { state };
                let news = LegNews { step: step.into(), user, sid: Some(sid), state, ended, seconds };
                let leg = legs.hear(tx, &news);
                if user.is_none() && leg.picked_up_at.is_some() {
                    row.after.answered_at = row.after.answered_at.or(leg.picked_up_at);
                }
            }
        }
        settle(tx, row.before, row.after, legs).await.map(drop)
    }

    fn when_away(&self) -> WhenAway {
        WhenAway::Retry
    }
}

/// What the end of an outbound call says of the user's own phone.
fn own_state(ended: CallEnd) -> LegState {
    match ended {
        // It was picked up; by whom is known from the keys.
        CallEnd::Completed => LegState::PickedUp,
        CallEnd::Busy => LegState::Busy,
        CallEnd::NoAnswer => LegState::NoAnswer,
        CallEnd::Canceled => LegState::Canceled,
        CallEnd::Failed => LegState::Failed,
    }
}

async fn find(tx: &mut Tx<'_>, call: &CallReport) -> Result<Option<Row>, DbErr> {
    match call {
        CallReport::Inbound(key) => Ok(find_or_begin(tx, key.agency, &[key]).await?.pop()),
        CallReport::Outbound(key) => outbound::find(tx, key).await,
    }
}
