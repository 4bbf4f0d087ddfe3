//! A Chromium for the browser tests, and beside it the software Vulkan device for the shader tests.

use crate::apt;
use crate::project::Project;
use crate::tools::{Outcome, capture, run, succeeds};
use std::path::{Path, PathBuf};

/// The environment variable that names the browser to use.
pub(crate) const CHROMIUM: &str = "NP_LORA_CHROMIUM";

/// What Chromium's own software Vulkan driver, SwiftShader, is described by.
const SWIFTSHADER: &str = "vk_swiftshader_icd.json";

/// The names distributions give it.
const PROGRAMS: &[&str] = &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Where distributions keep what belongs to the program in PATH, which is often only a script.
const FOLDERS: &[&str] =
    &["/usr/lib/chromium", "/usr/lib/chromium-browser", "/usr/lib64/chromium", "/opt/google/chrome"];

/// A browser that can run WebGPU without a graphics card.
pub(crate) struct Browser {
    /// What to start.
    pub(crate) program: PathBuf,
    /// Where its SwiftShader is, if it was found.
    swiftshader: Option<PathBuf>,
}

impl Browser {
    /// Finds a Chromium, or installs one. Needs the npm packages.
    pub(crate) fn find_or_install(project: &Project) -> Outcome<Self> {
        if let Some(program) = std::env::var_os(CHROMIUM).filter(|given| !given.is_empty()).map(PathBuf::from)
        {
            if !program.is_file() {
                return Err(format!("{CHROMIUM} is {}, but there is no such file", program.display()));
            }
            return Ok(Self { swiftshader: swiftshader_of(&program), program });
        }
        if let Some(found) = system().or_else(|| playwrights(project)) {
            return Ok(found);
        }
        println!("No Chromium with SwiftShader was found: installing one.");
        match apt::install(project, &["chromium"]) {
            Ok(()) => {
                if let Some(found) = system() {
                    return Ok(found);
                }
            }
            Err(reason) => println!("{reason}"),
        }
        let playwright = |options: &[&str]| {
            run(project.run("npx").args(["playwright", "install"]).args(options).arg("chromium")).and_then(
                |()| playwrights(project).ok_or_else(|| "the downloaded Chromium does not start".into()),
            )
        };
        // Its libraries need the system's package manager and often root; they may already be there.
        playwright(&["--with-deps"]).or_else(|_| playwright(&[])).map_err(|error| {
            format!("{error}\nInstall Chromium (Debian: apt-get install chromium), or set {CHROMIUM} to the path of one.")
        })
    }

    /// What tests of the shaders on this machine need in their environment: a Vulkan driver that runs on the CPU.
    pub(crate) fn vulkan(&self) -> Vec<(&'static str, String)> {
        vulkan(self.swiftshader.as_deref())
    }
}

/// As [`Browser::vulkan`], where there may be no browser.
pub(crate) fn vulkan(swiftshader: Option<&Path>) -> Vec<(&'static str, String)> {
    let chosen =
        ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].into_iter().find(|name| std::env::var_os(name).is_some());
    if let Some(name) = chosen {
        println!("Shader tests use the Vulkan driver that {name} names.");
        return Vec::new();
    }
    let Some(driver) = swiftshader.map(|folder| folder.join(SWIFTSHADER)) else {
        println!("No software Vulkan driver was found: shader tests use what the system has.");
        return Vec::new();
    };
    println!("Shader tests use the Vulkan driver {}.", driver.display());
    let driver_name = driver.display().to_string();
    // Loaders before 1.3.207 know only the second name.
    let mut environment = vec![("VK_DRIVER_FILES", driver_name.clone()), ("VK_ICD_FILENAMES", driver_name)];
    // Chromium brings the Vulkan loader too, so that none has to be installed.
    if let Some(folder) = swiftshader.filter(|folder| folder.join("libvulkan.so.1").is_file()) {
        let mut paths = vec![folder.to_path_buf()];
        paths.extend(std::env::var_os("LD_LIBRARY_PATH").iter().flat_map(std::env::split_paths));
        if let Ok(joined) = std::env::join_paths(paths) {
            environment.push(("LD_LIBRARY_PATH", joined.to_string_lossy().into_owned()));
        }
    }
    environment
}

/// The system's browser, if it has SwiftShader and starts.
fn system() -> Option<Browser> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let programs = PROGRAMS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    programs.filter(|program| program.is_file()).find_map(usable)
}

/// The browser that Playwright has downloaded for itself.
fn playwrights(project: &Project) -> Option<Browser> {
    let script = "console.log(require('@playwright/test').chromium.executablePath())";
    let program = capture(project.run("node").args(["-e", script])).ok()?;
    let program = PathBuf::from(program.trim());
    // It has WebGPU's software adapter built in, also where no driver file lies beside it.
    let starts = program.is_file() && succeeds(std::process::Command::new(&program).arg("--version"));
    starts.then(|| Browser { swiftshader: swiftshader_of(&program), program })
}

fn usable(program: PathBuf) -> Option<Browser> {
    let swiftshader = swiftshader_of(&program)?;
    let starts = succeeds(std::process::Command::new(&program).arg("--version"));
    starts.then_some(Browser { program, swiftshader: Some(swiftshader) })
}

/// The folder with SwiftShader's driver file that belongs to `program`.
fn swiftshader_of(program: &Path) -> Option<PathBuf> {
    let real = program.canonicalize().ok()?;
    let beside = real.parent().map(Path::to_path_buf);
    // A program that is itself in such a folder must not be given another browser's driver.
    let elsewhere = FOLDERS.iter().map(PathBuf::from).filter(|_| real.starts_with("/usr/bin"));
    beside.into_iter().chain(elsewhere).find(|folder| folder.join(SWIFTSHADER).is_file())
}
