//! Finds the servers of a cluster, and creates their tables. Tables are created on each server separately, since `ON CLUSTER` needs
//! a Keeper.

use std::time::Duration;

use serde::Deserialize;

use super::connection::Connection;
use super::create_tables;
use super::schema::Layout;
use super::servers::{Server, Servers};
use super::sql::Sql;
use api_sessions_store::StoreError;

/// Interval between checks of the servers. A server that was unreachable when tables were created gets them
/// at the next check.
const LOOK: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Row {
    shard_num: u32,
    host_name: String,
}

#[derive(Deserialize)]
struct Count {
    n: u64,
}

/// Reads the list of servers from the configured server, and determines the layout of tables they support.
///
/// # Errors
/// The server does not answer, the cluster does not exist, or a host name is invalid in a URL.
pub(super) async fn read(connection: &Connection, name: &str) -> Result<Servers, StoreError> {
    // The database may not exist yet.
    let unbound = connection.unbound();
    let sql = Sql::new("SELECT shard_num, host_name FROM system.clusters WHERE cluster = ? ")
        .bound([name.into()])
        .add("ORDER BY shard_num, replica_num", []);
    let rows: Vec<Row> = unbound.rows(sql).await?;
    if rows.is_empty() {
        return Err(StoreError::Unavailable(format!(
            "clickhouse: \"{name}\" is no cluster of {}: see system.clusters",
            connection.first_url()
        )));
    }
    let servers = rows.into_iter().map(|row| {
        let url = at_host(connection.first_url(), &row.host_name)?;
        Ok(Server { shard: row.shard_num, host: row.host_name, url })
    });
    let servers = servers.collect::<Result<Vec<_>, StoreError>>()?;
    let layout = layout(&unbound, name).await?;
    Ok(Servers { name: name.to_owned(), all: servers, layout })
}

/// Creates missing tables and columns on all servers. Logs a warning for unreachable servers, which get theirs at a
/// later check.
///
/// # Errors
/// All servers of a shard are unreachable, or a server rejects a statement.
pub(super) async fn create(servers: &Servers, connection: &Connection) -> Result<(), StoreError> {
    let mut away: Vec<(&Server, String)> = Vec::new();
    for server in &servers.all {
        let one = connection.with_urls([&*server.url]);
        if let Err(error) = one.ping().await {
            away.push((server, error.to_string()));
            continue;
        }
        create_tables::create_on(&one, servers.layout).await.map_err(|error| {
            StoreError::Unavailable(format!("{error} (server {})", server.host))
        })?;
    }
    for (server, error) in &away {
        tracing::warn!(
            "cluster {}: server {} is away, its tables are checked when it is back: {error}",
            servers.name,
            server.host
        );
    }
    let unreachable: Vec<_> = away.iter().map(|(server, _)| *server).collect();
    match servers.shard_without(&unreachable) {
        None => Ok(()),
        Some(shard) => Err(StoreError::Unavailable(format!(
            "clickhouse: no server of shard {shard} of cluster {} answers: {}",
            servers.name,
            unreachable.iter().map(|server| &*server.host).collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// Checks the servers periodically until the process ends.
pub(super) async fn keep_up(servers: Servers, connection: Connection) {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Err(error) = create(&servers, &connection).await {
            tracing::warn!("{error}");
        }
    }
}

/// Replicated tables if the servers have a Keeper (or ZooKeeper) and the macros; otherwise plain ones, with
/// `Distributed` writing to all replicas. Existing tables keep their layout.
async fn layout(connection: &Connection, cluster: &str) -> Result<Layout, StoreError> {
    let count = async |sql: Sql| -> Result<u64, StoreError> {
        let rows: Vec<Count> = connection.rows(sql).await?;
        Ok(rows.first().map_or(0, |row| row.n))
    };
    let there = Sql::new(
        "SELECT count() AS n FROM system.tables WHERE name = 'request_local' AND database = ?",
    )
    .bound([connection.tables.database().into()]);
    if count(there.clone()).await? > 0 {
        let replicated = there.add(" AND engine LIKE 'Replicated%'", []);
        return Ok(match count(replicated).await? {
            0 => Layout::Plain,
            _ => Layout::Replicated,
        });
    }
    // `system.zookeeper` exists only with a Keeper. It is not read, since that fails if the Keeper is unreachable.
    let keeper = Sql::new(
        "SELECT count() AS n FROM system.tables WHERE database = 'system' AND name = 'zookeeper'",
    );
    if count(keeper).await? == 0 {
        return Ok(Layout::Plain);
    }
    let macros =
        Sql::new("SELECT count() AS n FROM system.macros WHERE macro IN ('shard', 'replica')");
    match count(macros).await? {
        2 => Ok(Layout::Replicated),
        _ => Err(StoreError::Unavailable(format!(
            "clickhouse: the servers of cluster {cluster} have a Keeper, but not the macros shard and replica"
        ))),
    }
}

/// The URL with another host.
fn at_host(url: &str, host: &str) -> Result<String, StoreError> {
    let wrong = || StoreError::Unavailable(format!("clickhouse: {host} is no host of an address"));
    let mut url = url::Url::parse(url).map_err(|_| wrong())?;
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    url.set_host(Some(&host)).map_err(|_| wrong())?;
    Ok(url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_addressed_with_the_configured_scheme_and_port() {
        assert_eq!(at_host("https://a:8443/", "b.example").unwrap(), "https://b.example:8443/");
        assert_eq!(at_host("http://a:8123/", "::1").unwrap(), "http://[::1]:8123/");
        assert!(at_host("http://a:8123/", "no host").is_err());
    }
}
