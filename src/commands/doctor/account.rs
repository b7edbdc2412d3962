//! Checks that Twilio accepts an account's credentials, and how it routes the account's numbers.

use partyline::domain::AccountTrouble::{Credentials, Forbidden};
use partyline::ports::twilio_rest::{self, ListError, MessagingService, TwilioError, TwilioRest};
use partyline::service::accounts::Account;

use super::finding::{Finding, Findings};
use super::number::{self, Webhooks};

/// The permissions that Partyline needs. Source: Twilio, "Restricted API keys".
const PERMISSIONS: &str = "Messages (create, read), Calls (create, read), Recordings (read), \
                           IncomingPhoneNumbers (read) and Messaging Services (read)";

/// A Messaging Service with its numbers in E.164.
type Service = (MessagingService, Vec<String>);

pub(super) async fn check(
    twilio: &TwilioRest,
    account: &Account,
    numbers: &[String],
    webhooks: &Webhooks,
    findings: &mut Findings,
) {
    let Some(credentials) = account.credentials() else { return };
    let sid = &account.sid;
    match (twilio.check(&credentials).await, account.api_key.is_some()) {
        (Ok(()), true) => findings.report_ok(format!("{sid}: Twilio accepts the API key")),
        (Ok(()), false) => findings.report_ok(format!("{sid}: Twilio accepts the auth token")),
        (Err(TwilioError::Account(Credentials | Forbidden)), true) => {
            return findings.report_wrong(format!(
                "{sid}: Twilio rejects the API key, or the key may not list the account's numbers. Check apiKeySid and \
                 apiKeySecret in the directory file. A Restricted key needs the permissions {PERMISSIONS}"
            ));
        }
        (Err(TwilioError::Account(Credentials)), false) => {
            return findings.report_wrong(format!(
                "{sid}: Twilio rejects the auth token. Set authToken in the directory file to the account's primary \
                 auth token and apply the file"
            ));
        }
        (Err(error), _) => return findings.report_wrong(format!("{sid}: {error}. The numbers were not checked")),
    }
    if numbers.is_empty() {
        return findings.report_note(format!("{sid}: the account has no active number in the directory"));
    }
    let services = match services(twilio, &credentials).await {
        Ok(services) => Some(services),
        Err(error) => {
            let needed = match error {
                ListError::Twilio(TwilioError::Account(Credentials | Forbidden)) => {
                    "A Restricted key needs the permission Messaging Services (read)".to_owned()
                }
                error => format!("{error}. Check TWILIO_MESSAGING_BASE"),
            };
            findings.report_wrong(format!("{sid}: the Messaging Services cannot be listed. {needed}"));
            None
        }
    };
    for e164 in numbers {
        match twilio.number(&credentials, e164).await {
            Err(error) => findings.report_wrong(format!("{e164}: {error}. The number was not checked")),
            Ok(None) => findings.report_wrong(format!(
                "{e164}: the account {sid} does not have this number. Move the number to the account, or deactivate it \
                 in the directory"
            )),
            Ok(Some(number)) => {
                let holds = |(_, members): &&Service| members.contains(e164);
                let its_services: Vec<_> =
                    services.iter().flatten().filter(holds).map(|(service, _)| service).collect();
                for finding in number::check(e164, &number, &its_services, webhooks) {
                    // A service that could not be listed may still discard the number's texts.
                    if services.is_some() || !matches!(finding, Finding::Passed(_)) {
                        findings.add(finding);
                    }
                }
            }
        }
    }
}

async fn services(twilio: &TwilioRest, credentials: &twilio_rest::Credentials) -> Result<Vec<Service>, ListError> {
    let mut found = Vec::new();
    for service in twilio.messaging_services(credentials).await? {
        let numbers = twilio.service_numbers(credentials, &service.sid).await?;
        found.push((service, numbers));
    }
    Ok(found)
}
