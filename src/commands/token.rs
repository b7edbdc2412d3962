//! `partyline token`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use partyline::app::Ports;
use partyline::config::Source;

use super::offline;

pub(crate) async fn run(
    source: &Source,
    ports: Ports,
    agency: &str,
    user: &str,
    ttl: Duration,
) -> anyhow::Result<ExitCode> {
    let now = ports.clock.now();
    let app = offline(source, ports).await?;
    let directory = app.services.directories.by_key(agency).await.context("the database does not answer")?;
    let Some(directory) = directory else { bail!("there is no agency with the key {agency}") };
    if !directory.user_by_key(user).is_some_and(|user| user.active) {
        bail!("the agency {agency} has no active user with the key {user}");
    }
    println!("{}", app.authenticator.issue(agency, user, ttl, now)?);
    app.close(Duration::from_secs(5)).await;
    Ok(ExitCode::SUCCESS)
}

/// Reads `90s`, `30m`, `12h`, `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a number and s, m, h or d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let count: u64 = text.trim_end_matches(unit).parse().map_err(|_| wrong())?;
    count.checked_mul(seconds).filter(|seconds| *seconds > 0).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("12h"), Ok(Duration::from_secs(43_200)));
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "12", "h", "-1h", "0s", "1w", "99999999999999999999d", "é"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
