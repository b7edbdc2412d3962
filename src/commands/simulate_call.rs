//! `partyline simulate call`: makes a simulated call and prints its transcript.

use std::process::ExitCode;

use anyhow::ensure;
use clap::Args;
use partyline_simulator::{CallRecord, CallScript, CallerStep, PhoneScript};
use reqwest::Client;
use url::Url;

use super::simulate::successful;
use super::twilio_sim::LegPolicyArgument;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The caller: a phone number, or any other caller ID such as anonymous
    #[arg(long, value_parser = super::address)]
    from: String,
    /// The number to call
    #[arg(long, value_parser = super::phone)]
    to: String,
    /// Keys to press at a menu; # ends the input. Repeat the option for further menus
    #[arg(long)]
    dial: Vec<String>,
    /// Press no key at the first menu
    #[arg(long)]
    wait: bool,
    /// Seconds to speak after the beep before hanging up; 0 hangs up at the beep
    #[arg(long)]
    speak: Option<u32>,
    /// Hang up this many seconds after phones begin to ring
    #[arg(long)]
    hang_up_after: Option<u32>,
    /// Seconds after which the caller ends a conversation
    #[arg(long, default_value_t = 3)]
    talk: u32,
    /// The reaction of a called phone: answers:AFTER:KEY (AFTER in seconds), voicemail:AFTER, busy, no-answer, declines
    /// or failed. Repeat the option for further phones
    #[arg(long, value_name = "PHONE=ACTION", value_parser = phone)]
    phone: Vec<(String, PhoneScript)>,
    /// Run the call 100 times as fast
    #[arg(long)]
    fast: bool,
    /// Whether the other phones keep ringing when the first is picked up. Default: the setting of the carrier
    #[arg(long, value_enum)]
    legs: Option<LegPolicyArgument>,
    /// The URL of the simulated carrier
    #[arg(long, default_value = "http://127.0.0.1:8090")]
    carrier: Url,
}

fn phone(text: &str) -> Result<(String, PhoneScript), String> {
    let (number, action) = text.split_once('=').ok_or("write it as PHONE=ACTION, such as +13035550112=answers:2:1")?;
    let mut words = action.split(':');
    let name = words.next().unwrap_or_default();
    let mut seconds =
        || words.next().unwrap_or("2").parse().map_err(|_| "the seconds must be a whole number".to_owned());
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
        _ => return Err(format!("unknown action {name}: use answers, voicemail, busy, no-answer, declines or failed")),
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
        successful(http.put(url).json(script).send().await)?;
    }
    let url = arguments.carrier.join("simulator/calls")?;
    let answer = successful(http.post(url).json(&arguments.script()).send().await)?;
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
