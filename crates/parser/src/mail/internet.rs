//! E-mails as they are sent: MIME.

use mail_parser::{
    Address as Addresses, ContentType, Encoding, HeaderName, Message, MessageParser, MessagePart,
    MimeHeaders as _, PartType,
};

use super::attachment::{Attachment, AttachmentBudget, AttachmentContent, MOST_NAMED};
use super::letter::{Address, Letter};
use super::plain::{self, Form};
use super::uuencode::{self, BINHEX_TYPE, File};
use crate::{Kind, ParseError, charset, html};

/// The most parts that an e-mail may announce. Each one is looked for in all of the e-mail, if it is not there.
const MOST_BOUNDARIES: usize = 2000;

/// The deepest parts in parts.
const DEEPEST: usize = 20;

/// The factor by which the text with markup is longer than the one without, if the latter only stands in for it.
const STUB: usize = 3;

/// Returns an e-mail.
pub(super) fn read(bytes: &[u8], budget: &mut AttachmentBudget) -> Result<Letter, ParseError> {
    let bytes = without_envelope(bytes);
    if announced(bytes) > MOST_BOUNDARIES {
        return Err(ParseError::TooComplex {
            kind: Kind::Email.name(),
            problem: format!("it announces more than {MOST_BOUNDARIES} groups of parts"),
        });
    }
    let message = MessageParser::default().parse(bytes).filter(is_letter).ok_or_else(|| {
        ParseError::Damaged { kind: Kind::Email.name(), problem: "it has no headers".to_owned() }
    })?;
    let letter = match message.root_part().content_type().and_then(piece) {
        Some(piece) => Err(ParseError::UnsupportedType(piece)),
        None => letter(&message, budget),
    };
    dismantle(message);
    letter
}

/// Returns an e-mail without the line that mailboxes have before each.
fn without_envelope(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match bytes.strip_prefix(b"From ") {
        Some(rest) => {
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            rest.get(end..).unwrap_or_default()
        }
        None => bytes,
    }
}

/// Returns the number of boundaries that an e-mail announces, or somewhat more.
fn announced(bytes: &[u8]) -> usize {
    let mut count = 0;
    for at in memchr::memchr2_iter(b'b', b'B', bytes) {
        let word = bytes.get(at..at + 8).unwrap_or_default();
        count += usize::from(word.eq_ignore_ascii_case(b"boundary"));
    }
    count
}

/// Returns whether there is a header that only e-mails have.
fn is_letter(message: &Message<'_>) -> bool {
    message.headers().iter().any(|header| {
        matches!(
            header.name,
            HeaderName::From
                | HeaderName::To
                | HeaderName::Cc
                | HeaderName::Subject
                | HeaderName::Date
                | HeaderName::Received
                | HeaderName::MessageId
                | HeaderName::MimeVersion
                | HeaderName::ContentType
                | HeaderName::Sender
                | HeaderName::ReturnPath
        )
    })
}

/// Returns what a part is that is a piece of an e-mail, cut up because it was too large (RFC 2046, 5.2.2). Only all of
/// them together can be read.
fn piece(media_type: &ContentType<'_>) -> Option<String> {
    if media_type.ctype() != "message" || media_type.subtype() != Some("partial") {
        return None;
    }
    let number = |name| media_type.attribute(name).and_then(|value| value.trim().parse::<u32>().ok());
    Some(match (number("number"), number("total")) {
        (Some(number), Some(total)) => format!("part {number} of {total} of an e-mail"),
        (Some(number), None) => format!("part {number} of an e-mail"),
        _ => "a part of an e-mail".to_owned(),
    })
}

/// Drops an e-mail without recursion: there may be thousands in each other.
fn dismantle(message: Message<'_>) {
    let mut messages = vec![message];
    while let Some(message) = messages.pop() {
        for part in message.parts {
            if let PartType::Message(inner) = part.body {
                messages.push(inner);
            }
        }
    }
}

fn letter(message: &Message<'_>, budget: &mut AttachmentBudget) -> Result<Letter, ParseError> {
    let mut letter = Letter {
        subject: message.subject().unwrap_or_default().to_owned(),
        from: addresses(message.from().or_else(|| message.sender())),
        to: addresses(message.to()),
        cc: addresses(message.cc()),
        date: message.date().filter(|date| date.is_valid() && date.year > 0).map(|date| date.to_rfc3339()),
        ..Letter::default()
    };
    let mut walk = Walk { message, budget, letter: &mut letter, bodies: Vec::new() };
    walk.part(0, 0)?;
    let bodies = walk.bodies;
    letter.body = bodies.join("\n\n");
    Ok(letter)
}

fn addresses(list: Option<&Addresses<'_>>) -> Vec<Address> {
    let Some(list) = list else { return Vec::new() };
    list.iter().map(address).collect()
}

fn address(given: &mail_parser::Addr<'_>) -> Address {
    Address {
        name: given.name().unwrap_or_default().to_owned(),
        address: given.address().unwrap_or_default().to_owned(),
    }
}

/// Returns whether a part's media type has a parameter of this value.
fn has_parameter(part: &MessagePart<'_>, name: &str, value: &str) -> bool {
    let given = part.content_type().and_then(|media_type| media_type.attribute(name));
    given.is_some_and(|given| given.eq_ignore_ascii_case(value))
}

/// A walk through the parts of an e-mail.
struct Walk<'m, 'b> {
    message: &'m Message<'m>,
    budget: &'b mut AttachmentBudget,
    letter: &'b mut Letter,
    bodies: Vec<String>,
}

impl Walk<'_, '_> {
    fn part(&mut self, number: u32, depth: usize) -> Result<(), ParseError> {
        let Some(part) = self.message.part(number) else { return Ok(()) };
        match &part.body {
            _ if depth > DEEPEST => Ok(()),
            PartType::Multipart(parts) => self.parts(part, parts, depth),
            PartType::Text(_) | PartType::Html(_) if !is_file(part) => {
                let text = self.body(part)?;
                self.add(text);
                Ok(())
            }
            PartType::InlineBinary(_) if part.content_id().is_some() => Ok(()),
            // Parts that nothing separates.
            PartType::Binary(bytes) if part.content_type().is_some_and(|of| of.ctype() == "multipart") => {
                let text = charset::decode(bytes, None).unwrap_or_default();
                self.add(plain::written(&text, Form::default()));
                Ok(())
            }
            _ => {
                self.attach(part);
                Ok(())
            }
        }
    }

    fn parts(&mut self, part: &MessagePart<'_>, parts: &[u32], depth: usize) -> Result<(), ParseError> {
        match part.content_type().and_then(|media_type| media_type.subtype()) {
            Some("alternative") => self.alternatives(parts, depth),
            // Keys, and what they are for: nothing to read.
            Some("encrypted") => {
                self.letter.is_encrypted = true;
                Ok(())
            }
            _ => {
                for part in parts {
                    self.part(*part, depth + 1)?;
                }
                Ok(())
            }
        }
    }

    /// Adds the best of several forms of a text: the one without markup, unless it only stands in for the other.
    fn alternatives(&mut self, parts: &[u32], depth: usize) -> Result<(), ParseError> {
        let mut texts: [String; 2] = Default::default();
        let [plain, marked] = &mut texts;
        for number in parts {
            let Some(part) = self.message.part(*number) else { continue };
            match &part.body {
                PartType::Text(_) if !is_file(part) && is_plain(part) => plain.push_str(&self.body(part)?),
                PartType::Html(_) if !is_file(part) => marked.push_str(&self.body(part)?),
                PartType::Multipart(_) => {
                    // Markup with its images, and sometimes with files.
                    let before = self.bodies.len();
                    self.part(*number, depth + 1)?;
                    marked.push_str(&self.bodies.split_off(before).join("\n\n"));
                }
                _ => {}
            }
        }
        let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
        let [plain, marked] = texts;
        let is_stub = letters(&plain) * STUB < letters(&without_destinations(&marked));
        self.add(if is_stub || plain.is_empty() { marked } else { plain });
        Ok(())
    }

    fn add(&mut self, text: String) {
        if !text.trim().is_empty() {
            self.bodies.push(text);
        }
    }

    /// Returns a text as Markdown, and attaches the files that are in it.
    fn body(&mut self, part: &MessagePart<'_>) -> Result<String, ParseError> {
        let text = self.text(part);
        if matches!(part.body, PartType::Html(_)) {
            return html::fragment(&text);
        }
        let room = MOST_NAMED.saturating_sub(self.letter.attachments.len());
        let (text, files) = uuencode::taken_out(&text, room);
        self.letter.attachments.extend(files.into_iter().map(attachment));

        let form = Form {
            is_flowed: has_parameter(part, "format", "flowed"),
            drops_space: has_parameter(part, "delsp", "yes"),
        };
        Ok(plain::written(&text, form))
    }

    /// Returns the text of a part. One whose encoding is not told, or told wrongly, is guessed at.
    fn text(&self, part: &MessagePart<'_>) -> String {
        let text = part.text_contents().unwrap_or_default();
        if !text.contains('\u{fffd}') {
            return text.to_owned();
        }
        let range = part.raw_body_offset() as usize..part.raw_end_offset() as usize;
        let raw = self.message.raw_message().get(range).unwrap_or_default();
        let bytes = match part.encoding {
            Encoding::None => Some(raw.to_vec()),
            Encoding::Base64 => mail_parser::decoders::base64::base64_decode(raw),
            Encoding::QuotedPrintable => {
                mail_parser::decoders::quoted_printable::quoted_printable_decode(raw)
            }
        };
        match bytes {
            Some(bytes) => charset::decode(&bytes, None).unwrap_or_else(|_| text.to_owned()),
            None => text.to_owned(),
        }
    }

    fn attach(&mut self, part: &MessagePart<'_>) {
        if self.letter.attachments.len() >= MOST_NAMED {
            return;
        }
        let media_type = part.content_type().map(|media_type| {
            format!("{}/{}", media_type.ctype(), media_type.subtype().unwrap_or("*")).to_ascii_lowercase()
        });
        self.letter.is_encrypted |= part.content_type().is_some_and(|media_type| {
            media_type.attribute("smime-type").is_some_and(|kind| kind.eq_ignore_ascii_case("enveloped-data"))
        });
        let piece = part.content_type().and_then(piece);
        let content = match &part.body {
            _ if piece.is_some() => AttachmentContent::Unread,
            PartType::Message(message) => {
                let size = message.raw_message().len();
                let inner = self.budget.nested(size, |budget| letter(message, budget).ok());
                inner.map_or(AttachmentContent::Unread, |letter| AttachmentContent::Letter(Box::new(letter)))
            }
            _ => AttachmentContent::File(contents(part)),
        };
        let name = piece.unwrap_or_else(|| part.attachment_name().unwrap_or_default().to_owned());
        self.letter.attachments.push(Attachment { name, media_type, content });
    }
}

/// Returns a file that stood in a text.
fn attachment(file: File) -> Attachment {
    match file {
        File::Uuencoded(name, bytes) => {
            Attachment { name, media_type: None, content: AttachmentContent::File(bytes) }
        }
        File::BinHex => {
            let media_type = Some(BINHEX_TYPE.to_owned());
            Attachment { name: String::new(), media_type, content: AttachmentContent::Unread }
        }
    }
}

/// Returns the content of a file, decoded if it is uuencoded, which MIME never had.
fn contents(part: &MessagePart<'_>) -> Vec<u8> {
    let bytes = part.contents();
    if bytes.starts_with(b"begin ")
        && let Ok(text) = std::str::from_utf8(bytes)
        && let (_, files) = uuencode::taken_out(text, 1)
        && let Some(File::Uuencoded(_, bytes)) = files.into_iter().next()
    {
        return bytes;
    }
    bytes.to_vec()
}

/// Returns whether a text is a file, and not the e-mail's own.
fn is_file(part: &MessagePart<'_>) -> bool {
    let is_attachment = part.content_disposition().is_some_and(|disposition| disposition.is_attachment());
    is_attachment
        || (part.attachment_name().is_some() && !part.content_disposition().is_some_and(|d| d.is_inline()))
}

/// Returns whether a text has no markup, as a calendar's has in its way.
fn is_plain(part: &MessagePart<'_>) -> bool {
    part.content_type().is_none_or(|media_type| media_type.subtype().is_none_or(|subtype| subtype == "plain"))
}

/// Returns Markdown without where its links lead, which text without markup may lack.
fn without_destinations(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        result.push_str(before);
        rest = after;
        // Without an end there is none for any that follows: what is left is looked through once.
        match after.split_once(')') {
            Some((_, after)) => rest = after,
            None => break,
        }
    }
    result.push_str(rest);
    result
}
