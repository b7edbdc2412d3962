//! Notifications of admins about texts in quarantine.
//!
//! A QUARANTINED notification stands for the text that it names and for all texts that go to the agency's quarantine
//! after it and before the next one. It is resolved when none of them is held.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;

use crate::domain::{AgencyId, NotificationKind, QuarantineId, UserId};
use crate::store::writer::{Notice, Tx};
use crate::store::{notifications, quarantine};

const KIND: NotificationKind = NotificationKind::Quarantined;
/// The time for which an open notification also stands for the texts that follow, so that a flood of texts does not
/// notify of each.
const ALERT_INTERVAL: TimeDelta = TimeDelta::hours(1);

/// The admins to notify if a text goes to the quarantine of one of these agencies. Agencies that are not locked, and
/// those with a recent open notification, are absent.
pub(super) async fn admins_to_notify(
    tx: &mut Tx<'_>,
    agencies: BTreeSet<AgencyId>,
) -> Result<HashMap<AgencyId, Vec<UserId>>, DbErr> {
    let locked: Vec<AgencyId> = agencies.into_iter().filter(|agency| tx.is_locked(*agency)).collect();
    let mut admins = HashMap::new();
    if locked.is_empty() {
        return Ok(admins);
    }
    let notified =
        notifications::agencies_with_open(tx.conn, locked.iter().copied(), KIND, tx.now - ALERT_INTERVAL).await?;
    for agency in locked.into_iter().filter(|agency| !notified.contains(agency)) {
        let users: Vec<UserId> = tx.directory(agency).await?.admins().map(|user| user.id).collect();
        if !users.is_empty() {
            admins.insert(agency, users);
        }
    }
    Ok(admins)
}

/// Notifies these admins that a text went to quarantine.
pub(super) fn notice(admins: Vec<UserId>, text: QuarantineId) -> Notice {
    let node = Some(text.to_string());
    Notice { kind: KIND, users: admins, thread: None, message: None, call: None, node, rung: None }
}

/// Resolves the notification that stands for a text of this agency, received at this time, unless it also stands for a
/// text that is still held.
pub(super) async fn resolve_if_settled(
    tx: &mut Tx<'_>,
    agency: AgencyId,
    received_at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let around = notifications::open_around(tx.conn, agency, KIND, received_at).await?;
    let Some((notified_at, next)) = around else { return Ok(()) };
    if quarantine::is_any_held(tx.conn, agency, notified_at, next).await? {
        return Ok(());
    }
    notifications::resolve_created_at(tx.conn, agency, KIND, notified_at, tx.now).await?;
    tx.agency_updated(agency, Vec::new())
}
