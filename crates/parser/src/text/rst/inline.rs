//! Marks within a paragraph.

use super::targets::Targets;
use crate::markdown::one_line;

/// Roles whose text is code, separated by spaces; those of a domain are known by what follows the colon.
const CODES: &str = "func function class meth method mod module attr data const exc obj any type macro member var enum struct \
    file command option envvar program kbd samp code literal bash makevar token dfn setting djadmin opcode c cpp py";

impl Targets {
    /// Returns a text of reStructuredText's as Markdown.
    pub(super) fn inline(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(place) = rest.find(['`', '\\', '|', '[', '_', ':']) {
            let (before, at) = rest.split_at(place);
            out.push_str(before);
            rest = self.mark(&mut out, at);
        }
        out.push_str(rest);
        out
    }

    /// Appends what a text begins with, which may be a mark, and returns the rest.
    fn mark<'a>(&mut self, out: &mut String, text: &'a str) -> &'a str {
        let taken = match text.as_bytes().first() {
            Some(b'`') => literal(out, text).or_else(|| self.interpreted(out, text, None)),
            Some(b'\\') => escape(out, text),
            Some(b'|') => self.substitution(out, text),
            Some(b'[') => note(out, text),
            Some(b'_') if text.starts_with("_`") => text[1..].strip_prefix('`').and_then(|rest| {
                let (name, rest) = rest.split_once('`')?;
                out.push_str(name);
                Some(rest)
            }),
            Some(b'_') => self.word(out, text),
            _ => role(text).and_then(|(role, rest)| self.interpreted(out, rest, Some(role))),
        };
        taken.unwrap_or_else(|| {
            // Each mark is one byte.
            let (mark, rest) = text.split_at(1);
            out.push_str(mark);
            rest
        })
    }

    /// Reads a text in backticks, with a role before it or a line after it that makes it a link.
    fn interpreted<'a>(&mut self, out: &mut String, text: &'a str, role: Option<&str>) -> Option<&'a str> {
        let (content, rest) = text.strip_prefix('`')?.split_once('`')?;
        if content.is_empty() {
            return None;
        }
        let content = one_line(&content.replace('\\', ""));
        let (shown, target) = with_target(&content);
        if let Some(role) = role {
            out.push_str(&of_role(role, shown));
            return Some(rest);
        }

        let (address, rest) = if let Some(rest) = rest.strip_prefix("__") {
            (target.map(str::to_owned).or_else(|| self.next_anonymous()), rest)
        } else if let Some(rest) = rest.strip_prefix('_') {
            (target.map(str::to_owned).or_else(|| self.link(shown)), rest)
        } else {
            // A role may follow: `text`:role:
            let trailing = rest.strip_prefix(':').and_then(|rest| rest.split_once(':'));
            if let Some((role, rest)) = trailing.filter(|(role, _)| is_role(role)) {
                out.push_str(&of_role(role, shown));
                return Some(rest);
            }
            (None, rest)
        };
        match address.as_deref().filter(|address| is_address(address)) {
            Some(address) if shown.is_empty() || shown == address => out.push_str(&format!("<{address}>")),
            Some(address) => out.push_str(&format!("[{shown}]({address})")),
            None => out.push_str(shown),
        }
        Some(rest)
    }

    /// Reads `|name|`.
    fn substitution<'a>(&mut self, out: &mut String, text: &'a str) -> Option<&'a str> {
        let (name, rest) = text[1..].split_once('|')?;
        let known = self.text(name)?;
        out.push_str(&known);
        Some(rest.strip_prefix("__").or_else(|| rest.strip_prefix('_')).unwrap_or(rest))
    }

    /// Reads the line behind a word, which makes it a link if there is one of this name.
    fn word<'a>(&mut self, out: &mut String, text: &'a str) -> Option<&'a str> {
        let rest = text.strip_prefix("__").or_else(|| text.strip_prefix('_'))?;
        if rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return None;
        }
        let start = out.rfind(|c: char| !(c.is_alphanumeric() || "-_.+".contains(c)));
        let start = start.map_or(0, |place| place + out[place..].chars().next().map_or(1, char::len_utf8));
        let word = out[start..].to_owned();
        let address = self.link(&word).filter(|address| is_address(address))?;
        out.truncate(start);
        out.push_str(&format!("[{word}]({address})"));
        Some(rest)
    }
}

/// Reads code in two backticks.
fn literal<'a>(out: &mut String, text: &'a str) -> Option<&'a str> {
    let (content, rest) = text.strip_prefix("``")?.split_once("``")?;
    // A backtick that ends the code belongs to it.
    let ticks = rest.len() - rest.trim_start_matches('`').len();
    let (more, rest) = rest.split_at(ticks);
    let content = format!("{content}{more}");
    if content.contains('`') {
        out.push_str(&format!("`` {content} ``"));
    } else {
        out.push_str(&format!("`{content}`"));
    }
    Some(rest)
}

/// Reads a backslash, which takes the meaning of what follows, and is nothing before a space.
fn escape<'a>(out: &mut String, text: &'a str) -> Option<&'a str> {
    let mut rest = text[1..].chars();
    match rest.next()? {
        ' ' | '\n' => {}
        c => out.push(c),
    }
    Some(rest.as_str())
}

/// Reads the mark of a footnote or a citation, such as `[1]_`.
fn note<'a>(out: &mut String, text: &'a str) -> Option<&'a str> {
    const LONGEST: usize = 60;

    let end = text.bytes().take(LONGEST).position(|byte| byte == b']')?;
    let rest = text[end..].strip_prefix("]_")?;
    let name = &text[1..end];
    if name.contains([' ', '\n']) || name.is_empty() {
        return None;
    }
    out.push_str(&format!("[^{}]", name.trim_start_matches('#')));
    Some(rest)
}

/// Splits a text that begins with a role, such as ":py:class:`", before the backtick.
fn role(text: &str) -> Option<(&str, &str)> {
    const LONGEST: usize = 40;

    let tick = text.bytes().take(LONGEST).position(|byte| byte == b'`')?;
    let role = text[..tick].strip_prefix(':')?.strip_suffix(':')?;
    is_role(role).then(|| (role, &text[tick..]))
}

fn is_role(role: &str) -> bool {
    !role.is_empty() && role.chars().all(|c| c.is_ascii_alphanumeric() || "-_:+.".contains(c))
}

/// Splits a text such as `title <target>`.
fn with_target(content: &str) -> (&str, Option<&str>) {
    let split = content.strip_suffix('>').and_then(|content| content.rsplit_once('<'));
    match split {
        Some(("", target)) => (target, Some(target)),
        Some((shown, target)) if shown.ends_with(' ') => (shown.trim_end(), Some(target)),
        _ => (content, None),
    }
}

fn of_role(role: &str, shown: &str) -> String {
    let name = role.rsplit(':').next().unwrap_or_default();
    match name {
        "math" => format!("${shown}$"),
        "pep" => format!("PEP {shown}"),
        "rfc" => format!("RFC {shown}"),
        _ if CODES.split_whitespace().any(|code| code == name) => {
            let shown = shown.trim_start_matches('!');
            let shown = match shown.strip_prefix('~') {
                Some(path) => path.rsplit('.').next().unwrap_or(path),
                None => shown,
            };
            if shown.contains('`') { shown.to_owned() } else { format!("`{shown}`") }
        }
        _ => shown.trim_start_matches(['!', '~']).to_owned(),
    }
}

/// Returns whether an address breaks no Markdown.
fn is_address(address: &str) -> bool {
    !address.is_empty() && !address.contains([' ', '\n', '(', ')', '<', '>'])
}
