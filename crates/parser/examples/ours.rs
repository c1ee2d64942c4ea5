fn main() {
    let p = std::env::args().nth(1).unwrap();
    let b = std::fs::read(&p).unwrap();
    match pgai_rs_parser::parse(&pgai_rs_parser::Source {
        bytes: &b,
        name: Some("a.pdf"),
        content_type: None,
    }) {
        Ok(d) => {
            print!("{}", d.text);
            eprintln!("{:?} pages={}", d.metadata, d.pages.len());
        }
        Err(e) => {
            eprintln!("ERR {:?}", e);
            std::process::exit(1);
        }
    }
}
