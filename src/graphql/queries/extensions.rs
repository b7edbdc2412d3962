use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::threads::search_text;
use crate::domain::search::fold;
use crate::domain::{PhoneNumberId, UserId};
use crate::entity::{extension, user};
use crate::graphql::context::viewer;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::pagination::{Connection, PageArgs, Total};
use crate::graphql::types::Extension;

#[derive(Default)]
pub(super) struct ExtensionsQuery;

#[Object]
impl ExtensionsQuery {
    /// The extensions of the agency, ordered by their digits. Deactivated extensions are not included by default.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn extensions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of items from the start, 0 to 100. Default: 25.")] first: Option<i32>,
        #[graphql(desc = "Returns only the items after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, 0 to 100. Not allowed with `first`.")] last: Option<i32>,
        #[graphql(desc = "Returns only the items before this cursor of the same list.")] before: Option<String>,
        #[graphql(desc = "True to include deactivated extensions. Default: false.", default_with = "Some(false)")]
        include_inactive: Option<bool>,
        #[graphql(
            desc = "Returns only extensions that are valid only on the phone number with this ID. Default: all extensions."
        )]
        phone_number_id: Option<ID>,
        #[graphql(desc = "Returns only extensions that reach the user with this ID. Default: all extensions.")]
        user_id: Option<ID>,
        #[graphql(
            desc = "Returns only extensions whose digits begin with this text, or whose user's name contains it in any \
                    letter case. At most 200 characters."
        )]
        search: Option<String>,
    ) -> Result<Connection<Extension>> {
        let viewer = viewer(ctx).await?;
        let rows = &viewer.directory.extensions;
        let all = include_inactive.unwrap_or(false);
        // A malformed ID matches nothing.
        let number = phone_number_id.map(|id| ids::parse::<PhoneNumberId>(&id));
        let user = user_id.map(|id| ids::parse::<UserId>(&id));
        let search = search_text(search)?.map(|text| fold(&text));
        let found = |row: &extension::Model, search: &str| {
            let named = |user: &Arc<user::Model>| fold(&user.name).contains(search);
            row.digits.starts_with(search) || viewer.directory.user(row.user_id).is_some_and(named)
        };
        let keep = |row: &extension::Model| {
            (all || row.live == Some(true))
                && number.is_none_or(|number| number == Some(row.phone_number_id))
                && user.is_none_or(|user| user == Some(row.user_id))
                && search.as_deref().is_none_or(|search| found(row, search))
        };
        let total = rows.iter().filter(|row| keep(row)).count();
        let page = PageArgs { first, after, last, before }.paginate(rows, |row| row.id.to_string(), keep)?;
        Ok(Connection::new(page.map(|row| Extension::new(&viewer, row)), Total::Known(total)))
    }
}
