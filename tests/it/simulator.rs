//! The simulated carrier's REST API.

use chrono::DateTime;
use partyline_simulator::{Fault, Match, Simulator};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::support::carrier::carrier;
use crate::support::directory::{ACCOUNT, DESK, OTHER_ACCOUNT, OTHER_TOKEN, TOKEN};
use crate::support::{TestApp, client, wait};

const PHONE: &str = "+13035560001";

struct Api {
    http: Client,
    base: String,
}

impl Api {
    fn of(carrier: &Simulator) -> Self {
        Self { http: client(), base: carrier.base() }
    }

    async fn create(&self, form: &[(&str, &str)]) -> reqwest::Result<(StatusCode, Value)> {
        let url = format!("{}/2010-04-01/Accounts/{ACCOUNT}/Messages.json", self.base);
        let answer = self.http.post(url).basic_auth(ACCOUNT, Some(TOKEN)).form(form).send().await?;
        let status = answer.status();
        Ok((status, answer.json().await?))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let answer =
            self.http.get(format!("{}{path}", self.base)).basic_auth(ACCOUNT, Some(TOKEN)).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }
}

#[tokio::test]
async fn messages_are_created_fetched_and_listed_page_by_page() {
    let carrier = carrier();
    let api = Api::of(&carrier);
    for n in 0..7 {
        let (to, body) = (if n % 2 == 0 { PHONE } else { "+13035560002" }, format!("text {n}"));
        let (status, created) = api.create(&[("To", to), ("From", DESK), ("Body", &body)]).await.unwrap();
        assert_eq!(
            (status, &created["status"], &created["direction"]),
            (StatusCode::CREATED, &json!("queued"), &json!("outbound-api"))
        );
        let uri = created["uri"].as_str().unwrap();
        let (status, fetched) = api.get(uri).await;
        assert_eq!((status, &fetched["sid"], &fetched["body"]), (StatusCode::OK, &created["sid"], &json!(body)));
        DateTime::parse_from_rfc2822(fetched["date_created"].as_str().unwrap()).unwrap();
    }
    let first =
        format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json?To=%2B13035560001&From=%2B13035550100&PageSize=3");
    let (mut bodies, mut next) = (Vec::new(), json!(first));
    while let Some(uri) = next.as_str() {
        let (status, page) = api.get(uri).await;
        assert_eq!(status, StatusCode::OK);
        bodies.extend(page["messages"].as_array().unwrap().iter().map(|message| message["body"].clone()));
        next = page["next_page_uri"].clone();
    }
    assert_eq!(bodies, [json!("text 6"), json!("text 4"), json!("text 2"), json!("text 0")]);
    wait::until("all messages are delivered", || async {
        carrier.ledger().iter().all(|text| text.status.as_str() == "delivered").then_some(())
    })
    .await;
    let day = carrier.ledger()[0].at.format("%Y-%m-%d").to_string();
    for (filter, expected) in
        [("DateSent%3E=2020-01-01", 7), ("DateSent%3C=2020-01-01", 0), (&format!("DateSent%3E={day}"), 7)]
    {
        let (_, page) = api.get(&format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json?{filter}")).await;
        assert_eq!(page["messages"].as_array().unwrap().len(), expected, "{filter}");
    }
}

#[tokio::test]
async fn requests_that_twilio_refuses_are_refused() {
    let carrier = carrier();
    let api = Api::of(&carrier);
    let long = "a".repeat(1601);
    for (form, code) in [
        (vec![("From", DESK), ("Body", "x")], 21604),
        (vec![("To", PHONE), ("Body", "x")], 21603),
        (vec![("To", PHONE), ("From", DESK)], 21602),
        (vec![("To", "nobody"), ("From", DESK), ("Body", "x")], 21211),
        (vec![("To", PHONE), ("From", DESK), ("Body", &long)], 21617),
    ] {
        let (status, error) = api.create(&form).await.unwrap();
        assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &json!(code)));
    }
    let url = format!("{}/2010-04-01/Accounts/{ACCOUNT}/Messages.json", carrier.base());
    for (user, password) in [(ACCOUNT, "wrong"), (OTHER_ACCOUNT, OTHER_TOKEN)] {
        let answer = api.http.get(&url).basic_auth(user, Some(password)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(api.get(&format!("/2010-04-01/Accounts/{ACCOUNT}/Messages/SM0.json")).await.0, StatusCode::NOT_FOUND);
    assert!(carrier.ledger().is_empty());
}

#[tokio::test]
async fn it_can_drop_the_connection_before_and_after_accepting() {
    let carrier = carrier();
    let api = Api::of(&carrier);
    let form = [("To", PHONE), ("From", DESK), ("Body", "x")];
    for (fault, held) in [(Fault::DropBeforeAccepting, 0), (Fault::DropAfterAccepting, 1)] {
        carrier.set_fault(fault, Match::to(PHONE));
        assert!(api.create(&form).await.is_err());
        assert_eq!(carrier.ledger().len(), held);
    }
    assert_eq!(api.create(&form).await.unwrap().0, StatusCode::CREATED);
}

#[tokio::test]
async fn a_stop_blocks_the_number_and_reaches_the_server_signed() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let api = Api::of(&carrier);
    assert_eq!(carrier.text(PHONE, DESK, "stop").await, Ok(Some(StatusCode::OK)));
    let contacts = app.contacts_at(app.agency("acme").await, PHONE).await;
    assert!(contacts[0].opted_out_at.is_some());
    let form = [("To", PHONE), ("From", DESK), ("Body", "x")];
    assert_eq!(api.create(&form).await.unwrap().1["code"], 21610);
    assert_eq!(carrier.text(PHONE, DESK, "START").await, Ok(Some(StatusCode::OK)));
    assert_eq!(api.create(&form).await.unwrap().0, StatusCode::CREATED);
    let shown: Vec<String> = carrier.phone(PHONE).into_iter().map(|text| text.body).collect();
    assert_eq!((shown[0].as_str(), shown[2].as_str()), ("stop", "START"));
    assert!(shown[1].contains("unsubscribed"));
}
