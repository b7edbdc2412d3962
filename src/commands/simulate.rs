//! `partyline simulate`: texts and calls from simulated phones.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Subcommand;
use partyline::app::Ports;
use partyline_simulator::{MediaFile, PhoneDirection, PhoneText};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use url::Url;

/// The time that `phone --until` waits for a text.
const TEXT_TIMEOUT: Duration = Duration::from_secs(20);
/// The maximum number of media files of a text.
const MAX_FILES: usize = 10;
/// Content types by file name extension.
const TYPES: [(&str, &str); 16] = [
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("heic", "image/heic"),
    ("svg", "image/svg+xml"),
    ("pdf", "application/pdf"),
    ("vcf", "text/vcard"),
    ("txt", "text/plain"),
    ("html", "text/html"),
    ("smil", "application/smil"),
    ("mp3", "audio/mpeg"),
    ("amr", "audio/amr"),
    ("mp4", "video/mp4"),
    ("3gp", "video/3gpp"),
];
const POLL_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Subcommand)]
pub(crate) enum SimulateCommand {
    /// Send a text from a simulated phone to a number
    Text {
        /// The sender: a phone number, a short code or a channel address such as whatsapp:+13035560001
        #[arg(long, value_parser = super::address)]
        from: String,
        /// The number that receives the text
        #[arg(long, value_parser = super::phone)]
        to: String,
        /// The body of the text. It may be left out if there is media
        #[arg(required_unless_present = "media", default_value = "")]
        body: String,
        /// A file to send with the text. Its content type follows from its extension unless it is given, as in
        /// scan.bin=image/png. Repeat the option for up to ten files
        #[arg(long, value_name = "FILE[=TYPE]")]
        media: Vec<String>,
        /// The URL of the simulated carrier
        #[arg(long, default_value = "http://127.0.0.1:8090")]
        carrier: Url,
    },
    /// Call a number from a simulated phone, wait until the call ends, and print its transcript
    Call(super::simulate_call::Arguments),
    /// Print the texts that a simulated phone sent and received
    Phone {
        /// The number of the phone
        #[arg(value_parser = super::address)]
        number: String,
        /// Wait up to 20 seconds until the phone has received a text that contains this
        #[arg(long)]
        until: Option<String>,
        /// The URL of the simulated carrier
        #[arg(long, default_value = "http://127.0.0.1:8090")]
        carrier: Url,
    },
}

pub(crate) async fn run(ports: Ports, command: SimulateCommand) -> anyhow::Result<ExitCode> {
    // Fails if a provider is installed already. That is the same one, because only one is compiled in.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = Client::builder().no_proxy().build()?;
    match command {
        SimulateCommand::Text { from, to, body, media, carrier } => {
            let url = carrier.join("simulator/texts")?;
            ensure!(media.len() <= MAX_FILES, "a text has at most {MAX_FILES} media files");
            let media = media.iter().map(|file| read_media(file)).collect::<anyhow::Result<Vec<_>>>()?;
            let text = json!({"from": from, "to": to, "body": body, "media": media});
            let result = http.post(url).json(&text).send().await;
            let answer: Value = successful(result)?.json().await?;
            let status = &answer["status"];
            println!("{} {status}", answer["sid"].as_str().unwrap_or_default());
            ensure!(status == 200, "the webhook did not accept the text");
        }
        SimulateCommand::Call(arguments) => return super::simulate_call::run(&http, arguments).await,
        SimulateCommand::Phone { number, until, carrier } => {
            let url = carrier.join(&format!("simulator/phones/{number}/texts"))?;
            let mut waited = Duration::ZERO;
            loop {
                let texts: Vec<PhoneText> = successful(http.get(url.clone()).send().await)?.json().await?;
                let matches =
                    |text: &PhoneText, part: &str| text.direction == PhoneDirection::In && text.body.contains(part);
                let has_arrived = until.as_deref().is_none_or(|part| texts.iter().any(|text| matches(text, part)));
                if has_arrived || waited >= TEXT_TIMEOUT {
                    texts.iter().for_each(print);
                    ensure!(has_arrived, "the text did not arrive within {} seconds", TEXT_TIMEOUT.as_secs());
                    break;
                }
                ports.clock.sleep(POLL_INTERVAL).await;
                waited += POLL_INTERVAL;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a file given as `FILE` or `FILE=TYPE`.
fn read_media(argument: &str) -> anyhow::Result<MediaFile> {
    let (path, content_type) = match argument.rsplit_once('=') {
        Some((path, content_type)) if content_type.contains('/') => (Path::new(path), Some(content_type)),
        _ => (Path::new(argument), None),
    };
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let by_extension =
        || TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension)).map(|(_, known)| *known);
    let content_type = content_type.or_else(by_extension).with_context(|| {
        format!("the type of {} is not known. Give it as in {}=image/png", path.display(), path.display())
    })?;
    let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let file = MediaFile::new(content_type, bytes);
    Ok(match path.file_name().and_then(|name| name.to_str()) {
        Some(name) => file.named(name),
        None => file,
    })
}

/// The response, or an error if there is none or its status is not a success.
pub(super) fn successful(result: reqwest::Result<Response>) -> anyhow::Result<Response> {
    let response = result
        .context("the simulated carrier does not respond. Start `partyline demo` or `partyline twilio-sim` first")?;
    if !response.status().is_success() {
        bail!("the simulated carrier responded with {}", response.status());
    }
    Ok(response)
}

fn print(text: &PhoneText) {
    let preposition = match text.direction {
        PhoneDirection::In => "from",
        PhoneDirection::Out => "to",
    };
    let media = match text.num_media {
        0 => String::new(),
        1 => " [1 file]".to_owned(),
        count => format!(" [{count} files]"),
    };
    println!("{} {preposition} {}: {}{media}", text.at.format("%H:%M:%S"), text.number, text.body);
}
