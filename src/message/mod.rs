//! HTTP messages: one head interface for HTTP/1 and HTTP/2, strict by construction; body framing; what a proxy
//! takes out of a head and writes into it. Pure: no socket, no clock, and nothing the network sends can panic.

mod edits;
mod fields;
mod forwarding;
mod framing;
pub mod h1;
pub mod h2;
mod hop;
mod known;
mod proxy_status;
mod request;
mod response;
mod target;
mod text;
mod told;
mod websocket;

pub use edits::{Persistence, RequestEdits, ResponseEdits, Target};
pub use fields::{Field, Fields};
pub use forwarding::{Forwarding, Hops, Pseudonym, hops};
pub use framing::BodyLength;
pub use known::{Known, KnownSet};
pub use proxy_status::push_proxy_status;
pub use request::{RequestHead, Upgrade, Version};
pub use response::ResponseHead;
pub use target::Scheme;
pub use text::{push_authority, push_line};
pub use told::{Told, told};
pub use websocket::{WebSocketKey, websocket_accept};
