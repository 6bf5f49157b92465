//! Parvis on the wire: the real binary, exact bytes on both sides of it.
//!
//! One module a subject; the tables of refusals follow the order of the case classes a front end is judged by.

mod support;
mod vectors;

mod h1_refusals;
mod h1_forwarding;
mod h1_bodies;
mod same_requests;
mod revisions;
mod same_answers;
mod tunnels;
mod bounds;
mod challenges;
mod hostile_upstream;
mod states;
mod paths;
mod slow_clients;
mod url_upstreams;
mod h2_state;
mod h2_requests;
mod h2_forwarding;
mod h2_life;
mod h2_upstreams;
mod syntax;
mod terms;
mod tls;
mod accounts;
mod peers;
mod trust;
mod change;
mod restarts;
mod program_health;
mod programs;
mod squatters;
mod chaos;
mod launcher;
mod soak;
mod records;
mod tracing;
mod blame;
mod commands;
mod demo;
mod real_programs;
mod real_accounts;
mod real_canary;
mod real_crowds;
mod real_hosted;
mod real_package;
mod real_php;
mod real_prometheus;
mod real_restarts;
mod real_limits;
