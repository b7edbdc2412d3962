//! `POST /media`: what is accepted, what is refused, and when uploads are deleted.

use std::time::Duration;

use partyline::domain::AgencyId;
use partyline::entity::upload as entity;
use partyline::service::purge_expired::purge_expired;
use reqwest::Method;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use sea_orm::sea_query::Expr;
use sea_orm::{EntityTrait as _, PaginatorTrait as _};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{FORM, HTML, MB, PNG, form, local, picture, post, upload};
use crate::support::{PUBLIC_URL, TestApp, wait};

#[tokio::test]
async fn a_file_is_uploaded_as_bytes_or_in_a_form() {
    let app = TestApp::start().await;
    let ben = app.token("acme", "ben");
    // The content determines the type, not the header.
    let (status, raw) = post(&app, &ben, "text/html", PNG.to_vec()).await;
    assert_eq!((status, &raw["contentType"], &raw["byteSize"]), (201, &json!("image/png"), &json!(PNG.len())));
    let id = raw["id"].as_str().unwrap();
    assert!(id.starts_with("upl_") && raw["url"].as_str().unwrap().starts_with(&format!("{PUBLIC_URL}/media/{id}?")));
    assert_eq!(raw.as_object().unwrap().len(), 4, "{raw}");

    let (status, named) = post(&app, &ben, FORM, form("file", "C:\\x\\Größe.png", PNG)).await;
    assert_eq!((status, &named["contentType"], &named["byteSize"]), (201, &json!("image/png"), &json!(PNG.len())));
    let shown = app.http.get(local(&app, &named["url"])).send().await.unwrap();
    let name = shown.headers()[CONTENT_DISPOSITION].to_str().unwrap().to_owned();
    assert_eq!(name, "inline; filename=\"Gr__e.png\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.png");
    assert_eq!(shown.bytes().await.unwrap(), PNG);

    let (status, page) = post(&app, &ben, "", HTML.to_vec()).await;
    assert_eq!((status, &page["contentType"]), (201, &json!("text/html")), "any type can be uploaded");
}

#[tokio::test]
async fn a_body_without_a_file_is_refused() {
    let app = TestApp::start().await;
    let ben = app.token("acme", "ben");
    let (end, octets) = (b"------part--\r\n".to_vec(), "application/octet-stream");
    for (content_type, body) in [
        (octets, Vec::new()),
        (FORM, Vec::new()),
        (FORM, end),
        (FORM, form("file", "x.png", b"")),
        (FORM, form("picture", "x.png", PNG)),
        (FORM, PNG.to_vec()),
        ("multipart/form-data", form("file", "x.png", PNG)),
        ("multipart/mixed; boundary=----part", form("file", "x.png", PNG)),
    ] {
        let (status, answer) = post(&app, &ben, content_type, body).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("INVALID")), "{content_type}: {answer}");
    }
    assert_eq!(entity::Entity::find().count(app.db()).await.unwrap(), 0);
}

#[tokio::test]
async fn an_upload_needs_a_token_of_an_active_user() {
    let app = TestApp::start().await;
    let (ben, body) = (app.token("acme", "ben"), PNG.to_vec());
    let bare = app.http.post(app.url("/media")).body(body.clone()).send().await.unwrap();
    assert_eq!(bare.status(), 401);
    app.apply("agencies: [{key: acme, users: [{key: ben, active: false}]}]").await;
    app.clock.advance(Duration::from_secs(2));
    assert_eq!(post(&app, &ben, "image/png", body).await.0, 401);
    let get = app.http.get(app.url("/media")).send().await.unwrap();
    assert_eq!(get.status(), 405);
}

#[tokio::test]
async fn a_file_has_at_most_5_mb() {
    let app = TestApp::start().await;
    let ben = app.token("acme", "ben");
    for (extra, expected) in [(0, 201), (1, 413)] {
        let file = picture(5 * MB + extra);
        let in_form = form("file", "x.png", &file);
        assert_eq!(post(&app, &ben, "image/png", file).await.0, expected, "raw, {extra} more");
        let (status, answer) = post(&app, &ben, FORM, in_form).await;
        assert_eq!(status, expected, "in a form, {extra} more");
        assert!(status == 201 || answer["error"]["message"].as_str().unwrap().contains("5 MB"), "{answer}");
    }
    assert_eq!(post(&app, &ben, "image/png", picture(12 * MB)).await.0, 413);
}

/// The head of a request that uploads, up to its body.
fn head(app: &TestApp, user: &str, framing: &str) -> String {
    let token = app.token("acme", user);
    let token = token.expose_secret();
    format!("POST /media HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{framing}\r\n\r\n")
}

#[tokio::test]
async fn an_endless_upload_is_cut_off() {
    let app = TestApp::start().await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(head(&app, "ben", "Transfer-Encoding: chunked").as_bytes()).await.unwrap();
    let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
    let (mut reader, mut writer) = stream.split();
    let mut answer = [0; 12];
    let endless = async { while writer.write_all(&chunk).await.is_ok() {} };
    let answered = async {
        tokio::select! {
            read = reader.read_exact(&mut answer) => read.map(drop),
            () = endless => Ok(()),
        }
    };
    let _ = wait::within("the upload is refused", answered).await;
    assert!(answer == *b"HTTP/1.1 413" || answer == [0; 12], "{}", String::from_utf8_lossy(&answer));
    assert_eq!(entity::Entity::find().count(app.db()).await.unwrap(), 0);

    let mut announced = TcpStream::connect(app.address).await.unwrap();
    announced.write_all(head(&app, "ben", "Content-Length: 99999999999").as_bytes()).await.unwrap();
    wait::within("a refusal", announced.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_slow_upload_times_out_after_a_minute() {
    let app = TestApp::start().await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(format!("{}a", head(&app, "ben", "Content-Length: 100")).as_bytes()).await.unwrap();
    let (mut answer, mut passed) = ([0; 12], 0);
    // The test cannot observe when the server starts to wait, so it advances the clock until the server responds.
    let answering = async {
        let mut ticks = wait::ticks(Duration::from_millis(20));
        let mut begun = 0;
        while begun < answer.len() {
            tokio::select! {
                read = stream.read(&mut answer[begun..]) => begun += read.unwrap(),
                _ = ticks.tick() => {
                    app.clock.advance(Duration::from_secs(5));
                    passed += 5;
                }
            }
        }
    };
    wait::within("a response", answering).await;
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 408");
    assert!(passed >= 60, "after {passed} s");
}

#[tokio::test]
async fn a_user_uploads_two_files_at_a_time_and_does_not_delay_others() {
    let app = TestApp::start().await;
    let open = async || {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        // The server asks for the body when it starts to read it.
        let framing = "Content-Length: 5\r\nExpect: 100-continue";
        stream.write_all(head(&app, "ben", framing).as_bytes()).await.unwrap();
        stream
    };
    let mut asked = [0; 25];
    let (mut first, mut second) = (open().await, open().await);
    for stream in [&mut first, &mut second] {
        wait::within("the server reads the body", stream.read_exact(&mut asked)).await.unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    }
    let mut third = open().await;
    upload(&app, &app.token("acme", "chloe"), PNG).await;
    let unread = third.try_read(&mut asked).unwrap_err();
    assert_eq!(unread.kind(), std::io::ErrorKind::WouldBlock, "the third upload waits");
    first.write_all(b"hello").await.unwrap();
    wait::within("the third upload begins", third.read_exact(&mut asked)).await.unwrap();
}

#[tokio::test]
async fn one_user_cannot_fill_the_storage() {
    let app = TestApp::start().await;
    let (ben, chloe) = (app.token("acme", "ben"), app.token("acme", "chloe"));
    upload(&app, &ben, PNG).await;
    let conn = sea_orm::Database::connect(&app.database.url).await.unwrap();
    let large = Expr::value(i32::try_from(250 * MB).unwrap());
    entity::Entity::update_many().col_expr(entity::Column::ByteSize, large).exec(&conn).await.unwrap();
    let answer = app.http.post(app.url("/media")).bearer_auth(ben.expose_secret()).body(PNG).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (429, "3600"));
    upload(&app, &chloe, PNG).await;
}

async fn has_file(app: &TestApp, agency: AgencyId, digest: &str) -> bool {
    app.services().media.size(agency, digest).await.unwrap().is_some()
}

#[tokio::test]
async fn an_upload_and_its_file_are_deleted_after_a_day_unless_another_row_needs_the_file() {
    let app = TestApp::start().await;
    let agency = app.agency("acme").await;
    let ben = app.token("acme", "ben");
    upload(&app, &ben, PNG).await;
    upload(&app, &ben, HTML).await;
    let rows = entity::Entity::find().all(app.db()).await.unwrap();
    let digest = |content_type: &str| rows.iter().find(|row| row.content_type == content_type).unwrap().digest.clone();
    let (png, html) = (digest("image/png"), digest("text/html"));
    app.clock.advance(Duration::from_secs(23 * 3_600));
    purge_expired(app.services()).await.unwrap();
    assert_eq!(entity::Entity::find().count(app.db()).await.unwrap(), 2);
    // A token is valid for an hour.
    upload(&app, &app.token("acme", "chloe"), PNG).await;
    app.clock.advance(Duration::from_secs(2 * 3_600));
    for _ in 0..2 {
        purge_expired(app.services()).await.unwrap();
        assert_eq!(entity::Entity::find().count(app.db()).await.unwrap(), 1);
        assert!(has_file(&app, agency, &png).await && !has_file(&app, agency, &html).await);
    }
    app.clock.advance_days(1);
    purge_expired(app.services()).await.unwrap();
    assert!(!has_file(&app, agency, &png).await);
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_upload() {
    let app = TestApp::start().await;
    for (origin, is_allowed) in [(PUBLIC_URL, true), ("https://evil.example", false)] {
        let preflight = app.http.request(Method::OPTIONS, app.url("/media")).header("origin", origin);
        let preflight = preflight.header("access-control-request-method", "POST");
        let preflight = preflight.header("access-control-request-headers", "authorization,content-type");
        let headers = preflight.send().await.unwrap().headers().clone();
        assert_eq!(headers.contains_key("access-control-allow-origin"), is_allowed, "{origin}");
    }
    assert!(app.http.post(app.url("/media")).send().await.unwrap().headers()[CONTENT_TYPE] == "application/json");
}
