//! Splits a text into words in normalized spelling and marks the ends of its clauses.

use std::ops::Range;

use crate::domain::folding::{fold, is_apostrophe, is_double_quote};

/// The words of a text. A position outside the text reads as an empty word.
pub(super) struct Words(Vec<Word>);

struct Word {
    text: String,
    /// Whether a clause ends after this word.
    ends_clause: bool,
}

impl Words {
    /// Splits a text. Quoted passages are skipped because they are not the sender's own words, unless the whole text is
    /// quoted.
    pub(super) fn of(body: &str) -> Self {
        let folded = fold(body);
        let text = folded.trim().trim_matches(is_double_quote);
        let (mut words, mut word, mut quoted) = (Self(Vec::new()), String::new(), false);
        for c in text.chars() {
            if is_double_quote(c) {
                words.push(&mut word);
                quoted = !quoted;
            } else if quoted {
                // Skipped.
            } else if c.is_alphanumeric() {
                word.extend(c.to_lowercase());
            } else if !is_apostrophe(c) {
                words.push(&mut word);
                if matches!(c, '.' | '!' | '?' | ';' | ',' | ':' | '\n' | '\r' | '…' | '。') {
                    words.end_clause();
                }
            }
        }
        words.push(&mut word);
        words.end_clause();
        words
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn at(&self, position: usize) -> &str {
        self.0.get(position).map_or("", |word| word.text.as_str())
    }

    /// The word `back` places before a position.
    pub(super) fn before(&self, position: usize, back: usize) -> &str {
        position.checked_sub(back).map_or("", |position| self.at(position))
    }

    /// Whether a clause ends after the word at a position; true for positions beyond the end of the text.
    pub(super) fn ends_after(&self, position: usize) -> bool {
        self.0.get(position).is_none_or(|word| word.ends_clause)
    }

    /// Whether a clause begins with the word at a position.
    pub(super) fn begins_at(&self, position: usize) -> bool {
        position == 0 || self.ends_after(position - 1)
    }

    /// The positions from `position` to the end of its clause, at most `at_most` of them.
    pub(super) fn clause_from(&self, position: usize, at_most: usize) -> Range<usize> {
        let limit = self.len().min(position.saturating_add(at_most));
        let last = (position..limit).find(|at| self.ends_after(*at));
        position..last.map_or(limit, |last| last + 1)
    }

    fn push(&mut self, word: &mut String) {
        let text = std::mem::take(word);
        let spelled: &[&str] = match text.as_str() {
            "" => return,
            "dont" | "dnt" => &["do", "not"],
            "doesnt" => &["does", "not"],
            "didnt" => &["did", "not"],
            "cant" | "cannot" => &["can", "not"],
            "wont" => &["will", "not"],
            "wouldnt" => &["would", "not"],
            "couldnt" => &["could", "not"],
            "shouldnt" => &["should", "not"],
            "wanna" => &["want", "to"],
            "u" | "ya" => &["you"],
            "pls" | "plz" | "plse" | "kindly" => &["please"],
            "txt" | "msg" | "message" | "sms" => &["text"],
            "txts" | "msgs" | "messages" => &["texts"],
            "txting" | "msging" | "messaging" => &["texting"],
            "txted" | "messaged" => &["texted"],
            _ => return self.0.push(Word { text, ends_clause: false }),
        };
        self.0.extend(spelled.iter().map(|word| Word { text: (*word).to_owned(), ends_clause: false }));
    }

    fn end_clause(&mut self) {
        if let Some(last) = self.0.last_mut() {
            last.ends_clause = true;
        }
    }
}
