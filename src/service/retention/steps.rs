//! The steps of a run, in this order: what refers to something is deleted before it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::batch::{PurgedKind, Run};
use super::deletions::{
    DeleteActivities, DeleteCalls, DeleteEvents, DeleteLateArrivals, DeleteMessages, DeleteNotifications,
    DeleteQuarantined,
};
use super::files::{delete_media, delete_recordings};
use super::{Cutoffs, MAX_BATCHES_OF_KIND, Table};
use crate::domain::AgencyId;
use crate::domain::retention::{READ_NOTIFICATIONS_DAYS, UNASSIGNED_QUARANTINE_DAYS, cutoff};
use crate::service::Fault;
use crate::store::retention::{self, OldRows};

pub(super) async fn purge_agency(run: &mut Run<'_>, cutoffs: &Cutoffs) -> Result<(), Fault> {
    let agency = cutoffs.agency;
    purge_events(run, cutoffs).await?;
    purge_read_notifications(run, agency).await?;
    if let Some(before) = cutoffs.recordings {
        purge_recordings(run, cutoffs, before).await?;
    }
    if let Some(before) = cutoffs.media {
        purge_media(run, cutoffs, before).await?;
    }
    if let Some(before) = cutoffs.messages {
        purge_late_arrivals(run, agency, before).await?;
        purge_notifications(run, agency, before).await?;
        purge_calls(run, cutoffs, before).await?;
        purge_messages(run, cutoffs, before).await?;
        purge_activities(run, agency, before).await?;
        purge_quarantine(run, Some(agency), before).await?;
    }
    Ok(())
}

/// Settled quarantined texts that are shown to no agency.
pub(super) async fn purge_unassigned_quarantine(run: &mut Run<'_>, now: DateTime<Utc>) -> Result<(), Fault> {
    purge_quarantine(run, None, cutoff(now, UNASSIGNED_QUARANTINE_DAYS)).await
}

/// The next rows of a table.
fn next(run: &Run<'_>, agency: AgencyId, table: Table, before: DateTime<Utc>) -> OldRows {
    OldRows { agency, after: run.services.retention.cursor(agency, table), before, limit: run.size() }
}

fn advance(run: &Run<'_>, agency: AgencyId, table: Table, last: Uuid) {
    run.services.retention.advance(agency, table, last);
}

async fn purge_events(run: &mut Run<'_>, cutoffs: &Cutoffs) -> Result<(), Fault> {
    let Cutoffs { agency, events: before, .. } = *cutoffs;
    for _ in 0..MAX_BATCHES_OF_KIND {
        if run.is_used_up() || !retention::has_old_events(run.services.reader(), agency, before).await? {
            break;
        }
        let limit = run.size();
        run.delete(Some(agency), PurgedKind::Events, DeleteEvents { agency, before, limit }).await?;
    }
    Ok(())
}

async fn purge_read_notifications(run: &mut Run<'_>, agency: AgencyId) -> Result<(), Fault> {
    let Some(directory) = run.services.directories.get(agency).await? else { return Ok(()) };
    let before = cutoff(run.services.clock.now(), READ_NOTIFICATIONS_DAYS);
    let mut batches_left = MAX_BATCHES_OF_KIND;
    for user in directory.users.iter().map(|user| user.id) {
        let table = Table::ReadNotifications(user);
        while batches_left > 0 {
            let rows = next(run, agency, table, before);
            let ids = retention::read_notifications(run.services.reader(), &rows, user).await?;
            let Some(last) = ids.last().filter(|_| !run.is_used_up()).copied() else { break };
            run.delete(Some(agency), PurgedKind::Notifications, DeleteNotifications { agency, ids }).await?;
            advance(run, agency, table, last.0);
            batches_left -= 1;
        }
    }
    Ok(())
}

async fn purge_recordings(run: &mut Run<'_>, cutoffs: &Cutoffs, before: DateTime<Utc>) -> Result<(), Fault> {
    let Cutoffs { agency, at_carrier, .. } = *cutoffs;
    for _ in 0..MAX_BATCHES_OF_KIND {
        let rows = next(run, agency, Table::Voicemails, before);
        let ids = retention::voicemails(run.services.reader(), &rows).await?;
        let Some(last) = ids.last().filter(|_| !run.is_used_up()).copied() else { break };
        delete_recordings(run, agency, ids, at_carrier).await?;
        advance(run, agency, Table::Voicemails, last.0);
    }
    Ok(())
}

async fn purge_media(run: &mut Run<'_>, cutoffs: &Cutoffs, before: DateTime<Utc>) -> Result<(), Fault> {
    let Cutoffs { agency, at_carrier, .. } = *cutoffs;
    for _ in 0..MAX_BATCHES_OF_KIND {
        let rows = next(run, agency, Table::Media, before);
        let ids = retention::media(run.services.reader(), &rows).await?;
        let Some(last) = ids.last().filter(|_| !run.is_used_up()).copied() else { break };
        delete_media(run, agency, ids, at_carrier).await?;
        advance(run, agency, Table::Media, last.0);
    }
    Ok(())
}

async fn purge_late_arrivals(run: &mut Run<'_>, agency: AgencyId, before: DateTime<Utc>) -> Result<(), Fault> {
    for _ in 0..MAX_BATCHES_OF_KIND {
        let rows = OldRows { agency, after: Uuid::nil(), before, limit: run.size() };
        let reports = retention::late_arrivals(run.services.reader(), &rows).await?;
        if reports.is_empty() || run.is_used_up() {
            break;
        }
        let notifications = retention::notifications_of_late_arrivals(run.services.reader(), &reports).await?;
        let ids = reports.iter().map(|row| row.id).collect();
        let deletion = DeleteLateArrivals { agency, ids, notifications };
        run.delete(Some(agency), PurgedKind::LateArrivals, deletion).await?;
    }
    Ok(())
}

async fn purge_notifications(run: &mut Run<'_>, agency: AgencyId, before: DateTime<Utc>) -> Result<(), Fault> {
    for _ in 0..MAX_BATCHES_OF_KIND {
        let rows = next(run, agency, Table::Notifications, before);
        let ids = retention::notifications(run.services.reader(), &rows).await?;
        let Some(last) = ids.last().filter(|_| !run.is_used_up()).copied() else { break };
        run.delete(Some(agency), PurgedKind::Notifications, DeleteNotifications { agency, ids }).await?;
        advance(run, agency, Table::Notifications, last.0);
    }
    Ok(())
}

async fn purge_calls(run: &mut Run<'_>, cutoffs: &Cutoffs, before: DateTime<Utc>) -> Result<(), Fault> {
    let Cutoffs { agency, at_carrier, .. } = *cutoffs;
    for _ in 0..MAX_BATCHES_OF_KIND {
        let ids = retention::calls(run.services.reader(), &next(run, agency, Table::Calls, before)).await?;
        let Some(last) = ids.last().filter(|_| !run.is_used_up()).copied() else { break };
        let recordings = retention::voicemails_with_files(run.services.reader(), agency, &ids).await?;
        delete_recordings(run, agency, recordings, at_carrier).await?;
        let deletion = DeleteCalls { agency, ids, before: Some(before), at_carrier };
        run.delete(Some(agency), PurgedKind::Calls, deletion).await?;
        advance(run, agency, Table::Calls, last.0);
    }
    Ok(())
}

async fn purge_messages(run: &mut Run<'_>, cutoffs: &Cutoffs, before: DateTime<Utc>) -> Result<(), Fault> {
    let Cutoffs { agency, at_carrier, .. } = *cutoffs;
    for _ in 0..MAX_BATCHES_OF_KIND {
        let ids = retention::messages(run.services.reader(), &next(run, agency, Table::Messages, before)).await?;
        let Some(last) = ids.last().filter(|_| !run.is_used_up()).copied() else { break };
        let media = retention::media_with_files(run.services.reader(), agency, &ids).await?;
        delete_media(run, agency, media, at_carrier).await?;
        let deletion = DeleteMessages { agency, ids, before: Some(before), at_carrier };
        run.delete(Some(agency), PurgedKind::Messages, deletion).await?;
        advance(run, agency, Table::Messages, last.0);
    }
    Ok(())
}

async fn purge_activities(run: &mut Run<'_>, agency: AgencyId, before: DateTime<Utc>) -> Result<(), Fault> {
    for _ in 0..MAX_BATCHES_OF_KIND {
        let ids = retention::activities(run.services.reader(), &next(run, agency, Table::Activities, before)).await?;
        let Some(last) = ids.last().filter(|_| !run.is_used_up()).copied() else { break };
        run.delete(Some(agency), PurgedKind::Activities, DeleteActivities { agency, ids }).await?;
        advance(run, agency, Table::Activities, last.0);
    }
    Ok(())
}

async fn purge_quarantine(run: &mut Run<'_>, agency: Option<AgencyId>, before: DateTime<Utc>) -> Result<(), Fault> {
    for _ in 0..MAX_BATCHES_OF_KIND {
        let ids = retention::settled_quarantine(run.services.reader(), agency, before, run.size()).await?;
        if ids.is_empty() || run.is_used_up() {
            break;
        }
        let deletion = DeleteQuarantined { ids, at_carrier: Vec::new() };
        run.delete(agency, PurgedKind::Quarantine, deletion).await?;
    }
    Ok(())
}
