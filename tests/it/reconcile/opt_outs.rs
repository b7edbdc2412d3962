use partyline::domain::OptOutReplies;
use partyline::service::reconcile::reconcile;
use partyline::service::set_opt_out::set_opt_out;

use super::{CARLA, MINUTE, ago, carry};
use crate::support::carrier::carrier;
use crate::support::{TestApp, Text};

async fn is_opted_out(app: &TestApp) -> bool {
    app.contacts_at(app.agency("acme").await, CARLA).await[0].opted_out_at.is_some()
}

#[tokio::test]
async fn a_late_stop_counts_unless_a_later_decision_is_stored() {
    for (late, stored_later, by_staff, expected) in [
        ("STOP", None, None, true),
        ("stop.", Some("see you soon"), None, true),
        ("STOP", Some("START"), None, false),
        ("STOP", Some("HELP"), None, true),
        ("STOP", None, Some(false), false),
        ("START", Some("STOP"), None, true),
        ("START", None, Some(true), true),
        ("START", None, None, false),
    ] {
        let carrier = carrier();
        let app = TestApp::start_with_carrier(&carrier).await;
        reconcile(app.services()).await.unwrap();
        app.receive(Text::new("SM1").body(if late == "START" { "STOP" } else { "hello" })).await;
        app.clock.advance(30 * MINUTE);
        let at = ago(&app, 15);
        if let Some(body) = stored_later {
            app.receive(Text::new("SM2").body(body)).await;
        }
        if let Some(opted_out) = by_staff {
            let ana = app.viewer("acme", "ana").await;
            let contact = app.contacts_at(app.agency("acme").await, CARLA).await[0].id;
            // A decision that changes nothing leaves no trace, so the opposite is stored first.
            set_opt_out(app.services(), &ana, contact, !opted_out, "by phone".to_owned()).await.unwrap();
            set_opt_out(app.services(), &ana, contact, opted_out, "by phone".to_owned()).await.unwrap();
        }
        let sid = carry(&carrier, CARLA, late, at);
        assert_eq!(reconcile(app.services()).await.unwrap().texts, 1);
        assert_eq!(app.message(&sid).await.created_at, at);
        assert_eq!(is_opted_out(&app).await, expected, "{late} {stored_later:?} {by_staff:?}");
    }
}

#[tokio::test]
async fn of_several_late_keywords_the_newest_counts() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    reconcile(app.services()).await.unwrap();
    app.clock.advance(30 * MINUTE);
    carry(&carrier, CARLA, "STOP", ago(&app, 10));
    carry(&carrier, CARLA, "START", ago(&app, 12));
    carry(&carrier, CARLA, "STOP", ago(&app, 14));
    reconcile(app.services()).await.unwrap();
    assert!(is_opted_out(&app).await);
    let contact = &app.contacts_at(app.agency("acme").await, CARLA).await[0];
    assert_eq!(contact.opted_out_at, Some(ago(&app, 10)));
}

#[tokio::test]
async fn only_a_request_of_the_last_ten_minutes_is_answered() {
    for (minutes, expected) in [(3, 1), (9, 1), (11, 0)] {
        let carrier = carrier();
        let app = TestApp::start_with_carrier(&carrier).await;
        app.apply("agencies: [{key: acme, optOutReplies: PARTYLINE}]").await;
        assert_eq!(app.directory("acme").await.agency.opt_out_replies, OptOutReplies::Partyline);
        reconcile(app.services()).await.unwrap();
        app.clock.advance(30 * MINUTE);
        carry(&carrier, CARLA, "HELP", ago(&app, minutes));
        reconcile(app.services()).await.unwrap();
        assert_eq!(app.outbound().await.len(), expected, "{minutes}");
    }
}
