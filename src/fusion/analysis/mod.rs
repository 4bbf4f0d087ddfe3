//! What a fusion would do to a pair, before it is made: figures from the Gram matrices of every module.
//!
//! [`measured`] holds the facts about a pair that hold for all settings; measuring them means reading both files, and is done once.
//! [`outlook`] derives figures for given settings from them at once; [`spectra`] looks closely at one module.

mod measured;
mod outlook;
mod spectra;
mod tally;

pub use measured::{Analysis, Measured};
pub use outlook::{Balance, BlockOutlook, Cell, CurvePoint, ModuleOutlook, Outlook, Suggested, Verdict};
pub use spectra::{Spectra, spectra};
pub use tally::Tally;

pub(super) use measured::measure;
