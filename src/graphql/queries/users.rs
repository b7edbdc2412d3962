use std::sync::Arc;

use async_graphql::{Context, Object};

use super::threads::search_text;
use crate::domain::search::fold;
use crate::entity::user;
use crate::graphql::context::viewer;
use crate::graphql::enums::Role;
use crate::graphql::errors::Result;
use crate::graphql::pagination::{Connection, PageArgs, Total};
use crate::graphql::types::User;

#[derive(Default)]
pub(super) struct UsersQuery;

#[Object]
impl UsersQuery {
    /// The users of the agency ordered by name, including inactive ones.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "True: active users. False: inactive users. Default: all.")] active: Option<bool>,
        #[graphql(desc = "Returns only users with this role. Default: all.")] role: Option<Role>,
        #[graphql(desc = "Returns only users whose name contains this text, in any letter case. At most 200 \
                    characters.")]
        search: Option<String>,
        #[graphql(desc = "The number of items from the start, 0 to 100. Default: 25.")] first: Option<i32>,
        #[graphql(desc = "Returns only the items after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, 0 to 100. Not allowed with `first`.")] last: Option<i32>,
        #[graphql(desc = "Returns only the items before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<User>> {
        let viewer = viewer(ctx).await?;
        let (users, search) = (&viewer.directory.users, search_text(search)?.map(|text| fold(&text)));
        let keep = |user: &Arc<user::Model>| {
            active.is_none_or(|active| user.active == active)
                && role.is_none_or(|role| Role::from(user.role) == role)
                && search.as_ref().is_none_or(|search| fold(&user.name).contains(search))
        };
        let total = users.iter().filter(|user| keep(user)).count();
        let page = PageArgs { first, after, last, before }.paginate(users, |row| row.id.to_string(), keep)?;
        Ok(Connection::new(page.map(|row| User::new(&viewer, row)), Total::Known(total)))
    }
}
