//! Reports to the admins that texts and calls arrived late.

use std::convert::Infallible;

use crate::domain::reconciliation::{Arrivals, REPORT_WINDOW};
use crate::domain::{AgencyId, LateArrivalId, NotificationKind};
use crate::entity::late_arrival;
use crate::service::{Fault, Services};
use crate::store::bulk::insert;
use crate::store::directory_writes::save;
use crate::store::reconciliation as store;
use crate::store::writer::{Notice, Tx, Unit, UnitError};

/// Notifies the admins of an agency. Arrivals soon after others are added to their notification.
pub(super) async fn report(services: &Services, agency: AgencyId, arrivals: Arrivals) -> Result<(), Fault> {
    if arrivals.is_empty() {
        return Ok(());
    }
    tracing::warn!(
        %agency, texts = arrivals.texts, calls = arrivals.calls, voicemails = arrivals.voicemails,
        "imported texts and calls whose webhooks failed"
    );
    Ok(services.writer.run(agency, Report { agency, arrivals }).await?)
}

struct Report {
    agency: AgencyId,
    arrivals: Arrivals,
}

impl Unit for Report {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let (agency, Arrivals { texts, calls, voicemails, span }) = (self.agency, self.arrivals);
        let Some((first, last)) = span else { return Ok(()) };
        let newest = store::newest_late_arrival(tx.conn, agency).await?;
        if let Some(open) = newest.filter(|row| tx.now - row.created_at < REPORT_WINDOW) {
            let row = late_arrival::Model {
                texts: open.texts + texts,
                calls: open.calls + calls,
                voicemails: open.voicemails + voicemails,
                first_at: open.first_at.min(first),
                last_at: open.last_at.max(last),
                ..open
            };
            save(tx.conn, row).await?;
            return Ok(tx.agency_updated(agency, Vec::new())?);
        }
        let id = LateArrivalId(tx.new_id());
        let row = late_arrival::Model {
            agency_id: agency,
            id,
            texts,
            calls,
            voicemails,
            first_at: first,
            last_at: last,
            created_at: tx.now,
        };
        insert(tx.conn, vec![row]).await?;
        let notice = Notice {
            kind: NotificationKind::ArrivedLate,
            users: tx.directory(agency).await?.admins().map(|user| user.id).collect(),
            thread: None,
            message: None,
            call: None,
            node: Some(id.to_string()),
            rung: None,
        };
        Ok(tx.agency_updated(agency, vec![notice])?)
    }
}
