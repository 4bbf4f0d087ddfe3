//! The tables against the numbers of real models, and against themselves.

mod counts;
mod lists;
mod names;
mod programs;
mod tables;
