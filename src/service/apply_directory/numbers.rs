//! Applies the phone numbers of a directory file with their pools, and the extensions.

use std::sync::Arc;

use crate::store::writer::UnitError;

use super::Context;
use super::file::{ExtensionEntry, MemberEntry, NumberEntry};
use crate::domain::pace::Pace;
use crate::domain::{AssignmentId, ExtensionId, LegCallerId, PhoneNumberId, PoolId, PoolPolicy, RingStrategy};
use crate::entity::{assignment, extension, phone_number, pool};
use crate::service::thread_action::unassign_held;
use crate::store::directory::AGENCY_WIDE;
use crate::store::directory_writes::{add, save, unset_primary};
use crate::store::{Directory, accounts};

pub(super) async fn apply(
    context: &mut Context<'_, '_>,
    entries: &[NumberEntry],
    directory: &Directory,
) -> Result<(), UnitError> {
    for (at, entry) in entries.iter().enumerate() {
        let path = format!("phoneNumbers[{at}]");
        let Some(number) = apply_number(context, entry, &path, directory).await? else { continue };
        apply_pool(context, entry, number, directory).await?;
        for (at, member) in entry.pool.iter().enumerate() {
            apply_member(context, member, number, &format!("{path}.pool[{at}]"), directory).await?;
        }
    }
    Ok(())
}

async fn apply_number(
    context: &mut Context<'_, '_>,
    entry: &NumberEntry,
    path: &str,
    directory: &Directory,
) -> Result<Option<PhoneNumberId>, UnitError> {
    let Some(account) = context.account else {
        context.add_problem(path, "a phone number requires the agency's twilio account");
        return Ok(None);
    };
    let same = |row: &&Arc<phone_number::Model>| row.e164 == entry.number && row.twilio_account_id == account;
    let before = directory.numbers.iter().find(same);
    let was_live = before.map_or(entry.active != Some(false), |row| row.live.is_some());
    let live = entry.active.unwrap_or(was_live).then_some(true);
    if live.is_some()
        && let Some(holder) = accounts::agency_of_live_number(context.tx.conn, account, &entry.number).await?
        && holder != context.agency
    {
        context.add_problem(path, "this number is active in another agency of the account");
        return Ok(None);
    }
    let default_pace = Pace::of_number(&entry.number);
    let row = phone_number::Model {
        agency_id: context.agency,
        id: before.map_or_else(|| PhoneNumberId(context.tx.new_id()), |row| row.id),
        twilio_account_id: account,
        e164: entry.number.clone(),
        label: entry.label.clone().unwrap_or_else(|| before.map_or(&entry.number, |row| &row.label).clone()),
        texts_per_second: entry
            .pace
            .and_then(|pace| pace.per_second)
            .or(before.map(|row| row.texts_per_second))
            .unwrap_or(default_pace.per_second),
        texts_burst: entry
            .pace
            .and_then(|pace| pace.burst)
            .or(before.map(|row| row.texts_burst))
            .unwrap_or(default_pace.burst),
        live,
        created_at: before.map_or(context.tx.now, |row| row.created_at),
        updated_at: before.map_or(context.tx.now, |row| row.updated_at),
    };
    let id = row.id;
    context.numbers.insert(row.e164.clone(), id);
    match before {
        None => add(context.tx.conn, row).await?,
        Some(before) if **before == row => return Ok(Some(id)),
        Some(_) => save(context.tx.conn, phone_number::Model { updated_at: context.tx.now, ..row }).await?,
    }
    context.record_change(&id.to_string(), before.is_none())?;
    Ok(Some(id))
}

async fn apply_pool(
    context: &mut Context<'_, '_>,
    entry: &NumberEntry,
    number: PhoneNumberId,
    directory: &Directory,
) -> Result<(), UnitError> {
    let id = PoolId::from(number);
    let before = directory.pool(id).cloned();
    let base = before.clone().unwrap_or(pool::Model {
        agency_id: context.agency,
        id,
        policy: PoolPolicy::FirstClaim,
        reopen_within_days: 7,
        ring_strategy: RingStrategy::Simultaneous,
        ring_seconds: 20,
        leg_caller_id: LegCallerId::Caller,
        hours: None,
        holidays: None,
        greeting: None,
        voicemail_greeting: None,
        missed_call_text: None,
        updated_at: context.tx.now,
    });
    let holidays = entry.holidays(&base.schedule().holidays);
    let row = pool::Model {
        policy: entry.policy.unwrap_or(base.policy),
        ring_strategy: entry.ring_strategy.unwrap_or(base.ring_strategy),
        ring_seconds: entry.ring_seconds.unwrap_or(base.ring_seconds),
        leg_caller_id: entry.leg_caller_id.unwrap_or(base.leg_caller_id),
        hours: entry.hours_json().or_else(|| base.hours.clone()),
        holidays: holidays.and_then(|days| serde_json::to_string(&days).ok()).or_else(|| base.holidays.clone()),
        greeting: entry.greeting.clone().or_else(|| base.greeting.clone()),
        voicemail_greeting: entry.voicemail_greeting.clone().or_else(|| base.voicemail_greeting.clone()),
        missed_call_text: entry.missed_call_text.clone().or_else(|| base.missed_call_text.clone()),
        ..base
    };
    match before {
        None => {
            add(context.tx.conn, row).await?;
            Ok(context.record_change(&id.to_string(), true)?)
        }
        Some(before) if before == row => Ok(()),
        Some(_) => {
            save(context.tx.conn, pool::Model { updated_at: context.tx.now, ..row }).await?;
            Ok(context.record_change(&id.to_string(), false)?)
        }
    }
}

async fn apply_member(
    context: &mut Context<'_, '_>,
    entry: &MemberEntry,
    number: PhoneNumberId,
    path: &str,
    directory: &Directory,
) -> Result<(), UnitError> {
    let Some(user) = context.user(&entry.user, &format!("{path}.user")) else { return Ok(()) };
    let before = directory.pool_members(number).find(|row| row.user_id == user);
    let base = before.cloned().unwrap_or_else(|| assignment::Model {
        agency_id: context.agency,
        id: AssignmentId(context.tx.new_id()),
        phone_number_id: number,
        user_id: user,
        sms_enabled: true,
        voice_enabled: true,
        is_primary: false,
        live: Some(true),
        created_at: context.tx.now,
        updated_at: context.tx.now,
    });
    let row = assignment::Model {
        sms_enabled: entry.sms_enabled.unwrap_or(base.sms_enabled),
        voice_enabled: entry.voice_enabled.unwrap_or(base.voice_enabled),
        is_primary: entry.primary.unwrap_or(base.is_primary),
        ..base
    };
    if before.is_some_and(|before| *before == row) {
        return Ok(());
    }
    if row.is_primary && !before.is_some_and(|before| before.is_primary) {
        unset_primary(context.tx.conn, context.agency, number, context.tx.now).await?;
    }
    let (id, is_muted) = (row.id, before.is_some_and(|before| before.sms_enabled) && !row.sms_enabled);
    match before {
        None => add(context.tx.conn, row).await?,
        Some(_) => save(context.tx.conn, assignment::Model { updated_at: context.tx.now, ..row }).await?,
    }
    context.record_change(&id.to_string(), before.is_none())?;
    if is_muted {
        unassign_held(context.tx, context.agency, user, Some(number), None).await?;
    }
    Ok(())
}

pub(super) async fn apply_extensions(
    context: &mut Context<'_, '_>,
    entries: &[ExtensionEntry],
    directory: &Directory,
) -> Result<(), UnitError> {
    for (at, entry) in entries.iter().enumerate() {
        let path = format!("extensions[{at}]");
        let user = context.user(&entry.user, &format!("{path}.user"));
        let scope = match &entry.number {
            None => Some(AGENCY_WIDE),
            Some(number) => context.numbers.get(number).copied(),
        };
        let Some(scope) = scope else {
            context.add_problem(&format!("{path}.number"), "the agency does not have this number");
            continue;
        };
        let Some(user) = user else { continue };
        let same =
            |row: &&extension::Model| row.live.is_some() && row.digits == entry.digits && row.phone_number_id == scope;
        let (id, is_new) = match directory.extensions.iter().find(same) {
            Some(row) if row.user_id == user => continue,
            Some(row) => {
                let row = extension::Model { user_id: user, updated_at: context.tx.now, ..row.clone() };
                let id = row.id;
                save(context.tx.conn, row).await?;
                (id, false)
            }
            None => {
                let row = extension::Model {
                    agency_id: context.agency,
                    id: ExtensionId(context.tx.new_id()),
                    digits: entry.digits.clone(),
                    user_id: user,
                    phone_number_id: scope,
                    live: Some(true),
                    created_at: context.tx.now,
                    updated_at: context.tx.now,
                };
                let id = row.id;
                add(context.tx.conn, row).await?;
                (id, true)
            }
        };
        context.record_change(&id.to_string(), is_new)?;
    }
    Ok(())
}
