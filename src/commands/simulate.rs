//! `partyline simulate`: a person at a simulated phone.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Subcommand;
use partyline::app::Ports;
use partyline::simulator::{PhoneDirection, PhoneText};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use url::Url;

/// How long a text is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

#[derive(Subcommand)]
pub(crate) enum What {
    /// Text a number from a phone
    Text {
        /// The phone
        #[arg(long, value_parser = super::address)]
        from: String,
        /// The number
        #[arg(long, value_parser = super::phone)]
        to: String,
        /// What it says
        body: String,
        /// Where the carrier is
        #[arg(long, default_value = "http://127.0.0.1:8090")]
        carrier: Url,
    },
    /// Call a number, and print the call
    Call(super::simulate_call::Arguments),
    /// Print what a phone sent and received
    Phone {
        /// The phone
        #[arg(value_parser = super::address)]
        number: String,
        /// Wait, at most 20 seconds, until it has received a text that holds this
        #[arg(long)]
        until: Option<String>,
        /// Where the carrier is
        #[arg(long, default_value = "http://127.0.0.1:8090")]
        carrier: Url,
    },
}

pub(crate) async fn run(ports: Ports, what: What) -> anyhow::Result<ExitCode> {
    // The only provider that is built in.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = Client::builder().no_proxy().build()?;
    match what {
        What::Text { from, to, body, carrier } => {
            let url = carrier.join("simulator/texts")?;
            let asked = http.post(url).json(&json!({"from": from, "to": to, "body": body})).send().await;
            let answer: Value = taken(asked)?.json().await?;
            let status = &answer["status"];
            println!("{} {status}", answer["sid"].as_str().unwrap_or_default());
            ensure!(status == 200, "the text was not taken");
        }
        What::Call(arguments) => return super::simulate_call::run(&http, arguments).await,
        What::Phone { number, until, carrier } => {
            let url = carrier.join(&format!("simulator/phones/{number}/texts"))?;
            let mut waited = Duration::ZERO;
            loop {
                let texts: Vec<PhoneText> = taken(http.get(url.clone()).send().await)?.json().await?;
                let holds =
                    |text: &PhoneText, what: &str| text.direction == PhoneDirection::In && text.body.contains(what);
                let is_there = until.as_deref().is_none_or(|what| texts.iter().any(|text| holds(text, what)));
                if is_there || waited >= PATIENCE {
                    texts.iter().for_each(print);
                    ensure!(is_there, "the text has not come");
                    break;
                }
                ports.clock.sleep(BETWEEN_LOOKS).await;
                waited += BETWEEN_LOOKS;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn taken(asked: reqwest::Result<Response>) -> anyhow::Result<Response> {
    let answer = asked.context("the carrier does not answer: is `partyline demo` or `twilio-sim` running?")?;
    if !answer.status().is_success() {
        bail!("the carrier answers {}", answer.status());
    }
    Ok(answer)
}

fn print(text: &PhoneText) {
    let arrow = match text.direction {
        PhoneDirection::In => "from",
        PhoneDirection::Out => "to",
    };
    println!("{} {arrow} {}: {}", text.at.format("%H:%M:%S"), text.number, text.body);
}
