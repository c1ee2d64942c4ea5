//! Layouts and masters: the places and the lists that the shapes of slides inherit. Their texts are not read.

use std::rc::Rc;

use crate::package::{Node, Tree};

use super::super::numerals::Numeral;
use super::super::order::Rect;

/// The number of levels that a list has.
pub(super) const LEVELS: usize = 9;

/// A layout, or a master.
#[derive(Debug, Default)]
pub(super) struct Template {
    placeholders: Vec<(Placeholder, Inherited)>,
    /// The lists of bodies, if it is a master.
    body: Bullets,
    master: Option<Rc<Template>>,
}

/// The role of a shape that gets its place from a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placeholder {
    /// The role by its name, such as `title` or `body`.
    pub(super) kind: String,
    index: Option<String>,
}

/// The things that a shape inherits.
#[derive(Debug, Clone, Default)]
pub(super) struct Inherited {
    /// The place on the slide; `None` if the shape has to say it.
    pub(super) place: Option<Rect>,
    /// The signs before paragraphs.
    pub(super) bullets: Bullets,
}

/// The signs of lists, by their levels, as far as they are said.
pub(super) type Bullets = [Option<Bullet>; LEVELS];

/// The sign before a paragraph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bullet {
    /// No sign: the paragraph is no item.
    None,
    /// A sign that is the same for all items.
    Sign,
    /// A number, with the first one, and what stands before and after it.
    Number { numeral: Numeral, start: u32, before: &'static str, after: &'static str },
}

impl Template {
    /// Returns the layout or the master in this tree.
    pub(super) fn read(tree: &Tree, master: Option<Rc<Template>>) -> Self {
        let root = tree.root();
        let shapes = root.at(&["cSld", "spTree"]).into_iter().flat_map(|shapes| shapes.elements());
        let placeholders = shapes.filter_map(|shape| {
            let inherited = Inherited {
                place: place(shape),
                bullets: shape.at(&["txBody", "lstStyle"]).map(bullets).unwrap_or_default(),
            };
            Some((Placeholder::of(shape)?, inherited))
        });
        Template {
            placeholders: placeholders.collect(),
            body: root.at(&["txStyles", "bodyStyle"]).map(bullets).unwrap_or_default(),
            master,
        }
    }

    /// Returns the things that a shape in this role inherits.
    pub(super) fn inherited(&self, wanted: &Placeholder) -> Inherited {
        let by_index =
            self.placeholders.iter().find(|(own, _)| own.index.is_some() && own.index == wanted.index);
        let found =
            by_index.or_else(|| self.placeholders.iter().find(|(own, _)| own.family() == wanted.family()));
        let own = found.map(|(_, inherited)| inherited.clone()).unwrap_or_default();

        let above = match &self.master {
            // Masters know their placeholders by the kind alone.
            Some(master) => {
                let kind = found.map_or(&wanted.kind, |(own, _)| &own.kind);
                master.inherited(&Placeholder { kind: kind.clone(), index: None })
            }
            None if wanted.family() == "body" => Inherited { place: None, bullets: self.body },
            None => Inherited::default(),
        };
        Inherited { place: own.place.or(above.place), bullets: or(own.bullets, above.bullets) }
    }
}

impl Placeholder {
    /// Returns the role of a shape, if it has one.
    pub(super) fn of(shape: Node<'_>) -> Option<Self> {
        let properties = shape.elements().find(|node| node.name().starts_with("nv"))?;
        let node = properties.at(&["nvPr", "ph"])?;
        Some(Placeholder {
            kind: node.attribute("type").map_or_else(|| "obj".to_owned(), |kind| kind.into_owned()),
            index: node.attribute("idx").map(|index| index.into_owned()),
        })
    }

    /// Returns the kind of placeholder on a master that this one follows.
    fn family(&self) -> &str {
        match self.kind.as_str() {
            "title" | "ctrTitle" => "title",
            "dt" | "ftr" | "sldNum" | "hdr" | "sldImg" => &self.kind,
            _ => "body",
        }
    }

    /// Returns whether it is a date, a footer, a slide's number or its picture: what stands on each slide.
    pub(super) fn is_furniture(&self) -> bool {
        matches!(self.kind.as_str(), "dt" | "ftr" | "sldNum" | "hdr" | "sldImg")
    }

    /// Returns whether it is a slide's title.
    pub(super) fn is_title(&self) -> bool {
        self.family() == "title"
    }
}

/// Returns the place of a shape, if it says one.
pub(super) fn place(shape: Node<'_>) -> Option<Rect> {
    let properties = shape.child("spPr").or_else(|| shape.child("grpSpPr")).unwrap_or(shape);
    let transform = properties.child("xfrm")?;
    let (offset, extent) = (transform.child("off")?, transform.child("ext")?);
    Some(Rect {
        left: offset.number("x")?,
        top: offset.number("y")?,
        width: extent.number("cx")?,
        height: extent.number("cy")?,
    })
}

/// Returns the signs that a list's style says.
pub(super) fn bullets(style: Node<'_>) -> Bullets {
    const NAMES: [&str; LEVELS] =
        ["lvl1pPr", "lvl2pPr", "lvl3pPr", "lvl4pPr", "lvl5pPr", "lvl6pPr", "lvl7pPr", "lvl8pPr", "lvl9pPr"];

    NAMES.map(|name| style.child(name).and_then(bullet))
}

/// Returns the sign that a paragraph's properties say.
pub(super) fn bullet(properties: Node<'_>) -> Option<Bullet> {
    properties.elements().find_map(|node| match node.name() {
        "buNone" => Some(Bullet::None),
        "buChar" | "buBlip" => Some(Bullet::Sign),
        "buAutoNum" => Some(number(node)),
        _ => None,
    })
}

fn number(node: Node<'_>) -> Bullet {
    let kind = node.attribute("type").unwrap_or_default();
    let numeral = [
        ("alphaLc", Numeral::LowerLetter),
        ("alphaUc", Numeral::UpperLetter),
        ("romanLc", Numeral::LowerRoman),
        ("romanUc", Numeral::UpperRoman),
    ];
    let numeral = numeral.into_iter().find(|(name, _)| kind.starts_with(name));
    let (before, after) = match &*kind {
        kind if kind.ends_with("ParenBoth") => ("(", ")"),
        kind if kind.ends_with("ParenR") => ("", ")"),
        _ => ("", "."),
    };
    Bullet::Number {
        numeral: numeral.map_or(Numeral::Decimal, |(_, numeral)| numeral),
        start: node.number("startAt").unwrap_or(1),
        before,
        after,
    }
}

/// Returns these signs, and others where they say nothing.
pub(super) fn or(bullets: Bullets, others: Bullets) -> Bullets {
    let mut bullets = bullets;
    for (own, other) in bullets.iter_mut().zip(others) {
        *own = own.or(other);
    }
    bullets
}
