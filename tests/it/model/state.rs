//! A model of the product in plain maps: assignees, notifications, and unread counts.
//!
//! It follows `docs` and the API contract, not the implementation, and shares no function with the server.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

/// Indexes into the lists of [`super`].
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
pub(super) struct Notification {
    pub(super) user: User,
    pub(super) thread: Pair,
    pub(super) kind: Kind,
    pub(super) read: bool,
    pub(super) resolved: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Membership {
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
    /// Users whom a routing rung below the pool has notified of a text of this thread.
    notified_by_fallback: BTreeSet<User>,
    seen: BTreeMap<User, i32>,
}

/// The reason for a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefusalKind {
    NotFound,
    AlreadyClaimed(User),
    NotAssignee,
    Conflict,
    Forbidden,
}

pub(super) type ActionResult = Result<(), RefusalKind>;

/// The state of one agency.
#[derive(Debug)]
pub(super) struct State {
    pub(super) now: DateTime<Utc>,
    /// By user. User 0 is the admin.
    pub(super) away: Vec<bool>,
    /// By number, in the order in which the members joined.
    pub(super) pools: Vec<Vec<Membership>>,
    pub(super) providers: Vec<Option<User>>,
    pub(super) threads: BTreeMap<Pair, Thread>,
    pub(super) notifications: Vec<Notification>,
    pub(super) sids: BTreeSet<String>,
    /// The number of events, except those of contacts: their number depends on the order of simultaneous texts.
    pub(super) events: usize,
}

const ADMIN: User = 0;
const WEEK: TimeDelta = TimeDelta::days(7);
const ESCALATION_DELAY: TimeDelta = TimeDelta::minutes(5);

impl State {
    /// The eligible users: primary first, then the oldest assignment first.
    fn pool(&self, number: Number) -> Vec<User> {
        let (first, rest): (Vec<_>, Vec<_>) =
            self.pools[number].iter().filter(|place| place.sms).partition(|place| place.primary);
        first.into_iter().chain(rest).map(|place| place.user).collect()
    }

    /// The routing rung below the extension, and its users.
    fn route(&self, (number, contact): Pair) -> (Rung, Vec<User>) {
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
            || (thread.status != Status::Closed && thread.notified_by_fallback.contains(&user))
    }

    /// The threads that a user sees, with the user's unread counts.
    pub(super) fn inbox(&self, user: User) -> BTreeMap<Pair, i32> {
        let seen = self.threads.iter().filter(|(pair, _)| self.sees(user, **pair));
        seen.map(|(pair, thread)| (*pair, thread.inbound - thread.seen.get(&user).copied().unwrap_or(0))).collect()
    }

    fn notify(&mut self, users: impl IntoIterator<Item = User>, thread: Pair, kind: Kind) {
        let note = |user| Notification { user, thread, kind, read: false, resolved: false };
        self.notifications.extend(users.into_iter().map(note));
    }

    /// Receives a text. Returns false for a duplicate.
    pub(super) fn text(&mut self, sid: &str, pair: Pair, extension: Option<User>) -> bool {
        if !self.sids.insert(sid.to_owned()) {
            return false;
        }
        let new_thread = Thread {
            status: Status::Unclaimed,
            assignee: None,
            last_assignee: None,
            closed_at: None,
            extension: None,
            escalate_at: None,
            inbound: 0,
            history: 0,
            notified_by_fallback: BTreeSet::new(),
            seen: BTreeMap::new(),
        };
        let mut thread = self.threads.get(&pair).cloned().unwrap_or(new_thread);
        thread.inbound += 1;
        thread.extension = extension.or(thread.extension);
        if thread.status == Status::Closed {
            self.reopen_closed(&mut thread, pair);
            self.events += 1;
        }
        let pool = self.pool(pair.0);
        let (rung, users) = match (thread.assignee, thread.extension) {
            (Some(assignee), extension) => {
                let mut users = vec![assignee];
                let additional = extension.into_iter().chain(if self.away[assignee] { pool } else { Vec::new() });
                for user in additional {
                    if !users.contains(&user) {
                        users.push(user);
                    }
                }
                thread.escalate_at = None;
                (Rung::Assignee, users)
            }
            (None, Some(user)) => {
                if !pool.is_empty() {
                    thread.escalate_at = thread.escalate_at.or(Some(self.now + ESCALATION_DELAY));
                }
                (Rung::Extension, vec![user])
            }
            (None, None) => self.route(pair),
        };
        if !matches!(rung, Rung::Pool | Rung::Assignee) {
            thread.notified_by_fallback.extend(&users);
        }
        self.threads.insert(pair, thread);
        self.notify(users, pair, Kind::Inbound(rung));
        self.events += 1;
        true
    }

    /// Reopens a closed thread. It goes to the last assignee if that user is eligible and available, within a week.
    fn reopen_closed(&self, thread: &mut Thread, pair: Pair) {
        let recent = thread.closed_at.is_some_and(|at| self.now - at < WEEK);
        let back = thread.last_assignee.filter(|user| recent && self.pool(pair.0).contains(user) && !self.away[*user]);
        thread.status = if back.is_some() { Status::Claimed } else { Status::Unclaimed };
        thread.assignee = back;
        thread.closed_at = None;
        thread.history += 1;
    }

    /// Resolves the alerts of all users but the assignee.
    fn resolve_alerts(&mut self, pair: Pair, holder: User) {
        for note in self.notifications.iter_mut().filter(|note| note.thread == pair && note.user != holder) {
            note.resolved |= matches!(note.kind, Kind::Inbound(_));
        }
    }

    /// The thread if this user may see it.
    fn visible_thread(&self, user: User, pair: Pair) -> Result<Thread, RefusalKind> {
        if self.sees(user, pair) { Ok(self.threads[&pair].clone()) } else { Err(RefusalKind::NotFound) }
    }

    fn check_may_reassign(user: User, thread: &Thread) -> ActionResult {
        if user == ADMIN || thread.assignee == Some(user) { Ok(()) } else { Err(RefusalKind::NotAssignee) }
    }

    fn record_change(&mut self, pair: Pair, mut thread: Thread) {
        thread.history += 1;
        if thread.status != Status::Unclaimed {
            thread.escalate_at = None;
        }
        if let Some(holder) = thread.assignee {
            self.resolve_alerts(pair, holder);
        }
        self.threads.insert(pair, thread);
        self.events += 1;
    }

    fn assign(&mut self, pair: Pair, mut thread: Thread, to: User) {
        thread.status = Status::Claimed;
        thread.assignee = Some(to);
        thread.closed_at = None;
        self.record_change(pair, thread);
    }

    fn unassign(&mut self, pair: Pair, mut thread: Thread, except: User) {
        thread.status = Status::Unclaimed;
        thread.assignee = None;
        self.record_change(pair, thread);
        self.notify_unclaimed(pair, except);
    }

    /// Notifies users of an unclaimed thread. Users of a rung below the pool see it from then on.
    fn notify_unclaimed(&mut self, pair: Pair, except: User) {
        let (rung, users) = self.route(pair);
        let users: Vec<_> = users.into_iter().filter(|user| *user != except).collect();
        if rung != Rung::Pool {
            let thread = self.threads.get_mut(&pair).expect("an unclaimed thread is in the model");
            thread.notified_by_fallback.extend(&users);
        }
        self.notify(users, pair, Kind::Unclaimed);
    }

    pub(super) fn claim(&mut self, user: User, pair: Pair) -> ActionResult {
        let thread = self.visible_thread(user, pair)?;
        match thread.assignee {
            Some(by) if by == user => {}
            Some(by) => return Err(RefusalKind::AlreadyClaimed(by)),
            None => self.assign(pair, thread, user),
        }
        Ok(())
    }

    pub(super) fn release(&mut self, user: User, pair: Pair) -> ActionResult {
        let thread = self.visible_thread(user, pair)?;
        match thread.status {
            Status::Unclaimed => Ok(()),
            Status::Closed => Err(RefusalKind::Conflict),
            Status::Claimed => {
                Self::check_may_reassign(user, &thread)?;
                self.unassign(pair, thread, user);
                Ok(())
            }
        }
    }

    pub(super) fn transfer(&mut self, user: User, pair: Pair, to: User) -> ActionResult {
        let thread = self.visible_thread(user, pair)?;
        let former = thread.assignee;
        if former == Some(to) {
            return Ok(());
        }
        if user != to && thread.status != Status::Unclaimed {
            Self::check_may_reassign(user, &thread)?;
        }
        self.assign(pair, thread, to);
        self.notify(Some(to).filter(|to| *to != user), pair, Kind::Assigned);
        self.notify(former.filter(|former| *former != user), pair, Kind::TakenOver);
        Ok(())
    }

    pub(super) fn close(&mut self, user: User, pair: Pair) -> ActionResult {
        let mut thread = self.visible_thread(user, pair)?;
        if thread.status != Status::Closed {
            Self::check_may_reassign(user, &thread)?;
            thread.status = Status::Closed;
            thread.last_assignee = thread.assignee.or(thread.last_assignee);
            thread.assignee = None;
            thread.closed_at = Some(self.now);
            self.record_change(pair, thread);
        }
        Ok(())
    }

    pub(super) fn reopen(&mut self, user: User, pair: Pair) -> ActionResult {
        let mut thread = self.visible_thread(user, pair)?;
        if thread.status == Status::Closed {
            self.reopen_closed(&mut thread, pair);
            thread.history -= 1; // counted by `record_change`
            let back = thread.assignee;
            self.record_change(pair, thread);
            match back {
                Some(back) => self.notify(Some(back).filter(|back| *back != user), pair, Kind::Assigned),
                None => self.notify_unclaimed(pair, user),
            }
        }
        Ok(())
    }

    pub(super) fn mark_read(&mut self, user: User, pair: Pair) -> ActionResult {
        let mut thread = self.visible_thread(user, pair)?;
        thread.seen.insert(user, thread.inbound);
        self.threads.insert(pair, thread);
        for note in self.notifications.iter_mut().filter(|note| note.thread == pair && note.user == user) {
            note.read = true;
        }
        self.events += 1;
        Ok(())
    }

    pub(super) fn set_away(&mut self, user: User, away: bool) {
        self.events += usize::from(self.away[user] != away);
        self.away[user] = away;
    }

    fn place(&mut self, actor: User, number: Number, user: User) -> Result<Option<&mut Membership>, RefusalKind> {
        if actor != ADMIN {
            return Err(RefusalKind::Forbidden);
        }
        Ok(self.pools[number].iter_mut().find(|place| place.user == user))
    }

    pub(super) fn add_member(&mut self, actor: User, number: Number, new: Membership) -> ActionResult {
        if self.place(actor, number, new.user)?.is_some() {
            return Err(RefusalKind::Conflict);
        }
        self.unset_primary(number, new.primary);
        self.pools[number].push(new);
        self.events += 1;
        Ok(())
    }

    pub(super) fn update_member(&mut self, actor: User, number: Number, after: &Membership) -> ActionResult {
        let place = self.place(actor, number, after.user)?.ok_or(RefusalKind::NotFound)?;
        let before = place.clone();
        if (before.sms, before.primary) == (after.sms, after.primary) {
            return Ok(());
        }
        self.unset_primary(number, after.primary);
        let place = self.place(actor, number, after.user)?.ok_or(RefusalKind::NotFound)?;
        *place = after.clone();
        self.events += 1;
        if before.sms && !after.sms {
            self.unassign_all(number, after.user);
        }
        Ok(())
    }

    pub(super) fn remove_member(&mut self, actor: User, number: Number, user: User) -> ActionResult {
        let was_eligible = self.place(actor, number, user)?.ok_or(RefusalKind::NotFound)?.sms;
        self.pools[number].retain(|place| place.user != user);
        self.events += 1;
        if was_eligible {
            self.unassign_all(number, user);
        }
        Ok(())
    }

    fn unset_primary(&mut self, number: Number, for_another: bool) {
        for place in &mut self.pools[number] {
            place.primary &= !for_another;
        }
    }

    /// A user is no longer eligible: the threads that they held at this number become unclaimed.
    fn unassign_all(&mut self, number: Number, user: User) {
        let held_by_user =
            |(pair, thread): (&Pair, &Thread)| (pair.0 == number && thread.assignee == Some(user)).then_some(*pair);
        for pair in self.threads.iter().filter_map(held_by_user).collect::<Vec<_>>() {
            let thread = self.threads[&pair].clone();
            self.unassign(pair, thread, user);
        }
    }

    /// Alerts the pool of threads that have waited too long for the user of an extension.
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
                let users = pool.into_iter().filter(|user| Some(*user) != extension);
                self.notify(users.collect::<Vec<_>>(), pair, Kind::Inbound(Rung::Pool));
            }
        }
    }
}
