//! Where the tests find the model.

use std::path::PathBuf;

/// The directory with the model; a test that needs it fails without it.
pub fn model_dir() -> PathBuf {
    match std::env::var_os("EMBEDDING_MODEL_DIR") {
        Some(dir) => dir.into(),
        None => panic!(
            "this test needs the model: run `python3 crates/embedding-server/fetch_model.py \
             --dir DIR` once, then set EMBEDDING_MODEL_DIR=DIR"
        ),
    }
}
