//! `cargo xtask docs`: writes the documents that are made from the code.

use crate::project::Project;
use crate::tools::{Outcome, run};

/// The table is written by the test that holds it to the code, as only the crate itself knows its codes.
pub(crate) fn command(project: &Project, arguments: &[String]) -> Outcome {
    if !arguments.is_empty() {
        return Err("it takes no options".into());
    }
    let mut cargo = project.cargo();
    cargo.args(["test", "--quiet", "--package", "np-lora", "--test", "errors_doc"]);
    run(cargo.env("NP_LORA_WRITE_DOCS", "1"))
}
