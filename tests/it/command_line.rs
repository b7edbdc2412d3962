//! Phone numbers on the command line.

use partyline_simulator::PhoneText;
use tempfile::TempDir;

use crate::support::carrier::{carrier, deliver};
use crate::support::directory::DESK;
use crate::support::site::Site;
use crate::support::{TestApp, process};

/// Runs a command without blocking the test's runtime, which also runs the servers.
async fn run(arguments: Vec<String>) -> (bool, String) {
    let running = tokio::task::spawn_blocking(move || {
        let folder = TempDir::new().expect("a temporary folder");
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = process::run(folder.path(), &arguments, "");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    });
    running.await.expect("the command runs")
}

#[tokio::test]
async fn a_simulated_text_accepts_numbers_in_any_common_notation() {
    let app = TestApp::start().await;
    let carrier = carrier();
    deliver(&carrier, app.address);
    let arguments =
        ["simulate", "text", "--from", "+1 (303) 556-0009", "--to", "+1 303-555-0100", "hello", "--carrier"];
    let mut arguments = arguments.map(str::to_owned).to_vec();
    arguments.push(carrier.base());
    let (success, error) = run(arguments).await;
    assert!(success, "{error}");
    assert_eq!(app.contacts_at(app.agency("acme").await, "+13035560009").await.len(), 1);
    let url = format!("{}/simulator/phones/+13035560009/texts", carrier.base());
    let texts: Vec<PhoneText> = app.http.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(texts.iter().map(|text| text.number.as_str()).collect::<Vec<_>>(), [DESK]);
}

#[tokio::test]
async fn a_number_without_its_country_code_is_refused() {
    for arguments in [
        &["simulate", "text", "--from", "(303) 556-0009", "--to", DESK, "hello"][..],
        &["simulate", "text", "--from", "+13035560009", "--to", "303 555 0100", "hello"],
        &["simulate", "phone", "303 555 0009"],
        &["simulate", "call", "--from", "3035560009", "--to", DESK],
        &["quarantine", "assign", "qtn_00000000000000000000000000000001", "--number", "3035550100"],
    ] {
        let (success, error) = run(arguments.iter().map(|text| (*text).to_owned()).collect()).await;
        assert!(!success, "{arguments:?}");
        assert!(error.contains("write it with its country code"), "{arguments:?}: {error}");
    }
}

#[tokio::test]
async fn a_simulated_text_carries_files_with_their_types() {
    let site = Site::start(&[]).await;
    let carrier = site.carrier_with(|settings| settings.sms_url = format!("{}/sms", site.base));
    let folder = TempDir::new().unwrap();
    let file = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, name).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (photo, scan, unknown) = (file("photo.JPG"), file("scan.bin"), file("scan"));
    let text = |media: &[String]| {
        let mut arguments = ["simulate", "text", "--from", "+13035560009", "--to", DESK].map(str::to_owned).to_vec();
        arguments.extend(["--carrier".to_owned(), carrier.base()]);
        arguments.extend(media.iter().flat_map(|file| ["--media".to_owned(), file.clone()]));
        run(arguments)
    };
    // The site responds with 204, which the command does not accept. The text was sent nevertheless.
    let (_, error) = text(&[photo, format!("{scan}=image/png")]).await;
    let webhook = site.only_request("/sms");
    let fields = ["Body", "NumMedia", "MediaContentType0", "MediaContentType1"].map(|name| webhook.field(name));
    assert_eq!(fields, ["", "2", "image/jpeg", "image/png"], "{error}");
    let media = carrier.media(webhook.field("MessageSid"));
    assert_eq!(media[0].file_name.as_deref(), Some("photo.JPG"));
    assert_eq!(media[1].bytes, "scan.bin");
    for (media, message) in [
        (vec![unknown], "the type of"),
        (vec!["missing.png".to_owned()], "missing.png cannot be read"),
        (vec!["missing.png".to_owned(); 11], "at most 10 media files"),
        (vec![], "required"),
    ] {
        let (success, error) = text(&media).await;
        assert!(!success && error.contains(message), "{message}: {error}");
    }
}
