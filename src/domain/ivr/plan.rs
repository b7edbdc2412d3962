//! The transitions of the IVR.

use super::{
    IvrEvent, IvrState, LAST_RING, LegOutcome, Line, MAX_LEGS, MAX_WRONG_EXTENSIONS, Office, Phone, Plan, Ring, Target,
};
use crate::domain::caller_id::leg_caller_id;
use crate::domain::{ExtensionId, RingStrategy, UserId};

/// Phones that stop ringing more than this many seconds before the ring time ends are considered cut off.
const CUT_OFF_MARGIN: i64 = 2;

/// Computes the next instruction. `now` is in seconds since the Unix epoch.
pub fn plan(office: &Office<'_>, state: &IvrState, event: IvrEvent<'_>, now: i64) -> Plan {
    let planner = Planner { office, state, step: state.step.saturating_add(1), tries: state.tries, now };
    match event {
        // Digits that arrive with the call itself do not bypass the business hours.
        IvrEvent::DigitsEntered { .. } if state.step == 0 && !office.open => planner.voicemail(Target::MainLine),
        IvrEvent::CallStarted if office.open => planner.greet(),
        IvrEvent::CallStarted => planner.voicemail(Target::MainLine),
        IvrEvent::DigitsEntered { digits, guess_limit_reached } => planner.digits_entered(digits, guess_limit_reached),
        IvrEvent::NotConnected { outcomes } => planner.not_connected(outcomes),
        IvrEvent::ConversationEnded => Plan::HangUp { say: None },
        IvrEvent::VoicemailLeft => goodbye("Thank you. Goodbye."),
        IvrEvent::NoMessageLeft => goodbye("We did not hear a message. Goodbye."),
    }
}

fn goodbye(say: &str) -> Plan {
    Plan::HangUp { say: Some(say.to_owned()) }
}

struct Planner<'a> {
    office: &'a Office<'a>,
    state: &'a IvrState,
    step: u8,
    /// The number of wrong extensions dialed, including the current one.
    tries: u8,
    now: i64,
}

impl Planner<'_> {
    fn next(&self, ring: Option<Ring>) -> IvrState {
        IvrState { step: self.step, tries: self.tries, ring }
    }

    fn greet(&self) -> Plan {
        let default = || {
            let label = self.office.label;
            format!("You have reached {label}. Dial an extension now, or stay on the line.")
        };
        let say = self.office.greeting.map_or_else(default, str::to_owned);
        Plan::Menu { pause: 0, say, next: self.next(None) }
    }

    fn digits_entered(&self, digits: &str, guess_limit_reached: bool) -> Plan {
        if digits.is_empty() || digits == "0" {
            return self.main_line(None);
        }
        if let Some(line) = self.office.line(digits) {
            return self.extension(line);
        }
        let tries = self.tries.saturating_add(1);
        Planner { tries, ..*self }.wrong_extension(guess_limit_reached)
    }

    fn wrong_extension(&self, guess_limit_reached: bool) -> Plan {
        if self.tries >= MAX_WRONG_EXTENSIONS || guess_limit_reached {
            return self.main_line(Some("We connect you with the main line.".to_owned()));
        }
        Plan::Menu {
            pause: self.tries,
            say: "There is no such extension. Please dial again, or stay on the line.".to_owned(),
            next: self.next(None),
        }
    }

    fn extension(&self, line: &Line<'_>) -> Plan {
        let target = Target::Extension(line.extension);
        match line.phone {
            Some(e164) => self.ring(target, vec![Phone { user: line.user, e164 }], Vec::new(), false, None),
            None => self.voicemail(target),
        }
    }

    fn main_line(&self, say: Option<String>) -> Plan {
        self.ring_next(Vec::new(), say)
    }

    /// Rings the phones of the main line that have not rung yet.
    fn ring_next(&self, before: Vec<UserId>, say: Option<String>) -> Plan {
        let mut waiting: Vec<Phone<'_>> =
            self.office.phones.iter().filter(|phone| !before.contains(&phone.user)).copied().collect();
        // The last ring includes all remaining phones, so that a long list does not keep the caller waiting
        // indefinitely.
        if self.office.strategy == RingStrategy::Sequential && self.step < LAST_RING {
            waiting.truncate(1);
        }
        waiting.truncate(MAX_LEGS);
        self.ring(Target::MainLine, waiting, before, false, say)
    }

    fn ring(
        &self,
        target: Target,
        phones: Vec<Phone<'_>>,
        before: Vec<UserId>,
        again: bool,
        say: Option<String>,
    ) -> Plan {
        if phones.is_empty() || self.step > LAST_RING {
            return self.voicemail(target);
        }
        let (office, users) = (self.office, phones.iter().map(|phone| phone.user).collect());
        let ring = Ring { target, users, before, again, began: self.now };
        Plan::Ring {
            say,
            phones: phones.into_iter().map(|phone| (phone.user, phone.e164.to_owned())).collect(),
            caller_id: leg_caller_id(office.leg_caller_id, office.caller, office.number).to_owned(),
            seconds: office.ring_seconds,
            next: self.next(Some(ring)),
        }
    }

    fn not_connected(&self, outcomes: &[(UserId, LegOutcome)]) -> Plan {
        let Some(ring) = &self.state.ring else { return self.voicemail(Target::MainLine) };
        let outcome = |user: &UserId| outcomes.iter().find(|(other, _)| other == user).map(|(_, outcome)| *outcome);
        let early = self.now - ring.began < i64::from(self.office.ring_seconds) - CUT_OFF_MARGIN;
        // A person or a mobile's own voicemail picked up one phone, and the carrier then canceled the others before
        // their ring time ended. Those phones ring once more.
        let picked_up = ring.users.iter().any(|user| outcome(user) == Some(LegOutcome::PickedUp));
        let cut_off = |user: &UserId| match outcome(user) {
            Some(LegOutcome::CutOff) => true,
            Some(LegOutcome::PickedUp | LegOutcome::Unanswered) => false,
            None => early && picked_up,
        };
        if picked_up && !ring.again {
            let phones: Vec<Phone<'_>> = match ring.target {
                Target::MainLine => self.office.phones.clone(),
                Target::Extension(_) => Vec::new(),
            };
            let once_more: Vec<Phone<'_>> =
                phones.into_iter().filter(|phone| ring.users.contains(&phone.user) && cut_off(&phone.user)).collect();
            if !once_more.is_empty() && self.step <= LAST_RING {
                let answered = ring.users.iter().filter(|user| !cut_off(user)).copied();
                let before = ring.before.iter().copied().chain(answered).collect();
                return self.ring(ring.target, once_more, before, true, None);
            }
        }
        match ring.target {
            Target::MainLine => {
                let before: Vec<UserId> = ring.before.iter().chain(&ring.users).copied().collect();
                self.ring_next(before, None)
            }
            target @ Target::Extension(_) => self.voicemail(target),
        }
    }

    fn voicemail(&self, target: Target) -> Plan {
        let default = || match self.name_of(target) {
            Some(name) => format!("{name} cannot take your call now. Please leave a message after the tone."),
            None if !self.office.open => "We are closed now. Please leave a message after the tone.".to_owned(),
            None => "Nobody can take your call now. Please leave a message after the tone.".to_owned(),
        };
        let custom = self.office.voicemail_greeting.filter(|_| target == Target::MainLine);
        let say = custom.map_or_else(default, str::to_owned);
        let ring = Ring { target, users: Vec::new(), before: Vec::new(), again: false, began: self.now };
        Plan::Voicemail { say, next: self.next(Some(ring)) }
    }

    fn name_of(&self, target: Target) -> Option<&str> {
        let named = |id: ExtensionId| self.office.lines.iter().find(|line| line.extension == id).map(|line| line.name);
        match target {
            Target::MainLine => None,
            Target::Extension(id) => named(id),
        }
    }
}
