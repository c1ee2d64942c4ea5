"""Excel's workbooks, by openpyxl, xlrd and pyxlsb: what is to be seen of them."""

import datetime
from pathlib import Path

import openpyxl
import pyxlsb
import xlrd

from .found import Found
from .shown import spellings

# A sheet's name, and its rows of cells, each with its right spellings.
Sheet = tuple[str, list[list[list[str]]]]


def read_xlsx(file: Path, _package: str) -> Found:
    workbook = openpyxl.load_workbook(file, data_only=True)
    return _found([_sheet_of_xlsx(sheet) for sheet in workbook.worksheets if sheet.sheet_state == "visible"])


def _sheet_of_xlsx(sheet) -> Sheet:
    hidden = {
        column
        for columns in sheet.column_dimensions.values()
        if columns.hidden
        for column in range(columns.min or 0, (columns.max or 0) + 1)
    }
    rows = [row for row in sheet.iter_rows() if row and not sheet.row_dimensions[row[0].row].hidden]
    return sheet.title, [
        [spellings(cell.value, cell.number_format) for cell in row if cell.column not in hidden] for row in rows
    ]


def read_xls(file: Path, _package: str) -> Found:
    workbook = xlrd.open_workbook(str(file), formatting_info=True, logfile=open("/dev/null", "w"))
    return _found([_sheet_of_xls(workbook, sheet) for sheet in workbook.sheets() if not sheet.visibility])


def _sheet_of_xls(workbook, sheet) -> Sheet:
    rows = []
    columns = [column for column in range(sheet.ncols) if not _hidden(sheet.colinfo_map, column)]
    for row in range(sheet.nrows):
        if not _hidden(sheet.rowinfo_map, row):
            cells = [sheet.cell(row, column) for column in columns]
            rows.append([spellings(_value(cell, workbook), _format(cell, workbook)) for cell in cells])
    return sheet.name, rows


def _hidden(infos, place: int) -> bool:
    return place in infos and bool(infos[place].hidden)


def _value(cell, workbook):
    match cell.ctype:
        case xlrd.XL_CELL_EMPTY | xlrd.XL_CELL_BLANK:
            return None
        case xlrd.XL_CELL_BOOLEAN:
            return bool(cell.value)
        case xlrd.XL_CELL_ERROR:
            return xlrd.error_text_from_code.get(cell.value, "")
        case xlrd.XL_CELL_DATE:
            try:
                year, *rest = xlrd.xldate_as_tuple(cell.value, workbook.datemode)
            except xlrd.xldate.XLDateError:
                return cell.value
            return datetime.datetime(year, *rest) if year else datetime.time(*rest[2:])
    return cell.value


def _format(cell, workbook) -> str:
    if cell.xf_index is None:
        return "General"
    return workbook.format_map[workbook.xf_list[cell.xf_index].format_key].format_str


def read_xlsb(file: Path, _package: str) -> Found:
    """Without formats, which pyxlsb doesn't tell: dates are the numbers that stand for them."""
    with pyxlsb.open_workbook(str(file)) as workbook:
        sheets = []
        for name in workbook.sheets:
            with workbook.get_sheet(name) as sheet:
                sheets.append((name, [[spellings(cell.v, "General") for cell in row] for row in sheet.rows()]))
    return _found(sheets)


def _found(sheets: list[Sheet]) -> Found:
    """Returns four texts: with values as they are shown, and spelled out; with the names of sheets, and without."""
    found = Found(["", "", "", ""])
    for name, rows in sheets:
        rows = [[cell for cell in row if any(way.strip() for way in cell)] for row in rows]
        if not any(rows):
            continue
        shown, plain = ("\n".join(" ".join(cell[way] for cell in row) for row in rows) for way in (0, -1))
        for place, text in enumerate((shown, plain, f"{name}\n{shown}", f"{name}\n{plain}")):
            found.texts[place] += f"{text}\n"
        found.headings.append(name)
        found.cells += [cell for row in rows for cell in row]
    return found
