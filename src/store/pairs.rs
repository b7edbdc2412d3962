//! Contacts and their threads, by the pairs of an address and a phone number that texts and calls come with.

use std::collections::{BTreeSet, HashMap};

use chrono::DateTime;
use sea_orm::sea_query::{Expr, ExprTrait as _, JoinType, Query, SelectStatement, UnionType};
use sea_orm::{Condition, DbErr, EntityTrait as _, QueryTrait};
use uuid::Uuid;

use super::bulk::{MAX_ROWS, padded_list};
use super::statements::{Kind, Statements};
use crate::domain::{AgencyId, ContactId, PhoneNumberId, ThreadId};
use crate::entity::{contact, thread};

/// An address, and a phone number of an agency that was texted or called from it.
pub type Pair<'a> = (AgencyId, &'a str, PhoneNumberId);

/// Contacts by agency and address, and threads by agency, number and contact.
#[derive(Default)]
pub struct Known {
    pub contacts: HashMap<(AgencyId, String), contact::Model>,
    pub threads: HashMap<(AgencyId, PhoneNumberId, ContactId), thread::Model>,
}

/// The contacts with these addresses, and their threads on these numbers. Reads no other thread, because a contact may
/// have one on every number of its agency. Takes one statement per [`MAX_ROWS`] pairs.
pub async fn known(conn: &impl Statements, pairs: &BTreeSet<Pair<'_>>) -> Result<Known, DbErr> {
    use {contact::Column as C, thread::Column as T};
    let (column, same) = (|name| Expr::col((WANTED, name)), |a: Expr, b: Expr| a.eq(b));
    let pairs: Vec<&Pair<'_>> = pairs.iter().collect();
    let kinds: Vec<Kind> = Kind::of_entity::<contact::Entity>().chain(Kind::of_entity::<thread::Entity>()).collect();
    let (agency, now) = (AgencyId(Uuid::nil()), DateTime::UNIX_EPOCH);
    let mut known = Known::default();
    for part in pairs.chunks(MAX_ROWS) {
        let mut query = contact::Entity::find().select_also(thread::Entity);
        let select = QueryTrait::query(&mut query);
        select.join_subquery(
            JoinType::InnerJoin,
            wanted(&padded_list(part.iter().copied())),
            WANTED,
            Condition::all()
                .add(same(Expr::col((contact::Entity, C::AgencyId)), column(AGENCY)))
                .add(same(Expr::col((contact::Entity, C::Phone)), column(ADDRESS))),
        );
        select.join(
            JoinType::LeftJoin,
            thread::Entity,
            Condition::all()
                .add(same(Expr::col((thread::Entity, T::AgencyId)), Expr::col((contact::Entity, C::AgencyId))))
                .add(same(Expr::col((thread::Entity, T::ContactId)), Expr::col((contact::Entity, C::Id))))
                .add(same(Expr::col((thread::Entity, T::PhoneNumberId)), column(NUMBER))),
        );
        for mut row in conn.rows(query.build(conn.backend()), &kinds).await? {
            let contact = row.model(contact::Model::begin(agency, ContactId(Uuid::nil()), "", now))?;
            let blank =
                thread::Model::begin(agency, ThreadId(Uuid::nil()), PhoneNumberId(Uuid::nil()), contact.id, now);
            let thread = row.joined_model(blank)?;
            known.threads.extend(thread.map(|row| ((row.agency_id, row.phone_number_id, row.contact_id), row)));
            known.contacts.insert((contact.agency_id, contact.phone.clone()), contact);
        }
    }
    Ok(known)
}

const WANTED: &str = "wanted";
const AGENCY: &str = "agency_id";
const ADDRESS: &str = "address";
const NUMBER: &str = "phone_number_id";

/// The pairs as a table: a union, which all databases support, unlike a list of values with column names.
fn wanted(pairs: &[&Pair<'_>]) -> SelectStatement {
    let mut rows = pairs.iter().map(|(agency, address, number)| {
        let mut row = Query::select();
        row.expr_as(*agency, AGENCY).expr_as(*address, ADDRESS).expr_as(*number, NUMBER);
        row
    });
    let mut table = rows.next().unwrap_or_default();
    table.unions(rows.map(|row| (UnionType::All, row)));
    table
}
