//! Answers that many get: an operation's, for one event.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::ws::Utf8Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use sea_orm::DbErr;

use super::facts::Facts;
use super::operation::{Operation, Operations};
use super::recent::Recent;
use super::source::{Sees, Sight, Source};
use crate::admission::{Admission, Turn};
use crate::domain::access::CallSight;
use crate::domain::{AgencyId, Role, UserId};
use crate::events::Followed;
use crate::graphql::Schema;
use crate::graphql::context::Caller;
use crate::graphql::errors::{Code, Failure, code_of, label};
use crate::graphql::loaders::Loaders;
use crate::graphql::operation::Refused;
use crate::service::{Services, Viewer, WhoAsked};

/// What an operation shows of an event.
#[derive(Debug, Clone)]
pub(super) enum Shown {
    /// Nothing: the arguments leave it out.
    Nothing,
    /// The payload of a `next`, serialised.
    Payload(Utf8Bytes),
    /// The payload of an `error`, serialised: the subscription ends.
    Failure(Utf8Bytes),
}

#[derive(Debug, Clone)]
struct Made {
    shown: Shown,
    /// Whether it depended on who asked.
    personal: bool,
}

/// Which facts, or whose answer.
///
/// A replayed event is shown as it stands now, so what was made of it before the log went on is not
/// shown again: whoever began to replay at the same head shares. A live event is shown as it stood
/// when it came; what changes afterwards follows as an event of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    agency: AgencyId,
    position: i64,
    replayed_from: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Variant {
    operation: u64,
    place: Place,
    sees: Sees,
    role: Role,
    user: Option<UserId>,
}

/// An event that somebody looks at. Thousands do at the same moment, so it only borrows.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) caller: &'a Caller,
    pub(super) viewer: &'a Viewer,
    pub(super) facts: &'a Arc<Facts>,
    /// How much they may see of what the event is about.
    pub(super) sees: Sees,
    pub(super) followed: &'a Followed,
}

/// What is made once and shown to many.
#[derive(Clone)]
pub struct Live {
    pub(super) schema: Schema,
    pub(super) operations: Arc<Operations>,
    pub(super) admission: Arc<Admission>,
    facts: Arc<Recent<Place, Arc<Facts>>>,
    answers: Arc<Recent<Variant, Made>>,
}

impl Live {
    /// Nothing is followed yet.
    pub fn new(schema: Schema, admission: Arc<Admission>) -> Self {
        Self { schema, operations: Arc::default(), admission, facts: Arc::default(), answers: Arc::default() }
    }

    /// What an event is about.
    pub(super) async fn facts(&self, services: &Arc<Services>, followed: &Followed) -> Result<Arc<Facts>, DbErr> {
        let now = services.clock.monotonic();
        self.facts.get(now, place(followed), || Facts::read(services, &followed.event).boxed()).await
    }

    /// What an operation shows a viewer of an event.
    ///
    /// # Errors
    /// When the viewer is not one of ours any more.
    pub(super) async fn answer(&self, operation: &Operation, look: Look<'_>) -> Result<Shown, Failure> {
        let user = look.caller.user();
        let shared = Variant {
            operation: operation.id,
            place: place(look.followed),
            sees: look.sees,
            role: look.viewer.role(),
            user: None,
        };
        let mut turn = None;
        // An own part of a call is one user's; the answers to all others can still be shared.
        let is_own_part = look.sees == Sees::Call(CallSight::OwnPart);
        if !is_own_part && !operation.personal.load(Ordering::Relaxed) {
            let made = self.made(operation, look, shared, &mut turn).await?;
            if !made.personal {
                return Ok(made.shown);
            }
            operation.personal.store(true, Ordering::Relaxed);
        }
        let own = Variant { user: Some(user), ..shared };
        Ok(self.made(operation, look, own, &mut turn).await?.shown)
    }

    /// The answer that has been made, or is made now. A subscriber takes their own turn before they make it, so that no
    /// subscriber waits for the turn of another.
    async fn made(
        &self,
        operation: &Operation,
        look: Look<'_>,
        variant: Variant,
        turn: &mut Option<Turn>,
    ) -> Result<Made, Failure> {
        let clock = &look.caller.services.clock;
        if let Some(made) = self.answers.made(clock.monotonic(), &variant) {
            return Ok(made);
        }
        if turn.is_none() {
            let waited = self.admission.event(look.caller.agency(), look.caller.user()).await;
            *turn = Some(waited.map_err(|limited| Failure::limited(&limited))?);
        }
        self.answers.get(clock.monotonic(), variant, || self.execute(operation, look).boxed()).await
    }

    async fn execute(&self, operation: &Operation, look: Look<'_>) -> Result<Made, Failure> {
        let who_asked = WhoAsked::default();
        let caller = look.caller.watched_by(&who_asked);
        let sight = Sight {
            caller: caller.clone(),
            viewer: Arc::new(look.viewer.watched_by(&who_asked)),
            facts: Arc::clone(look.facts),
            cursor: look.followed.cursor,
            replayed: look.followed.replayed_from.is_some(),
            sees: look.sees,
        };
        let loaders = Loaders::new(&caller);
        let request = operation.request().data(caller).data(loaders).data(Source::Event(Box::new(sight)));
        let Some(mut response) = self.schema.execute_stream(request).next().await else {
            return Ok(Made { shown: Shown::Nothing, personal: who_asked.mattered() });
        };
        label(&mut response.errors);
        let unauthenticated = Code::Unauthenticated.as_str();
        if response.errors.iter().any(|error| code_of(error) == Some(unauthenticated)) {
            // It was this viewer's alone; whoever waits for the answer makes it as themselves.
            return Err(Failure::unauthenticated());
        }
        let failed = response.data == async_graphql::Value::Null && !response.errors.is_empty();
        let shown = if failed {
            Shown::Failure(json(Refused::from(response.errors).errors()))
        } else {
            Shown::Payload(json(&response))
        };
        Ok(Made { shown, personal: who_asked.mattered() })
    }
}

fn place(followed: &Followed) -> Place {
    let Followed { event, replayed_from, .. } = followed;
    Place { agency: event.agency_id, position: event.position, replayed_from: *replayed_from }
}

fn json(value: &(impl serde::Serialize + ?Sized)) -> Utf8Bytes {
    // All keys are strings: it cannot fail.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()).into()
}
