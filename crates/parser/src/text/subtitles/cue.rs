//! The cues of a subtitle file.

/// The longest tag; what has no end within it is text.
const LONGEST_TAG: usize = 300;

/// The lines that are shown at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cue {
    /// The time at which it appears, in milliseconds.
    pub(super) start: u64,
    /// The time at which it disappears, in milliseconds.
    pub(super) end: u64,
    /// Its lines.
    pub(super) lines: Vec<Line>,
}

/// A line of a cue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The name of who says it.
    pub(super) speaker: Option<String>,
    /// `true` if somebody else begins to speak.
    pub(super) is_turn: bool,
    /// The words that are said; not empty.
    pub(super) text: String,
}

/// Returns the lines before the first cue, and the cues.
pub(super) fn read(text: &str) -> (&str, Vec<Cue>) {
    let mut cues = Vec::<Cue>::new();
    let mut head = text;
    let mut last_blank = true;
    let mut in_cue = false;
    let mut lines = text.lines().peekable();

    while let Some(line) = lines.next() {
        let is_blank = line.trim().is_empty();
        if let Some((start, end)) = times(line) {
            if cues.is_empty() {
                head = text.split(line).next().unwrap_or_default();
            }
            cues.push(Cue { start, end, lines: Vec::new() });
            in_cue = true;
        } else if last_blank && (is_name(line, lines.peek()) || is_note(line)) {
            in_cue = false;
        } else if in_cue
            && !is_blank
            && let Some(cue) = cues.last_mut()
        {
            cue.lines.extend(spoken(line));
        }
        last_blank = is_blank;
    }
    (head, cues)
}

/// Returns whether a line is the number or the name of the cue whose times follow.
fn is_name(line: &str, next: Option<&&str>) -> bool {
    !line.trim().is_empty() && next.is_some_and(|next| times(next).is_some())
}

/// Returns whether a line begins a block of WebVTT's that is no cue.
fn is_note(line: &str) -> bool {
    ["NOTE", "STYLE", "REGION"].iter().any(|word| {
        line.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
    })
}

/// Returns the times of a line such as `00:00:01,000 --> 00:00:02,000 align:start`.
fn times(line: &str) -> Option<(u64, u64)> {
    let (start, end) = line.split_once("-->")?;
    Some((time(start.trim())?, time(end.split_whitespace().next()?)?))
}

/// Returns a time in milliseconds; hours may be left out.
fn time(text: &str) -> Option<u64> {
    let (seconds, thousandths) = text.split_once([',', '.']).unwrap_or((text, "0"));
    let mut sum = 0_u64;
    for part in seconds.split(':') {
        sum = sum.checked_mul(60)?.checked_add(part.trim().parse().ok()?)?;
    }
    sum.checked_mul(1000)?.checked_add(thousandths.trim().parse().ok()?)
}

/// Returns what is said in a line; `None` if there are only marks in it.
fn spoken(line: &str) -> Option<Line> {
    let (plain, voice) = without_tags(line);
    let plain = crate::markdown::one_line(&plain);
    let (text, is_turn) = match plain.strip_prefix(['-', '–', '—']).map(str::trim_start) {
        Some(said) if !said.is_empty() => (said.to_owned(), true),
        _ => match plain.strip_prefix(">>") {
            Some(said) => (said.trim_start_matches(['>', ' ']).to_owned(), true),
            None => (plain, false),
        },
    };
    (!text.is_empty()).then_some(Line { speaker: voice, is_turn, text })
}

/// Returns a line without tags and with the characters that stand for themselves, and the name in a tag of a voice.
fn without_tags(line: &str) -> (String, Option<String>) {
    let mut out = String::with_capacity(line.len());
    let mut voice = None;
    let mut rest = line;

    while let Some(start) = rest.find(['<', '{']) {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        let close = if tag.starts_with('<') { b'>' } else { b'}' };
        match tag.bytes().take(LONGEST_TAG).position(|byte| byte == close) {
            Some(end) if is_tag(&tag[1..end], close) => {
                voice = voice.or_else(|| voice_of(&tag[1..end]));
                rest = &tag[end + 1..];
            }
            _ => {
                out.push_str(&tag[..1]);
                rest = &tag[1..];
            }
        }
    }
    out.push_str(rest);
    (unescape(&out), voice)
}

/// Returns whether what stands in brackets is a mark, and no text such as `a < b`.
fn is_tag(inner: &str, close: u8) -> bool {
    if close == b'}' {
        return inner.starts_with('\\');
    }
    inner.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
}

fn voice_of(inner: &str) -> Option<String> {
    let (tag, name) = inner.split_once([' ', '\t'])?;
    let is_voice = tag == "v" || tag.starts_with("v.");
    let name = unescape(name.trim());
    (is_voice && !name.is_empty()).then_some(name)
}

fn unescape(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", " "), ("&lrm;", ""), ("&rlm;", ""), ("&amp;", "&")];
    named.iter().fold(text.to_owned(), |text, (name, character)| text.replace(name, character))
}
