//! Options of the form `key=value`, several of them in one argument, separated by spaces.

use std::collections::HashMap;
use std::str::FromStr;

use crate::twilio::Account;

pub struct Options(HashMap<String, String>);

impl Options {
    pub fn parse(argument: &str) -> Self {
        let pairs = argument.split_whitespace().filter_map(|pair| pair.split_once('='));
        Options(pairs.map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// Returns an empty string if the option is missing.
    pub fn get(&self, key: &str) -> String {
        self.0.get(key).cloned().unwrap_or_default()
    }

    pub fn number<T: FromStr>(&self, key: &str, default: T) -> T {
        self.0.get(key).and_then(|value| value.parse().ok()).unwrap_or(default)
    }

    /// The lines of the file that the option names. Returns an empty list if the option is missing.
    pub fn lines(&self, key: &str) -> Vec<String> {
        let Some(file) = self.0.get(key) else { return vec![] };
        std::fs::read_to_string(file).expect(file).lines().map(str::to_owned).collect()
    }

    pub fn account(&self) -> Account {
        Account { url: self.get("url"), sid: self.get("account"), token: self.get("token") }
    }
}
