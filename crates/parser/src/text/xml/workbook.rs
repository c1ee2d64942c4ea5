//! Workbooks in the XML of Excel 2003, which programs still export, often under the name of `.xls`.

use super::tree::Element;
use crate::markdown::Blocks;
use crate::markdown::table_or_lines;

/// The furthest column that a cell may say it stands in, which is the last that Excel 2003 has.
const WIDEST: usize = 256;

/// The most cells that may be left out before others.
const MOST_PADDING: usize = 1 << 20;

/// Returns whether this is the root of a workbook.
pub(super) fn is_workbook(root: &Element) -> bool {
    root.name == "Workbook" && root.child("Worksheet").is_some()
}

/// Returns the tables of a workbook under the names of their sheets.
pub(super) fn read(root: &Element) -> String {
    let mut blocks = Blocks::default();
    for sheet in root.elements().filter(|element| element.name == "Worksheet") {
        let mut left = MOST_PADDING;
        let rows: Vec<_> = sheet
            .child("Table")
            .into_iter()
            .flat_map(Element::elements)
            .filter(|element| element.name == "Row")
            .map(|row| cells(row, &mut left))
            .collect();
        let table = table_or_lines(&rows);
        if !table.is_empty() {
            blocks.heading(2, sheet.attribute("Name").unwrap_or_default());
            blocks.push(&table);
        }
    }
    blocks.finish().0
}

/// Returns the cells of a row, before which as many may be empty as there are left.
fn cells(row: &Element, left: &mut usize) -> Vec<String> {
    let mut cells = Vec::new();
    for cell in row.elements().filter(|element| element.name == "Cell") {
        if let Some(column) = cell.attribute("Index").and_then(|index| index.parse::<usize>().ok())
            && column <= WIDEST
        {
            let empty = column.saturating_sub(1).saturating_sub(cells.len()).min(*left);
            *left -= empty;
            cells.resize(cells.len() + empty, String::new());
        }
        cells.push(cell.child("Data").map(Element::raw_text).unwrap_or_default());
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::super::read;

    #[test]
    fn one_cell_far_out_does_not_widen_a_long_sheet() {
        let row = "<Row><Cell><Data>x</Data></Cell></Row>".repeat(5000);
        let text = format!(
            "<Workbook><Worksheet><Table>{row}<Row><Cell Index='256'><Data>y</Data></Cell></Row></Table></Worksheet></Workbook>"
        );
        assert!(read(&text).unwrap().text.len() < text.len());
    }

    #[test]
    fn sheets_are_tables_under_their_names() {
        let text = "<Workbook xmlns='urn:schemas-microsoft-com:office:spreadsheet' xmlns:ss='urn:schemas-microsoft-com:office:spreadsheet'>
            <Styles><Style/></Styles><Worksheet ss:Name='May'><Table><Row><Cell><Data ss:Type='String'>a</Data></Cell><Cell><Data>b</Data></Cell></Row>
            <Row><Cell ss:Index='2'><Data ss:Type='Number'>2</Data></Cell></Row></Table></Worksheet></Workbook>";
        assert_eq!(read(text).unwrap().text, "## May\n\n| a | b |\n| --- | --- |\n|  | 2 |");
    }
}
