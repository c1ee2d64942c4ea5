//! Presentations of PowerPoint since 2007.
//!
//! A slide is a page. Slides that are hidden are left out, and so are dates, footers and slide numbers, and all that
//! stands on masters and layouts, which is decoration or prompts. Speaker notes follow their slide as a quotation that
//! says so.
//!
//! * `slide`: a slide's shapes, and what there is to read in them
//! * `text`: the paragraphs of a shape
//! * `template`: the places and lists that shapes inherit from layouts and masters

mod slide;
mod template;
mod text;

use std::collections::HashMap;
use std::rc::Rc;

use pgai_rs_parser_protocol::{Format, MAX_PAGES, Metadata};

use crate::markdown::Blocks;
use crate::package::{Package, Tree, properties};
use crate::{Kind, ParseError, ParsedDocument, Source};

use super::block::{self, Block};
use template::Template;

/// Returns the text of a presentation of PowerPoint's.
pub(super) fn read(source: &Source<'_>) -> Result<ParsedDocument, ParseError> {
    let kind = Kind::Pptx.name();
    let mut package = Package::open(kind, source.bytes)?;
    let root = package.relationships("")?;
    let metadata = properties::read(&mut package, &root)?;
    let main = root.part("officeDocument").unwrap_or("ppt/presentation.xml").to_owned();

    let damaged = |problem: String| ParseError::Damaged { kind, problem };
    let presentation = package
        .tree(&main)?
        .ok_or_else(|| damaged(format!("{} is missing", crate::package::printable(&main))))?;
    let slides = slides(&mut package, &main, &presentation)?;
    let language = presentation
        .root()
        .at(&["defaultTextStyle", "lvl1pPr", "defRPr"])
        .and_then(|properties| properties.attribute("lang"));

    let mut reader = Reader { package: &mut package, templates: HashMap::new(), has_deck_title: false };
    let mut output = Blocks::default();
    for (place, part) in slides.iter().enumerate() {
        let blocks = reader.slide(part)?;
        output.page(u32::try_from(place + 1).unwrap_or(u32::MAX));
        block::write(blocks, &mut output);
    }

    let (text, pages) = output.finish();
    let metadata = Metadata {
        language: metadata.language.or(language.map(|language| language.into_owned())),
        page_count: u32::try_from(slides.len()).ok(),
        ..metadata
    };
    Ok(ParsedDocument { text, format: Format::Markdown, pages, metadata })
}

/// Returns the names of the slides' parts, in the order in which they are shown.
fn slides(package: &mut Package<'_>, main: &str, presentation: &Tree) -> Result<Vec<String>, ParseError> {
    let relationships = package.relationships(main)?;
    let list = presentation.root().child("sldIdLst");
    let ids = list.into_iter().flat_map(|list| list.elements_named("sldId"));
    let parts =
        ids.filter_map(|slide| relationships.part_by_id(&slide.prefixed_attribute("id")?).map(str::to_owned));
    let parts: Vec<String> = parts.collect();
    if parts.len() > MAX_PAGES {
        let problem = format!("it has more than {MAX_PAGES} slides");
        return Err(ParseError::TooComplex { kind: package.kind(), problem });
    }
    Ok(parts)
}

/// A presentation that is being read.
struct Reader<'a, 'p> {
    package: &'p mut Package<'a>,
    /// Layouts, and masters, by the names of their parts.
    templates: HashMap<String, Rc<Template>>,
    /// `true` if the first slide has the title of all.
    has_deck_title: bool,
}

impl Reader<'_, '_> {
    /// Returns the blocks of a slide; none if it is hidden.
    fn slide(&mut self, part: &str) -> Result<Vec<Block>, ParseError> {
        let Some(tree) = self.package.tree(part)? else { return Ok(Vec::new()) };
        if tree.root().attribute("show").is_some_and(|show| matches!(&*show, "0" | "false")) {
            return Ok(Vec::new());
        }

        let relationships = self.package.relationships(part)?;
        let layout = match relationships.part("slideLayout") {
            Some(layout) => self.template(layout)?,
            None => Rc::default(),
        };
        let mut blocks = slide::read(self.package, &relationships, &layout, tree.root())?;
        self.level(&mut blocks);
        if let Some(notes) = relationships.part("notesSlide") {
            self.notes(notes, &mut blocks)?;
        }
        Ok(blocks)
    }

    /// Puts the titles of slides below that of the presentation, if it has one.
    fn level(&mut self, blocks: &mut [Block]) {
        for block in blocks {
            if let Block::Heading { level, .. } = block {
                let is_deck_title = *level == slide::DECK_TITLE && !self.has_deck_title;
                self.has_deck_title |= is_deck_title;
                *level = if is_deck_title || !self.has_deck_title { 1 } else { 2 };
            }
        }
    }

    /// Appends the speaker notes of a slide.
    fn notes(&mut self, part: &str, output: &mut Vec<Block>) -> Result<(), ParseError> {
        let Some(tree) = self.package.optional_tree(part)? else { return Ok(()) };
        let relationships = self.package.relationships(part)?;
        let text = block::lines(slide::notes(&relationships, tree.root()));
        if !text.trim().is_empty() {
            output.push(Block::Quote(format!("**Notes:** {}", text.trim())));
        }
        Ok(())
    }

    /// Returns a layout with its master.
    fn template(&mut self, part: &str) -> Result<Rc<Template>, ParseError> {
        if let Some(known) = self.templates.get(part) {
            return Ok(known.clone());
        }
        let layout = self.package.optional_tree(part)?;
        let relationships = self.package.relationships(part)?;
        let master = match relationships.part("slideMaster") {
            Some(master) => self.master(master)?,
            None => Rc::default(),
        };
        let template = Rc::new(layout.map(|tree| Template::read(&tree, Some(master))).unwrap_or_default());
        self.templates.insert(part.to_owned(), template.clone());
        Ok(template)
    }

    fn master(&mut self, part: &str) -> Result<Rc<Template>, ParseError> {
        if let Some(known) = self.templates.get(part) {
            return Ok(known.clone());
        }
        let tree = self.package.optional_tree(part)?;
        let master = Rc::new(tree.map(|tree| Template::read(&tree, None)).unwrap_or_default());
        self.templates.insert(part.to_owned(), master.clone());
        Ok(master)
    }
}
