//! Builds the binary again when the web UI or the demo content was built again: their file names
//! change with their content, which the embedding macro alone does not notice.

use std::path::Path;

fn main() {
    for folder in ["../../web/dist", "../../demo"] {
        // A watched folder that is missing would build the binary anew every time. An empty
        // `web/dist` means what a missing one means: the server says how to build the pages.
        if !Path::new(folder).is_dir() {
            let _ = std::fs::create_dir_all(folder);
        }
        println!("cargo::rerun-if-changed={folder}");
    }
}
