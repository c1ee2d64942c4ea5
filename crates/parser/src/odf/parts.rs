//! The files of a document beside its content.

use pgai_rs_parser_protocol::Metadata;

use crate::package::Package;
use crate::package::stream::{Token, Xml, utf8};
use crate::{Kind, ParseError};

/// Refuses a document whose content is encrypted.
pub(crate) fn refuse_encrypted(package: &mut Package<'_>, kind: Kind) -> Result<(), ParseError> {
    let Some(manifest) = package.part("META-INF/manifest.xml")? else { return Ok(()) };
    let manifest = utf8(manifest);
    let mut xml = Xml::new(kind, &manifest);
    // A manifest that can't be read says nothing; whether the content can be, its own reader finds out.
    while let Ok(token) = xml.next() {
        match token {
            Token::Open(element) if element.local() == "encryption-data" => {
                return Err(ParseError::Encrypted(kind.name()));
            }
            Token::End => break,
            _ => {}
        }
    }
    Ok(())
}

/// Returns what a document says of itself.
pub(crate) fn metadata(package: &mut Package<'_>, kind: Kind) -> Result<Metadata, ParseError> {
    let mut metadata = Metadata::default();
    let Some(xml) = package.part("meta.xml")? else { return Ok(metadata) };
    let xml = utf8(xml);
    let mut xml = Xml::new(kind, &xml);
    let mut last_author = None;
    while let Ok(token) = xml.next() {
        let element = match token {
            Token::Open(element) => element,
            Token::End => break,
            _ => continue,
        };
        let field = match element.name().as_str() {
            "dc:title" => &mut metadata.title,
            "meta:initial-creator" => &mut metadata.author,
            "dc:creator" => &mut last_author,
            "meta:creation-date" => &mut metadata.created,
            "dc:date" => &mut metadata.modified,
            "dc:language" => &mut metadata.language,
            "meta:document-statistic" => {
                metadata.page_count = element.number("page-count");
                continue;
            }
            _ => continue,
        };
        *field = Some(xml.text().unwrap_or_default()).filter(|text| !text.trim().is_empty());
    }
    metadata.author = metadata.author.or(last_author);
    Ok(metadata)
}
