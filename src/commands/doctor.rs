//! `partyline doctor`

use std::process::ExitCode;

use migration::{Migrator, MigratorTrait as _};
use partyline::app::Ports;
use partyline::config::{Settings, Source};
use partyline::ports::jwks::Jwks;
use partyline::ports::twilio_rest::{Credentials, REPEAT, TwilioRest};
use partyline::service::accounts::Accounts;
use partyline::service::seal::Sealer;
use partyline::store::{Database, accounts};
use partyline::twilio::VOICE_STATUS_PATH;
use url::Url;

/// One line per check; what is wrong is said, and counted.
#[derive(Default)]
struct Findings {
    wrong: usize,
}

impl Findings {
    fn good(&self, what: &str) {
        println!("ok     {what}");
    }

    fn note(&self, what: &str) {
        println!("note   {what}");
    }

    fn wrong(&mut self, what: &str) {
        self.wrong += 1;
        println!("WRONG  {what}");
    }
}

pub(crate) async fn run(source: &Source, ports: Ports) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    match Settings::read(source) {
        Ok(settings) => {
            findings.good("the configuration can be read");
            check(&settings, ports, &mut findings).await;
        }
        Err(error) => findings.wrong(&format!("configuration: {error}")),
    }
    Ok(if findings.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check(settings: &Settings, ports: Ports, findings: &mut Findings) {
    if settings.sms_webhook_url.starts_with("https://") {
        findings.good("the webhook address is https");
    } else {
        findings.note("the webhook address is http: Twilio takes it, but the texts travel in the open");
    }
    if let Some(url) = &settings.authentication.jwks_url {
        check_issuer(url.clone(), findings).await;
    }
    let database = match Database::open(&settings.database_url).await {
        Ok(database) => database,
        Err(error) => return findings.wrong(&error.to_string()),
    };
    findings.good("the database answers");
    check_database(&database, findings).await;
    let keys = &settings.secret_key;
    let sealer = std::sync::Arc::new(Sealer::new(&keys.current, keys.previous.as_ref(), ports.ids.clone()));
    let open = Accounts::new(database.reader.clone(), sealer, ports.clock.clone());
    let rows = match accounts::all(&database.reader).await {
        Ok(rows) => rows,
        Err(_) => return findings.wrong("the Twilio accounts cannot be read"),
    };
    if rows.is_empty() {
        findings.note("no Twilio account is set up: apply a directory file");
    }
    let twilio = match TwilioRest::new(&settings.twilio_api_base, ports.clock.clone()) {
        Ok(twilio) => twilio,
        Err(error) => return findings.wrong(&format!("HTTPS cannot be set up: {error}")),
    };
    for row in rows {
        let account = match open.open(&row) {
            Ok(account) => account,
            Err(error) => {
                findings.wrong(&format!("{}: {error}", row.account_sid));
                continue;
            }
        };
        let Some(credentials) = account.credentials() else { continue };
        if let Err(error) = twilio.check(&credentials).await {
            findings.wrong(&format!("{}: {error}", account.sid));
            continue;
        }
        findings.good(&format!("{}: Twilio takes our credentials", account.sid));
        match accounts::live_numbers(&database.reader, account.id).await {
            Ok(numbers) => {
                for number in numbers {
                    check_number(settings, &twilio, &credentials, &number, findings).await;
                }
            }
            Err(_) => findings.wrong("the numbers cannot be read"),
        }
    }
}

async fn check_issuer(url: Url, findings: &mut Findings) {
    let keys = match Jwks::new(url) {
        Ok(source) => source.fetch().await,
        Err(error) => return findings.wrong(&format!("HTTPS cannot be set up: {error}")),
    };
    match keys {
        Ok(keys) if keys.is_empty() => findings.wrong("the issuer publishes no key that can be read"),
        Ok(_) => findings.good("the issuer publishes its keys"),
        Err(error) => findings.wrong(&error.to_string()),
    }
}

async fn check_database(database: &Database, findings: &mut Findings) {
    let Ok(conn) = database.connect_to_migrate().await else { return findings.wrong("the database takes no writes") };
    match database.is_mysql().await {
        Ok(true) => findings.wrong("this is MySQL: MariaDB 10.6 or later is supported, MySQL is not"),
        Ok(false) => findings.good("the database is of a supported kind"),
        Err(_) => findings.wrong("the database does not say what it is"),
    }
    match Migrator::get_pending_migrations(&conn).await {
        Ok(pending) if pending.is_empty() => findings.good("the schema is up to date"),
        Ok(pending) => findings.wrong(&format!("the schema lacks {} changes: partyline migrate up", pending.len())),
        Err(_) => findings.wrong("the schema cannot be looked at"),
    }
}

/// Twilio repeats a webhook after a failure only if its address says so.
async fn check_number(
    settings: &Settings,
    twilio: &TwilioRest,
    credentials: &Credentials,
    e164: &str,
    findings: &mut Findings,
) {
    let repeated = |url: &str| format!("{url}{REPEAT}");
    let sms = repeated(&settings.sms_webhook_url);
    let voice = repeated(&settings.voice_webhook_url);
    let status = repeated(&format!("{}{VOICE_STATUS_PATH}", settings.public_url));
    let number = match twilio.number(credentials, e164).await {
        Err(error) => return findings.wrong(&format!("{e164}: {error}")),
        Ok(None) => return findings.wrong(&format!("{e164}: the account has no such number")),
        Ok(Some(number)) => number,
    };
    let before = findings.wrong;
    for (what, set, expected) in [
        ("messaging webhook", &number.sms_url, &sms),
        ("messaging fallback", &number.sms_fallback_url, &sms),
        ("voice webhook", &number.voice_url, &voice),
        ("voice fallback", &number.voice_fallback_url, &voice),
        ("call status callback", &number.status_callback, &status),
    ] {
        if set != expected {
            findings.wrong(&format!("{e164}: its {what} should be {expected}"));
        }
    }
    if findings.wrong == before {
        findings.good(&format!("{e164}: its webhooks are set"));
    }
}
