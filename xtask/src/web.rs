//! The page's npm packages.

use crate::project::Project;
use crate::tools::{Outcome, run};
use std::path::Path;
use std::time::SystemTime;

/// Runs `npm ci` when the packages are missing or older than the lock file.
pub(crate) fn install_packages(project: &Project) -> Outcome {
    let changed = |path: &Path| path.metadata().and_then(|found| found.modified()).ok();
    let wanted: Option<SystemTime> = changed(&project.at("package-lock.json"));
    // npm writes this file last, so a broken-off installation does not count.
    let installed = changed(&project.at("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= wanted {
        return Ok(());
    }
    println!("Installing the npm packages that package-lock.json names.");
    run(project.run("npm").args(["ci", "--no-audit", "--no-fund"])).map_err(|error| {
        format!("{error}\nThe packages could not be installed. Check the network and `npm config get registry`, then run this again.")
    })
}
