//! Users cannot see data that they have lost access to, or data of contacts that they have no access to.

mod former_users;
mod own_part;
mod strangers;
mod walk;
mod world;
