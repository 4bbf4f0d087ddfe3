//! Files on a server: the meaning of a link, and a [`Source`](crate::container::Source) that asks a host for parts of a file. The
//! module knows nothing of safetensors, and of the browser only that something can ask ([`Transport`]).

mod answer;
mod link;
mod source;

pub use answer::{Answer, Silence, Stamp, Transport};
pub use link::Link;
pub use source::{Kept, RemoteFile, RemoteSource, find};
