//! Contacts and their threads, by the pairs of an address and a phone number that texts and calls come with.

use std::collections::{BTreeSet, HashMap};

use sea_orm::sea_query::{Expr, ExprTrait as _, JoinType, Query, SelectStatement, UnionType};
use sea_orm::{Condition, DbErr, EntityTrait as _, QueryTrait, SelectTwo, Value};
use uuid::Uuid;

use super::bulk::{MAX_ROWS, cached_query};
use super::statements::{Kind, Statements};
use crate::domain::{AgencyId, ContactId, PhoneNumberId};
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
    let pairs: Vec<Pair<'_>> = pairs.iter().copied().collect();
    let kinds: Vec<Kind> = Kind::of_entity::<contact::Entity>().chain(Kind::of_entity::<thread::Entity>()).collect();
    let mut known = Known::default();
    for part in pairs.chunks(MAX_ROWS) {
        let (backend, mut part) = (conn.backend(), part.to_vec());
        // A pair that is repeated would return its rows again, so the padding is a pair that matches nothing.
        part.resize(part.len().next_power_of_two(), (AgencyId(Uuid::nil()), "", PhoneNumberId(Uuid::nil())));
        let cells = |(agency, address, number): &Pair<'_>| [(*agency).into(), (*address).into(), (*number).into()];
        let values: Vec<Value> = part.iter().flat_map(cells).collect();
        let query = cached_query(backend, "pairs", [part.len(), 0, 0], values, || query(&part).build(backend));
        for mut row in conn.rows(query, &kinds).await? {
            let (contact, thread) = (row.model::<contact::Entity>()?, row.joined_model::<thread::Entity>()?);
            known.threads.extend(thread.map(|row| ((row.agency_id, row.phone_number_id, row.contact_id), row)));
            known.contacts.insert((contact.agency_id, contact.phone.clone()), contact);
        }
    }
    Ok(known)
}

fn query(pairs: &[Pair<'_>]) -> SelectTwo<contact::Entity, thread::Entity> {
    use {contact::Column as C, thread::Column as T};
    let contact = |column: C| Expr::col((contact::Entity, column));
    let thread = |column: T| Expr::col((thread::Entity, column));
    let wanted = |column| Expr::col((WANTED, column));
    let mut query = contact::Entity::find().select_also(thread::Entity);
    let select = QueryTrait::query(&mut query);
    select.join_subquery(
        JoinType::InnerJoin,
        table(pairs),
        WANTED,
        Condition::all().add(contact(C::AgencyId).eq(wanted(AGENCY))).add(contact(C::Phone).eq(wanted(ADDRESS))),
    );
    select.join(
        JoinType::LeftJoin,
        thread::Entity,
        Condition::all()
            .add(thread(T::AgencyId).eq(contact(C::AgencyId)))
            .add(thread(T::ContactId).eq(contact(C::Id)))
            .add(thread(T::PhoneNumberId).eq(wanted(NUMBER))),
    );
    query
}

const WANTED: &str = "wanted";
const AGENCY: &str = "agency_id";
const ADDRESS: &str = "address";
const NUMBER: &str = "phone_number_id";

/// The pairs as a table: a union, which all databases support, unlike a list of values with column names.
fn table(pairs: &[Pair<'_>]) -> SelectStatement {
    let mut rows = pairs.iter().map(|(agency, address, number)| {
        let mut row = Query::select();
        row.expr_as(*agency, AGENCY).expr_as(*address, ADDRESS).expr_as(*number, NUMBER);
        row
    });
    let mut table = rows.next().unwrap_or_default();
    table.unions(rows.map(|row| (UnionType::All, row)));
    table
}
