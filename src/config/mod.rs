//! What an operator writes: raw (as written) → checked (valid, complete). Reads files; applies nothing.

mod checked;

pub use checked::*;
