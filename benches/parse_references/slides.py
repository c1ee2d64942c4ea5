"""PPTX, by python-pptx."""

from pathlib import Path

from pptx import Presentation
from pptx.enum.shapes import MSO_SHAPE_TYPE, PP_PLACEHOLDER

from .found import Found, flat

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
FURNITURE = {PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.SLIDE_NUMBER, PP_PLACEHOLDER.HEADER}


def read(file: Path, _package: str) -> Found:
    presentation = Presentation(str(file))
    found = Found([], pages=len(presentation.slides))
    text = []
    for slide in presentation.slides:
        if slide._element.get("show") in ("0", "false"):
            continue
        title = slide.shapes.title
        if title is not None and (said := _text(title._element)).strip():
            found.headings.append(flat(said))
            text.append(said)
        for shape in slide.shapes:
            if title is None or shape._element is not title._element:
                text += _shape(shape, found)
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            notes = slide.notes_slide.notes_text_frame.text
            text += ["Notes:", notes] if notes.strip() else []
    found.texts = ["\n".join(text)]
    return found


def _shape(shape, found: Found) -> list[str]:
    if shape.is_placeholder and shape.placeholder_format.type in FURNITURE:
        return []
    if shape.shape_type == MSO_SHAPE_TYPE.GROUP:
        return [line for member in shape.shapes for line in _shape(member, found)]
    if getattr(shape, "has_table", False) and shape.has_table:
        cells = [_text(cell._tc) for row in shape.table.rows for cell in row.cells if not cell.is_spanned]
        found.cells += [[cell] for cell in cells]
        return cells
    if getattr(shape, "has_chart", False) and shape.has_chart:
        return _chart(shape.chart)
    return [_text(shape._element.txBody)] if shape.has_text_frame else []


def _chart(chart) -> list[str]:
    lines = []
    if chart.has_title and chart.chart_title.has_text_frame:
        lines.append(chart.chart_title.text_frame.text)
    for plot in chart.plots:
        categories = [str(category.label) for category in plot.categories]
        series = list(plot.series)
        lines.append(" ".join(one.name for one in series))
        columns = [categories, *([_number(value) for value in one.values] for one in series)]
        for place in range(max(map(len, columns))):
            lines.append(" ".join(column[place] for column in columns if place < len(column)))
    return lines


def _number(value) -> str:
    return "" if value is None else f"{value:.15g}"


def _text(element) -> str:
    """Returns the paragraphs, without the numbers of slides and dates of today."""
    lines = []
    for paragraph in element.iter(f"{A}p"):
        fields = [field for field in paragraph.iter(f"{A}fld") if field.get("type", "").startswith(("slidenum", "datetime"))]
        unseen = {text for field in fields for text in field.iter(f"{A}t")}
        line = ""
        for part in paragraph.iter():
            if part.tag == f"{A}t" and part not in unseen:
                line += part.text or ""
            elif part.tag in (f"{A}br", f"{A}tab"):
                line += " "
        lines.append(line)
    return "\n".join(lines)
