//! The launcher's two ends: the process that starts the accounts' programs, and the client by which the node speaks to
//! it. The launcher knows what an order names only from the account's document, which it reads itself; when a program
//! is to run is for others to decide.
//!
//! The way of an order: [`Orders`] frames it (`protocol`, `wire`), a `connection` reads it, the `server` has it carried
//! out, and a task of its own leads it on (`start`): the `document` is read as one of the `errands`, `identity`, `place`,
//! `environment` and `group` say who, where, with what and within what (`prepare`), `spawn` gives birth to the process,
//! `birth` waits until the program has taken it over, and its `life` tells how it ended.

mod birth;
mod client;
mod connection;
mod container;
mod document;
mod environment;
mod errands;
mod group;
mod identity;
mod instances;
mod life;
mod limits;
mod outside;
mod place;
mod prepare;
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
