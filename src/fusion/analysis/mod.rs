//! What a fusion would do to a pair, before it is done: figures from the Gram matrices of every module.
//!
//! [`measured`] holds what is true of a pair whatever the settings; it takes reading both files, and is done once.
//! [`outlook`] is what follows from it for some settings, at once; [`spectra`] looks at one module closely.

mod measured;
mod outlook;
mod spectra;
mod tally;

pub use measured::{Analysis, Measured};
pub use outlook::{Balance, BlockOutlook, Cell, CurvePoint, ModuleOutlook, Outlook, Suggested, Verdict};
pub use spectra::{Spectra, spectra};
pub use tally::Tally;

pub(super) use measured::measure;
