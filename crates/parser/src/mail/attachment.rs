//! Files and e-mails that are attached to an e-mail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pgai_rs_parser_protocol::Format;

use super::letter::{Letter, demoted};
use super::uuencode::BINHEX_TYPE;
use crate::html::guard;
use crate::markdown::{code, one_line};
use crate::{Kind, ParsedDocument, Source, detect, parse_as};

/// The most e-mails around one that is read.
const DEEPEST: usize = 5;

/// The most attachments that are read, in all e-mails of a document together.
const MOST: usize = 200;

/// The most bytes of attachments that are read, in all e-mails of a document together.
const MOST_BYTES: usize = 64 << 20;

/// The most bytes of text that are read from attachments, in all e-mails of a document together: a small file can hold
/// a long text.
const MOST_TEXT: usize = 32 << 20;

/// The number of attachments for which one counts that could not be read, as that may have taken long.
const FAILURE: usize = 10;

/// The most attachments of one e-mail that are named.
pub(super) const MOST_NAMED: usize = 1000;

/// The rest that may still be read.
#[derive(Debug)]
pub(super) struct AttachmentBudget {
    depth: usize,
    attachments: usize,
    bytes: usize,
    text: usize,
}

impl AttachmentBudget {
    /// Returns the whole of it.
    pub(super) fn new() -> Self {
        AttachmentBudget { depth: DEEPEST, attachments: MOST, bytes: MOST_BYTES, text: MOST_TEXT }
    }

    /// Takes what reading an attachment of this size needs, and returns whether there is so much.
    fn take(&mut self, bytes: usize) -> bool {
        if self.attachments == 0 || self.bytes < bytes || self.text == 0 {
            return false;
        }
        self.attachments -= 1;
        self.bytes -= bytes;
        true
    }

    /// Takes what reading an attachment has cost, beside its size.
    fn settle(&mut self, parsed: Option<&ParsedDocument>) {
        match parsed {
            Some(parsed) => self.text = self.text.saturating_sub(parsed.text.len()),
            None => self.attachments = self.attachments.saturating_sub(FAILURE),
        }
    }

    /// Reads an attached e-mail of this size, unless it is too deep or one too many.
    pub(super) fn nested<T>(&mut self, bytes: usize, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.depth == 0 || !self.take(bytes) {
            return None;
        }
        self.depth -= 1;
        let result = read(self);
        self.depth += 1;
        result
    }
}

/// The content of an attachment.
#[derive(Debug)]
pub(super) enum AttachmentContent {
    /// An e-mail.
    Letter(Box<Letter>),
    /// The content of a file.
    File(Vec<u8>),
    /// Something that is not read: an e-mail, or a file in a form of old.
    Unread,
}

/// A file or an e-mail that is attached to an e-mail.
#[derive(Debug)]
pub(super) struct Attachment {
    /// Its name; empty if it has none.
    pub(super) name: String,
    /// Its media type.
    pub(super) media_type: Option<String>,
    /// The content, or the reason why it is not read.
    pub(super) content: AttachmentContent,
}

impl Attachment {
    /// Returns whether it is a part of encryption or of a signature, which nobody reads.
    pub(super) fn is_key(&self) -> bool {
        self.media_type.as_deref().is_some_and(|media_type| {
            matches!(
                media_type,
                "application/pgp-encrypted"
                    | "application/pgp-signature"
                    | "application/pgp-keys"
                    | "application/pkcs7-mime"
                    | "application/x-pkcs7-mime"
                    | "application/pkcs7-signature"
                    | "application/x-pkcs7-signature"
            )
        })
    }

    /// Returns its name, or another description.
    pub(super) fn title(&self) -> String {
        let name = one_line(&self.name);
        match (&self.content, self.media_type.as_deref()) {
            (AttachmentContent::Letter(letter), _) if !letter.subject.trim().is_empty() => {
                one_line(&letter.subject)
            }
            _ if !name.is_empty() => name,
            (AttachmentContent::Unread, Some(BINHEX_TYPE)) => "a BinHex file".to_owned(),
            (AttachmentContent::Letter(_) | AttachmentContent::Unread, _) => "an e-mail".to_owned(),
            (AttachmentContent::File(_), Some(media_type)) => one_line(media_type),
            (AttachmentContent::File(_), None) => "a file".to_owned(),
        }
    }

    /// Returns its text under a heading of this level; `None` if it has none that can be read.
    pub(super) fn write(&self, level: usize, budget: &mut AttachmentBudget) -> Option<String> {
        let text = match &self.content {
            AttachmentContent::Letter(letter) => letter.content(level, budget),
            AttachmentContent::File(bytes) => self.read(bytes, level, budget)?,
            AttachmentContent::Unread => return None,
        };
        if text.trim().is_empty() {
            return None;
        }
        let marks = &"######"[..level.clamp(1, 6)];
        Some(format!("{marks} Attachment: {}\n\n{text}", self.title()))
    }

    /// Returns the text of a file, with headings below this level.
    fn read(&self, bytes: &[u8], level: usize, budget: &mut AttachmentBudget) -> Option<String> {
        if bytes.is_empty() {
            return None;
        }
        let name = (!self.name.is_empty()).then_some(self.name.as_str());
        let source = Source { bytes, name, content_type: self.media_type.as_deref() };
        let kind = detect(&source).ok()?;
        match kind {
            Kind::Email => {
                let letter =
                    budget.nested(bytes.len(), |budget| super::internet::read(bytes, budget).ok())?;
                Some(letter.content(level, budget))
            }
            Kind::OutlookEmail => {
                let letter = budget.nested(bytes.len(), |budget| super::outlook::read(bytes, budget).ok())?;
                Some(letter.content(level, budget))
            }
            _ if !budget.take(bytes.len()) => None,
            _ => {
                let parsed = parsed(kind, &source);
                budget.settle(parsed.as_ref());
                parsed.map(|parsed| written(kind, parsed, level))
            }
        }
    }
}

/// Returns a file's text. An attachment whose reader fails, in whatever way, takes the e-mail's text not with it.
fn parsed(kind: Kind, source: &Source<'_>) -> Option<ParsedDocument> {
    catch_unwind(AssertUnwindSafe(|| parse_as(kind, source))).ok()?.ok()
}

fn written(kind: Kind, parsed: ParsedDocument, level: usize) -> String {
    match (parsed.format, kind) {
        (Format::Markdown, _) => demoted(&parsed.text, level),
        (Format::Text, Kind::SourceCode) => code("", &parsed.text),
        (Format::Text, _) => guard(&parsed.text),
    }
}
