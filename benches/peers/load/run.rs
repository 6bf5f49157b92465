//! A run: opens its connections, has one request of each answered, says `ready`, waits for a line, sends requests at
//! the rate, prints what came of them as JSON, and holds its connections until its input ends. So what is measured
//! beside it between the line and the JSON is requests and nothing else.

use crate::Outcome;
use crate::answer::{Connection, Request};
use crate::http2::Streams;
use crate::lanes::{Door, Lane, ask_once};
use crate::pace::Pace;
use crate::tls::Tls;
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

#[derive(Args)]
pub struct Options {
    address: SocketAddr,
    /// The name that is asked for; `{}` stands for a number of the connection's.
    #[arg(long)]
    host: String,
    /// How many names there are.
    #[arg(long, default_value_t = 1)]
    hosts: usize,
    #[arg(long, default_value = "/")]
    path: String,
    #[arg(long, value_enum, default_value = "kept")]
    mode: Mode,
    #[arg(long, value_enum, default_value = "off")]
    tls: Security,
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// Streams of an HTTP/2 connection.
    #[arg(long, default_value_t = 1)]
    streams: usize,
    /// How many requests fall due at one moment, on connections (or streams) that are neighbours.
    #[arg(long, default_value_t = 1)]
    burst: usize,
    /// Bytes of an upload.
    #[arg(long, default_value_t = 0)]
    upload: u64,
    /// Bytes that the body of an answer must have.
    #[arg(long)]
    answer: Option<u64>,
    /// Requests a second, over all connections.
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// HTTP/1.1 over kept connections.
    Kept,
    /// A new connection for each request.
    New,
    Http2,
    WebSocket,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Security {
    Off,
    Full,
    Resumed,
}

/// Sends requests at a fixed rate.
pub async fn run(options: Options) -> Outcome<()> {
    let lanes = open(&options).await?;
    if options.burst == 0 || lanes.len() % options.burst != 0 {
        return Err("the lanes are not a number of bursts".into());
    }
    let pace = Rc::new(Pace::new(lanes.len(), options.burst));
    println!("ready");
    wait_for_a_line()?;
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for (number, lane) in lanes.into_iter().enumerate() {
        running.spawn_local(drive(lane, number, Rc::clone(&pace)));
    }
    let time = Duration::from_secs_f64(options.seconds);
    let (mut times, mut kept) = (Vec::new(), Vec::new());
    let all = async {
        pace.run(options.rate, time).await?;
        while let Some(lane) = running.join_next().await {
            let (lane, own) = lane??;
            kept.push(lane);
            times.extend(own);
        }
        Outcome::Ok(())
    };
    tokio::time::timeout(time + PATIENCE, all).await.map_err(|_| "requests were not answered in time")??;
    let seconds = begun.elapsed().as_secs_f64();
    times.sort_unstable();
    let share = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    if times.is_empty() {
        return Err("no request was due".into());
    }
    let told = serde_json::json!({
        "answered": times.len(), "seconds": seconds, "rate": times.len() as f64 / seconds,
        "p50": share(0.5), "p99": share(0.99), "max": share(1.0),
    });
    println!("{told}");
    wait_for_a_line()
}

/// Holds connections that had one request answered, one after the other.
pub async fn idle(options: Options) -> Outcome<()> {
    let held = open(&options).await?;
    println!("ready");
    wait_for_a_line()?;
    drop(held);
    Ok(())
}

/// The lanes, one request of each answered.
async fn open(options: &Options) -> Outcome<Vec<Lane>> {
    let tls = match options.tls {
        Security::Off => None,
        kind => {
            let protocol = if options.mode == Mode::Http2 { "h2" } else { "http/1.1" };
            Some(Tls::new(protocol, kind == Security::Resumed)?)
        }
    };
    let door = Door { address: options.address, tls };
    let mut lanes = Vec::new();
    for number in 0..options.connections {
        let request = Request {
            host: options.host.replace("{}", &(number % options.hosts).to_string()),
            path: options.path.clone(),
            upload: options.upload,
            answer: options.answer,
        };
        if options.mode == Mode::New {
            ask_once(&door, &request, true).await?;
            lanes.push(Lane::New(door.clone(), request));
            continue;
        }
        let stream = door.connect(&request.host, true).await?;
        match options.mode {
            Mode::Http2 => {
                let streams = Streams::open(stream).await?;
                lanes.extend((0..options.streams).map(|_| Lane::Stream(streams.clone(), request.clone())));
            }
            Mode::WebSocket => {
                lanes.push(Lane::WebSocket(Connection::new(stream, request).upgrade().await?));
            }
            Mode::Kept | Mode::New => lanes.push(Lane::Kept(Connection::new(stream, request))),
        }
        if let Some(lane) = lanes.last_mut() {
            lane.ask().await?;
        }
    }
    Ok(lanes)
}

/// Sends the requests of a lane as they fall due. Returns how long each took, from when it was due.
async fn drive(mut lane: Lane, number: usize, pace: Rc<Pace>) -> Result<(Lane, Vec<Duration>), String> {
    let mut times = Vec::new();
    while let Some(due) = pace.due(number).await {
        lane.ask().await.map_err(|error| format!("lane {number}, request {}: {error}", times.len() + 1))?;
        times.push(due.elapsed());
    }
    Ok((lane, times))
}

/// Nothing else is to be done meanwhile, so the runtime may wait with it.
fn wait_for_a_line() -> Outcome<()> {
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

/// How long the last requests may take: a proxy that cannot keep up is no measurement.
const PATIENCE: Duration = Duration::from_secs(15);
