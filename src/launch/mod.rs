//! The launcher's two ends: the process that starts the accounts' programs, and the client by which the node speaks to
//! it. The launcher knows what an order names only from the account's document, which it reads itself; when a program
//! is to run is for others to decide.
//!
//! The way of an order: [`Orders`] frames it (`protocol`, `wire`), a `connection` reads it, the `server` has it carried
//! out: the `document` is read, `identity`, `place`, `group` and `environment` say who, where, within what and with what, `spawn`
//! starts the program, and its `life` tells how it ended.

mod client;
mod connection;
mod document;
mod environment;
mod group;
mod identity;
mod instances;
mod life;
mod limits;
mod outside;
mod place;
mod protocol;
mod server;
mod spawn;
mod start;
mod tail;
#[cfg(test)]
mod testing;
mod unsafe_child;
mod wire;

pub use client::{Gone, Notices, Orders, connect};
pub use outside::{ServeError, serve};
pub use protocol::{Ending, Instance, Notice, Order, Process};
pub use server::embedded;

#[cfg(test)]
mod tests;
