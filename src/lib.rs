//! pgai_rs
pgrx::pg_module_magic!();
