fn main() {
    let p = std::env::args().nth(1).unwrap();
    let b = std::fs::read(&p).unwrap();
    let d = unpdf::parse_bytes_with_options(&b, unpdf::ParseOptions::new().sequential());
    match d {
        Ok(d) => print!("{}", unpdf::render::to_markdown(&d, &unpdf::RenderOptions::default()).unwrap()),
        Err(e) => {
            eprintln!("ERR {e:?}");
            std::process::exit(1);
        }
    }
}
