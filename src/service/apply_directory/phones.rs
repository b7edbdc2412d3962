//! The phone numbers of a directory file: read as a person writes them, before anything else looks at them.

use super::Problem;
use super::file::AgencyEntry;
use crate::domain::dialling::country_of;
use crate::domain::phone::{Country, InvalidPhone, contact_address, parse};
use crate::store::Directory;

/// The country whose rules national notation follows in an agency's file: that of the agency's first phone number in
/// the file, or else in the database. Numbers of the agency itself are always written with their country code.
pub(super) fn country(entry: &AgencyEntry, directory: Option<&Directory>) -> Option<Country> {
    let in_file = entry.phone_numbers.iter().filter_map(|row| parse(&row.number, None).ok());
    let live = directory.into_iter().flat_map(|directory| &directory.numbers).filter(|row| row.live == Some(true));
    in_file.chain(live.map(|row| row.e164.clone())).find_map(|e164| country_of(&e164))
}

/// Brings the phone numbers of an agency's entry into E.164. Returns what cannot be read, by its path.
pub(super) fn normalize(entry: &mut AgencyEntry, path: &str, country: Option<Country>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut replace = |text: &mut String, read: Result<String, InvalidPhone>, path: String| match read {
        Ok(phone) => *text = phone,
        Err(error) => problems.push(Problem::new(path, error.to_string())),
    };
    for (at, row) in entry.users.iter_mut().enumerate() {
        if let Some(phone) = &mut row.phone {
            let read = parse(phone, country);
            replace(phone, read, format!("{path}.users[{at}].phone"));
        }
    }
    for (at, row) in entry.phone_numbers.iter_mut().enumerate() {
        let read = parse(&row.number, None);
        replace(&mut row.number, read, format!("{path}.phoneNumbers[{at}].number"));
    }
    for (at, row) in entry.extensions.iter_mut().enumerate() {
        if let Some(number) = &mut row.number {
            let read = parse(number, None);
            replace(number, read, format!("{path}.extensions[{at}].number"));
        }
    }
    for (at, row) in entry.contacts.iter_mut().enumerate() {
        let read = contact_address(&row.phone, country);
        replace(&mut row.phone, read, format!("{path}.contacts[{at}].phone"));
    }
    problems
}
