//! Normalizes the phone numbers of a directory file to E.164, before the file is validated.

use super::Problem;
use super::file::AgencyEntry;
use crate::domain::dialing::country_of;
use crate::domain::phone::{Country, InvalidPhone, contact_address, parse};
use crate::store::Directory;

/// The country for numbers in national notation: that of the agency's first phone number in the file, otherwise in the
/// database. The agency's own numbers require their country code.
pub(super) fn country(entry: &AgencyEntry, directory: Option<&Directory>) -> Option<Country> {
    let in_file = entry.phone_numbers.iter().filter_map(|row| parse(&row.number, None).ok());
    let live = directory.into_iter().flat_map(|directory| &directory.numbers).filter(|row| row.live == Some(true));
    in_file.chain(live.map(|row| row.e164.clone())).find_map(|e164| country_of(&e164))
}

/// Normalizes the phone numbers of an agency's entry to E.164. Returns a problem for each number that cannot be parsed.
pub(super) fn normalize(entry: &mut AgencyEntry, path: &str, country: Option<Country>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut replace = |text: &mut String, parsed: Result<String, InvalidPhone>, path: String| match parsed {
        Ok(phone) => *text = phone,
        Err(error) => problems.push(Problem::new(path, error.to_string())),
    };
    for (at, row) in entry.users.iter_mut().enumerate() {
        if let Some(phone) = &mut row.phone {
            let parsed = parse(phone, country);
            replace(phone, parsed, format!("{path}.users[{at}].phone"));
        }
    }
    for (at, row) in entry.phone_numbers.iter_mut().enumerate() {
        let parsed = parse(&row.number, None);
        replace(&mut row.number, parsed, format!("{path}.phoneNumbers[{at}].number"));
    }
    for (at, row) in entry.extensions.iter_mut().enumerate() {
        if let Some(number) = &mut row.number {
            let parsed = parse(number, None);
            replace(number, parsed, format!("{path}.extensions[{at}].number"));
        }
    }
    for (at, row) in entry.contacts.iter_mut().enumerate() {
        let parsed = contact_address(&row.phone, country);
        replace(&mut row.phone, parsed, format!("{path}.contacts[{at}].phone"));
    }
    problems
}
