//! The users whom a text reaches, and the rung that selects them.

use std::time::Duration;

use chrono::TimeDelta;
use partyline::domain::{Availability, NotificationKind, PhoneNumberId, RoutingRung, ThreadStatus};
use partyline::service::claim_thread::claim_thread;
use partyline::service::escalate::escalate;
use partyline::service::manage_pool::{AddPoolMember, UpdatePoolMember, add_pool_member, update_pool_member};
use partyline::service::set_availability::set_availability;
use partyline::service::transfer_thread::transfer_thread;

use crate::support::directory::{DESK, EMPTY, NURSES, OTHER, OTHER_ACCOUNT, OTHER_TOKEN, SISTER};
use crate::support::{TestApp, Text};

/// The rung of a text, and the keys of the notified users.
async fn routed(app: &TestApp, sid: &str) -> (RoutingRung, Vec<String>) {
    let message = app.message(sid).await;
    let rows = app.notifications_of(&message).await;
    assert!(rows.iter().all(|row| row.kind == NotificationKind::InboundClientMessage));
    let keys = app.keys("acme", rows.iter().map(|row| row.user_id)).await;
    (message.routed_by.expect("an inbound message has a rung"), keys)
}

async fn assert_routed(app: &TestApp, text: Text, rung: RoutingRung, keys: &[&str]) {
    let sid = text.sid.clone();
    app.receive(text).await;
    let expected = (rung, keys.iter().map(|key| (*key).to_owned()).collect());
    assert_eq!(routed(app, &sid).await, expected, "{sid}");
}

async fn number(app: &TestApp, e164: &str) -> PhoneNumberId {
    let directory = app.directory("acme").await;
    directory.numbers.iter().find(|number| number.e164 == e164).expect("a number of acme's").id
}

async fn disable_sms(app: &TestApp, e164: &str, user: &str) {
    let ana = app.viewer("acme", "ana").await;
    let (number, user) = (number(app, e164).await, app.user("acme", user).await);
    let input = UpdatePoolMember { number, user, sms_enabled: Some(false), voice_enabled: None, is_primary: None };
    update_pool_member(app.services(), &ana, input).await.expect("an admin may disable SMS");
}

async fn set(app: &TestApp, user: &str, availability: Availability) {
    let viewer = app.viewer("acme", user).await;
    set_availability(app.services(), &viewer, availability).await.expect("a user may set their availability");
}

#[tokio::test]
async fn the_pool_is_notified_primary_first_then_by_age() {
    let app = TestApp::start().await;
    assert_routed(&app, Text::new("SM1"), RoutingRung::Pool, &["ben", "chloe"]).await;
    let ana = app.viewer("acme", "ana").await;
    for (user, is_primary) in [("dev", false), ("ana", true)] {
        app.clock.advance(Duration::from_secs(60));
        let (number, user) = (number(&app, DESK).await, app.user("acme", user).await);
        let input = AddPoolMember { number, user, sms_enabled: true, voice_enabled: true, is_primary };
        add_pool_member(app.services(), &ana, input).await.expect("an admin may add a member");
    }
    assert_routed(&app, Text::new("SM2"), RoutingRung::Pool, &["ana", "ben", "chloe", "dev"]).await;
}

#[tokio::test]
async fn a_muted_pool_falls_through_to_provider_default_user_and_admins() {
    let app = TestApp::start().await;
    disable_sms(&app, DESK, "ben").await;
    assert_routed(&app, Text::new("SM1"), RoutingRung::Pool, &["chloe"]).await;
    disable_sms(&app, DESK, "chloe").await;
    assert_routed(&app, Text::new("SM2"), RoutingRung::Admins, &["ana"]).await;
    let tom = |sid: &str| Text::new(sid).from("+13035560002");
    assert_routed(&app, tom("SM3"), RoutingRung::Provider, &["dev"]).await;
    app.apply("agencies: [{key: acme, defaultUser: chloe}]").await;
    assert_routed(&app, Text::new("SM4"), RoutingRung::DefaultUser, &["chloe"]).await;
    assert_routed(&app, Text::new("SM5").to(EMPTY), RoutingRung::DefaultUser, &["chloe"]).await;
    assert_routed(&app, tom("SM6").to(EMPTY), RoutingRung::Provider, &["dev"]).await;
}

#[tokio::test]
async fn inactive_users_are_on_no_rung() {
    let app = TestApp::start().await;
    app.apply(
        "agencies: [{key: acme, defaultUser: chloe, users: [{key: ben, active: false}, {key: dev, active: false}]}]",
    )
    .await;
    assert_routed(&app, Text::new("SM1"), RoutingRung::Pool, &["chloe"]).await;
    assert_routed(&app, Text::new("SM2").from("+13035560002").to(EMPTY), RoutingRung::DefaultUser, &["chloe"]).await;
    assert_routed(&app, Text::new("SM3").body("#101 hello"), RoutingRung::Pool, &["chloe"]).await;
    app.apply("agencies: [{key: acme, users: [{key: chloe, active: false}]}]").await;
    assert_routed(&app, Text::new("SM4"), RoutingRung::Admins, &["ana"]).await;
}

#[tokio::test]
async fn a_text_that_names_an_extension_reaches_only_its_user_and_later_the_pool() {
    let app = TestApp::start().await;
    assert_routed(&app, Text::new("SM1").body("#101 hello"), RoutingRung::Extension, &["dev"]).await;
    let message = app.message("SM1").await;
    assert_eq!(message.body, "#101 hello");
    assert!(message.extension_id.is_some());
    let thread = app.thread_of("SM1").await;
    assert_eq!(
        (thread.status, thread.escalate_at),
        (ThreadStatus::Unclaimed, Some(thread.created_at + TimeDelta::minutes(5)))
    );
    // From now on the thread belongs to the extension, whether or not a text names it.
    assert_routed(&app, Text::new("SM2"), RoutingRung::Extension, &["dev"]).await;

    app.clock.advance(Duration::from_secs(5 * 60 - 1));
    escalate(app.services()).await.unwrap();
    assert_eq!(routed(&app, "SM2").await.1, ["dev"]);
    app.clock.advance(Duration::from_secs(1));
    for _ in 0..2 {
        escalate(app.services()).await.unwrap();
        assert_eq!(
            routed(&app, "SM2").await,
            (RoutingRung::Extension, ["dev", "ben", "chloe"].map(str::to_owned).to_vec())
        );
    }
    let rungs: Vec<_> = app.notifications_of(&app.message("SM2").await).await.iter().map(|row| row.rung).collect();
    assert_eq!(rungs, [Some(RoutingRung::Extension), Some(RoutingRung::Pool), Some(RoutingRung::Pool)]);
    assert_eq!(app.thread_of("SM1").await.escalate_at, None);
}

/// The complete rule of extension texts: the recipients of a text by its body, its number and the state of its thread.
#[tokio::test]
async fn a_text_reaches_the_extension_that_it_names_or_that_its_thread_has() {
    /// What happened in the thread before the text.
    #[derive(Debug, Clone, Copy)]
    enum Before {
        Nothing,
        /// The contact named extension 101, of Dev.
        Named,
        /// Ben replied as extension 101 and released the thread.
        Replied,
        /// The contact named extension 101, and Chloe claimed the thread.
        Claimed,
        /// The contact named extension 101, and Dev was deactivated.
        Deactivated,
    }
    use Before::{Claimed, Deactivated, Named, Nothing, Replied};
    let pool = &["ben", "chloe"][..];
    let (extension, by_pool) = (RoutingRung::Extension, RoutingRung::Pool);
    for (case, (before, number, body, rung, keys)) in [
        (Nothing, DESK, "#101", extension, &["dev"][..]),
        (Nothing, DESK, "#101 hello", extension, &["dev"]),
        (Nothing, DESK, "#101: hello", extension, &["dev"]),
        (Nothing, DESK, "101: hello", extension, &["dev"]),
        (Nothing, DESK, "101:hello", extension, &["dev"]),
        (Nothing, DESK, "#102", extension, &["chloe"]),
        (Nothing, NURSES, "#101", extension, &["dev"]),
        (Nothing, NURSES, "#102", by_pool, &["chloe", "dev"]),
        (Nothing, DESK, "#999", by_pool, pool),
        (Nothing, DESK, "10:30", by_pool, pool),
        (Nothing, DESK, "#1", by_pool, pool),
        (Nothing, DESK, "101 Main St", by_pool, pool),
        (Nothing, DESK, "hello #101", by_pool, pool),
        (Named, DESK, "hello", extension, &["dev"]),
        (Named, DESK, "#102 hello", extension, &["chloe"]),
        (Named, DESK, "10:30", extension, &["dev"]),
        (Replied, DESK, "thank you", extension, &["dev"]),
        (Claimed, DESK, "hello", RoutingRung::Assignee, &["dev", "chloe"]),
        (Claimed, DESK, "#102 hello", RoutingRung::Assignee, &["chloe"]),
        (Deactivated, DESK, "hello", by_pool, pool),
        (Deactivated, DESK, "#101 hello", by_pool, pool),
    ]
    .into_iter()
    .enumerate()
    {
        let app = TestApp::start().await;
        match before {
            Nothing => {}
            Replied => {
                app.receive(Text::new("SM1").to(number)).await;
                let (ben, thread) = (app.token("acme", "ben"), app.thread_of("SM1").await.id.to_string());
                let more = serde_json::json!({"asExtensionId": app.extension_id("acme", "101").await});
                let sent = app.reply(&ben, &thread.clone().into(), "I am Dev's assistant", more).await;
                assert_eq!(sent["userErrors"], serde_json::json!([]));
                let release = "mutation($id: ID!) { releaseThread(input: {threadId: $id}) { userErrors { code } } }";
                app.graphql(&ben, release, serde_json::json!({"id": thread})).await;
            }
            Named | Claimed | Deactivated => app.receive(Text::new("SM1").to(number).body("#101 hello")).await,
        }
        match before {
            Claimed => {
                let chloe = app.viewer("acme", "chloe").await;
                claim_thread(app.services(), &chloe, app.thread_of("SM1").await.id).await.unwrap();
            }
            Deactivated => {
                app.apply("agencies: [{key: acme, users: [{key: dev, active: false}]}]").await;
            }
            Nothing | Named | Replied => {}
        }
        let sid = format!("SMcase{case}");
        app.receive(Text::new(&sid).to(number).body(body)).await;
        let (routed_by, mut notified) = routed(&app, &sid).await;
        notified.sort();
        let mut expected: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
        expected.sort();
        assert_eq!((routed_by, notified), (rung, expected), "{before:?} {number} {body:?}");
        assert_eq!(app.message(&sid).await.body, body, "the body is stored as received");
    }
}

#[tokio::test]
async fn a_text_to_an_extension_that_was_claimed_in_time_does_not_alert_the_pool() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").body("101: hello")).await;
    let thread = app.thread_of("SM1").await;
    // Dev is a handler because he was notified, although he is not in the pool.
    let dev = app.viewer("acme", "dev").await;
    claim_thread(app.services(), &dev, thread.id).await.expect("dev may claim");
    app.clock.advance(Duration::from_secs(600));
    escalate(app.services()).await.unwrap();
    assert_eq!(routed(&app, "SM1").await.1, ["dev"]);
}

#[tokio::test]
async fn a_numbers_own_extension_applies_only_to_that_number() {
    let app = TestApp::start().await;
    assert_routed(&app, Text::new("SM1").body("#102"), RoutingRung::Extension, &["chloe"]).await;
    assert_routed(&app, Text::new("SM2").to(NURSES).body("#102"), RoutingRung::Pool, &["chloe", "dev"]).await;
    for (sid, body) in [("SM3", "10:30"), ("SM4", "101 Main St"), ("SM5", "#1"), ("SM6", "#999 hello")] {
        let text = Text::new(sid).to(NURSES).body(body);
        assert_routed(&app, text, RoutingRung::Pool, &["chloe", "dev"]).await;
        assert_eq!(app.message(sid).await.extension_id, None);
    }
    app.apply(&format!("agencies: [{{key: acme, extensions: [{{digits: '101', user: chloe, number: '{NURSES}'}}]}}]"))
        .await;
    assert_routed(&app, Text::new("SM7").to(NURSES).body("#101"), RoutingRung::Extension, &["chloe"]).await;
}

#[tokio::test]
async fn a_claimed_thread_alerts_its_assignee_and_the_pool_while_they_are_away() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1")).await;
    let chloe = app.viewer("acme", "chloe").await;
    claim_thread(app.services(), &chloe, app.thread_of("SM1").await.id).await.unwrap();
    let rows = app.notifications_of(&app.message("SM1").await).await;
    let open: Vec<_> = rows.iter().filter(|row| row.resolved_at.is_none()).map(|row| row.user_id).collect();
    assert_eq!(open, [chloe.id()], "a claim resolves the alerts of the others");

    assert_routed(&app, Text::new("SM2"), RoutingRung::Assignee, &["chloe"]).await;
    set(&app, "chloe", Availability::Away).await;
    assert_routed(&app, Text::new("SM3"), RoutingRung::Assignee, &["chloe", "ben"]).await;
    set(&app, "chloe", Availability::Available).await;
    assert_routed(&app, Text::new("SM4").body("#101 hello"), RoutingRung::Assignee, &["chloe", "dev"]).await;
    let thread = app.thread_of("SM4").await;
    assert_eq!((thread.assignee_id, thread.escalate_at), (Some(chloe.id()), None));
}

#[tokio::test]
async fn the_pool_is_notified_for_an_assignee_outside_it_who_is_away() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1")).await;
    let (ben, dev) = (app.viewer("acme", "ben").await, app.viewer("acme", "dev").await);
    let thread = app.thread_of("SM1").await.id;
    transfer_thread(app.services(), &ben, thread, dev.id(), None).await.expect("ben may assign");
    assert_routed(&app, Text::new("SM2"), RoutingRung::Assignee, &["dev"]).await;
    set(&app, "dev", Availability::Away).await;
    assert_routed(&app, Text::new("SM3"), RoutingRung::Assignee, &["dev", "ben", "chloe"]).await;
}

#[tokio::test]
async fn users_who_are_away_are_notified_of_unclaimed_threads() {
    let app = TestApp::start().await;
    set(&app, "ben", Availability::Away).await;
    assert_routed(&app, Text::new("SM1"), RoutingRung::Pool, &["ben", "chloe"]).await;
}

#[tokio::test]
async fn senders_that_are_not_phone_numbers_are_stored_as_received() {
    let app = TestApp::start().await;
    let acme = app.agency("acme").await;
    let whatsapp = format!("whatsapp:{DESK}");
    let senders = [
        ("88222", DESK),
        ("TWILIO", DESK),
        ("twilio", DESK),
        // Twilio prefixes both addresses.
        ("whatsapp:+13035560001", whatsapp.as_str()),
        ("Ärzte 24", DESK),
    ];
    for (n, (sender, to)) in senders.into_iter().enumerate() {
        let text = Text::new(format!("SM{n}")).from(sender).to(to);
        assert_routed(&app, text, RoutingRung::Pool, &["ben", "chloe"]).await;
        let contacts = app.contacts_at(acme, sender).await;
        assert_eq!(contacts.iter().map(|contact| contact.phone.as_str()).collect::<Vec<_>>(), [sender]);
    }
    assert_eq!(app.threads(acme).await.len(), 5);
}

#[tokio::test]
async fn each_number_of_an_account_determines_its_agency() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").to(SISTER)).await;
    assert_eq!(app.message("SM1").await.agency_id, app.agency("sister").await);
    app.receive(Text::new("SM2")).await;
    assert_eq!(app.message("SM2").await.agency_id, app.agency("acme").await);
    app.receive(Text::new("SM3").to(OTHER).account(OTHER_ACCOUNT, OTHER_TOKEN)).await;
    assert_eq!(app.message("SM3").await.agency_id, app.agency("other").await);
}

#[tokio::test]
async fn the_same_sid_in_two_accounts_is_two_messages() {
    let app = TestApp::start().await;
    app.receive(Text::new("SMtwin")).await;
    app.receive(Text::new("SMtwin").to(OTHER).account(OTHER_ACCOUNT, OTHER_TOKEN)).await;
    let mut agencies: Vec<_> = app.messages_with("SMtwin").await.iter().map(|message| message.agency_id).collect();
    agencies.sort();
    let mut expected = vec![app.agency("acme").await, app.agency("other").await];
    expected.sort();
    assert_eq!(agencies, expected);
}

#[tokio::test]
async fn attachments_are_stored_in_order() {
    use partyline::entity::media;
    use sea_orm::{EntityTrait as _, QueryOrder as _};
    let app = TestApp::start().await;
    let text = Text::new("MM1")
        .field("NumMedia", "2")
        .field("MediaUrl0", "https://media.test/0")
        .field("MediaContentType0", "image/jpeg")
        .field("MediaUrl1", "https://media.test/1")
        .field("MediaContentType1", "image/png");
    app.receive(text).await;
    let rows = media::Entity::find().order_by_asc(media::Column::Ordinal).all(app.db()).await.unwrap();
    let kept: Vec<_> = rows.iter().map(|row| (row.source_url.as_str(), row.content_type.as_str())).collect();
    assert_eq!(kept, [("https://media.test/0", "image/jpeg"), ("https://media.test/1", "image/png")]);
}
