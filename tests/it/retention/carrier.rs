//! Deletions at Twilio.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use partyline::domain::MediaState;
use partyline::entity::carrier_deletion;
use partyline::service::carrier_deletions::{CarrierDeletions, delete_at_carrier};
use partyline_simulator::{CallScript, CallerStep};
use sea_orm::{EntityTrait as _, QueryOrder as _};
use tokio::net::TcpListener;

use super::{FileRow, purge, set, store_file};
use crate::support::carrier::carrier;
use crate::support::directory::{ACCOUNT, DESK, SISTER};
use crate::support::voice::{CARLA, PHONES, STATUS, form};
use crate::support::{TestApp, Text};

/// An API that answers each DELETE with the next status, and with 204 when there are none left.
#[derive(Clone, Default)]
struct Api {
    statuses: Arc<Mutex<VecDeque<u16>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Api {
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let api = Self::default();
        let router = Router::new().fallback(answer).with_state(api.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (api, base)
    }

    fn answer_next(&self, statuses: &[u16]) {
        self.statuses.lock().unwrap().extend(statuses);
    }

    /// The paths of the requests since the last call.
    fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

async fn answer(State(api): State<Api>, method: Method, uri: Uri) -> StatusCode {
    assert_eq!(method, Method::DELETE);
    let prefix = format!("/2010-04-01/Accounts/{ACCOUNT}");
    api.requests.lock().unwrap().push(uri.path().strip_prefix(&prefix).unwrap().to_owned());
    let status = api.statuses.lock().unwrap().pop_front().unwrap_or(204);
    StatusCode::from_u16(status).unwrap()
}

pub(crate) async fn pending(app: &TestApp) -> Vec<String> {
    let rows = carrier_deletion::Entity::find().order_by_asc(carrier_deletion::Column::Id).all(app.db()).await.unwrap();
    rows.into_iter().map(|row| row.path).collect()
}

async fn run(app: &TestApp) -> CarrierDeletions {
    delete_at_carrier(app.services()).await.unwrap()
}

#[tokio::test]
async fn what_is_deleted_here_is_deleted_at_twilio_if_the_agency_wants_it() {
    let app = TestApp::start_with_phones().await;
    let acme = app.agency("acme").await;
    set(&app, "{messages: 30d, recordings: 10d, deleteAtCarrier: true}").await;
    app.apply("agencies: [{key: sister, retention: {messages: 30d}}]").await;
    let url = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/SM1/Media/ME1";
    app.receive(Text::new("SM1").field("NumMedia", "1").field("MediaUrl0", url)).await;
    app.receive(Text::new("SMsister").to(SISTER)).await;
    app.leave_voicemail("CA1").await;
    app.document(STATUS, &form("CA1", &[("CallStatus", "completed"), ("CallDuration", "31")])).await;
    let voicemail = app.voicemail_of(&app.call("CA1").await).await.unwrap();
    store_file(&app, acme, FileRow::Voicemail(voicemail.id), MediaState::Ready, b"hello").await;
    app.clock.advance_days(11);
    purge(&app).await;
    assert_eq!(pending(&app).await, ["/Recordings/RE1.json"], "at once, not with the call");
    app.clock.advance_days(20);
    purge(&app).await;
    let mut paths = pending(&app).await;
    paths.sort();
    let expected = ["/Calls/CA1.json", "/Messages/SM1.json", "/Messages/SM1/Media/ME1.json", "/Recordings/RE1.json"];
    assert_eq!(paths, expected);
    assert_eq!(app.message_count().await, 0);
}

#[tokio::test]
async fn a_deletion_waits_when_twilio_is_busy_and_ends_when_the_resource_does_not_exist() {
    let (api, base) = Api::start().await;
    let app = TestApp::start_with_settings(vec![("TWILIO_API_BASE", base)]).await;
    set(&app, "{messages: 7d, deleteAtCarrier: true}").await;
    for sid in ["SM1", "SM2", "SM3"] {
        app.receive(Text::new(sid)).await;
    }
    app.clock.advance_days(8);
    purge(&app).await;
    api.answer_next(&[429]);
    assert_eq!(run(&app).await, CarrierDeletions { done: 0, postponed: 1 });
    assert_eq!(api.take_requests(), ["/Messages/SM1.json"], "the account is left alone");
    assert_eq!(run(&app).await, CarrierDeletions::default());
    app.clock.advance(Duration::from_secs(60));
    // The second does not exist, and the third is still being sent.
    api.answer_next(&[204, 404, 409]);
    assert_eq!(run(&app).await, CarrierDeletions { done: 2, postponed: 1 });
    assert_eq!(api.take_requests(), ["/Messages/SM1.json", "/Messages/SM2.json", "/Messages/SM3.json"]);
    assert_eq!(pending(&app).await, ["/Messages/SM3.json"]);
    assert_eq!(run(&app).await, CarrierDeletions::default());
    app.clock.advance(Duration::from_secs(60));
    api.answer_next(&[500]);
    assert_eq!(run(&app).await, CarrierDeletions { done: 0, postponed: 1 });
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(run(&app).await, CarrierDeletions::default(), "the delays grow");
    app.clock.advance(Duration::from_secs(240));
    assert_eq!(run(&app).await, CarrierDeletions { done: 1, postponed: 0 });
    assert!(pending(&app).await.is_empty());
}

#[tokio::test]
async fn a_rejected_token_stops_the_deletions_of_its_account() {
    let (api, base) = Api::start().await;
    let app = TestApp::start_with_settings(vec![("TWILIO_API_BASE", base)]).await;
    set(&app, "{messages: 7d, deleteAtCarrier: true}").await;
    for sid in ["SM1", "SM2"] {
        app.receive(Text::new(sid)).await;
    }
    app.clock.advance_days(8);
    purge(&app).await;
    api.answer_next(&[401]);
    assert_eq!(run(&app).await, CarrierDeletions { done: 0, postponed: 1 });
    assert_eq!(api.take_requests().len(), 1);
    assert_eq!(pending(&app).await.len(), 2);
}

#[tokio::test]
async fn the_simulated_carrier_deletes_messages_calls_and_recordings() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    app.apply(PHONES).await;
    set(&app, "{messages: 7d, deleteAtCarrier: true}").await;
    carrier.text(CARLA, DESK, "hello").await.unwrap();
    let waiting = CallScript::new(CARLA, DESK).then(CallerStep::Wait);
    let record = carrier.call(waiting.then(CallerStep::Speak(7))).await.unwrap();
    app.call(&record.sid).await;
    app.clock.advance_days(8);
    purge(&app).await;
    assert!(!pending(&app).await.is_empty());
    for _ in 0..5 {
        run(&app).await;
        app.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(pending(&app).await, Vec::<String>::new());
}
