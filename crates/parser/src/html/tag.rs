//! Elements of HTML, and what their kinds mean for where others end.

/// Declares [`Tag`], and its names.
macro_rules! tags {
    ($($tag:ident $name:literal),* $(,)?) => {
        /// The name of an element.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Tag {
            $(#[doc = concat!("`", $name, "`")] $tag,)*
            /// The document itself.
            Document,
            /// Text between tags.
            Text,
            /// An element whose name means nothing here. It is inline, unless there are blocks in it.
            Other,
        }

        /// Returns the element of this name, which is in lower case.
        pub(super) fn by_name(name: &[u8]) -> Tag {
            match name {
                $(name if name == $name.as_bytes() => Tag::$tag,)*
                _ => Tag::Other,
            }
        }
    };
}

tags! {
    A "a", Abbr "abbr", Address "address", Annotation "annotation", Area "area", Article "article", Aside "aside",
    Audio "audio", B "b", Base "base", Big "big", Blockquote "blockquote", Body "body", Br "br", Button "button",
    Canvas "canvas", Caption "caption", Center "center", Cite "cite", Code "code", Col "col", Colgroup "colgroup",
    Datalist "datalist", Dd "dd", Del "del", Details "details", Dfn "dfn", Dialog "dialog", Dir "dir", Div "div",
    Dl "dl", Dt "dt", Em "em", Embed "embed", Fieldset "fieldset", Figcaption "figcaption", Figure "figure",
    Font "font", Footer "footer", Form "form", Frame "frame", Frameset "frameset", H1 "h1", H2 "h2", H3 "h3",
    H4 "h4", H5 "h5", H6 "h6", Head "head", Header "header", Hgroup "hgroup", Hr "hr", Html "html", I "i",
    Iframe "iframe", Img "img", Image "image", Input "input", Ins "ins", Kbd "kbd", Label "label", Legend "legend",
    Li "li", Link "link", Listing "listing", Main "main", Map "map", Mark "mark", Math "math", Menu "menu",
    Meta "meta", Meter "meter", Nav "nav", Nobr "nobr", Noframes "noframes", Noscript "noscript", Object "object",
    Ol "ol", Optgroup "optgroup", Choice "option", Output "output", P "p", Param "param", Picture "picture",
    Plaintext "plaintext", Pre "pre", Progress "progress", Q "q", Rb "rb", Rp "rp", Rt "rt", Rtc "rtc", Ruby "ruby",
    S "s", Samp "samp", Script "script", Search "search", Section "section", Select "select", Small "small",
    Source "source", Span "span", Strike "strike", Strong "strong", Style "style", Sub "sub", Summary "summary",
    Sup "sup", Svg "svg", Table "table", Tbody "tbody", Td "td", Template "template", Textarea "textarea",
    Tfoot "tfoot", Th "th", Thead "thead", Time "time", Title "title", Tr "tr", Track "track", Tt "tt", U "u",
    Ul "ul", Var "var", Video "video", Wbr "wbr", Xmp "xmp",
}

impl Tag {
    /// Returns whether the element has no content, and no end tag.
    pub(super) fn is_void(self) -> bool {
        use Tag::*;
        matches!(
            self,
            Area | Base
                | Br
                | Col
                | Embed
                | Frame
                | Hr
                | Image
                | Img
                | Input
                | Link
                | Meta
                | Param
                | Source
                | Track
                | Wbr
        )
    }

    /// Returns whether the element begins a line of its own.
    pub(super) fn is_block(self) -> bool {
        use Tag::*;
        self.heading().is_some()
            || self.is_table_part()
            || matches!(
                self,
                Address
                    | Article
                    | Aside
                    | Blockquote
                    | Body
                    | Center
                    | Dd
                    | Details
                    | Dialog
                    | Dir
                    | Div
                    | Dl
                    | Dt
                    | Fieldset
                    | Figcaption
                    | Figure
                    | Footer
                    | Form
                    | Header
                    | Hgroup
                    | Hr
                    | Html
                    | Legend
                    | Li
                    | Listing
                    | Main
                    | Menu
                    | Nav
                    | Ol
                    | P
                    | Plaintext
                    | Pre
                    | Search
                    | Section
                    | Summary
                    | Ul
                    | Xmp
            )
    }

    /// Returns whether the element is a table, or one that only occurs in tables.
    pub(super) fn is_table_part(self) -> bool {
        use Tag::*;
        matches!(self, Table | Caption | Colgroup | Col | Thead | Tbody | Tfoot | Tr | Td | Th)
    }

    /// Returns the level of a heading.
    pub(super) fn heading(self) -> Option<usize> {
        match self {
            Tag::H1 => Some(1),
            Tag::H2 => Some(2),
            Tag::H3 => Some(3),
            Tag::H4 => Some(4),
            Tag::H5 => Some(5),
            Tag::H6 => Some(6),
            _ => None,
        }
    }

    /// Returns whether the element is a list of items.
    pub(super) fn is_list(self) -> bool {
        matches!(self, Tag::Ul | Tag::Ol | Tag::Menu | Tag::Dir)
    }

    /// Returns whether line breaks and spaces in the element are what they look like.
    pub(super) fn is_preformatted(self) -> bool {
        matches!(self, Tag::Pre | Tag::Listing | Tag::Xmp | Tag::Plaintext)
    }

    /// Returns whether the element may stand in the head of a page.
    pub(super) fn is_of_head(self) -> bool {
        use Tag::*;
        matches!(self, Base | Link | Meta | Noscript | Script | Style | Template | Title)
    }

    /// Returns whether text in the element is not the page's.
    pub(super) fn is_without_text(self) -> bool {
        matches!(self, Tag::Script | Tag::Style | Tag::Noscript | Tag::Iframe | Tag::Noframes)
    }

    /// Returns the elements that a start tag of this one ends if one of them is open, and those in which they are
    /// looked for.
    pub(super) fn ends(self) -> (&'static [Tag], &'static [Tag]) {
        use Tag::*;
        match self {
            Li => (&[Li], &[Ul, Ol, Menu, Dir, Table, Td, Th]),
            Dd | Dt => (&[Dd, Dt], &[Dl, Table, Td, Th]),
            Choice => (&[Choice], &[Select, Datalist]),
            Optgroup => (&[Optgroup, Choice], &[Select]),
            Td | Th => (&[Td, Th, Caption], &[Table, Tr]),
            Tr => (&[Tr, Td, Th, Caption, Colgroup], &[Table, Thead, Tbody, Tfoot]),
            Thead | Tbody | Tfoot => (&[Thead, Tbody, Tfoot, Tr, Td, Th, Caption, Colgroup], &[Table]),
            Rt | Rp | Rb => (&[Rt, Rp, Rb], &[Ruby]),
            A => (&[A], &[Table, Td, Th, Caption]),
            _ => (&[], &[]),
        }
    }
}
