use partyline::domain::reconciliation::Arrivals;
use partyline::domain::{CallStatus, NotificationKind};
use partyline::entity::{call, notification, voicemail};
use partyline::service::fetch_recordings::fetch_recordings;
use partyline::service::reconcile::reconcile;
use partyline_simulator::{CarriedCall, FinalStatus};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use super::{CARLA, MINUTE, ago, late_arrivals, reconcile_next};
use crate::support::TestApp;
use crate::support::carrier::carrier;
use crate::support::directory::DESK;

async fn calls(app: &TestApp) -> Vec<call::Model> {
    call::Entity::find().order_by_asc(call::Column::StartedAt).all(app.db()).await.unwrap()
}

#[tokio::test]
async fn calls_of_an_outage_are_imported_with_their_voicemails() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    reconcile(app.services()).await.unwrap();
    app.clock.advance(60 * MINUTE);
    let missed = CarriedCall::new(CARLA, DESK).started_at(ago(&app, 30)).ended(FinalStatus::NoAnswer, 12);
    let recorded = CarriedCall::new("+13035560002", DESK).started_at(ago(&app, 20)).with_voicemail(7).with_voicemail(3);
    let hidden = CarriedCall::new("anonymous", DESK).started_at(ago(&app, 19)).with_voicemail(5);
    let silent = CarriedCall::new(CARLA, DESK).started_at(ago(&app, 18)).with_voicemail(0);
    let elsewhere = CarriedCall::new(CARLA, "+13035550177").started_at(ago(&app, 17)).with_voicemail(4);
    carrier.carry_calls(&[missed, recorded, hidden, silent, elsewhere]).unwrap();
    let arrivals = reconcile(app.services()).await.unwrap();
    assert_eq!((arrivals.texts, arrivals.calls, arrivals.voicemails), (0, 2, 3));

    let rows = calls(&app).await;
    let seen: Vec<_> = rows.iter().map(|row| (row.started_at, row.status, row.recorded)).collect();
    let (no_answer, left) = (CallStatus::NoAnswer, CallStatus::Voicemail);
    let expected = [(30, no_answer, false), (20, left, true), (19, left, true), (18, no_answer, false)];
    assert_eq!(seen, expected.map(|(minutes, status, recorded)| (ago(&app, minutes), status, recorded)));
    assert!(rows[0].thread_id.is_some() && rows[2].thread_id.is_none(), "only a hidden caller has no thread");
    for (row, kind, users) in [
        (&rows[0], NotificationKind::MissedCall, 2),
        (&rows[1], NotificationKind::Voicemail, 2),
        (&rows[2], NotificationKind::Voicemail, 2),
    ] {
        let of_call = notification::Entity::find().filter(notification::Column::CallId.eq(row.id));
        let of_call = of_call.all(app.db()).await.unwrap();
        assert!(of_call.len() == users && of_call.iter().all(|row| row.kind == kind), "{of_call:?}");
    }
    fetch_recordings(app.services()).await.unwrap();
    let voicemails = voicemail::Entity::find().all(app.db()).await.unwrap();
    assert!(voicemails.len() == 3 && voicemails.iter().all(|row| row.digest.is_some()), "{voicemails:?}");
    assert_eq!(late_arrivals(&app).await[0].voicemails, 3);
    app.assert_logs_are_gapless().await;
    assert_eq!(reconcile_next(&app).await, Arrivals::default());
    assert_eq!(calls(&app).await.len(), 4);
}

#[tokio::test]
async fn only_a_recent_missed_call_is_answered_by_a_text() {
    for (minutes, expected) in [(5, 1), (12, 0)] {
        let carrier = carrier();
        let app = TestApp::start_with_carrier(&carrier).await;
        app.apply(
            "agencies: [{key: acme, phoneNumbers: [{number: \"+13035550100\", missedCallText: We missed you.}]}]",
        )
        .await;
        reconcile(app.services()).await.unwrap();
        app.clock.advance(30 * MINUTE);
        let call = CarriedCall::new(CARLA, DESK).started_at(ago(&app, minutes)).ended(FinalStatus::NoAnswer, 9);
        carrier.carry_call(&call).unwrap();
        assert_eq!(reconcile(app.services()).await.unwrap().calls, 1);
        assert_eq!(app.outbound().await.len(), expected, "{minutes}");
    }
}
