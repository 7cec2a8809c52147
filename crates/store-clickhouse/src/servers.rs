//! The servers of a cluster.

use super::schema::Layout;

/// A server, addressed by its HTTP interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) shard: u32,
    /// `host` of `system.clusters`.
    pub(super) host: String,
    /// That host, with scheme and port of the configured URL.
    pub(super) url: String,
}

/// All servers of a cluster.
#[derive(Clone)]
pub(super) struct Servers {
    /// Name of the cluster.
    pub(super) name: String,
    pub(super) all: Vec<Server>,
    pub(super) layout: Layout,
}

impl Servers {
    pub(super) fn urls(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|server| &*server.url)
    }

    /// A shard without a reachable server.
    pub(super) fn shard_without(&self, away: &[&Server]) -> Option<u32> {
        let shards = self.all.iter().map(|server| server.shard);
        shards.clone().find(|shard| {
            let mut servers = self.all.iter().filter(|server| server.shard == *shard);
            servers.all(|server| away.contains(&server))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_away_with_its_last_server() {
        let server = |shard, host: &str| Server { shard, host: host.into(), url: host.into() };
        let servers = vec![server(1, "a"), server(1, "b"), server(2, "c"), server(2, "d")];
        let cluster = Servers { name: "x".into(), all: servers.clone(), layout: Layout::Plain };
        let away = |hosts: &[usize]| {
            let away: Vec<_> = hosts.iter().map(|at| &servers[*at]).collect();
            cluster.shard_without(&away)
        };
        assert_eq!(away(&[]), None);
        assert_eq!(away(&[0, 2]), None);
        assert_eq!(away(&[0, 2, 3]), Some(2));
    }
}
