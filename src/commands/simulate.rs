//! `partyline simulate`: texts and calls from simulated phones.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Subcommand;
use partyline::app::Ports;
use partyline_simulator::{PhoneDirection, PhoneText};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use url::Url;

/// The time that `phone --until` waits for a text.
const TEXT_TIMEOUT: Duration = Duration::from_secs(20);
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
        /// The body of the text
        body: String,
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
        SimulateCommand::Text { from, to, body, carrier } => {
            let url = carrier.join("simulator/texts")?;
            let result = http.post(url).json(&json!({"from": from, "to": to, "body": body})).send().await;
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
    println!("{} {preposition} {}: {}", text.at.format("%H:%M:%S"), text.number, text.body);
}
