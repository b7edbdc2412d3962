//! `partyline twilio-sim`: the simulated carrier alone, for who builds an app against Partyline.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use partyline::app::Ports;
use partyline::simulator::{Account, Deliver, Legs, Simulator, SimulatorSettings};
use partyline::{server, shutdown};
use url::Url;

/// The demo's account, so that the two fit together as they come.
pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Asks the carrier to repeat what Partyline could not take, as Twilio is asked to.
const OVERRIDES: &str = "#rc=5&rp=5xx,ct,rt";

#[derive(Args)]
pub(crate) struct Arguments {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// An account and its auth token, SID:TOKEN; the demo's unless given
    #[arg(long, value_parser = account)]
    account: Vec<Account>,
    /// Where texts from phones are sent to
    #[arg(long, default_value = "http://127.0.0.1:8080/api/twilio/webhook")]
    webhook: Url,
    /// Where calls from phones ask what to do
    #[arg(long, default_value = "http://127.0.0.1:8080/api/twilio/voice/inbound")]
    voice_url: Url,
    /// Where the end of such a call is reported
    #[arg(long, default_value = "http://127.0.0.1:8080/api/twilio/voice/status")]
    voice_status_url: Url,
    /// What becomes of the other phones when the first is picked up: keep them ringing, or cancel them
    #[arg(long, value_enum, default_value_t = LegsMode::Cancel)]
    legs: LegsMode,
    /// PUBLIC=LOCAL: requests meant for the first origin go to the second; signatures are over the first
    #[arg(long, value_parser = deliver)]
    deliver: Option<Deliver>,
    /// Leave STOP, START and HELP to Partyline
    #[arg(long)]
    no_opt_out_filter: bool,
    /// How many of a hundred texts meet a fault at random
    #[arg(long, default_value_t = 0)]
    random_faults: u8,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum LegsMode {
    Keep,
    Cancel,
}

impl From<LegsMode> for Legs {
    fn from(mode: LegsMode) -> Self {
        match mode {
            LegsMode::Keep => Self::Keep,
            LegsMode::Cancel => Self::Cancel,
        }
    }
}

fn account(text: &str) -> Result<Account, String> {
    let (sid, token) = text.split_once(':').ok_or("SID:TOKEN")?;
    Ok(Account::of(sid, token))
}

fn deliver(text: &str) -> Result<Deliver, String> {
    let (public, local) = text.split_once('=').ok_or("PUBLIC=LOCAL, two origins")?;
    let url = |text: &str| Url::parse(text).map_err(|error| error.to_string());
    Ok(Deliver { public: url(public)?, local: url(local)? })
}

/// A carrier with the demo's account, whose texts and calls go to these webhooks.
pub(crate) fn settings(webhook: &str, voice: &str, voice_status: &str) -> SimulatorSettings {
    let overridden = |url: &str| format!("{url}{OVERRIDES}");
    let mut settings = SimulatorSettings::of(vec![Account::of(ACCOUNT, TOKEN)], overridden(webhook));
    settings.voice_url = overridden(voice);
    settings.voice_status_url = Some(overridden(voice_status));
    settings
}

/// Starts a carrier at this address.
pub(crate) fn start(listen: SocketAddr, settings: SimulatorSettings, ports: Ports) -> anyhow::Result<Simulator> {
    let listener = server::listen(listen).with_context(|| format!("the carrier cannot listen on {listen}"))?;
    Simulator::start(listener, settings, ports.clock, ports.ids)
}

pub(crate) async fn run(ports: Ports, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (voice, voice_status) = (arguments.voice_url.as_str(), arguments.voice_status_url.as_str());
    let mut settings = settings(arguments.webhook.as_str(), voice, voice_status);
    settings.legs = arguments.legs.into();
    if !arguments.account.is_empty() {
        settings.accounts = arguments.account;
    }
    settings.deliver = arguments.deliver;
    settings.opt_out_filter = !arguments.no_opt_out_filter;
    // The seed is the time, so that no two evenings are alike.
    let seed = ports.clock.now().timestamp().unsigned_abs();
    settings.random_faults = (arguments.random_faults > 0).then_some((seed, arguments.random_faults));
    let stop = shutdown::signal()?;
    let simulator = start(arguments.listen, settings, ports)?;
    println!("Carrier    {}", simulator.base());
    println!("For `partyline serve`: TWILIO_API_BASE={}", simulator.base());
    println!("To text:   partyline simulate text --from +13035560001 --to +13035550100 \"Hello\"");
    println!("To call:   partyline simulate call --from +13035560001 --to +13035550100 --dial 101#");
    stop.await;
    Ok(ExitCode::SUCCESS)
}
