//! Parvis, the front end of a hosting provider.
//!
//! The modules stand **in the order a request meets them**, and a module uses only modules below it. Read from
//! the top, the list is the life of a request; `tests/tidy.rs` keeps it so.

// Who runs it.
pub mod app;
pub mod cli;

// Who changes it while it runs.
pub mod admin;
pub mod control;

// A connection.
pub mod listen;
pub mod serve;
pub mod tls;

// A request.
pub mod account;
pub mod answer;
pub mod limit;
pub mod proxy;
pub mod route;
pub mod upstream;

// Bytes.
pub mod message;
pub mod net;

// What everything rests on.
pub mod base;
pub mod config;
pub mod telemetry;
