//! The files of an Excel workbook beside its sheets: what leads to what, strings, formats, and who wrote it.

use std::collections::HashMap;
use std::rc::Rc;

use pgai_rs_parser_protocol::Metadata;

use super::super::shown::Formats;
use crate::odf::package::Package;
use crate::odf::xml::{Token, Xml, utf8};
use crate::{Kind, ParseError};

/// The relations of a file to others.
#[derive(Default)]
pub(in super::super) struct Relations {
    /// The type, without its namespace, and the target, by the relation's name.
    by_name: HashMap<String, (String, String)>,
}

impl Relations {
    /// Returns the relations of a file; none if it has none.
    pub(in super::super) fn of(
        package: &mut Package<'_>,
        kind: Kind,
        part: &str,
    ) -> Result<Self, ParseError> {
        let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
        let slash = if folder.is_empty() { "" } else { "/" };
        let Some(xml) = package.read(&format!("{folder}{slash}_rels/{file}.rels"))? else {
            return Ok(Relations::default());
        };
        Relations::parse(&mut Xml::new(kind, &utf8(xml)), folder)
    }

    fn parse(xml: &mut Xml<'_>, folder: &str) -> Result<Self, ParseError> {
        let mut relations = Relations::default();
        loop {
            match xml.next()? {
                Token::Open(element) if element.local() == "Relationship" => {
                    let kind = element.attribute("Type").unwrap_or_default();
                    let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                    let target = element.attribute("Target").unwrap_or_default();
                    let is_external = element.attribute("TargetMode").is_some_and(|mode| mode == "External");
                    let target = if is_external { target } else { absolute(folder, &target) };
                    relations.by_name.insert(element.attribute("Id").unwrap_or_default(), (kind, target));
                }
                Token::End => return Ok(relations),
                _ => {}
            }
        }
    }

    /// Returns the file of a relation of this type.
    pub(in super::super) fn by_type(&self, wanted: &str) -> Option<&str> {
        self.by_name.values().find(|(kind, _)| kind == wanted).map(|(_, target)| target.as_str())
    }

    /// Returns the target of the relation of this name.
    pub(in super::super) fn target(&self, name: &str) -> Option<&str> {
        self.by_name.get(name).map(|(_, target)| target.as_str())
    }

    /// Returns the file of a sheet with cells; charts and macros have sheets of their own.
    pub(in super::super) fn sheet(&self, name: &str) -> Option<&str> {
        self.by_name.get(name).filter(|(kind, _)| kind == "worksheet").map(|(_, target)| target.as_str())
    }
}

/// Returns the path in the archive that a target in a folder means.
fn absolute(folder: &str, target: &str) -> String {
    if let Some(target) = target.strip_prefix('/') {
        return target.to_owned();
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Returns the path of the file that the document begins with.
pub(in super::super) fn main_part(
    package: &mut Package<'_>,
    kind: Kind,
    usual: &str,
) -> Result<String, ParseError> {
    let relations = Relations::of(package, kind, "")?;
    Ok(relations.by_type("officeDocument").unwrap_or(usual).to_owned())
}

/// Returns the strings that cells share.
pub(super) fn shared_strings(xml: &mut Xml<'_>) -> Result<Vec<Rc<str>>, ParseError> {
    let mut strings = Vec::new();
    loop {
        match xml.next()? {
            Token::Open(element) if element.local() == "si" => strings.push(rich_text(xml)?.into()),
            Token::End => return Ok(strings),
            _ => {}
        }
    }
}

/// Returns the text of the element that was opened last: of its runs, without their readings in another script.
pub(super) fn rich_text(xml: &mut Xml<'_>) -> Result<String, ParseError> {
    let mut text = String::new();
    let mut depth = 1;
    while depth > 0 {
        match xml.next()? {
            Token::Open(element) => match element.local().as_str() {
                "t" => text.push_str(&unescape(xml.text()?)),
                "rPh" => xml.skip()?,
                _ => depth += 1,
            },
            Token::Close => depth -= 1,
            Token::End => break,
            Token::Text(_) => {}
        }
    }
    Ok(text)
}

/// Returns a string without the escapes `_xHHHH_`, in which Excel writes what XML has not.
pub(super) fn unescape(text: String) -> String {
    if !text.contains("_x") {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(place) = rest.find("_x") {
        let (before, escape) = rest.split_at(place);
        plain.push_str(before);
        let code = escape.get(2..6).filter(|_| escape.get(6..7) == Some("_"));
        match code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32) {
            Some(character) => {
                if character >= ' ' || character == '\n' || character == '\t' {
                    plain.push(character);
                }
                rest = escape.get(7..).unwrap_or_default();
            }
            None => {
                plain.push_str("_x");
                rest = escape.get(2..).unwrap_or_default();
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// Reads the number formats of cells, by their styles.
pub(super) fn read_formats(xml: &mut Xml<'_>, formats: &mut Formats) -> Result<(), ParseError> {
    let mut in_cells = false;
    loop {
        match xml.next()? {
            Token::Open(element) => match element.local().as_str() {
                "numFmt" => {
                    if let (Some(number), Some(code)) =
                        (element.number("numFmtId"), element.attribute("formatCode"))
                    {
                        formats.add_code(number, code);
                    }
                }
                name @ ("cellXfs" | "cellStyleXfs" | "dxfs" | "cellStyles") => in_cells = name == "cellXfs",
                "xf" if in_cells => formats.add_style(element.number("numFmtId").unwrap_or(0)),
                _ => {}
            },
            Token::End => return Ok(()),
            _ => {}
        }
    }
}

/// Returns what the workbook says of itself.
pub(in super::super) fn core_metadata(package: &mut Package<'_>, kind: Kind) -> Result<Metadata, ParseError> {
    let mut metadata = Metadata::default();
    let relations = Relations::of(package, kind, "")?;
    let part = relations.by_type("core-properties").unwrap_or("docProps/core.xml");
    let Some(xml) = package.read(part)? else { return Ok(metadata) };
    let xml = utf8(xml);
    let mut xml = Xml::new(kind, &xml);
    loop {
        let Token::Open(element) = (match xml.next() {
            Ok(Token::End) | Err(_) => return Ok(metadata),
            Ok(token) => token,
        }) else {
            continue;
        };
        let field = match element.local().as_str() {
            "title" => &mut metadata.title,
            "creator" => &mut metadata.author,
            "created" => &mut metadata.created,
            "modified" => &mut metadata.modified,
            "language" => &mut metadata.language,
            _ => continue,
        };
        *field = Some(xml.text().unwrap_or_default()).filter(|text| !text.trim().is_empty());
    }
}
