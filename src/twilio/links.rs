//! The addresses of the steps of a call. What a step is to know travels in its address: Twilio signs it,
//! so nobody else can write one. Each is repeated if we could not answer: a caller outlasts a restart.

use super::VOICE_STEPS;
use super::form::{Form, field};
use crate::domain::ivr::{Course, Ring, Target};
use crate::domain::{AgencyId, CallId, PhoneNumberId, UserId};
use crate::ports::twilio_rest::callback_url;
use crate::service::calls::CallKey;

/// Addresses of the steps of one call.
pub(super) struct Links<'a> {
    /// The origin that Twilio sees.
    pub(super) public_url: &'a str,
    /// The call.
    pub(super) call: &'a CallKey,
}

impl Links<'_> {
    /// The next step of the caller.
    pub(super) fn step(&self, name: &str, course: &Course) -> String {
        self.link(name, parameters(course))
    }

    /// Where something is reported in a form that does not say of which number.
    pub(super) fn reported(&self, name: &str, course: &Course) -> String {
        let mut parameters = parameters(course);
        parameters.extend(self.number());
        self.link(name, parameters)
    }

    /// A step of one of the call's legs.
    pub(super) fn leg(&self, name: &str, step: u8, user: Option<UserId>) -> String {
        let mut parameters = vec![("call", self.call.sid.clone()), ("step", step.to_string())];
        parameters.extend(self.number());
        parameters.extend(user.map(|user| ("user", user.to_string())));
        self.link(name, parameters)
    }

    fn number(&self) -> Parameters {
        vec![("agency", self.call.agency.to_string()), ("number", self.call.number.to_string())]
    }

    fn link(&self, name: &str, parameters: Parameters) -> String {
        callback_url(&format!("{}{VOICE_STEPS}/{name}", self.public_url), parameters)
    }
}

type Parameters = Vec<(&'static str, String)>;

/// What [`course_of`] reads.
fn parameters(course: &Course) -> Parameters {
    let mut parameters = vec![("step", course.step.to_string())];
    if course.tries > 0 {
        parameters.push(("tries", course.tries.to_string()));
    }
    if let Some(ring) = &course.ring {
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

/// A step of a call that a user started.
pub fn outbound(public_url: &str, name: &str, agency: AgencyId, call: CallId) -> String {
    let parameters = vec![("agency", agency.to_string()), ("call", call.to_string())];
    callback_url(&format!("{public_url}{VOICE_STEPS}/{name}"), parameters)
}

const MAIN_LINE: &str = "main";

/// Reads what [`Links::step`] wrote. What is missing is as at the beginning of a call.
pub(super) fn course_of(query: &Form) -> Course {
    let number = |name: &str| field(query, name).and_then(|value| value.parse().ok()).unwrap_or(0);
    Course { step: number("step"), tries: number("tries"), ring: ring_of(query) }
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

/// Which leg of which call an address of [`Links::leg`] names.
pub(super) struct LegAddress {
    pub(super) agency: AgencyId,
    pub(super) number: PhoneNumberId,
    pub(super) call_sid: String,
    pub(super) step: u8,
    pub(super) user: Option<UserId>,
}

impl LegAddress {
    pub(super) fn of(query: &Form) -> Option<Self> {
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
    use crate::twilio::form::parse;

    #[test]
    fn a_course_comes_back_as_it_went() {
        let (agency, account, number) = (AgencyId(Uuid::nil()), AccountId(Uuid::nil()), PhoneNumberId(Uuid::nil()));
        let call = CallKey { agency, account, number, sid: "CA1".to_owned(), from: "+13035560001".to_owned() };
        let links = Links { public_url: "https://p.example", call: &call };
        let user = |n| UserId(Uuid::from_u128(n));
        for target in [Target::MainLine, Target::Extension(ExtensionId(Uuid::from_u128(9)))] {
            let ring = Ring { target, users: vec![user(1), user(2)], before: vec![user(3)], again: true, began: 77 };
            for course in [
                Course::default(),
                Course { step: 4, tries: 2, ring: None },
                Course { step: 5, tries: 0, ring: Some(ring.clone()) },
                Course { step: 5, tries: 0, ring: Some(Ring { users: vec![], before: vec![], again: false, ..ring }) },
            ] {
                let link = links.step("menu", &course);
                let (_, query) = link.split_once('#').unwrap().0.split_once('?').unwrap();
                let query = parse(query.as_bytes()).unwrap();
                assert_eq!(course_of(&query), course, "{link}");
            }
        }
    }
}
