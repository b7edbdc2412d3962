//! `partyline demo`: a server with a clinic's morning in it, and a way in.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use partyline::app::{App, Extras, Ports};
use partyline::config::{Settings, Source};
use partyline::domain::{AccountId, CallEnd};
use partyline::service::apply_directory::{DirectoryFile, apply_directory};
use partyline::service::authenticate::Subject;
use partyline::service::calls::{CallKey, CallReport, report_call};
use partyline::service::claim_thread::claim_thread;
use partyline::service::receive_sms::{receive_sms, text_of};
use partyline::startup::{Options, prepare};
use partyline::store::inbox::{Details, inbox};
use partyline::store::page::Window;
use partyline::store::threads::ThreadFilter;

use super::twilio_sim::{self, ACCOUNT};

const DIRECTORY: &str = include_str!("../../demo/directory.yaml");
const FRONT_DESK: &str = "+13035550100";
const NURSES: &str = "+13035550101";
/// Who wrote what to which number this morning. The last ones stand on top of the inbox.
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

pub(crate) async fn run(source: Source, ports: Ports, carrier: SocketAddr) -> anyhow::Result<ExitCode> {
    let source = source
        .with_default("DATABASE_URL", "sqlite://partyline-demo.db?mode=rwc")
        .with_default("TWILIO_API_BASE", &format!("http://{carrier}"));
    let settings = Settings::read(&source)?;
    if settings.sqlite_file().is_none() {
        bail!("the demo runs on SQLite: leave DATABASE_URL unset");
    }
    let public_url = settings.public_url.clone();
    let voice = ["inbound", "status"].map(|what| format!("{public_url}/api/twilio/voice/{what}"));
    let simulated = twilio_sim::settings(&settings.sms_webhook_url, &voice[0], &voice[1]);
    let simulator = twilio_sim::start(carrier, simulated, ports.clone())?;
    let (now, token_id) = (ports.clock.now(), ports.ids.uuid(ports.clock.now()));
    let extras = Extras { introspection: true, graphiql: true };
    let ready = prepare(settings, ports, Options { no_migrate: false, extras }).await?;
    seed(&ready.app).await?;
    let directory = ready.app.services.directories.by_key("acme").await?.context("the demo's agency")?;
    let generation = directory.user_by_key("ana").context("the demo's Ana")?.token_generation;
    let ana = Subject { agency: "acme", user: "ana", generation };
    let token = ready.app.authenticator.issue(ana, Duration::from_secs(12 * 60 * 60), now, token_id)?;
    println!("GraphQL    {public_url}/graphql");
    println!("Live       {}/graphql/ws", public_url.replacen("http", "ws", 1));
    println!("GraphiQL   {public_url}/graphiql");
    println!("Carrier    {}, simulated, with the phones of", simulator.base());
    println!(
        "           Carla +13035560001, Tom +13035560002 and Mei +13035560003; call with `partyline simulate call`"
    );
    println!("Signed in  as Ana Lopez, an admin of Acme Health, for 12 hours with this token:");
    println!("{token}");
    ready.serve().await?;
    Ok(ExitCode::SUCCESS)
}

/// The directory each time, the morning's texts once: their SIDs are always the same.
async fn seed(app: &App) -> anyhow::Result<()> {
    let file = DirectoryFile::parse(DIRECTORY, |_| None);
    let file = file.map_err(|problems| anyhow::anyhow!("the demo's directory: {problems:?}"))?;
    if let Err(problems) = apply_directory(&app.services, app.sealer.clone(), file).await? {
        bail!("the demo's directory: {problems:?}");
    }
    let account = app.services.accounts.by_sid(ACCOUNT).await?.context("the demo's account")?;
    for (n, (from, to, body)) in TEXTS.iter().enumerate() {
        let sid = format!("SM{:032x}", n + 1);
        let form = [("MessageSid", sid.as_str()), ("AccountSid", ACCOUNT), ("From", from), ("To", to), ("Body", body)];
        let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
        receive_sms(&app.services, text_of(account.id, form.into())?).await?;
    }
    miss_one(app, account.id).await?;
    claim_one(app).await
}

/// Samuel has called the nurses before they were there.
async fn miss_one(app: &App, account: AccountId) -> anyhow::Result<()> {
    let services = &app.services;
    let reached = services.calls.switchboard.find(services, account, NURSES).await?.context("the demo's nurses")?;
    let call = CallKey {
        agency: reached.directory.agency_id(),
        account,
        number: reached.number.id,
        sid: format!("CA{:032x}", 1),
        from: "+13035560004".to_owned(),
    };
    report_call(services, CallReport::Inbound(call), CallEnd::Completed, Some(24)).await?;
    Ok(())
}

/// Ben has taken one thread, so that the inbox shows how that looks.
async fn claim_one(app: &App) -> anyhow::Result<()> {
    let directory = app.services.directories.by_key("acme").await?.context("the demo's agency")?;
    let ben = directory.user_by_key("ben").context("the demo's Ben")?.id;
    let ben = app.services.viewer(directory.agency_id(), ben).await?.context("the demo's Ben")?;
    let carla = ThreadFilter { search: Some("Carla".to_owned()), ..ThreadFilter::default() };
    let found = inbox(app.services.reader(), &ben.scope(), &carla, &Window::first(1), Details::default()).await?;
    for row in found.rows {
        // Somebody may have given it to another in an earlier run; then it stays so.
        let _ = claim_thread(&app.services, &ben, row.thread.id).await?;
    }
    Ok(())
}
