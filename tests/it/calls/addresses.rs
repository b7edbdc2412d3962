//! The parameters of the URLs in documents are sorted, because Twilio requests them in alphabetical order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, Uri};
use serde_json::json;
use url::{Url, form_urlencoded};

use crate::support::directory::{ACCOUNT, DESK};
use crate::support::voice::{BEN, CARLA, INBOUND, PHONES, attribute, form, phones};
use crate::support::{PUBLIC_URL, TestApp, Text, wait};

type Requests = Arc<Mutex<Vec<(String, HashMap<String, String>)>>>;

/// A fake Twilio API that accepts and records every request.
async fn api() -> (String, Requests) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked = Requests::default();
    let remembered = asked.clone();
    let router = Router::new().fallback(move |uri: Uri, body: Bytes| {
        let fields = form_urlencoded::parse(&body).into_owned().collect();
        remembered.lock().unwrap().push((uri.path().to_owned(), fields));
        async { (StatusCode::CREATED, r#"{"sid": "SM1"}"#) }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    (base, asked)
}

/// Partyline's URLs in a document.
fn partyline_urls(document: &str) -> Vec<String> {
    let parts = document.split(PUBLIC_URL).skip(1);
    parts.map(|part| format!("{PUBLIC_URL}{}", part.split(['"', '<']).next().unwrap().replace("&amp;", "&"))).collect()
}

fn assert_sorted(address: &str) {
    let url = Url::parse(address).unwrap();
    let names: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert!(names.is_sorted() && !names.is_empty(), "{address}");
    assert_eq!(url.fragment(), Some("rc=5&rp=5xx,ct,rt"), "{address}");
}

#[tokio::test]
async fn every_url_in_the_documents_of_a_call_has_sorted_parameters() {
    let app = TestApp::start_with_phones().await;
    app.apply("agencies: [{key: acme, phoneNumbers: [{number: \"+13035550100\", ringStrategy: SEQUENTIAL}]}]").await;
    let greeting = app.document(INBOUND, &form("CA1", &[])).await;
    let wrong = app.document(&attribute(&greeting, "action"), &form("CA1", &[("Digits", "77")])).await;
    let first = app.document(&attribute(&wrong, "action"), &form("CA1", &[("Digits", "")])).await;
    let leg = [("CallSid", "CB1"), ("AccountSid", ACCOUNT), ("From", CARLA), ("To", BEN)];
    let screen = app.document(&phones(&first)[0].1, &leg).await;
    let unanswered = form("CA1", &[("DialCallStatus", "no-answer"), ("DialBridged", "false")]);
    let second = app.document(&attribute(&first, "action"), &unanswered).await;
    let voicemail = app.document(&attribute(&second, "action"), &unanswered).await;
    assert!(voicemail.contains("<Record "), "{voicemail}");
    let mut seen = 0;
    for document in [greeting, wrong, first, screen, second, voicemail] {
        for address in partyline_urls(&document) {
            assert_sorted(&address);
            seen += 1;
        }
    }
    // The menus, two rings with three URLs each, the press of 1, and the voicemail with its reports.
    assert!(seen >= 13, "{seen}");
}

#[tokio::test]
async fn every_url_sent_with_a_text_or_a_call_has_sorted_parameters() {
    let (base, asked) = api().await;
    let app = TestApp::start_with_settings(vec![("TWILIO_API_BASE", base)]).await;
    app.apply(PHONES).await;
    let _workers = app.start_workers();
    app.receive(Text::new("SM1")).await;
    let ben = app.token("acme", "ben");
    let thread = json!(app.thread_of("SM1").await.id.to_string());
    app.reply(&ben, &thread, "Good morning", json!({})).await;
    let start = "mutation($input: StartCallInput!) { startCall(input: $input) { userErrors { code } } }";
    let answer = app.graphql(&ben, start, json!({"input": {"threadId": thread}})).await;
    assert_eq!(answer["data"]["startCall"]["userErrors"], json!([]), "{answer}");
    let urls = wait::until("a text and a call", || async {
        let asked = asked.lock().unwrap().clone();
        let is_there = |what: &str| asked.iter().any(|(path, _)| path.ends_with(what));
        (is_there("/Messages.json") && is_there("/Calls.json")).then_some(asked)
    })
    .await;
    let handed_out: Vec<&String> =
        urls.iter().flat_map(|(_, form)| [form.get("Url"), form.get("StatusCallback")]).flatten().collect();
    assert_eq!(handed_out.len(), 3, "{handed_out:?}");
    for address in handed_out {
        assert_sorted(address);
    }
    // The document that connects the user with the contact has sorted parameters, too.
    let call = app.calls_of(app.agency("acme").await).await.remove(0);
    let step = |name: &str| format!("/api/twilio/voice/{name}?agency={}&call={}", call.agency_id, call.id);
    let leg = [("CallSid", "SM1"), ("AccountSid", ACCOUNT), ("From", DESK), ("To", BEN), ("Digits", "1")];
    for name in ["outbound", "outbound-press"] {
        let document = app.document(&step(name), &leg).await;
        let found = partyline_urls(&document);
        assert!(!found.is_empty(), "{document}");
        found.iter().for_each(|address| assert_sorted(address));
    }
}
