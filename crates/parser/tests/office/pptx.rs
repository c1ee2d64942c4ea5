//! Presentations of PowerPoint since 2007.

use pgai_rs_parser::{ParseError, ParsedDocument};
use pgai_rs_parser_protocol::Page;

use super::package::{SLIDE, parse, relationships, zip};

/// Returns what becomes of a presentation of these slides, and of these other files.
fn presentation(slides: &[&str], others: &[(&str, &str)]) -> Result<ParsedDocument, ParseError> {
    let numbers: Vec<(String, String)> = (1..=slides.len())
        .map(|number| (format!("rId{number}"), format!("slides/slide{number}.xml")))
        .collect();
    let ids: String = numbers.iter().map(|(id, _)| format!("<p:sldId id='256' r:id='{id}'/>")).collect();
    let main = format!("<p:presentation {SLIDE}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>");
    let references: Vec<(&str, &str, &str)> =
        numbers.iter().map(|(id, target)| (id.as_str(), "slide", target.as_str())).collect();
    let references = relationships(&references);

    let names: Vec<String> = numbers.iter().map(|(_, target)| format!("ppt/{target}")).collect();
    let mut files =
        vec![("ppt/presentation.xml", main.as_str()), ("ppt/_rels/presentation.xml.rels", &references)];
    files.extend(names.iter().map(String::as_str).zip(slides.iter().copied()));
    files.extend_from_slice(others);
    parse(&zip(&files))
}

fn slide(shapes: &str) -> String {
    format!("<p:sld {SLIDE}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>")
}

/// Returns a shape in a role, at a place.
fn shape(role: &str, place: Option<[i64; 4]>, paragraphs: &str) -> String {
    let place = place.map_or(String::new(), |[x, y, width, height]| {
        format!("<a:xfrm><a:off x='{x}' y='{y}'/><a:ext cx='{width}' cy='{height}'/></a:xfrm>")
    });
    let role = if role.is_empty() { String::new() } else { format!("<p:ph {role}/>") };
    format!(
        "<p:sp><p:nvSpPr><p:nvPr>{role}</p:nvPr></p:nvSpPr><p:spPr>{place}</p:spPr>\
         <p:txBody>{paragraphs}</p:txBody></p:sp>"
    )
}

fn p(text: &str) -> String {
    format!("<a:p><a:r><a:t>{text}</a:t></a:r></a:p>")
}

fn title(text: &str) -> String {
    shape("type='title'", Some([0, 0, 100, 10]), &p(text))
}

#[test]
fn a_slide_is_a_page_and_its_title_a_heading() {
    let first = slide(&(shape("", Some([0, 50, 100, 10]), &p("text")) + &title("One")));
    let parsed = presentation(&[&first, &slide(&title("Two"))], &[]).unwrap();
    assert_eq!(parsed.text, "# One\n\ntext\n\n# Two");
    assert_eq!(parsed.pages, [Page { number: 1, start: 0 }, Page { number: 2, start: 13 }]);
    assert_eq!(parsed.metadata.page_count, Some(2));
}

#[test]
fn the_title_of_all_stands_above_those_of_the_slides() {
    let cover = slide(&shape("type='ctrTitle'", None, &p("The deck")));
    assert_eq!(
        presentation(&[&cover, &slide(&title("A slide"))], &[]).unwrap().text,
        "# The deck\n\n## A slide"
    );
}

#[test]
fn hidden_slides_are_left_out_and_others_keep_their_numbers() {
    let hidden = slide(&title("Hidden")).replace("<p:sld ", "<p:sld show='0' ");
    let parsed = presentation(&[&hidden, &slide(&title("Shown"))], &[]).unwrap();
    assert_eq!(parsed.text, "# Shown");
    assert_eq!(parsed.pages, [Page { number: 2, start: 0 }]);
}

#[test]
fn shapes_are_read_from_top_to_bottom_and_column_by_column() {
    let at = |x, y, text: &str| shape("", Some([x, y, 40, 20]), &p(text));
    let group = format!(
        "<p:grpSp><p:grpSpPr><a:xfrm><a:off x='0' y='20'/><a:ext cx='40' cy='60'/></a:xfrm></p:grpSpPr>{}{}</p:grpSp>",
        at(5, 900, "left below"),
        at(5, 100, "left above")
    );
    let shapes = at(50, 20, "right above") + &at(50, 60, "right below") + &group + &title("Title");
    assert_eq!(
        presentation(&[&slide(&shapes)], &[]).unwrap().text,
        "# Title\n\nleft above\n\nleft below\n\nright above\n\nright below"
    );
}

#[test]
fn furniture_and_prompts_of_layouts_are_left_out() {
    let shapes = title("Title")
        + &shape("type='sldNum'", None, &p("1"))
        + &shape("type='ftr'", None, &p("Confidential"))
        + &shape("type='body' idx='1'", None, &p("text"));
    let layout = slide(&(shape("type='title'", None, &p("Click to edit")) + &shape("", None, &p("Brand"))));
    let references = relationships(&[("rId1", "slideLayout", "../slideLayouts/slideLayout1.xml")]);
    let others = [
        ("ppt/slides/_rels/slide1.xml.rels", references.as_str()),
        ("ppt/slideLayouts/slideLayout1.xml", &layout),
    ];
    assert_eq!(presentation(&[&slide(&shapes)], &others).unwrap().text, "# Title\n\ntext");
}

#[test]
fn bullets_and_places_come_from_layouts_and_masters() {
    let item = "<a:p><a:pPr lvl='1'/><a:r><a:t>inner</a:t></a:r></a:p>";
    let plain = "<a:p><a:pPr><a:buNone/></a:pPr><a:r><a:t>plain</a:t></a:r></a:p>";
    let numbered =
        "<a:p><a:pPr><a:buAutoNum type='arabicPeriod' startAt='3'/></a:pPr><a:r><a:t>three</a:t></a:r></a:p>";
    let body = shape("type='body' idx='1'", None, &(p("outer") + item + plain + numbered));
    let above = shape("", Some([0, 0, 10, 10]), &p("above"));
    let layout = slide(&shape("type='body' idx='1'", Some([0, 50, 100, 10]), ""));
    let bullet = "<a:buChar char='&#8226;'/>";
    let master = slide("").replace(
        "</p:sld>",
        &format!(
            "<p:txStyles><p:bodyStyle><a:lvl1pPr>{bullet}</a:lvl1pPr><a:lvl2pPr>{bullet}</a:lvl2pPr></p:bodyStyle>\
             </p:txStyles></p:sld>"
        ),
    );
    let others = [
        ("ppt/slides/_rels/slide1.xml.rels", relationships(&[("rId1", "slideLayout", "../l.xml")])),
        ("ppt/l.xml", layout),
        ("ppt/_rels/l.xml.rels", relationships(&[("rId1", "slideMaster", "m.xml")])),
        ("ppt/m.xml", master),
    ];
    let others: Vec<(&str, &str)> = others.iter().map(|(name, content)| (*name, content.as_str())).collect();
    assert_eq!(
        presentation(&[&slide(&(body + &above))], &others).unwrap().text,
        "above\n\n- outer\n  - inner\n\nplain\n\n3. three"
    );
}

#[test]
fn speaker_notes_follow_their_slide_and_say_what_they_are() {
    let notes = slide(
        &(shape("type='sldNum'", None, &p("1")) + &shape("type='body'", None, &(p("Say") + &p("this")))),
    );
    let references = relationships(&[("rId1", "notesSlide", "../notesSlides/n.xml")]);
    let others =
        [("ppt/slides/_rels/slide1.xml.rels", references.as_str()), ("ppt/notesSlides/n.xml", &notes)];
    assert_eq!(
        presentation(&[&slide(&title("Title"))], &others).unwrap().text,
        "# Title\n\n> **Notes:** Say\n> this"
    );
}

#[test]
fn tables_keep_merged_cells_in_their_columns() {
    let cell =
        |attributes: &str, text: &str| format!("<a:tc {attributes}><a:txBody>{}</a:txBody></a:tc>", p(text));
    let rows = format!(
        "<a:tr>{}{}{}</a:tr><a:tr>{}{}{}</a:tr>",
        cell("gridSpan='2'", "wide"),
        cell("hMerge='1'", ""),
        cell("", "c"),
        cell("", "1"),
        cell("", "2"),
        cell("", "3")
    );
    let frame = format!(
        "<p:graphicFrame><a:graphic><a:graphicData><a:tbl>{rows}</a:tbl></a:graphicData></a:graphic></p:graphicFrame>"
    );
    assert_eq!(
        presentation(&[&slide(&frame)], &[]).unwrap().text,
        "| wide |  | c |\n| --- | --- | --- |\n| 1 | 2 | 3 |"
    );
}

#[test]
fn charts_are_tables_of_their_data() {
    let frame = "<p:graphicFrame><a:graphic><a:graphicData><c:chart r:id='rId1'/></a:graphicData></a:graphic>\
                 </p:graphicFrame>";
    let points = |values: [&str; 2]| {
        let point = |(place, value): (usize, &str)| format!("<c:pt idx='{place}'><c:v>{value}</c:v></c:pt>");
        values.into_iter().enumerate().map(point).collect::<String>()
    };
    let chart = format!(
        "<c:chartSpace {SLIDE}><c:chart><c:title><c:tx><c:rich>{}</c:rich></c:tx></c:title><c:plotArea><c:barChart>\
         <c:ser><c:tx><c:strRef><c:strCache><c:pt idx='0'><c:v>Sales</c:v></c:pt></c:strCache></c:strRef></c:tx>\
         <c:cat><c:strRef><c:strCache>{}</c:strCache></c:strRef></c:cat>\
         <c:val><c:numRef><c:numCache>{}</c:numCache></c:numRef></c:val></c:ser></c:barChart></c:plotArea></c:chart>\
         </c:chartSpace>",
        p("Growth"),
        points(["East", "West"]),
        points(["1.5", "2"])
    );
    let references = relationships(&[("rId1", "chart", "../charts/chart1.xml")]);
    let others =
        [("ppt/slides/_rels/slide1.xml.rels", references.as_str()), ("ppt/charts/chart1.xml", &chart)];
    assert_eq!(
        presentation(&[&slide(frame)], &others).unwrap().text,
        "Growth\n\n|  | Sales |\n| --- | --- |\n| East | 1.5 |\n| West | 2 |"
    );
}

#[test]
fn diagrams_are_lists_of_their_points() {
    let frame = "<p:graphicFrame><a:graphic><a:graphicData><d:relIds xmlns:d='http://d' r:dm='rId1'/>\
                 </a:graphicData></a:graphic></p:graphicFrame>";
    let point = |id: u32, kind: &str, text: &str| {
        format!("<d:pt modelId='{id}' type='{kind}'><d:t>{}</d:t></d:pt>", p(text))
    };
    let link =
        |from: u32, to: u32, place: u32| format!("<d:cxn srcId='{from}' destId='{to}' srcOrd='{place}'/>");
    let data = format!(
        "<d:dataModel xmlns:d='http://d' {SLIDE}><d:ptLst>{}{}{}{}{}</d:ptLst><d:cxnLst>{}{}{}{}</d:cxnLst></d:dataModel>",
        point(3, "node", "second"),
        point(1, "doc", ""),
        point(2, "node", "first"),
        point(4, "node", "inner"),
        point(5, "pres", "not shown"),
        link(1, 3, 1),
        link(1, 2, 0),
        link(2, 4, 0),
        link(4, 2, 0)
    );
    let references = relationships(&[("rId1", "diagramData", "../diagrams/data1.xml")]);
    let others =
        [("ppt/slides/_rels/slide1.xml.rels", references.as_str()), ("ppt/diagrams/data1.xml", &data)];
    assert_eq!(presentation(&[&slide(frame)], &others).unwrap().text, "- first\n  - inner\n- second");
}
