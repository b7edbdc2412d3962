//! Rate limits and quotas, which keep one user, agency or address from affecting the others.

use super::{ConfigError, Source, invalid};
use crate::admission::{Limits, TrustedProxies};
use crate::domain::text_quota::TextLimits;

pub(super) fn read(source: &Source) -> Result<Limits, ConfigError> {
    let proxies = source.get("PARTYLINE_TRUSTED_PROXIES").unwrap_or("127.0.0.0/8,::1");
    Ok(Limits {
        user_rate: number(source, "PARTYLINE_USER_RATE", 1_000)?,
        agency_rate: number(source, "PARTYLINE_AGENCY_RATE", 10_000)?,
        address_rate: number(source, "PARTYLINE_ADDRESS_RATE", 10)?,
        sockets: count(source, "PARTYLINE_SOCKETS", 16_384)?,
        user_sockets: count(source, "PARTYLINE_USER_SOCKETS", 512)?,
        trusted_proxies: TrustedProxies::parse(proxies).map_err(|why| invalid("PARTYLINE_TRUSTED_PROXIES", why))?,
    })
}

/// Reads the daily text quotas.
pub(super) fn texts(source: &Source) -> Result<TextLimits, ConfigError> {
    let quota = |name, default| number(source, name, default).map(|number| i32::try_from(number).unwrap_or(i32::MAX));
    let (per_user, per_agency) = (quota("PARTYLINE_USER_TEXTS", 1_000)?, quota("PARTYLINE_AGENCY_TEXTS", 20_000)?);
    Ok(TextLimits { per_user, per_agency })
}

fn number(source: &Source, name: &str, default: u32) -> Result<u32, ConfigError> {
    let Some(text) = source.get(name) else { return Ok(default) };
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| invalid(name, "must be a number of at least 1"))
}

/// Reads a number of at least 1.
pub(super) fn count(source: &Source, name: &str, default: u32) -> Result<usize, ConfigError> {
    number(source, name, default).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}
