//! Firefox and WebKitGTK, which the page is tried in besides Chromium. A machine without them can still test all else.

use crate::apt;
use crate::project::Project;
use crate::tools::{Outcome, succeeds};
use std::path::PathBuf;

/// A browser engine, how it is found and where it comes from.
struct Engine {
    name: &'static str,
    /// The environment variable that names the program to use, for the tests too.
    variable: &'static str,
    /// The names distributions give it.
    programs: &'static [&'static str],
    /// What it needs besides.
    others: &'static [&'static str],
    /// Debian's packages with all of that.
    packages: &'static [&'static str],
}

const ENGINES: &[Engine] = &[
    Engine {
        name: "Firefox",
        variable: "NP_LORA_FIREFOX",
        programs: &["firefox-esr", "firefox"],
        others: &[],
        packages: &["firefox-esr"],
    },
    Engine {
        name: "WebKit",
        variable: "NP_LORA_WEBKIT",
        programs: &["WebKitWebDriver"],
        // It has no mode without a screen.
        others: &["Xvfb"],
        packages: &["webkit2gtk-driver", "xvfb"],
    },
];

/// What the tests need in their environment to start the engines that there are, and what to say of the others.
#[derive(Default)]
pub(crate) struct Engines {
    pub(crate) environment: Vec<(&'static str, PathBuf)>,
    pub(crate) missing: Vec<String>,
}

impl Engines {
    /// Finds the engines, or installs them.
    pub(crate) fn find_or_install(project: &Project) -> Self {
        let mut engines = Self::default();
        for engine in ENGINES {
            let found = engine.find_or_install(project);
            match &found {
                Ok(program) => println!("{} is {}.", engine.name, program.display()),
                Err(reason) => engines.missing.push(format!(
                    "the page in {}: {reason} (Debian: apt-get install {}, or set {})",
                    engine.name,
                    engine.packages.join(" "),
                    engine.variable
                )),
            }
            // Empty, the variable says that there is none.
            engines.environment.push((engine.variable, found.unwrap_or_default()));
        }
        engines
    }
}

impl Engine {
    fn find_or_install(&self, project: &Project) -> Outcome<PathBuf> {
        if let Some(given) = std::env::var_os(self.variable).filter(|given| !given.is_empty()) {
            let program = PathBuf::from(given);
            let there = program.is_file();
            return there.then_some(program).ok_or_else(|| format!("{} names no file", self.variable));
        }
        if let Some(found) = self.find() {
            return Ok(found);
        }
        println!("{} was not found: installing it.", self.name);
        apt::install(project, self.packages)?;
        self.find().ok_or_else(|| "it was installed and does not start".into())
    }

    fn find(&self) -> Option<PathBuf> {
        self.others.iter().try_for_each(|name| in_path(name).map(drop))?;
        // Ubuntu's firefox is a script that asks for another kind of package.
        let starts = |program: &PathBuf| succeeds(std::process::Command::new(program).arg("--help"));
        self.programs.iter().filter_map(|name| in_path(name)).find(starts)
    }
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}
