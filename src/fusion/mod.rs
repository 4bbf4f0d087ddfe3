//! The pair: settings, plan, the NP-LoRA method in terms of a backend, report and verification.

pub mod metadata;
pub mod plan;
pub mod settings;

pub use plan::Plan;
pub use settings::Settings;
