//! `cargo xtask docs`: writes the documents and the tables of the page that are made from the code.

use crate::project::Project;
use crate::tools::{Outcome, run};

/// They are written by the test that holds them to the code, as only the crate itself knows its codes and defaults.
pub(crate) fn command(project: &Project, arguments: &[String]) -> Outcome {
    if !arguments.is_empty() {
        return Err("it takes no options".into());
    }
    let mut cargo = project.cargo();
    cargo.args(["test", "--quiet", "--package", "np-lora", "--test", "page_contract"]);
    run(cargo.env("NP_LORA_WRITE_DOCS", "1"))
}
