//! A leg of a call: one phone's part in it.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::domain::call::Leg;
use crate::domain::{AgencyId, CallId, CallLegId, LegState, UserId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "call_leg")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agency_id: AgencyId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CallLegId,
    pub call_id: CallId,
    /// The user whose phone it is; `None` for the contact's phone.
    pub user_id: Option<UserId>,
    /// The step of the call in which the phone rang. A phone may ring in several steps.
    pub step: i32,
    pub provider_sid: Option<String>,
    pub state: LegState,
    pub rang_at: DateTime<Utc>,
    pub picked_up_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub duration_seconds: Option<i32>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The leg as part of a call's state.
    pub fn leg(&self) -> Leg {
        Leg {
            user: self.user_id,
            step: self.step,
            sid: self.provider_sid.clone(),
            state: self.state,
            rang_at: self.rang_at,
            picked_up_at: self.picked_up_at,
            ended_at: self.ended_at,
            duration_seconds: self.duration_seconds,
        }
    }

    /// The row of a leg of a call.
    pub fn of(agency_id: AgencyId, call_id: CallId, id: CallLegId, leg: Leg) -> Self {
        Self {
            agency_id,
            id,
            call_id,
            user_id: leg.user,
            step: leg.step,
            provider_sid: leg.sid,
            state: leg.state,
            rang_at: leg.rang_at,
            picked_up_at: leg.picked_up_at,
            ended_at: leg.ended_at,
            duration_seconds: leg.duration_seconds,
        }
    }
}
