//! WhatsApp and RCS: Twilio prefixes both addresses, and messages may have other content than a body.

use partyline::domain::{MessageStatus, RoutingRung};
use partyline::service::quarantine::assign_as_operator;
use serde_json::json;

use crate::support::carrier::carrier;
use crate::support::directory::{DESK, EMPTY};
use crate::support::{TestApp, Text};

const CARLA: &str = "+13035560001";

fn text(sid: &str, channel: &str) -> Text {
    Text::new(sid).from(&format!("{channel}{CARLA}")).to(&format!("{channel}{DESK}")).field("SmsStatus", "received")
}

#[tokio::test]
async fn a_conversation_on_a_channel_reaches_the_pool_and_replies_use_the_same_channel() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let _workers = app.start_workers();
    let ben = app.token("acme", "ben");
    for channel in ["whatsapp:", "rcs:"] {
        let (phone, number) = (format!("{channel}{CARLA}"), format!("{channel}{DESK}"));
        let taken = carrier.text(&phone, &number, "hello").await.unwrap();
        assert_eq!(taken.unwrap(), 200);
        let inbound = carrier.phone(&phone);
        assert_eq!((inbound.len(), inbound[0].number.as_str()), (1, number.as_str()));
        let contact = app.contacts_at(app.agency("acme").await, &phone).await.remove(0);
        let threads = app.threads(app.agency("acme").await).await;
        let thread = threads.into_iter().find(|thread| thread.contact_id == contact.id).unwrap();
        let payload = app.reply(&ben, &json!(thread.id.to_string()), &format!("hello on {channel}"), json!({})).await;
        assert_eq!(payload["userErrors"], json!([]));
        let sent = app.wait_until_all("delivered", |message| message.status == MessageStatus::Delivered).await;
        assert!(sent.iter().any(|message| message.thread_id == thread.id));
        let text = carrier.ledger().pop().unwrap();
        assert_eq!((text.from, text.to), (number, phone));
    }
}

#[tokio::test]
async fn a_text_on_a_channel_is_routed_like_any_other_and_its_sender_is_a_separate_contact() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1")).await;
    app.receive(text("SM2", "whatsapp:")).await;
    app.receive(text("SM3", "rcs:").body("STOP")).await;
    assert_eq!(app.message("SM2").await.routed_by, Some(RoutingRung::Pool));
    let agency = app.agency("acme").await;
    assert_eq!(app.threads(agency).await.len(), 3);
    // An opt-out applies to the channel on which it arrived.
    for (address, opted_out) in [(CARLA, false), ("whatsapp:+13035560001", false), ("rcs:+13035560001", true)] {
        let contacts = app.contacts_at(agency, address).await;
        assert_eq!((contacts.len(), contacts[0].opted_out_at.is_some()), (1, opted_out), "{address}");
    }
    assert!(app.quarantined().await.is_empty());
}

#[tokio::test]
async fn messages_without_a_body_become_readable_text() {
    let app = TestApp::start().await;
    type Fields = &'static [(&'static str, &'static str)];
    let cases: [(&str, Fields, &str); 5] = [
        (
            "SM1",
            &[("Latitude", "39.7392"), ("Longitude", "-104.9903"), ("Label", "Clinic"), ("Address", "1 Main St")],
            "Location: Clinic, 1 Main St (39.7392, -104.9903)",
        ),
        ("SM2", &[("ButtonText", "Confirm"), ("ButtonPayload", "c1")], "Confirm"),
        (
            "SM3",
            &[("NumMedia", "1"), ("MediaUrl0", "https://media.test/0"), ("MediaContentType0", "text/vcard")],
            "Contact card",
        ),
        ("SM4", &[("MessageType", "reaction")], "Message without text (reaction)"),
        ("SM5", &[("NumMedia", "1"), ("MediaUrl0", "https://media.test/0"), ("MediaContentType0", "image/png")], ""),
    ];
    for (sid, fields, body) in cases {
        let text = fields.iter().fold(text(sid, "whatsapp:").body(""), |text, (name, value)| text.field(name, value));
        app.receive(text).await;
        assert_eq!(app.message(sid).await.body, body);
    }
    // A button labeled "Stop" opts out.
    app.receive(text("SM6", "whatsapp:").body("").field("ButtonText", "Stop")).await;
    assert!(app.contacts_at(app.agency("acme").await, "whatsapp:+13035560001").await[0].opted_out_at.is_some());
}

#[tokio::test]
async fn a_text_on_a_channel_to_a_released_number_is_held_for_its_agency_and_can_be_assigned() {
    let app = TestApp::start().await;
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: '{DESK}', active: false}}]}}]")).await;
    app.receive(text("SM1", "whatsapp:").body("hello?")).await;
    let held = app.quarantined().await.remove(0);
    let agency = app.agency("acme").await;
    assert_eq!((held.to_address.as_str(), held.agency_id), ("whatsapp:+13035550100", Some(agency)));
    let stored = assign_as_operator(app.services(), held.id, &format!("whatsapp:{EMPTY}")).await.unwrap();
    let message = app.message("SM1").await;
    assert_eq!((message.agency_id, message.id), (agency, stored));
    assert_eq!((message.body.as_str(), message.routed_by), ("hello?", Some(RoutingRung::Admins)));
}
