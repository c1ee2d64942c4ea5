"""Texts reduced to words, so that Markdown and the text of a reference can be compared."""

import html
import re
import unicodedata

# Scripts without spaces between words: each of their characters counts as one.
UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003ffff"
WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")

LABEL = r"((?:[^\[\]\\]|\\.|\[[^\[\]]*\])*)"
TARGET = r'\((?:<[^>]*>|[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+"[^"]*")?\)'
IMAGE = re.compile(rf"!\[{LABEL}\]{TARGET}")
LINK = re.compile(rf"\[{LABEL}\]{TARGET}")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
RULE = re.compile(r"^\s*\|?[\s:|-]*-{3,}[\s:|-]*\|?\s*$", re.MULTILINE)
TAG = re.compile(r"</?[a-zA-Z][^<>]{0,300}>")
ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+.!|<>~$^-])")
# Links in the labels of links, no deeper.
NESTED_LINKS = 4


def unmarked(markdown: str) -> str:
    """Returns what a reader sees of Markdown. The text that stands for a picture counts neither way."""
    text = IMAGE.sub(" ", COMMENT.sub(" ", markdown))
    for _ in range(NESTED_LINKS):
        text = LINK.sub(r"\1", text)
    text = TAG.sub(" ", RULE.sub("", text))
    return ESCAPE.sub(r"\1", html.unescape(text))


def words(text: str) -> list[str]:
    """Returns the words of a text in small letters, with those whole that a line's end divides."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    text = re.sub(r"(?<=\w)[-\u2010\u00ad]\s+(?=\w)", "", text).replace("\u00ad", "").replace("\u200b", "")
    return WORD.findall(re.sub(r"(?<=\w)[*_~]{1,3}(?=\w)", "", text))


def squeezed(text: str) -> str:
    """Returns a text's words as one, by which cells and headings are compared."""
    return "".join(words(text))
