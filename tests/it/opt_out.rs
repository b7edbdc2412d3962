//! STOP and START, kept per agency and contact.

use crate::support::directory::{NURSES, SISTER};
use crate::support::{TestApp, Text};

async fn is_opted_out(app: &TestApp, agency: &str, phone: &str) -> bool {
    let contacts = app.contacts_at(app.agency(agency).await, phone).await;
    assert_eq!(contacts.len(), 1);
    contacts[0].opted_out_at.is_some()
}

const CARLA: &str = "+13035560001";

#[tokio::test]
async fn a_stop_to_one_number_holds_for_the_agency_until_a_start_to_any() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1")).await;
    assert!(!is_opted_out(&app, "acme", CARLA).await);
    app.receive(Text::new("SM2").body(" stop ")).await;
    assert!(is_opted_out(&app, "acme", CARLA).await);
    // Later texts do not undo it, not even one that speaks of starting.
    app.receive(Text::new("SM3").body("please start again")).await;
    assert!(is_opted_out(&app, "acme", CARLA).await);
    app.receive(Text::new("SM4").to(NURSES).body("START")).await;
    assert!(!is_opted_out(&app, "acme", CARLA).await);
    // They are texts like others, in their threads.
    assert_eq!((app.thread_of("SM1").await.inbound_count, app.thread_of("SM4").await.inbound_count), (3, 1));
}

#[tokio::test]
async fn a_stop_from_a_stranger_counts() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").from("+13035569999").body("STOPALL")).await;
    assert!(is_opted_out(&app, "acme", "+13035569999").await);
}

#[tokio::test]
async fn twilios_own_reading_counts() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").body("arret").field("OptOutType", "STOP")).await;
    assert!(is_opted_out(&app, "acme", CARLA).await);
    app.receive(Text::new("SM2").body("encore").field("OptOutType", "START")).await;
    assert!(!is_opted_out(&app, "acme", CARLA).await);
}

#[tokio::test]
async fn a_stop_says_nothing_to_another_agency() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").to(SISTER)).await;
    app.receive(Text::new("SM2").body("STOP")).await;
    assert!(is_opted_out(&app, "acme", CARLA).await);
    assert!(!is_opted_out(&app, "sister", CARLA).await);
}

#[tokio::test]
async fn of_stop_and_start_in_one_moment_the_later_one_counts() {
    let app = TestApp::start().await;
    for (n, body) in ["STOP", "START", "STOP", "hello"].into_iter().enumerate() {
        app.receive(Text::new(format!("SM{n}")).body(body)).await;
    }
    assert!(is_opted_out(&app, "acme", CARLA).await);
}
