//! `cargo pgrx` reads the SQL of the extension from a section of the library that GNU ld would
//! otherwise drop. cargo-pgrx asks for it by rustflags, which makes every dependency be compiled a
//! second time beside plain cargo's; asked for here, it concerns the linking of this library only.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,--no-gc-sections");
    }
}
