//! E-mails as Outlook saves them: a compound file with a stream for each property (MS-OXMSG).

mod properties;
mod rtf;

use super::attachment::{Attachment, AttachmentBudget, AttachmentContent, MOST_NAMED};
use super::letter::{Address, Letter};
use super::plain::{self, Form};
use crate::compound::Compound;
use crate::markdown::some_text;
use crate::{Kind, ParseError, Source, html, parse_as};
use properties::{Properties, Size};

/// Ids of properties.
const SUBJECT: u16 = 0x0037;
const SUBMIT_TIME: u16 = 0x0039;
const RECIPIENT_TYPE: u16 = 0x0c15;
const SENDER_NAME: u16 = 0x0c1a;
const SENDER_ADDRESS: u16 = 0x0c1f;
const SENDER_SMTP_ADDRESS: u16 = 0x5d01;
const DISPLAY_CC: u16 = 0x0e03;
const DISPLAY_TO: u16 = 0x0e04;
const DELIVERY_TIME: u16 = 0x0e06;
const BODY: u16 = 0x1000;
const RTF_COMPRESSED: u16 = 0x1009;
const HTML: u16 = 0x1013;
const DISPLAY_NAME: u16 = 0x3001;
const ADDRESS: u16 = 0x3003;
const ATTACHED_DATA: u16 = 0x3701;
const SHORT_FILE_NAME: u16 = 0x3704;
const FILE_NAME: u16 = 0x3707;
const MEDIA_TYPE: u16 = 0x370e;
const ATTACHMENT_HIDDEN: u16 = 0x7ffe;
const SMTP_ADDRESS: u16 = 0x39fe;

/// Returns an e-mail.
pub(super) fn read(bytes: &[u8], budget: &mut AttachmentBudget) -> Result<Letter, ParseError> {
    let mut file = Compound::open(Kind::OutlookEmail.name(), bytes)?;
    letter(&mut file, "/", budget)
}

/// Returns the e-mail in this storage of the file.
fn letter(
    file: &mut Compound<'_>,
    storage: &str,
    budget: &mut AttachmentBudget,
) -> Result<Letter, ParseError> {
    let size = if storage == "/" { Size::Message } else { Size::EmbeddedMessage };
    let mut properties = Properties::read(file, storage, size)?;
    let mut letter = Letter {
        subject: properties.text(SUBJECT)?,
        date: properties.time(SUBMIT_TIME).or_else(|| properties.time(DELIVERY_TIME)),
        ..Letter::default()
    };
    let mut from =
        Address { name: properties.text(SENDER_NAME)?, address: properties.text(SENDER_SMTP_ADDRESS)? };
    if from.address.is_empty() {
        from.address = internet_address(properties.text(SENDER_ADDRESS)?);
    }
    letter.from.push(from);
    letter.body = body(&mut properties)?;
    let shown_to = properties.text(DISPLAY_TO)?;
    let shown_cc = properties.text(DISPLAY_CC)?;

    let (recipients, attachments) = storages(file, storage);
    for recipient in recipients {
        add_recipient(&mut letter, &mut Properties::read(file, &recipient, Size::Part)?)?;
    }
    for (list, shown) in [(&mut letter.to, shown_to), (&mut letter.cc, shown_cc)] {
        if list.is_empty() {
            let names = shown.split(';').map(|name| name.trim_matches(['\0', ' ', '\'']).to_owned());
            list.extend(names.map(|name| Address { name, address: String::new() }));
        }
    }
    for attachment in attachments.iter().take(MOST_NAMED) {
        letter.attachments.extend(attached(file, attachment, budget)?);
    }
    Ok(letter)
}

/// Returns the storages of an e-mail's recipients, and those of its attachments.
fn storages(file: &Compound<'_>, storage: &str) -> (Vec<String>, Vec<String>) {
    let mut recipients = Vec::new();
    let mut attachments = Vec::new();
    for name in file.storages(storage) {
        let path = format!("{}/{name}", storage.trim_end_matches('/'));
        if name.starts_with("__recip_version1.0_") {
            recipients.push(path);
        } else if name.starts_with("__attach_version1.0_") {
            attachments.push(path);
        }
    }
    (recipients, attachments)
}

fn add_recipient(letter: &mut Letter, properties: &mut Properties<'_, '_>) -> Result<(), ParseError> {
    const CC: u32 = 2;
    const BCC: u32 = 3;

    let mut address = properties.text(SMTP_ADDRESS)?;
    if address.is_empty() {
        address = internet_address(properties.text(ADDRESS)?);
    }
    let address = Address { name: properties.text(DISPLAY_NAME)?, address };
    match properties.number(RECIPIENT_TYPE) {
        Some(BCC) => {}
        Some(CC) => letter.cc.push(address),
        _ => letter.to.push(address),
    }
    Ok(())
}

/// Returns an address if it is one of the internet, and not one within Exchange.
fn internet_address(address: String) -> String {
    if address.contains('@') { address } else { String::new() }
}

/// Returns the text of an e-mail as Markdown: the text without markup, else what there is.
fn body(properties: &mut Properties<'_, '_>) -> Result<String, ParseError> {
    let text = properties.text(BODY)?;
    if !text.trim().is_empty() {
        return Ok(plain::written(&text, Form::default()));
    }
    let page = properties.html(HTML)?;
    if !page.trim().is_empty() {
        return html::fragment(&page);
    }
    let compressed = properties.bytes(RTF_COMPRESSED)?;
    let Some(rtf) = rtf::decompressed(&compressed) else { return Ok(String::new()) };
    let source = Source { bytes: &rtf, name: None, content_type: None };
    Ok(parse_as(Kind::Rtf, &source).map(|parsed| parsed.text).unwrap_or_default())
}

/// Returns what is attached in this storage; `None` if it is a picture within the text.
fn attached(
    file: &mut Compound<'_>,
    storage: &str,
    budget: &mut AttachmentBudget,
) -> Result<Option<Attachment>, ParseError> {
    let inner = format!("{storage}/__substg1.0_{ATTACHED_DATA:04X}000D");
    let is_message = file.has(&format!("{inner}/__properties_version1.0"));
    let mut properties = Properties::read(file, storage, Size::Part)?;
    let mut name = properties.text(FILE_NAME)?;
    if name.is_empty() {
        name = properties.text(SHORT_FILE_NAME)?;
    }
    if name.is_empty() {
        name = properties.text(DISPLAY_NAME)?;
    }
    let media_type = some_text(properties.text(MEDIA_TYPE)?);
    if properties.number(ATTACHMENT_HIDDEN) == Some(1) && !is_message {
        return Ok(None);
    }
    let content = if is_message {
        let read = |budget: &mut AttachmentBudget| letter(file, &inner, budget).ok();
        budget
            .nested(0, read)
            .map_or(AttachmentContent::Unread, |letter| AttachmentContent::Letter(Box::new(letter)))
    } else {
        AttachmentContent::File(properties.bytes(ATTACHED_DATA)?)
    };
    Ok(Some(Attachment { name, media_type, content }))
}
