//! An authentic text to an unknown number is held, shown to the right agency, and assigned or discarded by an operator.

use partyline::domain::{QuarantineReason, QuarantineState, RoutingRung};
use partyline::entity::quarantine;
use partyline::service::inbound::InboundOutcome;
use partyline::service::quarantine::{assign, discard, list};
use partyline::service::{Error, RefusalCode};

use crate::support::directory::{DESK, OTHER, OTHER_ACCOUNT, OTHER_TOKEN, SISTER};
use crate::support::{TestApp, Text, refusal};

const UNKNOWN: &str = "+13035550199";

/// The only text in quarantine.
async fn held(app: &TestApp) -> quarantine::Model {
    let mut all = app.quarantined().await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

async fn release(app: &TestApp, agency: &str, number: &str) {
    app.apply(&format!("agencies: [{{key: {agency}, phoneNumbers: [{{number: '{number}', active: false}}]}}]")).await;
}

#[tokio::test]
async fn a_text_that_could_belong_to_two_agencies_is_shown_only_to_operators() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").to(UNKNOWN)).await;
    let row = held(&app).await;
    assert_eq!(
        (row.agency_id, row.reason, row.state),
        (None, QuarantineReason::UnmatchedNumber, QuarantineState::Held)
    );
    assert_eq!((row.provider_sid.as_str(), row.to_address.as_str()), ("SM1", UNKNOWN));
    assert_eq!(app.message_count().await, 0);
}

#[tokio::test]
async fn an_unknown_number_is_shown_to_the_only_agency_of_its_account() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").to(UNKNOWN).account(OTHER_ACCOUNT, OTHER_TOKEN)).await;
    assert_eq!(held(&app).await.agency_id, Some(app.agency("other").await));
}

#[tokio::test]
async fn a_released_number_is_shown_to_the_agency_that_last_held_it() {
    let app = TestApp::start().await;
    release(&app, "acme", DESK).await;
    app.receive(Text::new("SM1")).await;
    assert_eq!(held(&app).await.agency_id, Some(app.agency("acme").await));
    app.clock.advance_days(1);
    app.apply(&format!("agencies: [{{key: sister, phoneNumbers: [{{number: '{DESK}'}}]}}]")).await;
    app.clock.advance_days(1);
    release(&app, "sister", DESK).await;
    app.receive(Text::new("SM2")).await;
    let latest = app.quarantined().await.pop().unwrap();
    assert_eq!((latest.provider_sid.as_str(), latest.agency_id), ("SM2", Some(app.agency("sister").await)));
}

#[tokio::test]
async fn a_number_of_another_account_is_unknown() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").to(OTHER)).await;
    assert_eq!(held(&app).await.agency_id, None);
    assert_eq!(app.message_count().await, 0);
}

#[tokio::test]
async fn a_repeated_text_is_held_once() {
    let app = TestApp::start().await;
    let text = Text::new("SM1").to(UNKNOWN);
    let answers = app.post_all(&vec![text.clone(); 20]).await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    app.receive(text).await;
    held(&app).await;
}

#[tokio::test]
async fn an_assigned_text_is_received_like_a_text_to_that_number() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").to(UNKNOWN).body("hello?")).await;
    let row = held(&app).await;
    assert_eq!(list(app.services(), 10).await.unwrap(), std::slice::from_ref(&row));

    let outcome = assign(app.services(), row.id, DESK).await.expect("a number of the account");
    let message = app.message("SM1").await;
    assert_eq!(outcome, InboundOutcome::Stored(app.agency("acme").await, message.id));
    assert_eq!((message.body.as_str(), message.routed_by), ("hello?", Some(RoutingRung::Pool)));
    assert_eq!(app.notifications_of(&message).await.len(), 2);
    assert_eq!(held(&app).await.state, QuarantineState::Assigned);
    assert!(list(app.services(), 10).await.unwrap().is_empty());

    // Neither a second assignment nor a retry of Twilio stores it twice.
    let again = refusal(assign(app.services(), row.id, DESK).await);
    assert_eq!(again.code, RefusalCode::NotFound);
    app.receive(Text::new("SM1").to(UNKNOWN).body("hello?")).await;
    app.message("SM1").await;
}

#[tokio::test]
async fn simultaneous_assignments_store_the_text_once() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").to(UNKNOWN)).await;
    let id = held(&app).await.id;
    let (one, two) = tokio::join!(assign(app.services(), id, DESK), assign(app.services(), id, SISTER));
    // The later one is a duplicate, or finds no quarantined text if it reads after the commit of the other one.
    let stored = [one, two].into_iter().filter(|outcome| match outcome {
        Ok(InboundOutcome::Stored(..)) => true,
        Ok(InboundOutcome::Duplicate) => false,
        Err(Error::Refused(refusal)) => {
            assert_eq!(refusal.code, RefusalCode::NotFound);
            false
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(stored.count(), 1);
    app.message("SM1").await;
}

#[tokio::test]
async fn a_text_is_never_assigned_to_another_account() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").to(UNKNOWN)).await;
    let row = held(&app).await;
    for number in [OTHER, UNKNOWN] {
        let refused = refusal(assign(app.services(), row.id, number).await);
        assert_eq!(refused.code, RefusalCode::NotFound);
    }
    assert_eq!(held(&app).await, row);
}

#[tokio::test]
async fn a_discarded_text_stays_discarded() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").to(UNKNOWN)).await;
    let id = held(&app).await.id;
    discard(app.services(), id).await.unwrap();
    let row = held(&app).await;
    assert_eq!((row.state, row.settled_at.is_some()), (QuarantineState::Discarded, true));
    app.receive(Text::new("SM1").to(UNKNOWN)).await;
    assert_eq!(held(&app).await, row);
    assert_eq!(refusal(discard(app.services(), id).await).code, RefusalCode::NotFound);
}
