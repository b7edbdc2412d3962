//! The user on whose behalf something is read or done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::domain::claim::Actor;
use crate::domain::{AgencyId, Role, UserId};
use crate::entity::user;
use crate::store::Directory;
use crate::store::threads::Scope;

/// An active user with the directory of the user's agency, both in their current state.
///
/// Answers that depend only on the agency and the [`role`](Self::role) can be shared between users. Access to any other
/// property is recorded ([`ViewerUse`]), because it makes the answer specific to this user.
#[derive(Debug, Clone)]
pub struct Viewer {
    pub directory: Arc<Directory>,
    user: Arc<user::Model>,
    usage: Option<ViewerUse>,
}

/// Records whether an answer depends on the individual user.
#[derive(Debug, Clone, Default)]
pub struct ViewerUse(Arc<AtomicBool>);

impl ViewerUse {
    /// Whether a property was read that differs between users of the same role.
    pub fn is_individual(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Viewer {
    /// `None` if the user does not exist or is inactive.
    pub fn of(directory: Arc<Directory>, user: UserId) -> Option<Self> {
        let user = directory.active_user(user)?.clone();
        Some(Self { directory, user, usage: None })
    }

    /// The same viewer, whose use is recorded.
    #[must_use]
    pub fn recorded_by(&self, usage: &ViewerUse) -> Self {
        Self { usage: Some(usage.clone()), ..self.clone() }
    }

    fn record_use(&self) {
        if let Some(ViewerUse(is_individual)) = &self.usage {
            is_individual.store(true, Ordering::Relaxed);
        }
    }

    pub fn user(&self) -> &Arc<user::Model> {
        self.record_use();
        &self.user
    }

    pub fn id(&self) -> UserId {
        self.record_use();
        self.user.id
    }

    pub fn role(&self) -> Role {
        self.user.role
    }

    pub fn agency(&self) -> AgencyId {
        self.directory.agency_id()
    }

    pub fn is_admin(&self) -> bool {
        self.role() == Role::Admin
    }

    /// The viewer as the actor of an action on a thread.
    pub fn actor(&self) -> Actor {
        Actor { user: self.id(), role: self.role() }
    }

    /// The threads, contacts and calls that the viewer may see.
    pub fn scope(&self) -> Scope {
        let (agency, user, is_admin) = (self.agency(), self.id(), self.is_admin());
        let mut scope = Scope {
            agency,
            user,
            is_admin,
            is_default_user: false,
            numbers: Vec::new(),
            pool_numbers: Vec::new(),
            extensions: Vec::new(),
        };
        if !is_admin {
            scope.is_default_user = self.directory.agency.default_user_id == Some(user);
            scope.numbers = self.directory.eligible_numbers(user);
            scope.pool_numbers = self.directory.pool_numbers(user);
            scope.extensions = self.directory.extensions_of(user).map(|row| row.id).collect();
        }
        scope
    }
}
