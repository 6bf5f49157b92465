//! `[tracing]` of the node file: the collector, and how much goes there.

use super::checked::{Node, Tracing};
use super::reader::Table;
use super::scalar::{Wrong, quoted};
use super::source::Of;
use super::values::Url;
use super::{defaults as d, keys};

/// The table, where it is there and this build can do what it asks for. Whatever it can do, all of it is checked.
pub(super) fn read(table: &Table<'_>) -> Option<Tracing> {
    if table.is_present() && !cfg!(feature = "otel") {
        let wrong = Wrong::new("this build of Parvis exports no spans");
        table.refuse(Of::Value, wrong.hint("build it with `--features otel`, or remove [tracing]"));
    }
    let endpoint = table.get(&keys::TRACING_ENDPOINT).and_then(|value| value.parse(endpoint));
    let (sample, sampled_parents) = (table.setting(&d::SAMPLE), table.setting(&d::SAMPLED_PARENTS));
    Some(Tracing { endpoint: endpoint?, sample, sampled_parents })
}

/// `http://HOST:PORT`, as the exporter wants it.
fn endpoint(text: &str) -> Result<String, Wrong> {
    let wrong =
        |what| Wrong::new(format!("{} {what}", quoted(text))).hint("write it as in \"http://[::1]:4317\"");
    let url = Url::parse(text).ok_or_else(|| wrong("is not a URL"))??;
    if url.is_https {
        let wrong = Wrong::new(format!("{} is https, and spans are sent in clear", quoted(text)));
        return Err(wrong.hint("let a collector run on this machine, which sends them on"));
    }
    if !matches!(url.path, "" | "/") || !url.rest.is_empty() {
        return Err(wrong("has a path, which is gRPC's"));
    }
    let port = url.port.ok_or_else(|| wrong("has no port"))?;
    Ok(format!("http://{}:{port}", url.host))
}

impl Node {
    /// The collector that spans go to.
    pub fn collector(&self) -> Option<&str> {
        self.tracing.as_ref().map(|tracing| &*tracing.endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Rate, Share};
    use crate::config::machine::Machine;
    use crate::config::node;
    use crate::config::report::Problem;
    use std::path::Path;
    use std::time::Duration;

    /// The table as it arrives, and what is said of it.
    fn read(lines: &str) -> (Option<Tracing>, Vec<String>) {
        let text = format!(
            "[[listen]]\naddress = \"[::]:80\"\n[accounts]\ndirectory = \"accounts.d\"\n[tracing]\n{lines}\n"
        );
        let machine = Machine { name: None, processors: 1, descriptors: None };
        let (node, report) = node::examine(Path::new("parvis.toml"), &text, &machine);
        let problems = report.problems.iter().map(Problem::one_line);
        let problems = problems.map(|line| line.trim_start_matches("parvis.toml:").to_owned()).collect();
        (node.tracing, problems)
    }

    /// What a build without the feature says of the table, in front of whatever else is wrong.
    const LACKING: &[&str] = if cfg!(feature = "otel") {
        &[]
    } else {
        &[
            "5:1: tracing: this build of Parvis exports no spans (build it with `--features otel`, or remove [tracing])",
        ]
    };

    #[test]
    fn the_table_arrives_where_the_build_can_do_what_it_says() {
        let (tracing, problems) = read("endpoint = \"http://[::1]:4317/\"");
        let rate = |count, seconds| Rate { count, period: Duration::from_secs(seconds) };
        let expected = Tracing {
            endpoint: "http://[::1]:4317".to_owned(),
            sample: Share(10_000),
            sampled_parents: rate(100, 1),
        };
        assert_eq!((tracing, problems), (Some(expected), LACKING.iter().map(ToString::to_string).collect()));
        let (tracing, _) =
            read("endpoint = \"HTTP://Collector.test:1\"\nsample = \"0.5%\"\nsampled_parents = \"30/m\"");
        let expected = Tracing {
            endpoint: "http://collector.test:1".to_owned(),
            sample: Share(5_000),
            sampled_parents: rate(30, 60),
        };
        assert_eq!(tracing, Some(expected));
    }

    #[test]
    fn what_is_wrong_is_said_whatever_the_build_can_do() {
        let good = "endpoint = \"http://[::1]:4317\"\n";
        for (lines, problem) in [
            (
                String::new(),
                "5:1: tracing: `endpoint` is missing (it takes the URL of a collector that speaks OTLP over gRPC in clear: `\"http://[::1]:4317\"`)",
            ),
            (
                "endpoint = \"[::1]:4317\"".to_owned(),
                "6:12: tracing.endpoint: \"[::1]:4317\" is not a URL (write it as in \"http://[::1]:4317\")",
            ),
            (
                "endpoint = \"https://c.test:4317\"".to_owned(),
                "6:12: tracing.endpoint: \"https://c.test:4317\" is https, and spans are sent in clear (let a collector run on this machine, which sends them on)",
            ),
            (
                "endpoint = \"http://c.test\"".to_owned(),
                "6:12: tracing.endpoint: \"http://c.test\" has no port (write it as in \"http://[::1]:4317\")",
            ),
            (
                "endpoint = \"http://c.test:4318/v1/traces\"".to_owned(),
                "6:12: tracing.endpoint: \"http://c.test:4318/v1/traces\" has a path, which is gRPC's (write it as in \"http://[::1]:4317\")",
            ),
            (
                format!("{good}sample = \"101%\""),
                "7:10: tracing.sample: \"101%\" is more than the most, \"100%\"",
            ),
            (
                format!("{good}sample = 0.01"),
                "7:10: tracing.sample: 0.01 stands where a share belongs (write it as in \"1%\")",
            ),
            (
                format!("{good}sampled_parents = \"unlimited\""),
                "7:19: tracing.sampled_parents: \"unlimited\" is not a rate (write a count and a period, as in \"200/s\" or \"30/m\")",
            ),
            (
                format!("{good}sampled_parents = \"200K/s\""),
                "7:19: tracing.sampled_parents: \"200K/s\" is more than the most, \"100000/s\"",
            ),
        ] {
            let expected: Vec<_> = LACKING.iter().copied().chain([problem]).map(str::to_owned).collect();
            assert_eq!(read(&lines).1, expected, "{lines}");
        }
    }
}
