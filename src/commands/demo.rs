//! `partyline demo`: a server with sample data and a simulated carrier.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use partyline::app::{App, Extras, Ports};
use partyline::config::{Settings, Source};
use partyline::domain::{AccountId, CallEnd};
use partyline::service::Error;
use partyline::service::apply_directory::{DirectoryFile, apply_directory};
use partyline::service::authenticate::Subject;
use partyline::service::calls::{CallKey, CallReference, record_call_end};
use partyline::service::claim_thread::claim_thread;
use partyline::service::inbound::{receive, text_of};
use partyline::startup::{Options, prepare};
use partyline::store::inbox::{Details, inbox};
use partyline::store::page::Window;
use partyline::store::threads::{ThreadFilter, ThreadOrder};
use partyline::telemetry::LogLimit;

use super::twilio_sim::{self, ACCOUNT};

const DIRECTORY: &str = include_str!("../../demo/directory.yaml");
const FRONT_DESK: &str = "+13035550100";
const NURSES: &str = "+13035550101";
/// The sample texts: sender, number and body, oldest first.
const TEXTS: [(&str, &str, &str); 12] = [
    ("+13035560005", FRONT_DESK, "Hi, do you take new patients?"),
    ("+13035560002", FRONT_DESK, "Can I move my 10:30 to tomorrow?"),
    ("+13035560003", NURSES, "The rash is back on both arms, should I come in?"),
    ("+13035560001", FRONT_DESK, "Good morning! Is my prescription ready?"),
    ("+13035560004", FRONT_DESK, "I'm running ten minutes late, sorry"),
    ("+13035560003", NURSES, "It started last night after dinner"),
    ("88222", FRONT_DESK, "Your verification code is 418 221"),
    ("+13035560002", FRONT_DESK, "Afternoon works best for me"),
    ("+13035560001", FRONT_DESK, "I can pick it up after 4"),
    ("+13035560006", FRONT_DESK, "Is this the clinic on Pearl Street?"),
    ("+13035560004", FRONT_DESK, "#102 Ben, did my lab results come in?"),
    ("+13035560005", FRONT_DESK, "We are a family of four"),
];

pub(crate) async fn run(
    source: Source,
    ports: Ports,
    log_limit: LogLimit,
    carrier: SocketAddr,
) -> anyhow::Result<ExitCode> {
    let source = source
        .with_default("DATABASE_URL", "sqlite://partyline-demo.db?mode=rwc")
        .with_default("TWILIO_API_BASE", &format!("http://{carrier}"));
    let settings = Settings::read(&source)?;
    if settings.sqlite_file().is_none() {
        bail!("the demo requires SQLite. Unset DATABASE_URL, or set it to an sqlite URL");
    }
    let public_url = settings.public_url.clone();
    let voice = ["inbound", "status"].map(|name| format!("{public_url}/api/twilio/voice/{name}"));
    let simulated = twilio_sim::settings(&settings.sms_webhook_url, &voice[0], &voice[1]);
    let simulator = twilio_sim::start(carrier, simulated)?;
    let (now, token_id) = (ports.clock.now(), ports.ids.uuid(ports.clock.now()));
    let extras = Extras { introspection: true, graphiql: true, demo: true };
    let ready = prepare(settings, ports, Options { no_migrate: false, extras }).await?;
    seed(&ready.app).await?;
    let directory = ready.app.services.directories.by_key("acme").await?.context("the demo's agency is missing")?;
    let user = directory.user_by_key("ana").context("the demo's user Ana is missing")?;
    let ana = Subject { agency: "acme", user: "ana", generation: user.token_generation };
    let token = ready.app.services.authenticator.issue(ana, Duration::from_secs(12 * 60 * 60), now, token_id)?;
    println!("GraphQL    {public_url}/graphql");
    println!("Live       {}/graphql/ws", public_url.replacen("http", "ws", 1));
    println!("GraphiQL   {public_url}/graphiql");
    println!("Carrier    {}, simulated", simulator.base());
    println!("Phones     Carla +13035560001, Tom +13035560002, Mei +13035560003");
    println!("           Text or call from them with `partyline simulate text` and `partyline simulate call`.");
    println!("Token of Ana Lopez, an admin of Acme Health, valid for 12 hours:");
    println!("{token}");
    let link = ready.app.sign_in_link(directory.agency_id(), user.id).await?;
    println!("Sign-in link for apps, valid once within 10 minutes:");
    println!("{link}");
    ready.serve(log_limit).await?;
    Ok(ExitCode::SUCCESS)
}

/// Applies the demo directory at every start. The texts are stored once, because their SIDs are always the same.
async fn seed(app: &App) -> anyhow::Result<()> {
    let file = DirectoryFile::parse(DIRECTORY, |_| None);
    let file = file.map_err(|problems| anyhow::anyhow!("the demo directory is invalid: {problems:?}"))?;
    if let Err(problems) = apply_directory(&app.services, app.sealer.clone(), file).await? {
        bail!("the demo directory is invalid: {problems:?}");
    }
    let account = app.services.accounts.by_sid(ACCOUNT).await?.context("the demo's account is missing")?;
    for (n, (from, to, body)) in TEXTS.iter().enumerate() {
        let sid = format!("SM{:032x}", n + 1);
        let form = [("MessageSid", sid.as_str()), ("AccountSid", ACCOUNT), ("From", from), ("To", to), ("Body", body)];
        let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
        receive(&app.services, text_of(account.id, form.into())?).await?;
    }
    add_missed_call(app, account.id).await?;
    claim_sample_thread(app).await
}

/// A call from Samuel that the nurses missed.
async fn add_missed_call(app: &App, account: AccountId) -> anyhow::Result<()> {
    let services = &app.services;
    let number = services
        .calls
        .switchboard
        .find(services, account, NURSES)
        .await?
        .context("the demo's number of the nurses is missing")?;
    let call = CallKey {
        agency: number.directory.agency_id(),
        account,
        number: number.number.id,
        sid: format!("CA{:032x}", 1),
        from: "+13035560004".to_owned(),
    };
    record_call_end(services, CallReference::Inbound(call), CallEnd::Completed, Some(24)).await?;
    Ok(())
}

/// Ben claims Carla's thread, so that the inbox shows a claimed thread.
async fn claim_sample_thread(app: &App) -> anyhow::Result<()> {
    let directory = app.services.directories.by_key("acme").await?.context("the demo's agency is missing")?;
    let ben = directory.user_by_key("ben").context("the demo's user Ben is missing")?.id;
    let ben = app.services.viewer(directory.agency_id(), ben).await?.context("the demo's user Ben is missing")?;
    let carla = ThreadFilter { search: Some("Carla".to_owned()), ..ThreadFilter::default() };
    let found = inbox(
        app.services.reader(),
        &ben.scope(),
        &carla,
        ThreadOrder::default(),
        &Window::first(1),
        Details::default(),
    )
    .await?;
    for row in found.rows {
        // In an earlier run, the thread may have been transferred to another user. It then stays with that user.
        match claim_thread(&app.services, &ben, row.thread.id).await {
            Ok(_) | Err(Error::Refused(_)) => {}
            Err(error @ Error::Failed(_)) => return Err(error.into()),
        }
    }
    Ok(())
}
