//! Debian's packages, where this may install them.

use crate::project::Project;
use crate::tools::{Outcome, capture, run, succeeds};

/// Installs packages, which needs root. Elsewhere that is an error, and nothing was tried.
pub(crate) fn install(project: &Project, packages: &[&str]) -> Outcome {
    let root = capture(project.run("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !root || !succeeds(project.run("apt-get").arg("--version")) {
        return Err(format!("{} can only be installed by root with apt-get", packages.join(" ")));
    }
    let apt = |arguments: &[&str]| {
        run(project.run("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(arguments))
    };
    // The update may fail in part (one source of several); what counts is whether the packages come.
    let updated = apt(&["update"]);
    apt(&[&["install", "-y", "--no-install-recommends"], packages].concat())
        .map_err(|error| updated.err().map_or_else(String::new, |first| format!("{first}; ")) + &error)
}
