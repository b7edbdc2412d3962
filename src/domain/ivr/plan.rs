//! The planner itself.

use super::{Course, Happened, Heard, LAST_RING, Line, MOST_LEGS, MOST_TRIES, Office, Phone, Plan, Ring, Target};
use crate::domain::caller_id::leg_caller_id;
use crate::domain::{ExtensionId, RingStrategy, UserId};

/// Phones that stop ringing this long before their time are taken to have been cut off, in seconds.
const SLACK: i64 = 2;

/// What to do next; `now` is in seconds since 1970.
pub fn plan(office: &Office<'_>, course: &Course, happened: Happened<'_>, now: i64) -> Plan {
    let planner = Planner { office, course, step: course.step.saturating_add(1), tries: course.tries, now };
    match happened {
        // Digits may come along with a call; they open nothing that is closed.
        Happened::Keyed { .. } if course.step == 0 && !office.open => planner.voicemail(Target::MainLine),
        Happened::Called if office.open => planner.greet(),
        Happened::Called => planner.voicemail(Target::MainLine),
        Happened::Keyed { digits, guesses } => planner.keyed(digits, guesses),
        Happened::NotConnected { heard } => planner.not_connected(heard),
        Happened::Talked => Plan::HangUp { say: None },
        Happened::Recorded => goodbye("Thank you. Goodbye."),
        Happened::Silent => goodbye("We did not hear a message. Goodbye."),
    }
}

fn goodbye(say: &str) -> Plan {
    Plan::HangUp { say: Some(say.to_owned()) }
}

struct Planner<'a> {
    office: &'a Office<'a>,
    course: &'a Course,
    step: u8,
    /// How many extensions were dialled that there are not, this one included.
    tries: u8,
    now: i64,
}

impl Planner<'_> {
    fn next(&self, ring: Option<Ring>) -> Course {
        Course { step: self.step, tries: self.tries, ring }
    }

    fn greet(&self) -> Plan {
        let own = || {
            let label = self.office.label;
            format!("You have reached {label}. Dial an extension now, or stay on the line.")
        };
        let say = self.office.greeting.map_or_else(own, str::to_owned);
        Plan::Menu { pause: 0, say, next: self.next(None) }
    }

    fn keyed(&self, digits: &str, guesses: bool) -> Plan {
        if digits.is_empty() || digits == "0" {
            return self.main_line(None);
        }
        if let Some(line) = self.office.line(digits) {
            return self.extension(line);
        }
        let tries = self.tries.saturating_add(1);
        Planner { tries, ..*self }.wrong(guesses)
    }

    fn wrong(&self, guesses: bool) -> Plan {
        if self.tries >= MOST_TRIES || guesses {
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

    /// Whoever of the main line has not rung yet.
    fn ring_next(&self, before: Vec<UserId>, say: Option<String>) -> Plan {
        let mut waiting: Vec<Phone<'_>> =
            self.office.phones.iter().filter(|phone| !before.contains(&phone.user)).copied().collect();
        // The last ring is for all who are left, so that a long list does not keep a caller waiting for ever.
        if self.office.strategy == RingStrategy::Sequential && self.step < LAST_RING {
            waiting.truncate(1);
        }
        waiting.truncate(MOST_LEGS);
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

    fn not_connected(&self, heard: &[(UserId, Heard)]) -> Plan {
        let Some(ring) = &self.course.ring else { return self.voicemail(Target::MainLine) };
        let how = |user: &UserId| heard.iter().find(|(other, _)| other == user).map(|(_, how)| *how);
        let early = self.now - ring.began < i64::from(self.office.ring_seconds) - SLACK;
        // Somebody, or a mobile's own voicemail, picked one up: if the carrier then let go of the others,
        // they have not had their time.
        let picked_up = ring.users.iter().any(|user| how(user) == Some(Heard::PickedUp));
        let cut_off = |user: &UserId| match how(user) {
            Some(Heard::CutOff) => true,
            Some(Heard::PickedUp | Heard::ToTheEnd) => false,
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
        let own = || match self.name_of(target) {
            Some(name) => format!("{name} cannot take your call now. Please leave a message after the tone."),
            None if !self.office.open => "We are closed now. Please leave a message after the tone.".to_owned(),
            None => "Nobody can take your call now. Please leave a message after the tone.".to_owned(),
        };
        let custom = self.office.voicemail_greeting.filter(|_| target == Target::MainLine);
        let say = custom.map_or_else(own, str::to_owned);
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
