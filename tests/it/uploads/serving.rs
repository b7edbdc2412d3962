//! `GET /media/{id}`: signed URLs, ranges, caching, and files that a browser could execute.

use std::time::Duration;

use partyline::domain::{AgencyId, UserId};
use partyline::ports::Clock as _;
use reqwest::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, IF_RANGE, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use reqwest::{Method, Response};

use super::{HTML, PNG, SVG, local, upload};
use crate::support::{PUBLIC_URL, TestApp};

fn header(response: &Response, name: HeaderName) -> &str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn parts_of_a_file_are_served() {
    let app = TestApp::start().await;
    let uploaded = upload(&app, &app.token("acme", "ben"), PNG).await;
    let url = local(&app, &uploaded["url"]);
    let get = |headers: Vec<(HeaderName, String)>| {
        let request =
            headers.into_iter().fold(app.http.get(&url), |request, (name, value)| request.header(name, value));
        async { request.send().await.unwrap() }
    };
    let whole = get(Vec::new()).await;
    assert_eq!((whole.status().as_u16(), header(&whole, ACCEPT_RANGES)), (200, "bytes"));
    assert_eq!(header(&whole, CONTENT_LENGTH), PNG.len().to_string());
    let etag = header(&whole, ETAG).to_owned();
    assert_eq!(whole.bytes().await.unwrap(), PNG);

    let length = PNG.len();
    for (range, expected) in [("bytes=1-3", 1..4), ("bytes=8-", 8..length), ("bytes=-4", length - 4..length)] {
        let part = get(vec![(RANGE, range.to_owned()), (IF_RANGE, etag.clone())]).await;
        let described = format!("bytes {}-{}/{length}", expected.start, expected.end - 1);
        assert_eq!((part.status().as_u16(), header(&part, CONTENT_RANGE)), (206, described.as_str()), "{range}");
        assert_eq!(header(&part, CONTENT_LENGTH), expected.len().to_string());
        assert_eq!(part.bytes().await.unwrap(), PNG[expected], "{range}");
    }
    let beyond = get(vec![(RANGE, "bytes=9999-".to_owned())]).await;
    assert_eq!((beyond.status().as_u16(), header(&beyond, CONTENT_RANGE)), (416, &*format!("bytes */{length}")));
    for headers in [
        vec![(RANGE, "bytes=0-1,4-5".to_owned())],
        vec![(RANGE, "bytes=0-1".to_owned()), (IF_RANGE, "\"another\"".to_owned())],
        vec![(RANGE, "bytes=0-1".to_owned()), (IF_RANGE, "Mon, 23 Nov 2026 15:00:00 GMT".to_owned())],
    ] {
        let whole = get(headers).await;
        assert_eq!(whole.status().as_u16(), 200);
        assert_eq!(whole.bytes().await.unwrap(), PNG);
    }
    for known in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
        let cached = get(vec![(IF_NONE_MATCH, known.clone())]).await;
        assert_eq!((cached.status().as_u16(), header(&cached, ETAG)), (304, etag.as_str()), "{known}");
        assert!(cached.bytes().await.unwrap().is_empty());
    }
    let head = app.http.request(Method::HEAD, &url).header(RANGE, "bytes=0-1").send().await.unwrap();
    assert_eq!((head.status().as_u16(), header(&head, CONTENT_LENGTH)), (200, &*length.to_string()));
}

#[tokio::test]
async fn a_file_that_a_browser_could_execute_is_downloaded() {
    let app = TestApp::start().await;
    let ben = app.token("acme", "ben");
    for (bytes, content_type, shown, extension) in [
        (PNG, "image/png", "inline", "png"),
        (HTML, "text/html", "attachment", "html"),
        (SVG, "image/svg+xml", "attachment", "svg"),
        (b"%PDF-1.7 x", "application/pdf", "attachment", "pdf"),
        (b"\0\x01\x02", "application/octet-stream", "attachment", "bin"),
    ] {
        let uploaded = upload(&app, &ben, bytes).await;
        let response = app.http.get(local(&app, &uploaded["url"])).send().await.unwrap();
        assert_eq!((header(&response, CONTENT_TYPE), &uploaded["contentType"]), (content_type, &content_type.into()));
        let name = format!("{}.{extension}", uploaded["id"].as_str().unwrap());
        assert_eq!(header(&response, CONTENT_DISPOSITION), format!("{shown}; filename=\"{name}\""));
        assert_eq!(header(&response, X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(header(&response, CACHE_CONTROL), "private, max-age=900");
        let policy = header(&response, CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'; ") && policy.ends_with("; sandbox"), "{policy}");
        assert!(!policy.contains("script") && !policy.contains("allow-"), "{policy}");
    }
}

#[tokio::test]
async fn an_upload_is_shown_only_to_its_user_for_15_minutes() {
    let app = TestApp::start().await;
    let uploaded = upload(&app, &app.token("acme", "ben"), PNG).await;
    let (id, url) = (uploaded["id"].as_str().unwrap(), local(&app, &uploaded["url"]));
    let status = async |url: &str| app.http.get(url).send().await.unwrap().status().as_u16();
    let (agency, other) = (app.agency("acme").await, app.agency("other").await);
    let (chloe, olga) = (app.user("acme", "chloe").await, app.user("other", "olga").await);
    let link = |whose: (AgencyId, UserId)| {
        let link = app.services().media_links.link(whose, id, app.clock.now());
        app.url(link.strip_prefix(PUBLIC_URL).unwrap())
    };
    for whose in [(agency, chloe), (other, olga)] {
        assert_eq!(status(&link(whose)).await, 404);
    }
    let carrier = app.services().media_links.carrier_link(agency, id, app.clock.now());
    assert_eq!(status(&app.url(carrier.strip_prefix(PUBLIC_URL).unwrap())).await, 404, "the carrier gets no uploads");
    for forged in [
        url.replace("signature=", "signature=0"),
        url.replace("expires=1", "expires=2"),
        url.replace("user=", "was="),
        url.replace(&format!("user={}", app.user("acme", "ben").await), &format!("user={chloe}")),
        app.url(&format!("/media/{id}")),
    ] {
        assert_eq!(status(&forged).await, 403, "{forged}");
    }
    assert_eq!(status(&url).await, 200);
    app.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(status(&url).await, 403);
}

#[tokio::test]
async fn pages_of_allowed_origins_may_embed_files() {
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    for (extra, expected) in [
        (vec![], "same-origin"),
        (vec![("PARTYLINE_ALLOWED_ORIGINS", "https://console.example".to_owned())], "cross-origin"),
    ] {
        let app = TestApp::start_with_settings(extra).await;
        let uploaded = upload(&app, &app.token("acme", "ben"), PNG).await;
        let response = app.http.get(local(&app, &uploaded["url"])).send().await.unwrap();
        assert_eq!(header(&response, policy.clone()), expected);
    }
}
