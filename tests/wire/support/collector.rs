//! A collector of spans: OTLP over gRPC as far as a test needs it, by the h2 crate, with the protobuf fields it looks at.

use super::wait;
use bytes::{Bytes, BytesMut};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// The collector.
pub struct Collector {
    endpoint: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

/// A span as it came.
#[derive(Clone, Debug, Default)]
pub struct Span {
    /// Lower-case hexadecimal digits, as are the others; empty: there is none.
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    /// 2: a server's.
    pub kind: u64,
    /// Nanoseconds since the Unix epoch.
    pub start: u64,
    pub end: u64,
    /// Numbers as text.
    pub attributes: HashMap<String, String>,
    /// 0: unset, 2: error.
    pub status: u64,
    pub status_message: String,
    /// Attributes of whoever sent it.
    pub resource: HashMap<String, String>,
}

impl Collector {
    /// Starts it. It ends with the process.
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("a socket"));
        listener.set_nonblocking(true).expect("a socket");
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let collected = Arc::clone(&spans);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, Arc::clone(&collected)));
                }
            });
        });
        Self { endpoint, spans }
    }

    /// As `[tracing] endpoint` has it.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Everything that has come so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().expect("no test panics with the spans").clone()
    }

    /// The one span of this path, waited for.
    #[track_caller]
    pub fn span_of(&self, path: &str) -> Span {
        let found = wait::until(path, || {
            let spans: Vec<_> =
                self.spans().into_iter().filter(|span| span.told("url.path") == path).collect();
            (!spans.is_empty()).then_some(spans)
        });
        assert_eq!(found.len(), 1, "{found:#?}");
        found[0].clone()
    }
}

impl Span {
    /// An attribute; empty: there is none.
    pub fn told(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    fn parse(message: &[u8], resource: &HashMap<String, String>) -> Self {
        let mut span = Self { resource: resource.clone(), ..Self::default() };
        for (field, value) in fields(message) {
            match field {
                1 => span.trace = hex(value.bytes()),
                2 => span.id = hex(value.bytes()),
                4 => span.parent = hex(value.bytes()),
                5 => span.name = text(value.bytes()),
                6 => span.kind = value.number(),
                7 => span.start = value.number(),
                8 => span.end = value.number(),
                9 => span.attributes.extend([attribute(value.bytes())]),
                15 => {
                    for (field, value) in fields(value.bytes()) {
                        match field {
                            2 => span.status_message = text(value.bytes()),
                            3 => span.status = value.number(),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        span
    }
}

async fn serve(stream: tokio::net::TcpStream, spans: Arc<Mutex<Vec<Span>>>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let spans = Arc::clone(&spans);
        tokio::spawn(async move {
            assert_eq!(request.uri().path(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
            let mut body = request.into_body();
            let mut message = BytesMut::new();
            while let Some(Ok(data)) = body.data().await {
                let _ = body.flow_control().release_capacity(data.len());
                message.extend_from_slice(&data);
            }
            // gRPC: whether it is compressed, the length, the message.
            assert_eq!(message[0], 0, "nobody agreed on a compression");
            spans.lock().expect("no test panics with the spans").extend(exported(&message[5..]));
            let head = http::Response::builder().header("content-type", "application/grpc").body(());
            let mut send = respond.send_response(head.expect("a head"), false).expect("an open stream");
            let _ = send.send_data(Bytes::from_static(&[0; 5]), false);
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
            let _ = send.send_trailers(trailers);
        });
    }
}

/// The spans of an ExportTraceServiceRequest.
fn exported(message: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for of_resource in parts(message, 1) {
        let attributes = parts(of_resource, 1).flat_map(|resource| parts(resource, 1)).map(attribute);
        let resource = attributes.collect();
        let of_scopes = parts(of_resource, 2).flat_map(|scope| parts(scope, 2));
        spans.extend(of_scopes.map(|span| Span::parse(span, &resource)));
    }
    spans
}

/// A KeyValue.
fn attribute(message: &[u8]) -> (String, String) {
    let key = parts(message, 1).next().map(text).unwrap_or_default();
    let value = parts(message, 2).next().and_then(|any| fields(any).into_iter().next());
    let value = match value {
        Some((1, value)) => text(value.bytes()),
        Some((4, value)) => f64::from_bits(value.number()).to_string(),
        Some((_, value)) => value.number().to_string(),
        None => String::new(),
    };
    (key, value)
}

/// A field's value (Protocol Buffers, Encoding).
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    fn number(self) -> u64 {
        match self {
            Self::Number(number) => number,
            Self::Bytes(bytes) => panic!("no number: {bytes:?}"),
        }
    }

    fn bytes(self) -> &'a [u8] {
        match self {
            Self::Number(number) => panic!("no bytes: {number}"),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// The messages in `field`.
fn parts(message: &[u8], field: u64) -> impl Iterator<Item = &[u8]> {
    fields(message).into_iter().filter(move |(number, _)| *number == field).map(|(_, value)| value.bytes())
}

fn fields(mut message: &[u8]) -> Vec<(u64, Value<'_>)> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message);
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut message)),
            1 => Value::Number(u64::from_le_bytes(take(&mut message, 8).try_into().expect("eight bytes"))),
            2 => {
                let length = varint(&mut message) as usize;
                Value::Bytes(take(&mut message, length))
            }
            5 => {
                let bytes = take(&mut message, 4).try_into().expect("four bytes");
                Value::Number(u64::from(u32::from_le_bytes(bytes)))
            }
            other => panic!("no wire type: {other}"),
        };
        fields.push((tag >> 3, value));
    }
    fields
}

fn take<'a>(message: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = message.split_at(length);
    *message = rest;
    taken
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let byte = take(message, 1)[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    number
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).expect("half a byte");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}
