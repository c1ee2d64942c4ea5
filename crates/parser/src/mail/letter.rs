//! An e-mail, and how it is written.

use pgai_rs_parser_protocol::Metadata;

use super::attachment::{Attachment, AttachmentBudget};
use crate::markdown::{Blocks, one_line, some_line, some_text};

/// The most addresses that are written of a header.
const MOST_ADDRESSES: usize = 50;

/// An e-mail that was read.
#[derive(Debug, Default)]
pub(super) struct Letter {
    /// The subject; empty if there is none.
    pub(super) subject: String,
    /// The senders, mostly one.
    pub(super) from: Vec<Address>,
    /// The recipients.
    pub(super) to: Vec<Address>,
    /// The recipients of a copy.
    pub(super) cc: Vec<Address>,
    /// The time of its sending, in ISO 8601.
    pub(super) date: Option<String>,
    /// Its text in Markdown.
    pub(super) body: String,
    /// The files and the e-mails that are attached, those in the text among them.
    pub(super) attachments: Vec<Attachment>,
    /// `true` if its text is encrypted.
    pub(super) is_encrypted: bool,
}

/// The name of somebody, or the address, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The name as it is shown; empty if there is none.
    pub(super) name: String,
    /// The address; empty if there is none.
    pub(super) address: String,
}

impl Address {
    /// Returns both as e-mails have them.
    fn full(&self) -> String {
        let name = one_line(&self.name);
        let address = one_line(&self.address);
        match (name.as_str(), address.as_str()) {
            (name, "") => name.to_owned(),
            ("", address) => address.to_owned(),
            (name, address) if name.eq_ignore_ascii_case(address) => name.to_owned(),
            (name, address) => format!("{name} ({address})"),
        }
    }
}

impl Letter {
    /// Returns what the e-mail says of itself.
    pub(super) fn metadata(&self) -> Metadata {
        Metadata {
            title: some_line(&self.subject),
            author: some_text(all(&self.from)),
            created: self.date.clone(),
            ..Metadata::default()
        }
    }

    /// Returns the e-mail in Markdown, with its subject as a heading of this level; empty if there is nothing to read in
    /// it, or if that is encrypted.
    pub(super) fn write(&self, level: usize, budget: &mut AttachmentBudget) -> String {
        if self.is_encrypted && self.body.is_empty() && self.attachments.iter().all(Attachment::is_key) {
            return String::new();
        }
        if self.subject.trim().is_empty() && self.body.is_empty() && self.attachments.is_empty() {
            return String::new();
        }

        let mut blocks = Blocks::default();
        blocks.heading(level, &self.subject);
        blocks.push(&self.content(level, budget));
        blocks.finish().0
    }

    /// Returns the e-mail in Markdown, below a heading of this level.
    pub(super) fn content(&self, level: usize, budget: &mut AttachmentBudget) -> String {
        let mut blocks = Blocks::default();
        blocks.push(&self.header());
        blocks.push(&demoted(&self.body, level));
        let mut unread = Vec::new();
        for attachment in self.attachments.iter().filter(|attachment| !attachment.is_key()) {
            match attachment.write(level + 1, budget) {
                Some(text) => blocks.push(&text),
                None => unread.push(format!("- {}", attachment.title())),
            }
        }
        if !unread.is_empty() {
            blocks.push(&format!("Attachments:\n\n{}", unread.join("\n")));
        }
        blocks.finish().0
    }

    fn header(&self) -> String {
        let date = self.date.clone().unwrap_or_default();
        let fields =
            [("From", all(&self.from)), ("To", all(&self.to)), ("Cc", all(&self.cc)), ("Date", date)];
        let lines = fields.iter().filter(|(_, value)| !value.is_empty());
        lines.map(|(name, value)| format!("- {name}: {value}")).collect::<Vec<_>>().join("\n")
    }
}

fn all(addresses: &[Address]) -> String {
    let mut written: Vec<String> = Vec::new();
    for address in addresses.iter().take(MOST_ADDRESSES).map(Address::full) {
        if !address.is_empty() && !written.contains(&address) {
            written.push(address);
        }
    }
    if addresses.len() > MOST_ADDRESSES {
        written.push(format!("and {} more", addresses.len() - MOST_ADDRESSES));
    }
    written.join(", ")
}

/// Returns Markdown whose headings are below those of a level.
pub(super) fn demoted(text: &str, level: usize) -> String {
    const DEEPEST: usize = 6;

    let mut result = String::with_capacity(text.len());
    // The fence of the code that this is in.
    let mut fence: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end();
        let marks = content.len() - content.trim_start_matches('#').len();
        let is_heading = (1..=DEEPEST).contains(&marks) && content[marks..].starts_with(' ');
        let ticks = &content[..content.len() - content.trim_start_matches('`').len()];
        match fence {
            Some(open) if content.starts_with(open) && content.trim_start_matches('`').is_empty() => {
                fence = None
            }
            None if ticks.len() >= 3 => fence = Some(ticks),
            None if is_heading => result.push_str(&"######"[..level.min(DEEPEST - marks)]),
            _ => {}
        }
        result.push_str(line);
    }
    result
}
