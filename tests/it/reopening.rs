//! A closed thread is reopened when its contact texts again.

use std::time::Duration;

use partyline::domain::{ActivityKind, Availability, RoutingRung, ThreadStatus};
use partyline::entity::{activity, thread};
use partyline::service::claim_thread::claim_thread;
use partyline::service::close_thread::close_thread;
use partyline::service::reopen_thread::reopen_thread;
use partyline::service::set_availability::set_availability;
use sea_orm::{EntityTrait as _, QueryOrder as _};

use crate::support::{TestApp, Text};

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Carla's thread, claimed and closed by Ben.
async fn closed_by_ben(app: &TestApp) -> thread::Model {
    app.receive(Text::new("SMfirst")).await;
    let ben = app.viewer("acme", "ben").await;
    let thread = app.thread_of("SMfirst").await;
    claim_thread(app.services(), &ben, thread.id).await.unwrap();
    let closed = close_thread(app.services(), &ben, thread.id).await.unwrap();
    let stands = (closed.status, closed.assignee_id, closed.last_assignee_id);
    assert_eq!(stands, (ThreadStatus::Closed, None, Some(ben.id())));
    closed
}

/// Carla texts again; returns the assignee of the same thread and the rung that routed the text.
async fn text_again(app: &TestApp, closed: &thread::Model) -> (Option<String>, Option<RoutingRung>) {
    app.receive(Text::new("SMagain")).await;
    let thread = app.thread_of("SMagain").await;
    assert_eq!(thread.id, closed.id);
    let expected = if thread.assignee_id.is_some() { ThreadStatus::Claimed } else { ThreadStatus::Unclaimed };
    assert_eq!(thread.status, expected);
    let holder = app.keys("acme", thread.assignee_id).await.pop();
    (holder, app.message("SMagain").await.routed_by)
}

#[tokio::test]
async fn within_a_week_it_returns_to_its_last_assignee() {
    let app = TestApp::start().await;
    let closed = closed_by_ben(&app).await;
    app.clock.advance(WEEK - Duration::from_secs(1));
    let returned = text_again(&app, &closed).await;
    assert_eq!(returned, (Some("ben".to_owned()), Some(RoutingRung::Assignee)));
    let history = activity::Entity::find().order_by_asc(activity::Column::Id).all(app.db()).await.unwrap();
    let kinds: Vec<_> = history.iter().map(|row| row.kind).collect();
    assert_eq!(kinds, [ActivityKind::Claimed, ActivityKind::Closed, ActivityKind::Reopened]);
    assert_eq!(history[2].actor_id, None);
}

#[tokio::test]
async fn after_a_week_it_is_unclaimed() {
    let app = TestApp::start().await;
    let closed = closed_by_ben(&app).await;
    app.clock.advance(WEEK);
    assert_eq!(text_again(&app, &closed).await, (None, Some(RoutingRung::Pool)));
}

#[tokio::test]
async fn a_user_who_is_away_does_not_get_it_back() {
    let app = TestApp::start().await;
    let closed = closed_by_ben(&app).await;
    let ben = app.viewer("acme", "ben").await;
    set_availability(app.services(), &ben, Availability::Away).await.unwrap();
    assert_eq!(text_again(&app, &closed).await, (None, Some(RoutingRung::Pool)));
}

#[tokio::test]
async fn a_user_who_is_no_longer_eligible_does_not_get_it_back() {
    let app = TestApp::start().await;
    let closed = closed_by_ben(&app).await;
    app.apply(
        "agencies: [{key: acme, phoneNumbers: [{number: '+13035550100', pool: [{user: ben, smsEnabled: false}]}]}]",
    )
    .await;
    assert_eq!(text_again(&app, &closed).await, (None, Some(RoutingRung::Pool)));
    let notifications = app.notifications_of(&app.message("SMagain").await).await;
    assert_eq!(app.keys("acme", notifications.iter().map(|row| row.user_id)).await, ["chloe"]);
}

#[tokio::test]
async fn reopening_manually_follows_the_same_rules() {
    let app = TestApp::start().await;
    let closed = closed_by_ben(&app).await;
    let (ben, chloe) = (app.viewer("acme", "ben").await, app.viewer("acme", "chloe").await);
    let reopened = reopen_thread(app.services(), &chloe, closed.id).await.unwrap();
    assert_eq!((reopened.status, reopened.assignee_id), (ThreadStatus::Claimed, Some(ben.id())));

    close_thread(app.services(), &ben, closed.id).await.unwrap();
    app.clock.advance(WEEK);
    let reopened = reopen_thread(app.services(), &chloe, closed.id).await.unwrap();
    assert_eq!((reopened.status, reopened.assignee_id), (ThreadStatus::Unclaimed, None));
    // A thread that is not closed is not changed.
    let again = reopen_thread(app.services(), &chloe, closed.id).await.unwrap();
    assert_eq!(again, reopened);
}
