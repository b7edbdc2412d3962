//! Files that users upload: [`receiving`] them, [`serving`] them at signed URLs, and [`sending`] them with texts; and what
//! a [`kill`] leaves.

mod kill;
mod receiving;
mod sending;
mod serving;

use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::support::{PUBLIC_URL, TestApp};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and the rest of a picture";
const HTML: &[u8] = b"<!doctype html><script>alert(1)</script>";
const SVG: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
const MB: usize = 1024 * 1024;

/// A picture of this size.
fn picture(length: usize) -> Vec<u8> {
    let mut bytes = PNG.to_vec();
    bytes.resize(length, b'x');
    bytes
}

/// Posts a body to `/media`; returns the status and the JSON of the response.
async fn post(app: &TestApp, token: &SecretString, content_type: &str, body: Vec<u8>) -> (u16, Value) {
    let asked = app.http.post(app.url("/media")).bearer_auth(token.expose_secret());
    let answer = asked.header(CONTENT_TYPE, content_type).body(body).send().await.expect("the server answers");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// Uploads a file; returns the response.
async fn upload(app: &TestApp, token: &SecretString, bytes: &[u8]) -> Value {
    let (status, uploaded) = post(app, token, "application/octet-stream", bytes.to_vec()).await;
    assert_eq!(status, 201, "{uploaded}");
    uploaded
}

const FORM: &str = "multipart/form-data; boundary=----part";

/// A form with a text field and a file, as browsers send it.
fn form(field: &str, file_name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut body = b"------part\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n".to_vec();
    let head = format!("------part\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{file_name}\"\r\n");
    body.extend(head.as_bytes());
    body.extend(b"Content-Type: image/png\r\n\r\n");
    body.extend(bytes);
    body.extend(b"\r\n------part--\r\n");
    body
}

/// The address at which the test server serves this URL.
fn local(app: &TestApp, url: &Value) -> String {
    let url = url.as_str().expect("a URL");
    app.url(url.strip_prefix(PUBLIC_URL).expect("a URL of the server"))
}
