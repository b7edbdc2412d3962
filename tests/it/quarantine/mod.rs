//! An authentic text to an unknown number is held, shown to the right agency, and assigned or discarded.

mod admins;
mod alerts;

use partyline::domain::{QuarantineReason, QuarantineState, RoutingRung};
use partyline::entity::quarantine;
use partyline::service::quarantine::{assign_as_operator, discard_as_operator, list};
use partyline::service::{Error, RefusalCode};

use tempfile::TempDir;

use crate::support::directory::{AGENCIES, DESK, OTHER, OTHER_ACCOUNT, OTHER_TOKEN, SISTER};
use crate::support::{SMS_PATH, TestApp, Text, client, process, refusal};

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

    let stored = assign_as_operator(app.services(), row.id, DESK).await.expect("a number of the account");
    let message = app.message("SM1").await;
    assert_eq!((message.agency_id, message.id), (app.agency("acme").await, stored));
    assert_eq!((message.body.as_str(), message.routed_by), ("hello?", Some(RoutingRung::Pool)));
    assert_eq!(app.notifications_of(&message).await.len(), 2);
    assert_eq!(held(&app).await.state, QuarantineState::Assigned);
    assert!(list(app.services(), 10).await.unwrap().is_empty());

    // Neither a second assignment nor a retry of Twilio stores it twice.
    let again = refusal(assign_as_operator(app.services(), row.id, DESK).await);
    assert_eq!(again.code, RefusalCode::NotFound);
    app.receive(Text::new("SM1").to(UNKNOWN).body("hello?")).await;
    app.message("SM1").await;
}

#[tokio::test]
async fn simultaneous_assignments_store_the_text_once() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").to(UNKNOWN)).await;
    let id = held(&app).await.id;
    let (one, two) =
        tokio::join!(assign_as_operator(app.services(), id, DESK), assign_as_operator(app.services(), id, SISTER));
    // The later one is a conflict, or finds no quarantined text if it reads after the commit of the other one.
    let stored = [one, two].into_iter().filter(|outcome| match outcome {
        Ok(_) => true,
        Err(Error::Refused(refusal)) => {
            assert!(matches!(refusal.code, RefusalCode::NotFound | RefusalCode::Conflict), "{refusal:?}");
            false
        }
        other @ Err(_) => panic!("{other:?}"),
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
        let refused = refusal(assign_as_operator(app.services(), row.id, number).await);
        assert_eq!(refused.code, RefusalCode::NotFound);
    }
    assert_eq!(held(&app).await, row);
}

#[tokio::test]
async fn a_discarded_text_stays_discarded() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").to(UNKNOWN)).await;
    let id = held(&app).await.id;
    discard_as_operator(app.services(), id).await.unwrap();
    let row = held(&app).await;
    assert_eq!((row.state, row.settled_at.is_some()), (QuarantineState::Discarded, true));
    app.receive(Text::new("SM1").to(UNKNOWN)).await;
    assert_eq!(held(&app).await, row);
    assert_eq!(refusal(discard_as_operator(app.services(), id).await).code, RefusalCode::NotFound);
}

#[tokio::test]
async fn an_operator_leaves_audit_entries_without_an_actor_in_the_agency_concerned() {
    let app = TestApp::start().await;
    let (acme, sister) = (app.agency("acme").await, app.agency("sister").await);
    release(&app, "acme", DESK).await;
    for sid in ["SM1", "SM2"] {
        app.receive(Text::new(sid)).await;
    }
    app.receive(Text::new("SM3").to(UNKNOWN)).await;
    let rows = app.quarantined().await;
    let before = app.audits().await.len();
    // Assigned: the agency of the number. Discarded: the agency that the text is shown to, if any.
    assign_as_operator(app.services(), rows[0].id, SISTER).await.unwrap();
    discard_as_operator(app.services(), rows[1].id).await.unwrap();
    discard_as_operator(app.services(), rows[2].id).await.unwrap();
    let entries: Vec<_> = app.audits().await.split_off(before);
    let entries = entries.into_iter().map(|row| (row.agency_id, row.action, row.node_id, row.actor_id, row.note));
    let expected = [
        (sister, "assignQuarantinedMessage".to_owned(), rows[0].id.to_string(), None, None),
        (acme, "discardQuarantinedMessage".to_owned(), rows[1].id.to_string(), None, None),
    ];
    assert_eq!(entries.collect::<Vec<_>>(), expected);
    assert_eq!(app.message("SM1").await.agency_id, sister);
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
#[ignore = "SQLite only: starts the binary on a file"]
async fn the_command_lists_assigns_and_discards_on_sqlite() {
    let folder = TempDir::new().unwrap();
    process::apply(folder.path(), AGENCIES);
    let server = process::Server::start(folder.path()).await;
    for sid in ["SM1", "SM2"] {
        let text = Text::new(sid).to(UNKNOWN).body("confidential");
        let request = client().post(format!("http://{}{SMS_PATH}", server.address)).body(text.form());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.header("x-twilio-signature", text.signature()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    server.terminate();
    assert_eq!(server.wait_for_exit().await.0, Some(0));
    let run = |arguments: &[&str]| {
        let output = process::run(folder.path(), &[&["quarantine"], arguments].concat(), "");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let (_, listed, _) = run(&["list"]);
    assert!(!listed.contains("confidential"), "{listed}");
    let ids: Vec<String> = listed.lines().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 2, "{listed}");
    let (success, _, error) = run(&["assign", &ids[0], "--number", OTHER]);
    assert!(!success && error.contains("not an active number of the account"), "{error}");
    let (success, assigned, error) = run(&["assign", &ids[0], "--number", DESK]);
    assert!(success && assigned.starts_with("Stored as msg_"), "{assigned}{error}");
    assert_eq!(run(&["discard", &ids[1]]).1, "Discarded.\n");
    for id in &ids {
        let (success, _, error) = run(&["assign", id, "--number", DESK]);
        assert!(!success && error.contains("There is no such quarantined message"), "{error}");
    }
    assert_eq!(run(&["list"]).1, "");
}
