//! Messaging Services of the simulated carrier: inbound texts of their numbers, and their listing by the API.

use partyline_simulator::{Inbound, MessagingService, Simulator};
use reqwest::StatusCode;
use serde_json::Value;

use crate::support::carrier::{carrier_with, deliver};
use crate::support::directory::{ACCOUNT, DESK, EMPTY, NURSES, OTHER_ACCOUNT, OTHER_TOKEN, TOKEN};
use crate::support::{TestApp, client};

const PHONE: &str = "+13035560001";

fn service(n: usize, inbound: Inbound, numbers: &[&str]) -> MessagingService {
    let numbers = numbers.iter().map(|number| (*number).to_owned()).collect();
    MessagingService { sid: format!("MG{n:032}"), account: ACCOUNT.to_owned(), numbers, inbound }
}

async fn get(carrier: &Simulator, path: &str, credentials: (&str, &str)) -> (StatusCode, Value) {
    let url = if path.starts_with('/') { format!("{}{path}", carrier.base()) } else { path.to_owned() };
    let answer = client().get(url).basic_auth(credentials.0, Some(credentials.1)).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_service_overrides_the_webhook_of_its_numbers() {
    let carrier = carrier_with(|settings| {
        let own = settings.sms_url.clone();
        // Nothing listens at the number's own webhook, so only the service can bring a text to the server.
        settings.sms_urls.insert(NURSES.to_owned(), "http://127.0.0.1:9/".to_owned());
        settings.services = vec![
            service(1, Inbound::Discard, &[EMPTY]),
            service(2, Inbound::DeferToNumber, &[DESK]),
            service(3, Inbound::Post(own), &[NURSES]),
        ];
    });
    let app = TestApp::start().await;
    deliver(&carrier, app.address);
    for (number, expected) in [(EMPTY, None), (DESK, Some(StatusCode::OK)), (NURSES, Some(StatusCode::OK))] {
        assert_eq!(carrier.text(PHONE, number, "Hello").await.unwrap(), expected, "{number}");
    }
    // Twilio does not log a discarded text, so it cannot be fetched later either.
    let messages = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json");
    let (_, logged) = get(&carrier, &messages, (ACCOUNT, TOKEN)).await;
    let to: Vec<&str> = logged["messages"].as_array().unwrap().iter().map(|m| m["to"].as_str().unwrap()).collect();
    assert_eq!(to, [NURSES, DESK]);
    app.stop().await;
}

#[tokio::test]
async fn services_and_their_numbers_are_listed_page_by_page_only_for_their_account() {
    let numbers = ["+13035550100", "+13035550101", "+13035550102"];
    let carrier = carrier_with(|settings| {
        settings.services = (1..=3).map(|n| service(n, Inbound::Discard, &numbers)).collect();
    });
    let mine = (ACCOUNT, TOKEN);
    for (path, key, field, expected) in [
        ("/v1/Services".to_owned(), "services", "sid", (1..=3).map(|n| format!("MG{n:032}")).collect()),
        (
            format!("/v1/Services/MG{:032}/PhoneNumbers", 2),
            "phone_numbers",
            "phone_number",
            numbers.map(str::to_owned).to_vec(),
        ),
    ] {
        let (mut seen, mut next): (Vec<String>, _) = (Vec::new(), Some(format!("{path}?PageSize=2")));
        while let Some(url) = next {
            let (status, page) = get(&carrier, &url, mine).await;
            assert_eq!((status, &page["meta"]["key"]), (StatusCode::OK, &Value::from(key)));
            seen.extend(page[key].as_array().unwrap().iter().map(|row| row[field].as_str().unwrap().to_owned()));
            next = page["meta"]["next_page_url"].as_str().map(str::to_owned);
        }
        assert_eq!(seen, expected, "{path}");
        assert_eq!(get(&carrier, &path, (ACCOUNT, "wrong")).await.0, StatusCode::UNAUTHORIZED);
    }
    let others = (OTHER_ACCOUNT, OTHER_TOKEN);
    let (_, page) = get(&carrier, "/v1/Services", others).await;
    assert_eq!(page["services"], Value::Array(Vec::new()));
    let (status, _) = get(&carrier, &format!("/v1/Services/MG{:032}/PhoneNumbers", 2), others).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
