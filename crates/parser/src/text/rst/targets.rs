//! Names that are defined somewhere in a document: of links, and of texts that stand for them.

use std::collections::HashMap;

use crate::markdown::one_line;

/// The longest text that stands for a name.
const LONGEST: usize = 500;

/// The most bytes by which all names may grow: few bytes may stand for many.
const MOST_GROWTH: usize = 8 << 20;

/// Names, and what they stand for.
#[derive(Debug, Default)]
pub(super) struct Targets {
    links: HashMap<String, String>,
    texts: HashMap<String, String>,
    /// The bytes that names have grown by.
    grown: usize,
    /// Addresses without a name, the last first.
    anonymous: Vec<String>,
}

impl Targets {
    /// Returns the names that are defined in these lines.
    pub(super) fn of(lines: &[&str]) -> Self {
        let mut targets = Targets::default();
        for line in lines.iter().map(|line| line.trim_start()) {
            if let Some(address) = line.strip_prefix("__ ").or_else(|| line.strip_prefix(".. __: ")) {
                targets.anonymous.push(address.trim().to_owned());
            } else if let Some((name, address)) = line.strip_prefix(".. _").and_then(name_and_address) {
                targets.links.insert(key(name), address.to_owned());
            } else if let Some((name, text)) =
                line.strip_prefix(".. |").and_then(|rest| rest.split_once("| "))
                && let Some(text) = text.trim().strip_prefix("replace::")
                && text.len() <= LONGEST
            {
                targets.texts.insert(key(name), text.trim().to_owned());
            }
        }
        targets.anonymous.reverse();
        targets
    }

    /// Returns the address that a name stands for, or that a name which stands for another does.
    pub(super) fn link(&mut self, name: &str) -> Option<String> {
        const LONGEST_CHAIN: usize = 5;

        let mut address = self.links.get(&key(name))?;
        for _ in 0..LONGEST_CHAIN {
            let Some(other) = address.strip_suffix('_') else { break };
            address = self.links.get(&key(other.trim_matches('`')))?;
        }
        let address = address.clone();
        self.grow(address)
    }

    /// Returns the text that a name stands for.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let text = self.texts.get(&key(name))?.clone();
        self.grow(text)
    }

    fn grow(&mut self, text: String) -> Option<String> {
        self.grown = self.grown.saturating_add(text.len());
        (self.grown <= MOST_GROWTH).then_some(text)
    }

    /// Returns the next address that has no name.
    pub(super) fn next_anonymous(&mut self) -> Option<String> {
        self.anonymous.pop()
    }
}

/// Splits what follows `.. _` into a name, which may stand in backticks, and an address.
fn name_and_address(rest: &str) -> Option<(&str, &str)> {
    let (name, address) = match rest.strip_prefix('`') {
        Some(quoted) => quoted.split_once("`:")?,
        None => rest.split_once(": ")?,
    };
    let address = address.trim();
    (!address.is_empty()).then_some((name, address))
}

/// Returns a name as it is compared with others: in lower case, with single spaces.
fn key(name: &str) -> String {
    one_line(&name.replace('\\', "")).to_lowercase()
}
