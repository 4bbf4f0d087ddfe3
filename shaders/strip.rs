//! Build script: the shaders without their comments and indentation, which would be half of what the page loads of them.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=shaders");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    for file in fs::read_dir("shaders")? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "wgsl") {
            let text = fs::read_to_string(&path)?;
            // WGSL has no text literals, so that `//` always begins a comment.
            let code = text.lines().map(|line| line.split("//").next().unwrap_or_default().trim());
            let kept: Vec<&str> = code.filter(|line| !line.is_empty()).collect();
            fs::write(Path::new(&out).join(path.file_name().unwrap_or_default()), kept.join("\n") + "\n")?;
        }
    }
    Ok(())
}
