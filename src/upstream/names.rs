//! The addresses that names of upstreams stand for. Workers ask the control thread, which asks the name servers; what it
//! finds stands at the upstream for as long as the answer says, and is there for every worker. The last good answer goes on
//! holding while there is no other.

use super::Upstream;
use super::reach::Reach;
use super::shared::UpstreamId;
use crate::base::{Host, now};
use arc_swap::ArcSwapOption;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// The addresses of a name, IPv6 and IPv4 in turn.
pub(super) type Addresses = SmallVec<[IpAddr; 4]>;

/// What an upstream's name was last found to mean.
#[derive(Debug, Default)]
pub(super) struct Meaning(ArcSwapOption<Found>);

/// What was found of a name.
#[derive(Clone, Debug)]
pub(super) struct Found {
    host: Host,
    /// None: there never was an answer, for this reason.
    addresses: Result<Addresses, String>,
    /// Until when it holds.
    until: Instant,
}

/// Where names are asked for. Without somebody who answers, none is found.
#[derive(Clone, Debug, Default)]
pub struct Names(Option<mpsc::Sender<Question>>);

/// The control thread's end: asks the name servers.
pub struct Resolving {
    questions: mpsc::Receiver<Question>,
}

/// An upstream's name is wanted.
#[derive(Debug)]
struct Question {
    upstream: Arc<Upstream>,
    host: Host,
    answered: oneshot::Sender<()>,
}

/// Both ends.
pub fn names() -> (Names, Resolving) {
    let (questions, received) = mpsc::channel(QUESTIONS);
    (Names(Some(questions)), Resolving { questions: received })
}

impl Meaning {
    /// What was found of `host`, whether or not it still holds.
    fn of(&self, host: &Host) -> Option<Arc<Found>> {
        self.0.load_full().filter(|found| found.host == *host)
    }
}

impl Found {
    fn holds(&self) -> bool {
        now() < self.until
    }
}

impl Names {
    /// The addresses of `host`, the name of `upstream`'s URL; at once where they are known. Whoever asks bounds the time.
    ///
    /// # Errors
    /// Why there are none.
    pub(super) async fn addresses(&self, upstream: &Arc<Upstream>, host: &Host) -> Result<Addresses, String> {
        let known = upstream.meaning().of(host);
        if let Some(found) = known.as_ref().filter(|found| found.holds()) {
            return found.addresses.clone();
        }
        let last_good = known.and_then(|found| found.addresses.clone().ok());
        let asked = self.ask(upstream, host);
        match &last_good {
            // It has to be asked for again, and nobody waits for long for what is mostly the same.
            Some(_) => drop(crate::net::within(now() + PATIENCE, asked).await),
            None => asked.await,
        }
        let found = upstream.meaning().of(host).map(|found| found.addresses.clone());
        last_good.map_or_else(
            || found.clone().unwrap_or_else(|| Err("nobody answers for names".to_owned())),
            |last| Ok(found.clone().and_then(Result::ok).unwrap_or(last)),
        )
    }

    /// Returns once there is an answer, or nobody who would give one.
    async fn ask(&self, upstream: &Arc<Upstream>, host: &Host) {
        let Some(questions) = &self.0 else { return };
        let (answered, answer) = oneshot::channel();
        let question = Question { upstream: upstream.clone(), host: host.clone(), answered };
        if questions.send(question).await.is_ok() {
            let _ = answer.await;
        }
    }
}

impl Resolving {
    /// Answers until nobody asks any more, with the name servers that `reach` names.
    pub async fn run(mut self, reach: Arc<Reach>) {
        let mut under_way: HashMap<(UpstreamId, Host), Vec<oneshot::Sender<()>>> = HashMap::new();
        let turns = Rc::new(Semaphore::new(LOOKUPS));
        let (end, mut ended) = mpsc::unbounded_channel();
        let mut asking: Option<Asking> = None;
        loop {
            tokio::select! {
                question = self.questions.recv() => {
                    let Some(Question { upstream, host, answered }) = question else { return };
                    if upstream.meaning().of(&host).is_some_and(|found| found.holds()) {
                        // Another asked meanwhile. Who has left needs no answer.
                        let _ = answered.send(());
                        continue;
                    }
                    match under_way.entry((upstream.id(), host.clone())) {
                        Entry::Occupied(mut waiting) => waiting.get_mut().push(answered),
                        Entry::Vacant(place) => {
                            place.insert(vec![answered]);
                            let resolver = Asking::current(&mut asking, &reach.outside().resolvers);
                            let (turns, end) = (Rc::clone(&turns), end.clone());
                            tokio::task::spawn_local(async move {
                                let _turn = turns.acquire().await;
                                look_up(&resolver, &upstream, &host).await;
                                // Nobody listens while the node ends.
                                let _ = end.send((upstream.id(), host));
                            });
                        }
                    }
                }
                Some(done) = ended.recv() => {
                    for answered in under_way.remove(&done).into_iter().flatten() {
                        let _ = answered.send(());
                    }
                }
            }
        }
    }
}

/// A resolver, and what it was made by.
struct Asking {
    resolvers: Vec<SocketAddr>,
    /// The system's own settings, where those are asked.
    files: [Option<Vec<u8>>; 2],
    resolver: Rc<Result<TokioResolver, String>>,
}

impl Asking {
    /// The resolver by the settings of this moment: what an operator changes holds for the next question.
    fn current(asking: &mut Option<Self>, resolvers: &[SocketAddr]) -> Rc<Result<TokioResolver, String>> {
        let files = SYSTEM_FILES.map(|file| std::fs::read(file).ok());
        if let Some(asking) = asking
            && asking.resolvers == resolvers
            && asking.files == files
        {
            return Rc::clone(&asking.resolver);
        }
        let resolver = Rc::new(resolver(resolvers).map_err(|error| error.to_string()));
        *asking = Some(Self { resolvers: resolvers.to_vec(), files, resolver: Rc::clone(&resolver) });
        resolver
    }
}

fn resolver(resolvers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = if resolvers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let server = |address: &SocketAddr| {
            let mut server = NameServerConfig::udp_and_tcp(address.ip());
            server.connections.iter_mut().for_each(|connection| connection.port = address.port());
            server
        };
        let config = ResolverConfig::from_name_servers(resolvers.iter().map(server).collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    // What is found stands at the upstream.
    options.cache_size = 0;
    // Names in documents are whole ones.
    options.ndots = 0;
    options.timeout = TRY;
    builder.build()
}

/// Asks for a name, and notes at the upstream what comes of it.
async fn look_up(resolver: &Result<TokioResolver, String>, upstream: &Upstream, host: &Host) {
    let before = upstream.meaning().of(host).and_then(|found| found.addresses.clone().ok());
    let (addresses, lasting) = match resolver {
        Err(error) => (Err(error.clone()), RETRY),
        // With a dot at its end: nothing is put behind it.
        Ok(resolver) => match resolver.lookup_ip(format!("{host}.")).await {
            Ok(found) => {
                let lasting = found.valid_until().saturating_duration_since(now());
                (Ok(in_turn(found.iter())), lasting.clamp(SHORTEST, LONGEST))
            }
            Err(error) if error.is_no_records_found() => (Err("the name has no address".to_owned()), RETRY),
            Err(error) => match before {
                // It is not known whether it still holds, and there is nothing better.
                Some(before) => (Ok(before), RETRY),
                None => (Err(error.to_string()), RETRY),
            },
        },
    };
    let found = Found { host: host.clone(), addresses, until: now() + lasting };
    upstream.meaning().0.store(Some(Arc::new(found)));
}

/// Both families in turn, IPv6 first (RFC 8305 §4), of each as the answer has them.
fn in_turn(found: impl Iterator<Item = IpAddr>) -> Addresses {
    let (six, four): (Addresses, Addresses) = found.partition(IpAddr::is_ipv6);
    let mut six = six.into_iter();
    let mut four = four.into_iter();
    let mut addresses = Addresses::new();
    loop {
        let (one, other) = (six.next(), four.next());
        if one.is_none() && other.is_none() {
            return addresses;
        }
        addresses.extend(one.into_iter().chain(other));
    }
}

/// What the system says of names.
const SYSTEM_FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Questions on their way to the control thread: who has one more waits.
const QUESTIONS: usize = 1024;

/// Names that are asked for at once.
const LOOKUPS: usize = 64;

/// How long a name server may take before it is asked again, or another is.
const TRY: Duration = Duration::from_secs(2);

/// How long a request waits for a new answer where an old one would do.
const PATIENCE: Duration = Duration::from_secs(1);

/// An answer that holds for no time would be asked for with every connection.
const SHORTEST: Duration = Duration::from_secs(1);

/// Nobody changes a server and waits for longer.
const LONGEST: Duration = Duration::from_secs(3600);

/// When a name that could not be found is asked for again.
const RETRY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn families_take_turns_and_nothing_is_lost(ips in prop::collection::vec(any::<IpAddr>(), 0..12)) {
            let found = in_turn(ips.iter().copied());
            for six in [true, false] {
                let of = |all: &[IpAddr]| -> Vec<IpAddr> { all.iter().copied().filter(|ip| ip.is_ipv6() == six).collect() };
                prop_assert_eq!(of(&found), of(&ips), "each family in its order");
            }
            let pairs = ips.iter().filter(|ip| ip.is_ipv6()).count().min(ips.iter().filter(|ip| ip.is_ipv4()).count());
            for pair in found[..2 * pairs].chunks(2) {
                prop_assert!(pair[0].is_ipv6() && pair[1].is_ipv4());
            }
        }
    }
}
