//! Media that the simulated carrier fetches for outbound messages.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use partyline_simulator::{Fault, Match, MessageStatus, OriginMapping, SentText, Simulator};
use serde_json::{Value, json};
use url::Url;

use crate::support::carrier::carrier;
use crate::support::directory::{ACCOUNT, DESK, TOKEN};
use crate::support::{client, wait};

const PHONE: &str = "+13035560001";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n picture";
/// The limit of Twilio, in bytes.
const LIMIT: usize = 5 * 1_024 * 1_024;

/// A site with files, and the requests that it received.
struct Files {
    base: String,
    requests: Arc<Mutex<Vec<(Method, String, bool)>>>,
}

fn page(path: &str) -> Response {
    let redirect = |to: String| (StatusCode::FOUND, [(LOCATION, to)]).into_response();
    match path {
        "/a.png" => {
            let headers = [(CONTENT_TYPE, "image/png"), (CONTENT_DISPOSITION, "inline; filename=\"a.png\"")];
            (headers, PNG).into_response()
        }
        "/card.vcf" => ([(CONTENT_TYPE, "text/vcard; charset=utf-8")], "BEGIN:VCARD").into_response(),
        "/page.html" => ([(CONTENT_TYPE, "text/html")], "<script>").into_response(),
        "/not.png" => ([(CONTENT_TYPE, "image/png")], "<script>").into_response(),
        "/half" => ([(CONTENT_TYPE, "application/pdf")], vec![0; LIMIT / 2]).into_response(),
        "/endless" => {
            let parts = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![0; 65_536]));
            ([(CONTENT_TYPE, "application/pdf")], Body::from_stream(parts)).into_response()
        }
        "/moved" => redirect("/a.png".to_owned()),
        "/loop" => redirect("/loop".to_owned()),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Files {
    async fn start() -> Self {
        let requests = Arc::<Mutex<Vec<_>>>::default();
        let seen = requests.clone();
        let router = Router::new().fallback(async move |method: Method, uri: Uri, headers: HeaderMap| {
            seen.lock().unwrap().push((method, uri.path().to_owned(), headers.contains_key(AUTHORIZATION)));
            page(uri.path())
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base, requests }
    }
}

async fn create(carrier: &Simulator, body: &str, media: &[String]) -> (StatusCode, Value) {
    let mut form = vec![("To", PHONE), ("From", DESK), ("Body", body)];
    form.extend(media.iter().map(|url| ("MediaUrl", url.as_str())));
    let url = format!("{}/2010-04-01/Accounts/{ACCOUNT}/Messages.json", carrier.base());
    let answer = client().post(url).basic_auth(ACCOUNT, Some(TOKEN)).form(&form).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

/// The outcome of a message once it is final.
async fn outcome(carrier: &Simulator, sid: &str) -> SentText {
    let is_final = |text: &SentText| !matches!(text.status, MessageStatus::Queued | MessageStatus::Sent);
    let find = || async { carrier.ledger().into_iter().find(|text| text.sid == sid && is_final(text)) };
    wait::until("the message is final", find).await
}

async fn send(carrier: &Simulator, media: &[String]) -> SentText {
    let (status, created) = create(carrier, "", media).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    outcome(carrier, created["sid"].as_str().unwrap()).await
}

#[tokio::test]
async fn media_are_fetched_without_credentials_and_shown_with_the_message() {
    let files = Files::start().await;
    let carrier = carrier();
    // The server's public origin is reached at its local address, like webhooks.
    let public = Url::parse("https://app.example").unwrap();
    carrier.map_origin(OriginMapping { public, local: Url::parse(&files.base).unwrap() });
    let media = ["a.png", "card.vcf", "moved"].map(|path| format!("https://app.example/{path}"));
    let (_, created) = create(&carrier, "", &media).await;
    let sid = created["sid"].as_str().unwrap();
    assert!(sid.starts_with("MM"), "{created}");
    assert_eq!([&created["num_media"], &created["body"], &created["status"]], ["3", "", "queued"]);
    let sent = outcome(&carrier, sid).await;
    assert_eq!((sent.status, sent.media_urls.as_slice()), (MessageStatus::Delivered, &media[..]));
    let stored = carrier.media(sid);
    let shown: Vec<_> = stored.iter().map(|media| (media.content_type.as_str(), &media.bytes[..])).collect();
    assert_eq!(shown, [("image/png", PNG), ("text/vcard; charset=utf-8", b"BEGIN:VCARD"), ("image/png", PNG)]);
    assert_eq!(stored[0].file_name.as_deref(), Some("a.png"));
    let requests = files.requests.lock().unwrap().clone();
    assert!(requests.iter().all(|(_, _, has_credentials)| !has_credentials), "{requests:?}");
    let first = [(Method::HEAD, "/a.png".to_owned(), false), (Method::GET, "/a.png".to_owned(), false)];
    assert_eq!(requests[..2], first);
    let list = format!("{}/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}/Media.json", carrier.base());
    let list: Value = client().get(list).basic_auth(ACCOUNT, Some(TOKEN)).send().await.unwrap().json().await.unwrap();
    let listed: Vec<_> = list["media_list"].as_array().unwrap().iter().map(|row| row["sid"].clone()).collect();
    assert_eq!(json!(listed), json!(stored.iter().map(|media| &media.sid).collect::<Vec<_>>()));
    let phone = carrier.phone(PHONE).pop().unwrap();
    assert_eq!((phone.body.as_str(), phone.num_media), ("", 3));
}

#[tokio::test]
async fn media_that_cannot_be_fetched_fail_the_message_in_a_later_receipt() {
    let files = Files::start().await;
    let carrier = carrier();
    let at = |path: &str| format!("{}{path}", files.base);
    for (media, code) in [
        (vec![at("/missing")], 11200),
        (vec!["http://127.0.0.1:1/a.png".to_owned()], 11205),
        (vec![at("/loop")], 11215),
        (vec![at("/a.png"), at("/page.html")], 12300),
        (vec![at("/not.png")], 12300),
        (vec![at("/half"), at("/half"), at("/a.png")], 11751),
        (vec![at("/endless")], 11751),
    ] {
        let sent = send(&carrier, &media).await;
        assert_eq!((sent.status, sent.error_code), (MessageStatus::Failed, Some(code)), "{media:?}");
        assert!(carrier.media(&sent.sid).is_empty());
    }
    let sent = send(&carrier, &[at("/half"), at("/half")]).await;
    assert_eq!((sent.status, carrier.media(&sent.sid).len()), (MessageStatus::Delivered, 2));
    carrier.set_fault(Fault::Failed { code: 30008 }, Match::to(PHONE));
    assert_eq!(send(&carrier, &[at("/a.png")]).await.error_code, Some(30008));
}

#[tokio::test]
async fn the_number_and_the_form_of_media_urls_are_checked() {
    let carrier = carrier();
    for (media, code) in [
        (vec!["https://app.example/a.png"; 11], 21623),
        (vec!["app.example/a.png"], 21620),
        (vec!["ftp://app.example/a.png"], 21620),
        (vec![], 21602),
    ] {
        let media: Vec<String> = media.into_iter().map(str::to_owned).collect();
        let (status, error) = create(&carrier, "", &media).await;
        assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &json!(code)), "{media:?}");
    }
    assert!(carrier.ledger().is_empty());
}
