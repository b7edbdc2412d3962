//! The URLs of the steps of a call. The state of a call travels in the query of its URLs, which Twilio signs, so it
//! cannot be forged. Twilio retries a URL if the server does not answer, so a call survives a restart of the server.

use super::form::{Form, field};
use crate::domain::ivr::{IvrState, Ring, Target};
use crate::domain::webhook_paths::CALL_STEPS;
use crate::domain::{AgencyId, CallId, PhoneNumberId, UserId};
use crate::ports::twilio_rest::callback_url;
use crate::service::calls::CallKey;

/// Builds the URLs of the steps of one call.
pub(super) struct CallUrls<'a> {
    /// The public origin of this server.
    pub(super) public_url: &'a str,
    pub(super) call: &'a CallKey,
}

impl CallUrls<'_> {
    /// The URL of the caller's next step.
    pub(super) fn step(&self, name: &str, ivr_state: &IvrState) -> String {
        self.url(name, parameters(ivr_state))
    }

    /// The URL of a callback whose form does not contain the called number; the query identifies it instead.
    pub(super) fn callback(&self, name: &str, ivr_state: &IvrState) -> String {
        let mut parameters = parameters(ivr_state);
        parameters.extend(self.number());
        self.url(name, parameters)
    }

    /// The URL of a step of one of the call's legs.
    pub(super) fn leg(&self, name: &str, step: u8, user: Option<UserId>) -> String {
        let mut parameters = vec![("call", self.call.sid.clone()), ("step", step.to_string())];
        parameters.extend(self.number());
        parameters.extend(user.map(|user| ("user", user.to_string())));
        self.url(name, parameters)
    }

    fn number(&self) -> Parameters {
        vec![("agency", self.call.agency.to_string()), ("number", self.call.number.to_string())]
    }

    fn url(&self, name: &str, parameters: Parameters) -> String {
        callback_url(&format!("{}{CALL_STEPS}/{name}", self.public_url), parameters)
    }
}

type Parameters = Vec<(&'static str, String)>;

/// The query that [`parse_ivr_state`] parses.
fn parameters(ivr_state: &IvrState) -> Parameters {
    let mut parameters = vec![("step", ivr_state.step.to_string())];
    if ivr_state.tries > 0 {
        parameters.push(("tries", ivr_state.tries.to_string()));
    }
    if let Some(ring) = &ivr_state.ring {
        let target = match ring.target {
            Target::MainLine => MAIN_LINE.to_owned(),
            Target::Extension(id) => id.to_string(),
        };
        parameters.extend([("target", target), ("began", ring.began.to_string())]);
        for (name, users) in [("users", &ring.users), ("before", &ring.before)] {
            if !users.is_empty() {
                parameters.push((name, users.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")));
            }
        }
        if ring.again {
            parameters.push(("again", "1".to_owned()));
        }
    }
    parameters
}

/// The URL of a step of a call that a user started.
pub fn outbound_step(public_url: &str, name: &str, agency: AgencyId, call: CallId) -> String {
    let parameters = vec![("agency", agency.to_string()), ("call", call.to_string())];
    callback_url(&format!("{public_url}{CALL_STEPS}/{name}"), parameters)
}

const MAIN_LINE: &str = "main";

/// Parses the state from the query of [`CallUrls::step`]. A missing value is the one at the beginning of a call.
pub(super) fn parse_ivr_state(query: &Form) -> IvrState {
    let number = |name: &str| field(query, name).and_then(|value| value.parse().ok()).unwrap_or(0);
    IvrState { step: number("step"), tries: number("tries"), ring: ring_of(query) }
}

fn ring_of(query: &Form) -> Option<Ring> {
    let target = match field(query, "target")? {
        MAIN_LINE => Target::MainLine,
        id => Target::Extension(id.parse().ok()?),
    };
    let users = |name: &str| {
        let list = field(query, name).unwrap_or_default().split('.');
        list.filter_map(|id| id.parse().ok()).collect()
    };
    Some(Ring {
        target,
        users: users("users"),
        before: users("before"),
        again: field(query, "again") == Some("1"),
        began: field(query, "began").and_then(|began| began.parse().ok()).unwrap_or(0),
    })
}

/// The query of [`CallUrls::leg`]: a call and one of its legs.
pub(super) struct LegParameters {
    pub(super) agency: AgencyId,
    pub(super) number: PhoneNumberId,
    pub(super) call_sid: String,
    pub(super) step: u8,
    pub(super) user: Option<UserId>,
}

impl LegParameters {
    pub(super) fn parse(query: &Form) -> Option<Self> {
        Some(Self {
            agency: field(query, "agency")?.parse().ok()?,
            number: field(query, "number")?.parse().ok()?,
            call_sid: field(query, "call")?.to_owned(),
            step: field(query, "step")?.parse().ok()?,
            user: field(query, "user").and_then(|id| id.parse().ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{AccountId, ExtensionId};
    use crate::twilio::form;

    #[test]
    fn the_ivr_state_survives_the_round_trip_through_a_url() {
        let (agency, account, number) = (AgencyId(Uuid::nil()), AccountId(Uuid::nil()), PhoneNumberId(Uuid::nil()));
        let call = CallKey { agency, account, number, sid: "CA1".to_owned(), from: "+13035560001".to_owned() };
        let urls = CallUrls { public_url: "https://p.example", call: &call };
        let user = |n| UserId(Uuid::from_u128(n));
        for target in [Target::MainLine, Target::Extension(ExtensionId(Uuid::from_u128(9)))] {
            let ring = Ring { target, users: vec![user(1), user(2)], before: vec![user(3)], again: true, began: 77 };
            for ivr_state in [
                IvrState::default(),
                IvrState { step: 4, tries: 2, ring: None },
                IvrState { step: 5, tries: 0, ring: Some(ring.clone()) },
                IvrState {
                    step: 5,
                    tries: 0,
                    ring: Some(Ring { users: vec![], before: vec![], again: false, ..ring }),
                },
            ] {
                let url = urls.step("menu", &ivr_state);
                let (_, query) = url.split_once('#').unwrap().0.split_once('?').unwrap();
                let query = form::parse(query.as_bytes()).unwrap();
                assert_eq!(parse_ivr_state(&query), ivr_state, "{url}");
            }
        }
    }
}
