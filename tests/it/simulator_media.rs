//! Media of the simulated carrier: inbound MMS, downloads and their faults.

use partyline_simulator::{InboundError, InboundText, List, ListFault, MediaFault, MediaFile, ReceivedText, Simulator};
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use crate::support::client;
use crate::support::directory::{ACCOUNT, DESK, OTHER_ACCOUNT, OTHER_TOKEN, TOKEN};
use crate::support::site::Site;

const PHONE: &str = "+13035560001";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n picture";

/// A client that does not follow redirects.
struct Api {
    http: Client,
    base: String,
}

impl Api {
    fn of(carrier: &Simulator) -> Self {
        let _ = client();
        let http = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { http, base: carrier.base() }
    }

    async fn get(&self, path: &str) -> Response {
        self.http.get(format!("{}{path}", self.base)).basic_auth(ACCOUNT, Some(TOKEN)).send().await.unwrap()
    }

    async fn json(&self, path: &str) -> (StatusCode, Value) {
        let answer = self.get(path).await;
        (answer.status(), answer.json().await.unwrap())
    }

    async fn delete(&self, path: &str) -> StatusCode {
        let request = self.http.delete(format!("{}{path}", self.base)).basic_auth(ACCOUNT, Some(TOKEN));
        request.send().await.unwrap().status()
    }

    /// Requests a media file and then its content.
    async fn content(&self, path: &str) -> Response {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
        let location = answer.headers()[LOCATION].to_str().unwrap();
        self.http.get(location).send().await.unwrap()
    }
}

fn messages() -> String {
    format!("/2010-04-01/Accounts/{ACCOUNT}/Messages")
}

fn paths(text: &ReceivedText) -> Vec<String> {
    text.media.iter().map(|media| format!("{}/{}/Media/{media}", messages(), text.sid)).collect()
}

fn mms(files: impl IntoIterator<Item = MediaFile>) -> InboundText {
    files.into_iter().fold(InboundText::new(PHONE, DESK, "Look"), InboundText::with_media)
}

/// A message with one PNG file that has this fault, and the path of the file.
fn faulty(carrier: &Simulator, fault: MediaFault) -> String {
    let text = carrier.carry_text(mms([MediaFile::new("image/png", PNG).with_fault(fault)])).unwrap();
    paths(&text).remove(0)
}

#[tokio::test]
async fn an_mms_reaches_the_webhook_and_its_files_can_be_downloaded() {
    let site = Site::start(&[]).await;
    let carrier = site.carrier_with(|settings| settings.sms_url = format!("{}/sms", site.base));
    let api = Api::of(&carrier);
    let files = [MediaFile::new("image/png", PNG).named("scan \"1\".png"), MediaFile::new("text/vcard", "BEGIN:VCARD")];
    let text = carrier.send_text(mms(files)).await.unwrap();
    assert_eq!((text.status, text.media.len()), (Some(StatusCode::NO_CONTENT), 2));
    assert!(text.sid.starts_with("MM") && text.media.iter().all(|media| media.starts_with("ME")), "{text:?}");
    let webhook = site.only_request("/sms");
    let paths = paths(&text);
    let url = |path: &String| format!("{}{path}", carrier.base());
    assert_eq!(["MessageSid", "SmsSid", "NumMedia"].map(|name| webhook.field(name)), [&text.sid, &text.sid, "2"]);
    assert_eq!([webhook.field("MediaUrl0"), webhook.field("MediaUrl1")], [url(&paths[0]), url(&paths[1])]);
    assert_eq!([webhook.field("MediaContentType0"), webhook.field("MediaContentType1")], ["image/png", "text/vcard"]);
    let content = api.content(&paths[0]).await;
    assert_eq!(content.headers()[CONTENT_TYPE], "image/png");
    assert_eq!(content.headers()[CONTENT_DISPOSITION], "inline; filename=\"scan _1_.png\"");
    assert_eq!(content.bytes().await.unwrap(), PNG);
    let content = api.content(&paths[1]).await;
    assert!(!content.headers().contains_key(CONTENT_DISPOSITION));
    assert_eq!(content.text().await.unwrap(), "BEGIN:VCARD");
    let (_, message) = api.json(&format!("{}/{}.json", messages(), text.sid)).await;
    assert_eq!((&message["num_media"], &message["direction"]), (&json!("2"), &json!("inbound")));
    let list = message["subresource_uris"]["media"].as_str().unwrap();
    let (_, list) = api.json(&format!("{list}?PageSize=1")).await;
    assert_eq!(list["media_list"][0]["sid"], json!(text.media[0]));
    let (_, list) = api.json(list["next_page_uri"].as_str().unwrap()).await;
    let [media] = list["media_list"].as_array().unwrap().as_slice() else { panic!("{list}") };
    let (status, resource) = api.json(&format!("{}.json", paths[1])).await;
    assert_eq!((status, &resource), (StatusCode::OK, media));
    assert_eq!((&media["sid"], &media["parent_sid"]), (&json!(text.media[1]), &json!(text.sid)));
}

#[tokio::test]
async fn a_file_needs_credentials_of_its_account_and_its_content_rejects_them() {
    let site = Site::start(&[]).await;
    let carrier = site.carrier();
    let api = Api::of(&carrier);
    let text = carrier.carry_text(mms([MediaFile::new("image/png", PNG)])).unwrap();
    let path = paths(&text).remove(0);
    for suffix in ["", ".json"] {
        let url = format!("{}{path}{suffix}", carrier.base());
        assert_eq!(api.http.get(&url).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
        let other = api.http.get(&url).basic_auth(OTHER_ACCOUNT, Some(OTHER_TOKEN)).send().await.unwrap();
        assert_eq!(other.status(), StatusCode::UNAUTHORIZED);
    }
    let foreign = path.replace(&text.sid, &format!("MM{:032}", 1));
    assert_eq!(api.get(&foreign).await.status(), StatusCode::NOT_FOUND);
    let location = api.get(&path).await.headers()[LOCATION].to_str().unwrap().to_owned();
    assert!(location.starts_with(&format!("{}/cdn/", carrier.base())) && !location.contains(&text.media[0]));
    let with_credentials = api.http.get(&location).basic_auth(ACCOUNT, Some(TOKEN)).send().await.unwrap();
    assert_eq!((with_credentials.status(), carrier.leaked_credentials()), (StatusCode::BAD_REQUEST, 1));
    assert_eq!(api.http.get(&location).send().await.unwrap().bytes().await.unwrap(), PNG);
    let guessed = format!("{}/cdn/{}", carrier.base(), text.media[0]);
    assert_eq!(api.http.get(guessed).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(carrier.leaked_credentials(), 1);
}

#[tokio::test]
async fn a_download_can_fail_for_a_number_of_requests() {
    let site = Site::start(&[]).await;
    let carrier = site.carrier();
    let api = Api::of(&carrier);
    for status in [401, 403, 404, 429, 500] {
        let path = faulty(&carrier, MediaFault::Status { status, seconds: Some(3), times: 2 });
        for _ in 0..2 {
            let answer = api.get(&path).await;
            assert_eq!(answer.status().as_u16(), status);
            assert_eq!(answer.headers()[RETRY_AFTER], "3");
        }
        assert_eq!(api.content(&path).await.bytes().await.unwrap(), PNG, "{status}");
    }
    let path = faulty(&carrier, MediaFault::ContentStatus { status: 403, times: 1 });
    assert_eq!(api.content(&path).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(api.content(&path).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_file_can_be_elsewhere_wrong_endless_or_cut() {
    let site = Site::start(&[]).await;
    let carrier = site.carrier();
    let api = Api::of(&carrier);
    let path = faulty(&carrier, MediaFault::Redirect { location: "http://169.254.169.254/latest".to_owned() });
    assert_eq!(api.get(&path).await.headers()[LOCATION], "http://169.254.169.254/latest");
    let html = MediaFault::Replaced { content_type: "text/html".to_owned(), bytes: "<script>".into() };
    let content = api.content(&faulty(&carrier, html)).await;
    assert_eq!(content.headers()[CONTENT_TYPE], "text/html");
    assert_eq!(content.text().await.unwrap(), "<script>");
    let content = api.content(&faulty(&carrier, MediaFault::Truncated { after: 4 })).await;
    assert_eq!(content.status(), StatusCode::OK);
    assert!(content.bytes().await.is_err());
    for (fault, least) in [(MediaFault::Stalled { after: 4 }, 4), (MediaFault::Endless, 1 << 20)] {
        let mut content = api.content(&faulty(&carrier, fault)).await;
        let mut read = 0;
        while read < least {
            read += content.chunk().await.unwrap().expect("the body has not ended").len();
        }
        assert!(read >= least);
    }
    let text = carrier.carry_text(mms([MediaFile::new("image/png", PNG)])).unwrap();
    carrier.set_media_fault(&text.media[0], MediaFault::not_yet_available(1));
    assert_eq!(api.get(&paths(&text)[0]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(api.get(&paths(&text)[0]).await.status(), StatusCode::TEMPORARY_REDIRECT);
}

#[tokio::test]
async fn a_file_can_be_deleted_alone_and_with_its_message() {
    let site = Site::start(&[]).await;
    let carrier = site.carrier();
    let api = Api::of(&carrier);
    let text = carrier.carry_text(mms([1, 2].map(|n: u8| MediaFile::new("image/png", vec![n])))).unwrap();
    let [first, second] = paths(&text).try_into().unwrap();
    let location = api.get(&first).await.headers()[LOCATION].to_str().unwrap().to_owned();
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        assert_eq!(api.delete(&format!("{first}.json")).await, status);
    }
    assert_eq!(api.get(&first).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(api.http.get(location).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(api.get(&second).await.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(carrier.media(&text.sid).len(), 1);
    let list = format!("{}/{}/Media.json", messages(), text.sid);
    assert_eq!(api.json(&list).await.1["media_list"].as_array().unwrap().len(), 1);
    assert_eq!(api.delete(&format!("{}/{}.json", messages(), text.sid)).await, StatusCode::NO_CONTENT);
    assert_eq!(api.get(&second).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(api.get(&list).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn media_can_be_sent_over_http_and_their_number_is_limited() {
    let site = Site::start(&[]).await;
    let carrier = site.carrier_with(|settings| settings.sms_url = format!("{}/sms", site.base));
    let post = |path: &str, body: Value| client().post(format!("{}{path}", carrier.base())).json(&body).send();
    let file =
        json!({"contentType": "image/png", "bytes": "AQID", "fault": {"fault": "status", "status": 404, "times": 1}});
    let text = json!({"from": PHONE, "to": DESK, "media": [file]});
    let sent: Value = post("/simulator/texts", text).await.unwrap().json().await.unwrap();
    assert_eq!((&sent["status"], site.only_request("/sms").field("Body")), (&json!(204), ""));
    let sid = sent["sid"].as_str().unwrap();
    let stored = client().get(format!("{}/simulator/messages/{sid}/media", carrier.base())).send().await.unwrap();
    let expected = json!([{"sid": sent["media"][0], "contentType": "image/png", "bytes": "AQID", "fileName": null}]);
    assert_eq!(stored.json::<Value>().await.unwrap(), expected);
    let eleven = vec![MediaFile::new("image/png", PNG); 11];
    assert_eq!(carrier.send_text(mms(eleven)).await, Err(InboundError::TooManyFiles));
    let eleven =
        json!({"from": PHONE, "to": DESK, "media": vec![json!({"contentType": "image/png", "bytes": ""}); 11]});
    assert_eq!(post("/simulator/texts", eleven).await.unwrap().status(), StatusCode::BAD_REQUEST);
    let list_fault = json!({"list": "media", "times": 1, "seconds": 4});
    assert_eq!(post("/simulator/list-faults", list_fault).await.unwrap().status(), StatusCode::NO_CONTENT);
    let api = Api::of(&carrier);
    let list = format!("{}/{sid}/Media.json", messages());
    let limited = api.get(&list).await;
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.headers()[RETRY_AFTER], "4");
    assert_eq!(api.get(&list).await.status(), StatusCode::OK);
    carrier.set_list_fault(ListFault::too_many_requests(List::Calls, 1, 1));
    assert_eq!(api.get(&list).await.status(), StatusCode::OK);
}
