//! What the product says, as plain maps: who holds which thread, who was told, what is unread.
//!
//! Written from `docs` and the contract, not from the code: it shares no function with the server.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

/// Users, numbers and contacts by their place in the lists of [`super`].
pub(super) type User = usize;
pub(super) type Number = usize;
pub(super) type Contact = usize;
pub(super) type Pair = (Number, Contact);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    Unclaimed,
    Claimed,
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Inbound(Rung),
    Assigned,
    TakenOver,
    Unclaimed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rung {
    Extension,
    Pool,
    Provider,
    Admins,
    Assignee,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) user: User,
    pub(super) thread: Pair,
    pub(super) kind: Kind,
    pub(super) read: bool,
    pub(super) resolved: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) user: User,
    pub(super) sms: bool,
    pub(super) primary: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Thread {
    pub(super) status: Status,
    pub(super) assignee: Option<User>,
    pub(super) last_assignee: Option<User>,
    pub(super) closed_at: Option<DateTime<Utc>>,
    pub(super) extension: Option<User>,
    pub(super) escalate_at: Option<DateTime<Utc>>,
    pub(super) inbound: i32,
    pub(super) history: usize,
    /// Who was told of one of its texts by a rung that stands in for the pool.
    stood_in: BTreeSet<User>,
    seen: BTreeMap<User, i32>,
}

/// Why an act is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    NotFound,
    AlreadyClaimed(User),
    NotAssignee,
    Conflict,
    Forbidden,
}

pub(super) type Answer = Result<(), Refused>;

/// One agency.
#[derive(Debug)]
pub(super) struct State {
    pub(super) now: DateTime<Utc>,
    /// The first is the admin.
    pub(super) away: Vec<bool>,
    /// In the order in which their members came.
    pub(super) pools: Vec<Vec<Place>>,
    pub(super) providers: Vec<Option<User>>,
    pub(super) threads: BTreeMap<Pair, Thread>,
    pub(super) notes: Vec<Note>,
    pub(super) sids: BTreeSet<String>,
    pub(super) events: i64,
}

const ADMIN: User = 0;
const WEEK: TimeDelta = TimeDelta::days(7);
const PATIENCE: TimeDelta = TimeDelta::minutes(5);

impl State {
    /// Who is eligible: primary first, then oldest first.
    fn pool(&self, number: Number) -> Vec<User> {
        let (first, rest): (Vec<_>, Vec<_>) =
            self.pools[number].iter().filter(|place| place.sms).partition(|place| place.primary);
        first.into_iter().chain(rest).map(|place| place.user).collect()
    }

    /// The ladder below the extension.
    fn ladder(&self, (number, contact): Pair) -> (Rung, Vec<User>) {
        let pool = self.pool(number);
        match self.providers[contact] {
            _ if !pool.is_empty() => (Rung::Pool, pool),
            Some(provider) => (Rung::Provider, vec![provider]),
            None => (Rung::Admins, vec![ADMIN]),
        }
    }

    fn sees(&self, user: User, pair: Pair) -> bool {
        let Some(thread) = self.threads.get(&pair) else { return false };
        user == ADMIN
            || self.pool(pair.0).contains(&user)
            || thread.assignee == Some(user)
            || (thread.status != Status::Closed && thread.stood_in.contains(&user))
    }

    /// What a user sees, and how much of it they have not read.
    pub(super) fn inbox(&self, user: User) -> BTreeMap<Pair, i32> {
        let seen = self.threads.iter().filter(|(pair, _)| self.sees(user, **pair));
        seen.map(|(pair, thread)| (*pair, thread.inbound - thread.seen.get(&user).copied().unwrap_or(0))).collect()
    }

    fn tell(&mut self, users: impl IntoIterator<Item = User>, thread: Pair, kind: Kind) {
        let note = |user| Note { user, thread, kind, read: false, resolved: false };
        self.notes.extend(users.into_iter().map(note));
    }

    /// A text comes; says whether it is new.
    pub(super) fn text(&mut self, sid: &str, pair: Pair, extension: Option<User>) -> bool {
        if !self.sids.insert(sid.to_owned()) {
            return false;
        }
        let begun = Thread {
            status: Status::Unclaimed,
            assignee: None,
            last_assignee: None,
            closed_at: None,
            extension: None,
            escalate_at: None,
            inbound: 0,
            history: 0,
            stood_in: BTreeSet::new(),
            seen: BTreeMap::new(),
        };
        let mut thread = self.threads.get(&pair).cloned().unwrap_or(begun);
        thread.inbound += 1;
        thread.extension = extension.or(thread.extension);
        if thread.status == Status::Closed {
            self.come_back(&mut thread, pair);
        }
        let pool = self.pool(pair.0);
        let (rung, told) = match (thread.assignee, thread.extension) {
            (Some(assignee), extension) => {
                let mut told = vec![assignee];
                let besides = extension.into_iter().chain(if self.away[assignee] { pool } else { Vec::new() });
                for user in besides {
                    if !told.contains(&user) {
                        told.push(user);
                    }
                }
                thread.escalate_at = None;
                (Rung::Assignee, told)
            }
            (None, Some(user)) => {
                if !pool.is_empty() {
                    thread.escalate_at = thread.escalate_at.or(Some(self.now + PATIENCE));
                }
                (Rung::Extension, vec![user])
            }
            (None, None) => self.ladder(pair),
        };
        if !matches!(rung, Rung::Pool | Rung::Assignee) {
            thread.stood_in.extend(&told);
        }
        self.threads.insert(pair, thread);
        self.tell(told, pair, Kind::Inbound(rung));
        self.events += 1;
        true
    }

    /// A closed thread is opened: to whom it was, if they can take it and it was not long ago.
    fn come_back(&self, thread: &mut Thread, pair: Pair) {
        let recent = thread.closed_at.is_some_and(|at| self.now - at < WEEK);
        let back = thread.last_assignee.filter(|user| recent && self.pool(pair.0).contains(user) && !self.away[*user]);
        thread.status = if back.is_some() { Status::Claimed } else { Status::Unclaimed };
        thread.assignee = back;
        thread.closed_at = None;
        thread.history += 1;
    }

    /// Everybody's alerts of a thread are settled, but those of who has it.
    fn settle(&mut self, pair: Pair, holder: User) {
        for note in self.notes.iter_mut().filter(|note| note.thread == pair && note.user != holder) {
            note.resolved |= matches!(note.kind, Kind::Inbound(_));
        }
    }

    /// The thread as this user may act on it.
    fn act(&self, user: User, pair: Pair) -> Result<Thread, Refused> {
        if self.sees(user, pair) { Ok(self.threads[&pair].clone()) } else { Err(Refused::NotFound) }
    }

    fn may_give_away(user: User, thread: &Thread) -> Answer {
        if user == ADMIN || thread.assignee == Some(user) { Ok(()) } else { Err(Refused::NotAssignee) }
    }

    fn changed(&mut self, pair: Pair, mut thread: Thread) {
        thread.history += 1;
        if thread.status != Status::Unclaimed {
            thread.escalate_at = None;
        }
        if let Some(holder) = thread.assignee {
            self.settle(pair, holder);
        }
        self.threads.insert(pair, thread);
        self.events += 1;
    }

    fn give(&mut self, pair: Pair, mut thread: Thread, to: User) {
        thread.status = Status::Claimed;
        thread.assignee = Some(to);
        thread.closed_at = None;
        self.changed(pair, thread);
    }

    fn give_back(&mut self, pair: Pair, mut thread: Thread, except: User) {
        thread.status = Status::Unclaimed;
        thread.assignee = None;
        self.changed(pair, thread);
        self.tell_waiting(pair, except);
    }

    /// That a thread waits; whom a lower rung names sees it from then on.
    fn tell_waiting(&mut self, pair: Pair, except: User) {
        let (rung, told) = self.ladder(pair);
        let told: Vec<_> = told.into_iter().filter(|user| *user != except).collect();
        if rung != Rung::Pool {
            let thread = self.threads.get_mut(&pair).expect("a thread that waits is there");
            thread.stood_in.extend(&told);
        }
        self.tell(told, pair, Kind::Unclaimed);
    }

    pub(super) fn claim(&mut self, user: User, pair: Pair) -> Answer {
        let thread = self.act(user, pair)?;
        match thread.assignee {
            Some(by) if by == user => {}
            Some(by) => return Err(Refused::AlreadyClaimed(by)),
            None => self.give(pair, thread, user),
        }
        Ok(())
    }

    pub(super) fn release(&mut self, user: User, pair: Pair) -> Answer {
        let thread = self.act(user, pair)?;
        match thread.status {
            Status::Unclaimed => Ok(()),
            Status::Closed => Err(Refused::Conflict),
            Status::Claimed => {
                Self::may_give_away(user, &thread)?;
                self.give_back(pair, thread, user);
                Ok(())
            }
        }
    }

    pub(super) fn transfer(&mut self, user: User, pair: Pair, to: User) -> Answer {
        let thread = self.act(user, pair)?;
        let former = thread.assignee;
        if former == Some(to) {
            return Ok(());
        }
        if user != to && thread.status != Status::Unclaimed {
            Self::may_give_away(user, &thread)?;
        }
        self.give(pair, thread, to);
        self.tell(Some(to).filter(|to| *to != user), pair, Kind::Assigned);
        self.tell(former.filter(|former| *former != user), pair, Kind::TakenOver);
        Ok(())
    }

    pub(super) fn close(&mut self, user: User, pair: Pair) -> Answer {
        let mut thread = self.act(user, pair)?;
        if thread.status != Status::Closed {
            Self::may_give_away(user, &thread)?;
            thread.status = Status::Closed;
            thread.last_assignee = thread.assignee.or(thread.last_assignee);
            thread.assignee = None;
            thread.closed_at = Some(self.now);
            self.changed(pair, thread);
        }
        Ok(())
    }

    pub(super) fn reopen(&mut self, user: User, pair: Pair) -> Answer {
        let mut thread = self.act(user, pair)?;
        if thread.status == Status::Closed {
            self.come_back(&mut thread, pair);
            thread.history -= 1; // it is counted with the change
            let back = thread.assignee;
            self.changed(pair, thread);
            match back {
                Some(back) => self.tell(Some(back).filter(|back| *back != user), pair, Kind::Assigned),
                None => self.tell_waiting(pair, user),
            }
        }
        Ok(())
    }

    pub(super) fn mark_read(&mut self, user: User, pair: Pair) -> Answer {
        let mut thread = self.act(user, pair)?;
        thread.seen.insert(user, thread.inbound);
        self.threads.insert(pair, thread);
        for note in self.notes.iter_mut().filter(|note| note.thread == pair && note.user == user) {
            note.read = true;
        }
        Ok(())
    }

    pub(super) fn set_away(&mut self, user: User, away: bool) {
        self.events += i64::from(self.away[user] != away);
        self.away[user] = away;
    }

    fn place(&mut self, actor: User, number: Number, user: User) -> Result<Option<&mut Place>, Refused> {
        if actor != ADMIN {
            return Err(Refused::Forbidden);
        }
        Ok(self.pools[number].iter_mut().find(|place| place.user == user))
    }

    pub(super) fn add_member(&mut self, actor: User, number: Number, new: Place) -> Answer {
        if self.place(actor, number, new.user)?.is_some() {
            return Err(Refused::Conflict);
        }
        self.unset_primary(number, new.primary);
        self.pools[number].push(new);
        self.events += 1;
        Ok(())
    }

    pub(super) fn update_member(&mut self, actor: User, number: Number, after: &Place) -> Answer {
        let place = self.place(actor, number, after.user)?.ok_or(Refused::NotFound)?;
        let before = place.clone();
        if (before.sms, before.primary) == (after.sms, after.primary) {
            return Ok(());
        }
        self.unset_primary(number, after.primary);
        let place = self.place(actor, number, after.user)?.ok_or(Refused::NotFound)?;
        *place = after.clone();
        self.events += 1;
        if before.sms && !after.sms {
            self.lose(number, after.user);
        }
        Ok(())
    }

    pub(super) fn remove_member(&mut self, actor: User, number: Number, user: User) -> Answer {
        let was_eligible = self.place(actor, number, user)?.ok_or(Refused::NotFound)?.sms;
        self.pools[number].retain(|place| place.user != user);
        self.events += 1;
        if was_eligible {
            self.lose(number, user);
        }
        Ok(())
    }

    fn unset_primary(&mut self, number: Number, for_another: bool) {
        for place in &mut self.pools[number] {
            place.primary &= !for_another;
        }
    }

    /// A user lost their place: what they held through it waits again.
    fn lose(&mut self, number: Number, user: User) {
        let held =
            |(pair, thread): (&Pair, &Thread)| (pair.0 == number && thread.assignee == Some(user)).then_some(*pair);
        for pair in self.threads.iter().filter_map(held).collect::<Vec<_>>() {
            let thread = self.threads[&pair].clone();
            self.give_back(pair, thread, user);
        }
    }

    /// Whoever waits for an extension too long waits for the pool.
    pub(super) fn escalate(&mut self) {
        let due =
            |(pair, thread): (&Pair, &Thread)| thread.escalate_at.is_some_and(|at| at <= self.now).then_some(*pair);
        for pair in self.threads.iter().filter_map(due).collect::<Vec<_>>() {
            let pool = self.pool(pair.0);
            let thread = self.threads.get_mut(&pair).unwrap();
            thread.escalate_at = None;
            let extension = thread.extension;
            if !pool.is_empty() {
                self.events += 1;
                let told = pool.into_iter().filter(|user| Some(*user) != extension);
                self.tell(told.collect::<Vec<_>>(), pair, Kind::Inbound(Rung::Pool));
            }
        }
    }
}
