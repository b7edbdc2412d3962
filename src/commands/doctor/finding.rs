//! What `doctor` prints.

/// The result of one check, as a sentence for the operator.
pub(super) enum Finding {
    /// The check passed.
    Good(String),
    /// Something to know that needs no change.
    Note(String),
    /// Something to change. The sentence says how.
    Wrong(String),
}

impl Finding {
    /// The same finding, with its subject named first.
    pub(super) fn about(self, subject: &str) -> Self {
        match self {
            Self::Good(what) => Self::Good(format!("{subject}: {what}")),
            Self::Note(what) => Self::Note(format!("{subject}: {what}")),
            Self::Wrong(what) => Self::Wrong(format!("{subject}: {what}")),
        }
    }
}

/// Prints one line per check and counts the ones that are wrong.
#[derive(Default)]
pub(super) struct Findings {
    wrong: usize,
}

impl Findings {
    pub(super) fn good(&mut self, what: impl Into<String>) {
        self.add(Finding::Good(what.into()));
    }

    pub(super) fn note(&mut self, what: impl Into<String>) {
        self.add(Finding::Note(what.into()));
    }

    pub(super) fn wrong(&mut self, what: impl Into<String>) {
        self.add(Finding::Wrong(what.into()));
    }

    pub(super) fn add(&mut self, finding: Finding) {
        match finding {
            Finding::Good(what) => println!("ok     {what}"),
            Finding::Note(what) => println!("note   {what}"),
            Finding::Wrong(what) => {
                self.wrong += 1;
                println!("WRONG  {what}");
            }
        }
    }

    pub(super) fn are_good(&self) -> bool {
        self.wrong == 0
    }
}
