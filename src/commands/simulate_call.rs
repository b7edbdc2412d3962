//! `partyline simulate call`: a call as a transcript.

use std::process::ExitCode;

use anyhow::ensure;
use clap::Args;
use partyline::simulator::{CallRecord, CallScript, CallerStep, PhoneScript};
use reqwest::Client;
use url::Url;

use super::simulate::taken;
use super::twilio_sim::LegsMode;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The phone
    #[arg(long, value_parser = super::address)]
    from: String,
    /// The number
    #[arg(long, value_parser = super::phone)]
    to: String,
    /// Press these keys at a menu; # ends them. Again for the next menu
    #[arg(long)]
    dial: Vec<String>,
    /// Press nothing at the next menu
    #[arg(long)]
    wait: bool,
    /// Speak so many seconds after the beep, then hang up
    #[arg(long)]
    speak: Option<u32>,
    /// Hang up so many seconds after phones begin to ring
    #[arg(long)]
    hang_up_after: Option<u32>,
    /// End a conversation after so many seconds
    #[arg(long, default_value_t = 3)]
    talk: u32,
    /// PHONE=answers:AFTER:KEY, busy, no-answer, declines, failed or voicemail:AFTER
    #[arg(long, value_parser = phone)]
    phone: Vec<(String, PhoneScript)>,
    /// A second lasts a hundredth
    #[arg(long)]
    fast: bool,
    /// What becomes of the other phones when the first is picked up; as the carrier is set unless given
    #[arg(long, value_enum)]
    legs: Option<LegsMode>,
    /// Where the carrier is
    #[arg(long, default_value = "http://127.0.0.1:8090")]
    carrier: Url,
}

fn phone(text: &str) -> Result<(String, PhoneScript), String> {
    let (number, does) = text.split_once('=').ok_or("PHONE=WHAT")?;
    let mut words = does.split(':');
    let name = words.next().unwrap_or_default();
    let mut seconds = || words.next().unwrap_or("2").parse().map_err(|_| "seconds are a whole number".to_owned());
    let script = match name {
        "answers" => {
            let after = seconds()?;
            match words.next().and_then(|key| key.chars().next()) {
                Some(key) => PhoneScript::accepts(after, key),
                None => PhoneScript::Answers { after, presses: None, press_after: 0, talks: 3_600 },
            }
        }
        "voicemail" => PhoneScript::Voicemail { after: seconds()? },
        "busy" => PhoneScript::Busy,
        "no-answer" => PhoneScript::NoAnswer,
        "declines" => PhoneScript::Declines,
        "failed" => PhoneScript::Failed,
        _ => return Err(format!("a phone does not know how to do {name}")),
    };
    Ok((super::phone(number).map_err(|error| error.to_string())?, script))
}

impl Arguments {
    fn script(&self) -> CallScript {
        let mut script = CallScript::new(&self.from, &self.to).talks(self.talk);
        script.fast = self.fast;
        script.legs = self.legs.map(Into::into);
        if self.wait {
            script.steps.push(CallerStep::Wait);
        }
        script.steps.extend(self.dial.iter().cloned().map(CallerStep::Dial));
        script.steps.extend(self.hang_up_after.map(CallerStep::HangUpAfter));
        if let Some(seconds) = self.speak {
            script.steps.extend([CallerStep::Speak(seconds), CallerStep::HangUp]);
        }
        script
    }
}

pub(crate) async fn run(http: &Client, arguments: Arguments) -> anyhow::Result<ExitCode> {
    for (number, script) in &arguments.phone {
        let url = arguments.carrier.join(&format!("simulator/phones/{number}/script"))?;
        taken(http.put(url).json(script).send().await)?;
    }
    let url = arguments.carrier.join("simulator/calls")?;
    let answer = taken(http.post(url).json(&arguments.script()).send().await)?;
    let record: CallRecord = answer.json().await?;
    for line in &record.transcript {
        println!("{:02}:{:02} {} {}", line.at_seconds / 60, line.at_seconds % 60, line.who, line.what);
    }
    println!("{} {}, {} s", record.sid, record.status, record.seconds);
    for recording in &record.recordings {
        println!("{recording} recorded");
    }
    let error = record.error.unwrap_or_default();
    ensure!(error.is_empty(), "{error}");
    Ok(ExitCode::SUCCESS)
}
