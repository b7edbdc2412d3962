//! Imports texts.

use std::collections::{BTreeMap, BTreeSet};

use super::report::report;
use super::{ReconcileError, Run};
use crate::domain::address::{is_e164, without_channel};
use crate::domain::inbound::is_late;
use crate::domain::media_type::MMS_LAYOUT;
use crate::domain::reconciliation::{Arrivals, is_on_its_way};
use crate::domain::{AccountId, AgencyId};
use crate::ports::twilio_rest::ReceivedText;
use crate::service::inbound::{InboundMedia, InboundOutcome, InboundText, receive, text_of};
use crate::store::inbound::{holders, stored};

/// The number of texts that are looked up at once.
const LOOKUP_SIZE: usize = 64;

/// Imports the texts that are missing, oldest first. Returns what was imported.
pub(super) async fn import(run: &Run<'_>) -> Result<Arrivals, ReconcileError> {
    let services = run.services;
    let received = run.observed(services.sending.twilio.texts_since(run.credentials, run.since).await).await?;
    let mut total = Arrivals::default();
    for part in received.chunks(LOOKUP_SIZE) {
        run.lease.renew(services).await?;
        let mut arrivals = BTreeMap::new();
        let result = import_part(run, part, &mut arrivals).await;
        // What was imported is reported even if the rest fails.
        for (agency, arrivals) in arrivals {
            report(services, agency, arrivals).await?;
            total.add(arrivals);
        }
        result?;
    }
    Ok(total)
}

async fn import_part(
    run: &Run<'_>,
    part: &[ReceivedText],
    arrivals: &mut BTreeMap<AgencyId, Arrivals>,
) -> Result<(), ReconcileError> {
    let services = run.services;
    for text in missing(run, part).await? {
        if !run.includes_newest && is_on_its_way(text.arrived_at, services.clock.now()) {
            continue;
        }
        let Some(inbound) = inbound_text(run, text).await? else { continue };
        if let InboundOutcome::Stored(agency, _) = receive(services, inbound).await? {
            arrivals.entry(agency).or_default().add_text(text.arrived_at);
        }
    }
    Ok(())
}

/// The texts that are not stored, among those to numbers that an agency has or had. The account may have numbers that are
/// used by other software.
async fn missing<'a>(run: &Run<'_>, part: &'a [ReceivedText]) -> Result<Vec<&'a ReceivedText>, ReconcileError> {
    let (conn, accounts) = (run.services.reader(), BTreeSet::from([run.account.id]));
    let numbers: BTreeSet<&str> = part.iter().map(number).filter(|number| is_e164(number)).collect();
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let holders = holders(conn, accounts.clone(), numbers).await?;
    let ours: BTreeSet<&str> = holders.iter().map(|((_, e164), ..)| e164.as_str()).collect();
    let agencies = holders.iter().map(|(_, agency, _)| *agency).collect();
    let sids = part.iter().map(|text| text.sid.as_str()).collect();
    let stored = stored(conn, &agencies, &accounts, &sids, true).await?;
    let is_stored = |text: &ReceivedText| stored.contains(&(run.account.id, text.sid.clone()));
    Ok(part.iter().filter(|text| ours.contains(number(text)) && !is_stored(text)).collect())
}

fn number(text: &ReceivedText) -> &str {
    without_channel(&text.to)
}

/// A listed text as its webhook would have delivered it; `None` if it is not a text.
async fn inbound_text(run: &Run<'_>, text: &ReceivedText) -> Result<Option<InboundText>, ReconcileError> {
    let Some(inbound) = text_with_date(run.account.id, &run.account.sid, text) else { return Ok(None) };
    let inbound = InboundText { is_late: is_late(text.arrived_at, run.services.clock.now()), ..inbound };
    if !text.has_media {
        return Ok(Some(inbound));
    }
    let files = run.observed(run.services.sending.twilio.files_of(run.credentials, &text.sid).await).await?;
    let media = files
        .into_iter()
        .filter(|file| file.content_type != MMS_LAYOUT)
        .map(|file| InboundMedia { url: file.url, content_type: file.content_type });
    Ok(Some(InboundText { media: media.collect(), ..inbound }))
}

/// A listed text without its files.
pub(in crate::service) fn text_with_date(
    account: AccountId,
    account_sid: &str,
    text: &ReceivedText,
) -> Option<InboundText> {
    let form = [
        ("MessageSid", text.sid.as_str()),
        ("AccountSid", account_sid),
        ("From", &text.from),
        ("To", &text.to),
        ("Body", &text.body),
    ];
    let form = form.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Some(InboundText { arrived_at: Some(text.arrived_at), ..text_of(account, form).ok()? })
}
