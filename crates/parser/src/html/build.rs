//! Reading HTML into a tree.
//!
//! Elements end where the rules of HTML say that they do, in so far as text moves by it. What these rules do to
//! formatting that crosses blocks, and to what stands in a table outside its cells, is left out: it costs time that is
//! quadratic, and a text loses nothing by it. No element is deeper than [`DEEPEST`], which bounds all recursion over
//! trees, and the time that each tag takes.

use std::convert::Infallible;

use html5gum::emitters::callback::{Callback, CallbackEmitter, CallbackEvent};
use html5gum::{Emitter, ForwardingEmitter, Span, State, Tokenizer};

use super::tag::{Tag, by_name};
use super::tree::{Id, Name, ROOT, Tree};

/// The depth of the deepest elements. Deeper ones are left out, but not the text in them.
const DEEPEST: usize = 150;

/// The longest value of an attribute that is kept, in bytes.
const LONGEST_VALUE: usize = 4096;

/// The largest number of elements and texts.
pub(super) const MOST_NODES: usize = 6_000_000;

/// Returns the elements of a page; `None` if there are too many.
pub(super) fn build(html: &str, is_xml: bool) -> Option<Tree> {
    let mut builder = Builder::new(is_xml);
    let emission = Emission { inner: CallbackEmitter::new(Sink(&mut builder)) };
    let Ok(()) = Tokenizer::new_with_emitter(html, emission).finish();
    (!builder.is_full()).then_some(builder.tree)
}

/// The tokenizer's way to the builder, by which the builder tells it of what kind the text after a tag is.
struct Emission<'b> {
    inner: CallbackEmitter<Sink<'b>, Infallible, ()>,
}

impl ForwardingEmitter for Emission<'_> {
    type Token = Infallible;

    fn inner(&mut self) -> &mut impl Emitter<Token = Infallible> {
        &mut self.inner
    }

    fn emit_current_tag(&mut self) -> Option<State> {
        let _ = self.inner.emit_current_tag();
        self.inner.callback_mut().0.state.take()
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&mut self) -> bool {
        let builder = &self.inner.callback_mut().0;
        builder.is_xml || builder.is_in_foreign()
    }

    fn should_emit_errors(&mut self) -> bool {
        false
    }
}

/// Elements that are open, and the tree of all.
struct Builder {
    tree: Tree,
    is_xml: bool,
    open: Vec<(Tag, Id)>,
    /// The number of elements that were too deep and are open.
    too_deep: usize,
    tag: Tag,
    attribute: Option<Name>,
    attributes: Vec<(Name, Box<str>)>,
    self_closing: bool,
    /// The kind of the text that follows, after a start tag.
    state: Option<State>,
}

impl Builder {
    fn new(is_xml: bool) -> Self {
        Builder {
            tree: Tree::new(),
            is_xml,
            open: Vec::new(),
            too_deep: 0,
            tag: Tag::Other,
            attribute: None,
            attributes: Vec::new(),
            self_closing: false,
            state: None,
        }
    }

    fn is_full(&self) -> bool {
        self.tree.len() > MOST_NODES
    }

    fn parent(&self) -> Id {
        self.open.last().map_or(ROOT, |(_, id)| *id)
    }

    fn start(&mut self) {
        let tag = self.tag;
        self.state = if self.is_closed_by_itself() { None } else { state_after(tag) };
        self.end_implied(tag);
        if self.open.len() >= DEEPEST && !tag.is_without_text() {
            if !tag.is_void() && !self.is_closed_by_itself() {
                self.too_deep += 1;
            }
            self.attributes.clear();
            return;
        }

        let id = self.tree.append(self.parent(), tag, &mut self.attributes);
        if !tag.is_void() && !self.is_closed_by_itself() {
            self.open.push((tag, id));
        }
    }

    /// Returns whether the tag that was just read ends its own element, as in XML.
    fn is_closed_by_itself(&self) -> bool {
        let is_foreign = matches!(self.tag, Tag::Svg | Tag::Math);
        self.self_closing && (self.is_xml || is_foreign || self.is_in_foreign())
    }

    fn is_in_foreign(&self) -> bool {
        self.open.iter().any(|(tag, _)| matches!(tag, Tag::Svg | Tag::Math))
    }

    /// Ends what a start tag ends.
    fn end_implied(&mut self, tag: Tag) {
        if !tag.is_of_head()
            && tag != Tag::Head
            && let Some(place) = self.open.iter().position(|(open, _)| *open == Tag::Head)
        {
            self.open.truncate(place);
        }
        if tag.is_block() && (!tag.is_table_part() || tag == Tag::Table) {
            use Tag::{Button, Caption, Object, Table, Td, Th};
            self.end_within(&[Tag::P], &[Table, Td, Th, Caption, Button, Object]);
        }
        if tag.heading().is_some() && self.open.last().is_some_and(|(open, _)| open.heading().is_some()) {
            self.open.pop();
        }
        let (ended, within) = tag.ends();
        self.end_within(ended, within);
    }

    /// Ends the outermost of these elements that is open within the innermost one of the others.
    fn end_within(&mut self, ended: &[Tag], within: &[Tag]) {
        if ended.is_empty() {
            return;
        }
        let mut place = None;
        for (at, (tag, _)) in self.open.iter().enumerate().rev() {
            if ended.contains(tag) {
                place = Some(at);
            }
            if within.contains(tag) {
                break;
            }
        }
        if let Some(place) = place {
            self.open.truncate(place);
        }
    }

    fn end(&mut self, tag: Tag) {
        if tag.is_without_text() && self.open.last().is_some_and(|(open, _)| *open == tag) {
            self.open.pop();
            return;
        }
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        if tag == Tag::Br {
            self.tag = tag;
            self.self_closing = false;
            self.start();
            return;
        }

        let mut crosses_block = false;
        for at in (0..self.open.len()).rev() {
            let open = self.open[at].0;
            if open == tag || (tag.heading().is_some() && open.heading().is_some()) {
                if crosses_block && !tag.is_block() {
                    self.open.remove(at);
                } else {
                    self.open.truncate(at);
                }
                return;
            }
            let is_wall = match tag {
                Tag::Table => false,
                _ if tag.is_table_part() => open == Tag::Table,
                _ => matches!(open, Tag::Td | Tag::Th | Tag::Caption),
            };
            if is_wall && !matches!(tag, Tag::Body | Tag::Html) {
                return;
            }
            crosses_block |= open.is_block();
        }
    }

    fn text(&mut self, text: &[u8]) {
        if self.is_full() || self.open.last().is_some_and(|(tag, _)| tag.is_without_text()) {
            return;
        }
        let text = String::from_utf8_lossy(text);
        if self.open.last().is_some_and(|(tag, _)| *tag == Tag::Head) {
            if text.trim().is_empty() {
                return;
            }
            self.open.pop();
        }
        self.tree.append_text(self.parent(), &text);
    }

    /// Notes an attribute of the tag that is being read. Of several of one name, the first counts.
    fn attribute_name(&mut self, name: &[u8]) {
        self.attribute =
            Name::by_name(name).filter(|name| !self.attributes.iter().any(|(known, _)| known == name));
        self.attributes.extend(self.attribute.map(|name| (name, Box::default())));
    }

    fn attribute_value(&mut self, value: &[u8]) {
        if let Some(name) = self.attribute.take()
            && let Some((known, place)) = self.attributes.last_mut()
            && *known == name
        {
            let value = String::from_utf8_lossy(value.get(..LONGEST_VALUE).unwrap_or(value));
            *place = value.into();
        }
    }
}

/// Returns the kind of the text after an element's start tag, if it is one of its own.
fn state_after(tag: Tag) -> Option<State> {
    use Tag::{Iframe, Noframes, Noscript, Plaintext, Script, Style, Textarea, Title, Xmp};
    match tag {
        Textarea | Title => Some(State::RcData),
        Plaintext => Some(State::PlainText),
        Script => Some(State::ScriptData),
        Style | Iframe | Xmp | Noframes | Noscript => Some(State::RawText),
        _ => None,
    }
}

/// The builder, as something that the tokenizer tells of what it reads.
struct Sink<'b>(&'b mut Builder);

impl Callback<Infallible, ()> for Sink<'_> {
    fn handle_event(&mut self, event: CallbackEvent<'_>, _: Span<()>) -> Option<Infallible> {
        let builder = &mut *self.0;
        match event {
            CallbackEvent::OpenStartTag { name } => {
                builder.tag = by_name(name);
                builder.attributes.clear();
                builder.attribute = None;
            }
            CallbackEvent::AttributeName { name } => builder.attribute_name(name),
            CallbackEvent::AttributeValue { value } => builder.attribute_value(value),
            CallbackEvent::CloseStartTag { self_closing } => {
                builder.self_closing = self_closing;
                if !builder.is_full() {
                    builder.start();
                }
            }
            CallbackEvent::EndTag { name } => builder.end(by_name(name)),
            CallbackEvent::String { value } => builder.text(value),
            CallbackEvent::Comment { .. } | CallbackEvent::Doctype { .. } | CallbackEvent::Error(_) => {}
        }
        None
    }
}
