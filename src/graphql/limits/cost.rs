//! The cost of an operation, computed before the operation is validated or executed.
//!
//! async-graphql can compute costs too, but its cost expressions look up arguments in the variables of the request and
//! reject an optional variable that was omitted as undefined. Here the factors come from the types of the fields, so
//! that a new field is covered without an annotation.

use std::collections::HashMap;

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::registry::{MetaType, MetaTypeName, Registry};
use async_graphql::{Name, OutputType as _, SubscriptionType as _, Value, Variables};
use async_graphql_value::Value as Given;

use super::{DEFAULT_PAGE, LIST_COST, MAX_COMPLEXITY, MAX_PAGE, MAX_SUBSCRIPTION_COMPLEXITY, STATEMENT_COST};
use crate::graphql::errors::{Code, Failure};
use crate::graphql::{mutations, queries, subscriptions};

/// The part of the schema that determines costs: the fields of each object and interface type.
pub struct Costs(HashMap<String, HashMap<String, FieldType>>);

/// The type of a field, as far as it matters for costs.
struct FieldType {
    name: String,
    /// `None` for a single value, which costs one point plus the cost of its selection.
    repeats: Option<Repeats>,
    /// Whether the field runs a statement of its own, or its own part of a statement that is shared by many parents.
    runs_statement: bool,
}

/// How often the selection of a field is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeats {
    /// Once for each row of a page, according to the arguments `first` and `last`.
    Page,
    /// A fixed number of times, for a list of objects without pages: [`LIST_COST`], or less for [`SHORT_LISTS`].
    List(usize),
    /// Once for each item of the argument `ids`, each read by a statement of its own.
    Ids,
}

/// Lists of the schema that are known to be short, with the length to assume.
const SHORT_LISTS: [(&str, &str, usize); 3] =
    [("Schedule", "days", 7), ("DaySchedule", "spans", 2), ("Thread", "presence", 5)];

impl Costs {
    /// Reads the types of the schema.
    pub fn of_schema() -> Self {
        let mut registry = Registry::default();
        queries::Query::create_type_info(&mut registry);
        mutations::Mutation::create_type_info(&mut registry);
        subscriptions::Subscription::create_type_info(&mut registry);
        let types = registry.types.iter();
        Self(types.filter_map(|(name, of)| Some((name.clone(), fields(&registry, name, of)?))).collect())
    }

    /// Checks and returns the cost of an operation with these variables, which include the defaults. The document must
    /// have passed [`check`](super::check), which bounds the recursion here.
    ///
    /// # Errors
    /// QUERY_TOO_COMPLEX if the operation costs more points than the limit of its kind; GRAPHQL_VALIDATION_FAILED if a
    /// page size is not a 32-bit integer.
    pub(in crate::graphql) fn check(
        &self,
        document: &ExecutableDocument,
        operation: &OperationDefinition,
        variables: &Variables,
    ) -> Result<usize, Failure> {
        let cost = self.cost(document, operation, variables)?;
        let limit = match operation.ty {
            OperationType::Query | OperationType::Mutation => MAX_COMPLEXITY,
            OperationType::Subscription => MAX_SUBSCRIPTION_COMPLEXITY,
        };
        if cost > limit {
            let message = format!(
                "The operation costs {cost} points and the limit is {limit}. Request smaller pages or fewer fields."
            );
            return Err(Failure::new(Code::QueryTooComplex, message));
        }
        Ok(cost)
    }

    fn cost(
        &self,
        document: &ExecutableDocument,
        operation: &OperationDefinition,
        variables: &Variables,
    ) -> Result<usize, Failure> {
        let root = match operation.ty {
            OperationType::Query => queries::Query::type_name(),
            OperationType::Mutation => mutations::Mutation::type_name(),
            OperationType::Subscription => subscriptions::Subscription::type_name(),
        };
        let mut counter = CostCounter { costs: self, document, variables, fragments: HashMap::new() };
        Ok(counter.selection(&operation.selection_set.node, &root)?.fixed)
    }

    /// `None` for a field that does not exist, which validation rejects, and for introspection fields.
    fn field(&self, of: &str, name: &str) -> Option<&FieldType> {
        self.0.get(of)?.get(name)
    }
}

/// The fields of an object or interface type; `None` for other types.
fn fields(registry: &Registry, name: &str, of: &MetaType) -> Option<HashMap<String, FieldType>> {
    let (MetaType::Object { fields, .. } | MetaType::Interface { fields, .. }) = of else { return None };
    let is_connection = is_connection(name);
    // Each field of such a type runs a statement that counts rows.
    let is_counts = name.ends_with("Counts");
    let is_root = name == queries::Query::type_name() || name == mutations::Mutation::type_name();
    let field_type = |written: &str| {
        let name = MetaTypeName::concrete_typename(written);
        let is_list = MetaTypeName::create(written).is_list();
        let repeats = match registry.types.get(name) {
            Some(MetaType::Object { .. }) if self::is_connection(name) => Some(Repeats::Page),
            // The page size of a connection already multiplies its `edges` and `nodes`.
            Some(MetaType::Object { .. } | MetaType::Interface { .. } | MetaType::Union { .. })
                if is_list && !is_connection =>
            {
                Some(Repeats::List(LIST_COST))
            }
            _ => None,
        };
        FieldType { name: name.to_owned(), repeats, runs_statement: false }
    };
    let fields = fields.values().map(|field| {
        let mut of = field_type(&field.ty);
        if let Some((_, _, length)) =
            SHORT_LISTS.iter().find(|(list_of, list, _)| (*list_of, *list) == (name, &field.name))
        {
            of.repeats = Some(Repeats::List(*length));
        }
        if (name, field.name.as_str()) == (&*queries::Query::type_name(), "nodes") {
            of.repeats = Some(Repeats::Ids);
        }
        let runs_statement = of.repeats == Some(Repeats::Page)
            || is_connection && field.name == TOTAL_COUNT
            || is_counts
            || is_root && !field.name.starts_with("__");
        (field.name.clone(), FieldType { runs_statement, ..of })
    });
    Some(fields.collect())
}

/// The field of a connection that counts all its rows.
const TOTAL_COUNT: &str = "totalCount";

/// Whether a type is a connection: Relay requires such names to end this way.
fn is_connection(name: &str) -> bool {
    name.ends_with("Connection")
}

/// The points of a selection.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    /// Independent of the page size.
    fixed: usize,
    /// Per row, in a selection on a connection.
    per_row: usize,
}

impl Cost {
    fn add(&mut self, other: Self) {
        self.fixed = self.fixed.saturating_add(other.fixed);
        self.per_row = self.per_row.saturating_add(other.per_row);
    }

    fn of_rows(self, rows: usize) -> usize {
        self.per_row.saturating_mul(rows).saturating_add(self.fixed)
    }
}

struct CostCounter<'a> {
    costs: &'a Costs,
    document: &'a ExecutableDocument,
    variables: &'a Variables,
    /// The cost of each fragment seen so far. A fragment names its type, so its cost is the same at every spread.
    fragments: HashMap<&'a Name, Cost>,
}

impl<'a> CostCounter<'a> {
    fn selection(&mut self, set: &'a SelectionSet, on: &str) -> Result<Cost, Failure> {
        let mut sum = Cost::default();
        for item in &set.items {
            sum.add(match &item.node {
                Selection::Field(field) => self.field(&field.node, on)?,
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let on = condition.map_or(on, |condition| &condition.node.on.node);
                    self.selection(&fragment.node.selection_set.node, on)?
                }
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node)?,
            });
        }
        Ok(sum)
    }

    fn field(&mut self, field: &'a Field, on: &str) -> Result<Cost, Failure> {
        let costs = self.costs;
        let field_type = costs.field(on, &field.name.node);
        let inner = self.selection(&field.selection_set.node, field_type.map_or("", |of| &of.name))?;
        let points = match field_type.and_then(|of| of.repeats) {
            None => inner.fixed.saturating_add(1),
            Some(Repeats::Page) => inner.of_rows(self.rows(field)?).saturating_add(1),
            Some(Repeats::List(length)) => inner.fixed.saturating_mul(length),
            Some(Repeats::Ids) => inner.fixed.saturating_add(STATEMENT_COST).saturating_mul(self.ids(field)),
        };
        let statement = if field_type.is_some_and(|of| of.runs_statement) { STATEMENT_COST } else { 0 };
        let points = points.saturating_add(statement);
        // Only the rows of a connection are repeated.
        let is_row = is_connection(on) && ["nodes", "edges"].contains(&field.name.node.as_str());
        Ok(if is_row { Cost { fixed: 0, per_row: points } } else { Cost { fixed: points, per_row: 0 } })
    }

    fn fragment(&mut self, name: &'a Name) -> Result<Cost, Failure> {
        if let Some(cost) = self.fragments.get(name) {
            return Ok(*cost);
        }
        let Some(fragment) = self.document.fragments.get(name) else { return Ok(Cost::default()) };
        let cost = self.selection(&fragment.node.selection_set.node, &fragment.node.type_condition.node.on.node)?;
        self.fragments.insert(name, cost);
        Ok(cost)
    }

    /// The number of rows that the page can have. Sizes out of range are rejected when the page is read.
    fn rows(&self, field: &Field) -> Result<usize, Failure> {
        let rows = match self.number(field, "first")? {
            Some(first) => first,
            None => self.number(field, "last")?.unwrap_or(DEFAULT_PAGE),
        };
        Ok(usize::try_from(rows.clamp(1, MAX_PAGE)).unwrap_or(1))
    }

    /// The number of items of the argument `ids`.
    fn ids(&self, field: &Field) -> usize {
        let items = match field.get_argument("ids").map(|value| &value.node) {
            Some(Given::List(items)) => items.len(),
            Some(Given::Variable(name)) => match self.variables.get(name) {
                Some(Value::List(items)) => items.len(),
                _ => 1,
            },
            _ => 1,
        };
        items.max(1)
    }

    /// The value of an `Int` argument. Validation rejects values that are not numbers, but it does not check the range
    /// of a number.
    fn number(&self, field: &Field, argument: &str) -> Result<Option<i32>, Failure> {
        let number = match field.get_argument(argument).map(|value| &value.node) {
            Some(Given::Number(number)) => number,
            Some(Given::Variable(name)) => match self.variables.get(name) {
                Some(Value::Number(number)) => number,
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        match number.as_i64().map(i32::try_from) {
            Some(Ok(number)) => Ok(Some(number)),
            _ => {
                let message = format!("Invalid value for `{argument}`: it must be a 32-bit integer.");
                Err(Failure::new(Code::ValidationFailed, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;

    const S: usize = STATEMENT_COST;

    /// This document ran 19,010 statements when each list of each thread was read separately.
    #[test]
    fn many_aliases_of_a_nested_connection_are_rejected() {
        let aliases: String = (0..95).map(|n| format!("a{n}: messages(first: 1) {{ totalCount }} ")).collect();
        let text = format!("{{ threads(first: 100) {{ nodes {{ id {aliases} }} }} }}");
        assert!(cost(&text) > 10 * MAX_COMPLEXITY);
    }

    #[test]
    fn a_fragment_on_a_connection_is_multiplied_by_each_page_size() {
        let text = "{ a: threads(first: 1) { ...F } b: threads(first: 50) { ...F } } fragment F on ThreadConnection { nodes { id } totalCount }";
        assert_eq!(cost(text), 2 * (1 + S + 1 + S) + 2 + 50 * 2);
    }

    fn cost_with(text: &str, variables: serde_json::Value) -> usize {
        let document = parse_query(text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let cost = Costs::of_schema().cost(&document, &operation.node, &Variables::from_json(variables));
        cost.map_err(|failure| failure.code()).unwrap()
    }

    fn cost(text: &str) -> usize {
        cost_with(text, json!({}))
    }

    #[test]
    fn a_page_multiplies_by_its_size_and_a_list_by_a_constant() {
        for (text, expected) in [
            ("{ viewer { key name } }", 3 + S),
            ("{ threads { totalCount } }", 1 + S + 1 + S),
            ("{ threads(first: 10) { nodes { id status } } }", 1 + S + 10 * 3),
            ("{ threads(last: 10) { edges { cursor node { id } } } }", 1 + S + 10 * 4),
            ("{ threads(first: null, last: 4) { nodes { id } } }", 1 + S + 4 * 2),
            ("{ threads(first: 0) { nodes { id } } }", 1 + S + 2),
            ("{ threads(first: -5) { nodes { id } } }", 1 + S + 2),
            ("{ threads(first: 1000) { nodes { id } } }", 1 + S + 100 * 2),
            ("{ threads(first: 1000) { pageInfo { endCursor } } }", 1 + S + 2),
            (
                "{ threads(first: 10) { nodes { messages(first: 5) { nodes { id media { id } } } } } }",
                1 + S + 10 * (1 + 1 + S + 5 * (1 + 1 + 20)),
            ),
            (
                "{ threads(first: 10) { nodes { messages(first: 1) { totalCount } } } }",
                1 + S + 10 * (1 + 1 + S + 1 + S),
            ),
            ("{ threadCounts { mine open } }", 1 + S + 2 * (1 + S)),
            ("{ viewer { extensions { digits } } }", 21 + S),
            ("mutation { claimThread(input: {threadId: 1}) { thread { id } userErrors { code } } }", 23 + S),
            ("{ node(id: 1) { ... on Pool { schedule { days { spans { opens } } } } } }", 1 + S + 1 + 7 * 2),
            ("{ nodes(ids: [1, 2, 3]) { id } }", S + 3 * (1 + S)),
            ("{ nodes(ids: 1) { id } }", S + 1 + S),
            ("subscription { callUpdated { call { legs { state } } } }", 22),
            ("{ __schema { types { fields { name } } } }", 4),
            ("{ noSuchField { threads { id } } }", 3),
        ] {
            assert_eq!(cost(text), expected, "{text}");
        }
    }

    #[test]
    fn an_omitted_variable_costs_the_same_as_an_absent_argument() {
        let text = "query($n: Int, $m: Int) { threads(first: $n, last: $m) { nodes { id } } }";
        for (variables, expected) in [
            (json!({}), 25),
            (json!({"n": 7}), 7),
            (json!({"n": null, "m": 3}), 3),
            (json!({"m": 1_000_000}), 100),
            (json!({"n": "7"}), 25),
        ] {
            assert_eq!(cost_with(text, variables.clone()), 1 + S + 2 * expected, "{variables}");
        }
    }

    #[test]
    fn each_id_of_a_variable_costs_a_statement() {
        let text = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
        assert_eq!(cost_with(text, json!({"ids": ["1", "2"]})), S + 2 * (1 + S));
        assert_eq!(cost_with(text, json!({"ids": vec!["1"; 100]})), S + 100 * (1 + S));
    }

    #[test]
    fn a_fragment_costs_the_same_as_its_fields() {
        let plain = cost("{ threads(first: 10) { nodes { id messages(first: 2) { nodes { id } } } } }");
        for text in [
            "{ ...A } fragment A on Query { threads(first: 10) { ...B } } fragment B on ThreadConnection { nodes { ...C } }
             fragment C on Thread { id messages(first: 2) { nodes { id } } }",
            "{ ... on Query { threads(first: 10) { ... { nodes { id ... on Thread { messages(first: 2) { nodes { id } } } } } } } }",
        ] {
            assert_eq!(cost(text), plain, "{text}");
        }
        assert_eq!(cost("{ node(id: 1) { ... on Thread { messages(first: 2) { totalCount } } } }"), 3 + 3 * S);
        assert_eq!(
            cost("{ a: viewer { ...F } b: viewer { ...F } } fragment F on User { key extensions { id } }"),
            44 + 2 * S
        );
        assert_eq!(cost("{ ...Nowhere }"), 0);
    }

    #[test]
    fn a_page_size_that_is_not_a_32_bit_integer_is_rejected() {
        let costs = Costs::of_schema();
        for (first, variable) in [
            ("9000000000", json!(1)),
            ("99999999999999999999", json!(1)),
            ("1.5", json!(1)),
            ("$n", json!(9_000_000_000_u64)),
            ("$n", json!(1.5)),
        ] {
            let document =
                parse_query(format!("query($n: Int) {{ threads(first: {first}) {{ totalCount }} }}")).unwrap();
            let (_, operation) = document.operations.iter().next().unwrap();
            let cost = costs.cost(&document, &operation.node, &Variables::from_json(json!({"n": variable})));
            assert_eq!(cost.map_err(|failure| failure.code()), Err(Code::ValidationFailed), "{first} {variable}");
        }
    }

    #[test]
    fn costs_do_not_overflow() {
        let nested = "messages(first: 100) { nodes { thread { ".repeat(10);
        let text = format!("{{ threads {{ nodes {{ {nested} id {} }} }} }}", "} } }".repeat(10));
        assert_eq!(cost(&text), usize::MAX);
    }

    /// The costs rely on the naming rule for connections, so the schema has to follow it.
    #[test]
    fn exactly_the_connection_types_have_pages() {
        let mut registry = Registry::default();
        queries::Query::create_type_info(&mut registry);
        subscriptions::Subscription::create_type_info(&mut registry);
        for (name, of) in &registry.types {
            let MetaType::Object { fields, .. } = of else { continue };
            assert_eq!(fields.contains_key("pageInfo"), is_connection(name), "{name}");
            for field in fields.values() {
                let leads = is_connection(MetaTypeName::concrete_typename(&field.ty));
                let pages = ["first", "after", "last", "before"].iter().all(|one| field.args.contains_key(*one));
                assert_eq!(pages, leads, "{name}.{}", field.name);
            }
        }
    }
}
