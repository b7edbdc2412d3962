//! `partyline twilio-sim`: the simulated carrier without a server, for developers of applications.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use partyline::{server, shutdown};
use partyline_simulator::{Account, Clock as _, LegPolicy, OriginMapping, Simulator, SimulatorSettings, SystemClock};
use url::Url;

/// The account of the demo, so that `twilio-sim` and the demo work together without settings.
pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// The connection overrides that Partyline recommends for its webhooks at Twilio.
const OVERRIDES: &str = "#rc=5&rp=5xx,ct,rt";

#[derive(Args)]
pub(crate) struct Arguments {
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// An account and its auth token. Repeat the option for further accounts. Default: the account of the demo
    #[arg(long, value_name = "SID:TOKEN", value_parser = account)]
    account: Vec<Account>,
    /// The messaging webhook, which receives texts from phones
    #[arg(long, default_value = "http://127.0.0.1:8080/api/twilio/webhook")]
    webhook: Url,
    /// The voice webhook, which returns TwiML for calls from phones
    #[arg(long, default_value = "http://127.0.0.1:8080/api/twilio/voice/inbound")]
    voice_url: Url,
    /// The status callback for the end of calls from phones
    #[arg(long, default_value = "http://127.0.0.1:8080/api/twilio/voice/status")]
    voice_status_url: Url,
    /// Whether the other phones keep ringing when the first is picked up
    #[arg(long, value_enum, default_value_t = LegPolicyArgument::Cancel)]
    legs: LegPolicyArgument,
    /// Send webhooks for a public origin to a local one. Signatures are computed over the public URL
    #[arg(long, value_name = "PUBLIC=LOCAL", value_parser = origin_mapping)]
    deliver: Option<OriginMapping>,
    /// Do not handle STOP, START and HELP, as when the opt-out filter is off at Twilio
    #[arg(long)]
    no_opt_out_filter: bool,
    /// The percentage of outbound texts that get a random fault
    #[arg(long, default_value_t = 0)]
    random_faults: u8,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum LegPolicyArgument {
    /// The other phones keep ringing
    Keep,
    /// The other phones are canceled
    Cancel,
}

impl From<LegPolicyArgument> for LegPolicy {
    fn from(argument: LegPolicyArgument) -> Self {
        match argument {
            LegPolicyArgument::Keep => Self::Keep,
            LegPolicyArgument::Cancel => Self::Cancel,
        }
    }
}

fn account(text: &str) -> Result<Account, String> {
    let (sid, token) = text.split_once(':').ok_or("write it as SID:TOKEN")?;
    Ok(Account::new(sid, token))
}

fn origin_mapping(text: &str) -> Result<OriginMapping, String> {
    let (public, local) = text.split_once('=').ok_or("write it as PUBLIC=LOCAL, two origins")?;
    let url = |text: &str| Url::parse(text).map_err(|error| error.to_string());
    Ok(OriginMapping { public: url(public)?, local: url(local)? })
}

/// Settings of a carrier with the demo's account and these webhooks.
pub(crate) fn settings(webhook: &str, voice: &str, voice_status: &str) -> SimulatorSettings {
    let with_overrides = |url: &str| format!("{url}{OVERRIDES}");
    let mut settings = SimulatorSettings::new(vec![Account::new(ACCOUNT, TOKEN)], with_overrides(webhook));
    settings.voice_url = with_overrides(voice);
    settings.voice_status_url = Some(with_overrides(voice_status));
    settings
}

pub(crate) fn start(listen: SocketAddr, settings: SimulatorSettings) -> anyhow::Result<Simulator> {
    let listener =
        server::listen(listen).with_context(|| format!("the simulated carrier cannot listen on {listen}"))?;
    Simulator::start(listener, settings, Arc::new(SystemClock::new()))
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (voice, voice_status) = (arguments.voice_url.as_str(), arguments.voice_status_url.as_str());
    let mut settings = settings(arguments.webhook.as_str(), voice, voice_status);
    settings.legs = arguments.legs.into();
    if !arguments.account.is_empty() {
        settings.accounts = arguments.account;
    }
    settings.origin_mapping = arguments.deliver;
    settings.opt_out_filter = !arguments.no_opt_out_filter;
    // A different seed for each run.
    let seed = SystemClock::new().now().timestamp().unsigned_abs();
    settings.random_faults = (arguments.random_faults > 0).then_some((seed, arguments.random_faults));
    let stop = shutdown::signal()?;
    let simulator = start(arguments.listen, settings)?;
    println!("Carrier    {}", simulator.base());
    println!("Server     set TWILIO_API_BASE={} for `partyline serve`", simulator.base());
    println!("Text       partyline simulate text --from +13035560001 --to +13035550100 \"Hello\"");
    println!("Call       partyline simulate call --from +13035560001 --to +13035550100 --dial 101#");
    stop.await;
    Ok(ExitCode::SUCCESS)
}
