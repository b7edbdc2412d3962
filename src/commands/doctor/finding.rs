//! The lines that `doctor` prints.

/// The result of one check, as a sentence for the operator.
pub(super) enum Finding {
    Passed(String),
    /// Information that requires no change.
    Note(String),
    /// A problem. The sentence says how to fix it.
    Wrong(String),
}

impl Finding {
    /// Puts the subject before the sentence.
    pub(super) fn about(self, subject: &str) -> Self {
        match self {
            Self::Passed(text) => Self::Passed(format!("{subject}: {text}")),
            Self::Note(text) => Self::Note(format!("{subject}: {text}")),
            Self::Wrong(text) => Self::Wrong(format!("{subject}: {text}")),
        }
    }
}

/// Prints one line per finding and counts the problems.
#[derive(Default)]
pub(super) struct Findings {
    wrong: usize,
}

impl Findings {
    pub(super) fn report_ok(&mut self, text: impl Into<String>) {
        self.add(Finding::Passed(text.into()));
    }

    pub(super) fn report_note(&mut self, text: impl Into<String>) {
        self.add(Finding::Note(text.into()));
    }

    pub(super) fn report_wrong(&mut self, text: impl Into<String>) {
        self.add(Finding::Wrong(text.into()));
    }

    pub(super) fn add(&mut self, finding: Finding) {
        match finding {
            Finding::Passed(text) => println!("ok     {text}"),
            Finding::Note(text) => println!("note   {text}"),
            Finding::Wrong(text) => {
                self.wrong += 1;
                println!("WRONG  {text}");
            }
        }
    }

    pub(super) fn are_ok(&self) -> bool {
        self.wrong == 0
    }
}
