"""Web pages and EPUB, by lxml. What is a page's content, and what is its site's furniture, is known of each site."""

import posixpath
import re
import urllib.parse
import zipfile
from dataclasses import dataclass
from pathlib import Path

import lxml.html
from lxml import etree

from .found import Found, flat

INLINE = set(
    "a abbr b big cite code dfn em font i kbd q s samp small span strong sub sup tt u var del ins img wbr time".split()
)
HEADINGS = {f"h{level}" for level in range(1, 7)}
OPF = "{http://www.idpf.org/2007/opf}"


@dataclass(frozen=True)
class Site:
    """The content of a package's pages, and the parts of it that do not belong to it, in XPath."""

    content: str = "//body"
    furniture: tuple[str, ...] = ()


DOCBOOK = Site(furniture=('//div[@class="navheader"]', '//div[@class="navfooter"]', '//div[@class="toc"]'))
SPHINX = Site(
    '//div[@itemprop="articleBody"]|//div[@class="body"]',
    ('//a[@class="headerlink"]', '//a[text()="¶"]', '//div[contains(@class,"toctree-wrapper")]'),
)
CHAPTERS = Site(furniture=SPHINX.furniture)
SITES = {
    "debian-faq": DOCBOOK,
    "debian-handbook": Site(
        furniture=(
            '//ul[contains(@class,"docnav")]', '//p[@id="title"]', '//div[@id="banner"]', '//div[@class="toc"]', "//nav",
        )
    ),
    "debian-policy": SPHINX,
    "debian-reference-en": DOCBOOK,
    "developers-reference": SPHINX,
    "exim4-doc-html": Site(
        '//div[@id="content"]|//div[contains(@class,"content")]',
        ('//div[@id="toc"]', '//a[starts-with(text(),"<-")]', '//a[contains(text(),"->")]'),
    ),
    "git-doc": Site('//div[@id="header"]|//div[@id="content"]', ('//div[@id="toc"]',)),
    "maint-guide": DOCBOOK,
    "postgresql-doc-15": DOCBOOK,
}


def read_html(file: Path, package: str) -> Found:
    return _page(file.read_bytes(), SITES.get(package, Site()))


def read_epub(file: Path, _package: str) -> Found:
    """Its chapters in their order, without its tables of contents."""
    whole, texts = Found([]), []
    with zipfile.ZipFile(file) as parts:
        opf = next(name for name in parts.namelist() if name.endswith(".opf"))
        package = etree.fromstring(parts.read(opf))
        items = {item.get("id"): item for item in package.iter(f"{OPF}item")}
        for reference in package.iter(f"{OPF}itemref"):
            item = items[reference.get("idref")]
            if "nav" in (item.get("properties") or "").split():
                continue
            path = posixpath.join(posixpath.dirname(opf), urllib.parse.unquote(item.get("href")))
            page = _page(parts.read(path), CHAPTERS)
            texts += page.texts
            whole.cells += page.cells
            whole.headings += page.headings
    whole.texts = ["\n".join(texts)]
    return whole


def _page(content: bytes, site: Site) -> Found:
    content = re.sub(rb"^\s*<\?xml[^>]*\?>", b"", content)
    encoding = "utf-8" if b"utf-8" in content[:3000].lower() else "iso-8859-1"
    tree = lxml.html.document_fromstring(content, parser=lxml.html.HTMLParser(encoding=encoding))
    for unseen in ("//script", "//style", "//comment()", "//noscript", *site.furniture):
        for element in tree.xpath(unseen):
            element.drop_tree()
    tops = tree.xpath(site.content)
    return Found(
        ["\n".join(text_of(top) for top in tops)],
        cells=[cell for top in tops for table in top.iter("table") for cell in _cells(table)],
        headings=[flat(text_of(element)) for top in tops for element in top.iter() if element.tag in HEADINGS],
    )


def _cells(table) -> list[list[str]]:
    """Returns the cells of a table that is one: neither a frame of others, nor of code, nor a list."""
    if table.xpath(".//table|.//pre|ancestor::table"):
        return []
    rows = [[cell for cell in row if cell.tag in ("td", "th")] for row in table.iter("tr")]
    if len(rows) < 2 or max(map(len, rows)) < 2:
        return []
    return [[text_of(cell)] for row in rows for cell in row]


def text_of(element) -> str:
    """Returns an element's text, with a line for each block."""
    if not isinstance(element.tag, str):
        return ""
    border = "" if element.tag in INLINE else "\n"
    return border + (element.text or "") + "".join(text_of(child) + (child.tail or "") for child in element) + border
