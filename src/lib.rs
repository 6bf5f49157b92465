//! Parvis, the front end of a hosting provider.
//!
//! The modules stand **in the order a request meets them**, and a module uses only modules below it. Read from
//! the top, the list is the life of a request; `tests/tidy.rs` keeps it so.

// Who runs it.
pub mod cli;
pub mod app;

// Who changes it while it runs.
pub mod admin;
pub mod control;

// A connection.
pub mod listen;
pub mod tls;
pub mod serve;

// A request.
pub mod proxy;
pub mod route;
pub mod account;
pub mod limit;
pub mod answer;
pub mod upstream;
pub mod launch;

// Bytes.
pub mod net;
pub mod message;

// What everything rests on.
pub mod telemetry;
pub mod config;
pub mod base;
