//! `partyline doctor`: checks the configuration, the database, and the accounts and numbers at Twilio.

use std::process::ExitCode;
use std::sync::Arc;

use migration::{Migrator, MigratorTrait as _};
use partyline::app::Ports;
use partyline::config::{Settings, Source};
use partyline::domain::public_url::{UrlProblem, url_problem};
use partyline::ports::jwks::Jwks;
use partyline::ports::twilio_rest::TwilioRest;
use partyline::service::accounts::Accounts;
use partyline::service::seal::Sealer;
use partyline::store::{Database, accounts, retention};
use url::Url;

use self::finding::Findings;
use self::number::Webhooks;

mod account;
mod finding;
mod number;

pub(crate) async fn run(source: &Source, ports: Ports) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    match Settings::read(source) {
        Ok(settings) => {
            findings.report_ok("settings: all values are valid");
            check(&settings, ports, &mut findings).await;
        }
        Err(error) => findings.report_wrong(format!("settings: {error}")),
    }
    Ok(if findings.are_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check(settings: &Settings, ports: Ports, findings: &mut Findings) {
    check_public_urls(settings, findings);
    if let Some(url) = &settings.authentication.jwks_url {
        check_issuer(url.clone(), findings).await;
    }
    let database = match Database::open(&settings.database_url).await {
        Ok(database) => database,
        Err(error) => return findings.report_wrong(format!("database: {error}")),
    };
    findings.report_ok("database: connected");
    check_database(&database, findings).await;
    check_growth(&database, findings).await;
    check_accounts(settings, ports, &database, findings).await;
}

/// Twilio rejects a text whose status callback it cannot reach, so a wrong public URL also prevents outbound texts.
fn check_public_urls(settings: &Settings, findings: &mut Findings) {
    let is_loopback = |url: &str| problem(url) == Some(UrlProblem::Loopback);
    let mut checked: Vec<Url> = Vec::new();
    for (name, text) in [
        ("PARTYLINE_PUBLIC_URL", &settings.public_url),
        ("TWILIO_SMS_WEBHOOK_URL", &settings.sms_webhook_url),
        ("TWILIO_VOICE_WEBHOOK_URL", &settings.voice_webhook_url),
    ] {
        let Ok(url) = Url::parse(text) else { continue };
        // By default the webhook URLs follow the public URL.
        if checked.iter().any(|checked| checked.origin() == url.origin()) {
            continue;
        }
        checked.push(url);
        match problem(text) {
            None => findings.report_ok(format!("{name}: the URL is https and its host is public")),
            Some(UrlProblem::Loopback) if is_loopback(&settings.twilio_api_base) => findings.report_note(format!(
                "{name}: the host is a loopback address. Only a simulated carrier on this machine can reach it, not \
                 Twilio"
            )),
            Some(problem) => findings
                .report_wrong(format!("{name}: {problem}. Set it to the https URL at which Twilio reaches your proxy")),
        }
    }
}

fn problem(url: &str) -> Option<UrlProblem> {
    url_problem(&Url::parse(url).ok()?)
}

async fn check_issuer(url: Url, findings: &mut Findings) {
    let keys = match Jwks::new(url) {
        Ok(source) => source.fetch().await,
        Err(error) => return findings.report_wrong(format!("PARTYLINE_JWKS_URL: TLS cannot be set up: {error}")),
    };
    match keys {
        Ok(keys) if keys.is_empty() => findings
            .report_wrong("PARTYLINE_JWKS_URL: the issuer publishes no RS256 or ES256 key that Partyline can use"),
        Ok(_) => findings.report_ok("PARTYLINE_JWKS_URL: the issuer publishes its keys"),
        Err(error) => findings.report_wrong(format!("PARTYLINE_JWKS_URL: {error}")),
    }
}

async fn check_database(database: &Database, findings: &mut Findings) {
    let Ok(conn) = database.connect_to_migrate().await else {
        return findings
            .report_wrong("database: it does not accept writes. Check the file's permissions or the user's grants");
    };
    match database.is_mysql().await {
        Ok(true) => findings.report_wrong("database: MySQL is not supported. Use MariaDB 10.6 or later"),
        Ok(false) => findings.report_ok("database: this kind of server is supported"),
        Err(_) => findings.report_wrong("database: the server did not answer a query for its version"),
    }
    match database.tables_without_statistics().await {
        Ok(tables) if tables.is_empty() => {}
        Ok(tables) => findings.report_note(format!(
            "database: PostgreSQL has no statistics on {}, so queries may be slow. Run ANALYZE, and check that autovacuum \
             is on",
            tables.join(", ")
        )),
        Err(_) => findings.report_wrong("database: the server did not answer a query for its statistics"),
    }
    match Migrator::get_pending_migrations(&conn).await {
        Ok(pending) if pending.is_empty() => findings.report_ok("database: the schema is up to date"),
        Ok(pending) => findings
            .report_wrong(format!("database: {} migrations are pending. Run `partyline migrate up`", pending.len())),
        Err(_) => findings.report_wrong("database: the applied migrations cannot be read. Run `partyline migrate up`"),
    }
}

/// The number of messages from which an agency that deletes none is mentioned.
const MANY_MESSAGES: u64 = 1_000_000;

/// Mentions agencies whose data grow without a limit.
async fn check_growth(database: &Database, findings: &mut Findings) {
    let Ok(agencies) = retention::agencies(&database.reader).await else {
        return findings.report_wrong("database: the agencies cannot be read");
    };
    for agency in agencies.iter().filter(|agency| agency.messages_days.is_none()) {
        match retention::has_messages(&database.reader, agency.id, MANY_MESSAGES).await {
            Ok(true) => findings.report_note(format!(
                "agency {}: it has more than a million messages, and none is ever deleted. Set retention.messages in the \
                 directory file, unless they must be kept forever",
                agency.key
            )),
            Ok(false) => {}
            Err(_) => findings.report_wrong(format!("agency {}: its messages cannot be counted", agency.key)),
        }
    }
}

async fn check_accounts(settings: &Settings, ports: Ports, database: &Database, findings: &mut Findings) {
    let twilio = TwilioRest::new(&settings.twilio_api_base, &settings.twilio_messaging_base, ports.clock.clone());
    let twilio = match twilio {
        Ok(twilio) => twilio,
        Err(error) => return findings.report_wrong(format!("Twilio: TLS cannot be set up: {error}")),
    };
    let Ok(rows) = accounts::all(&database.reader).await else {
        return findings.report_wrong("database: the Twilio accounts cannot be read");
    };
    if rows.is_empty() {
        findings.report_note("Twilio: no account is set up. Run `partyline apply` with a directory file");
    }
    let keys = &settings.secret_key;
    let sealer = Arc::new(Sealer::new(&keys.current, keys.previous.as_ref(), ports.ids));
    let accounts = Accounts::new(database.reader.clone(), sealer, ports.clock);
    let webhooks = Webhooks::of(settings);
    for row in rows {
        match (accounts.open(&row), accounts::live_numbers(&database.reader, row.id).await) {
            (Ok(account), Ok(numbers)) => account::check(&twilio, &account, &numbers, &webhooks, findings).await,
            (Err(error), _) => findings.report_wrong(format!("{}: {error}", row.account_sid)),
            (_, Err(_)) => findings.report_wrong(format!("{}: the account's numbers cannot be read", row.account_sid)),
        }
    }
}
