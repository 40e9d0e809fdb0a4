//! What is known of the servers of the backends, for those who watch them.

use crate::upstream::health::Standing;
use crate::upstream::{Member, Pool};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use tokio::time::Instant;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfServer {
    backend: String,
    server: String,
}

/// The metrics of all servers, of now.
pub(super) fn metrics(pools: &[Arc<Pool>]) -> Registry {
    let up = Family::<OfServer, Gauge>::default();
    let connections = Family::<OfServer, Gauge>::default();
    let successes = Family::<OfServer, Counter>::default();
    let failures = Family::<OfServer, Counter>::default();
    for pool in pools {
        for member in pool.members() {
            let backend = pool.settings.name.clone();
            let of = OfServer { backend, server: member.server.url.to_string() };
            up.get_or_create(&of).set(is_up(member).into());
            let live = i64::try_from(member.live()).unwrap_or(i64::MAX);
            connections.get_or_create(&of).set(live);
            successes.get_or_create(&of).inc_by(member.successes());
            failures.get_or_create(&of).inc_by(member.failures());
        }
    }
    let mut registry = Registry::with_prefix("hybridge");
    registry.register("server_up", "Whether a server of a backend gets connections", up);
    registry.register("server_connections", "Connections to a server", connections);
    registry.register(
        "server_successes",
        "Sessions and requests that a server has accepted",
        successes,
    );
    registry.register(
        "server_failures",
        "Openings and requests that failed by a server's fault",
        failures,
    );
    registry
}

/// Whether there are servers, and none of them is up.
pub(super) fn all_down(pools: &[Arc<Pool>]) -> bool {
    let mut members = pools.iter().flat_map(|pool| pool.members()).peekable();
    members.peek().is_some() && members.all(|member| !is_up(member))
}

fn is_up(member: &Member) -> bool {
    member.standing(Instant::now()) == Standing::Up
}
