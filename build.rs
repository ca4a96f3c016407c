//! Embeds the kernels: every file under `shaders/` by its path, without comments and indentation, which a browser would
//! download and its compiler skip.

#![allow(clippy::disallowed_methods, reason = "it runs where cargo does, which has files")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=shaders");
    let mut files = Vec::new();
    find(Path::new("shaders"), &mut files)?;
    files.sort();
    let mut code = String::from("/// Every WGSL file by its path under `shaders/`, without the ending.\n");
    code.push_str("pub const FILES: &[(&str, &str)] = &[\n");
    for file in files {
        let name =
            file.with_extension("").iter().skip(1).map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        let line = writeln!(code, "    ({name:?}, {:?}),", stripped(&fs::read_to_string(&file)?));
        line.map_err(io::Error::other)?;
    }
    code.push_str("];\n");
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(out.join("shaders.rs"), code)
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "wgsl") {
            files.push(path);
        }
    }
    Ok(())
}

/// WGSL has no strings, so `//` begins a comment wherever it stands.
fn stripped(wgsl: &str) -> String {
    let code = |line: &str| line.split("//").next().unwrap_or_default().trim().to_owned();
    wgsl.lines().map(code).filter(|line| !line.is_empty()).flat_map(|line| [line, "\n".to_owned()]).collect()
}
