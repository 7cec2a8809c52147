//! Requests joined with their sessions: a request with an alias belongs to the alias's session. Rows keep the id they
//! arrived with, so that a line stored twice is the same row.

use super::connection::Connection;
use super::sql::Sql;
use api_sessions_store::StoreError;
use serde::Deserialize;

/// Expression for the session of a request that is joined with [`Requests::map`].
const WHOLE: &str = "if(arrived < joined_until, joined_root, session)";

/// A source of requests for a statement.
pub(super) struct Requests {
    table: String,
    /// Subquery for the aliases of these requests and their sessions; `None` if there are none.
    map: Option<Sql>,
    /// Condition on the sessions.
    only: Sql,
}

#[derive(Deserialize)]
struct Found {}

impl Requests {
    /// The requests that meet a condition on rows, such as their days.
    pub(super) async fn of_days(
        connection: &Connection,
        days: &Sql,
    ) -> Result<Requests, StoreError> {
        let table = connection.tables.of_each_server("request");
        let aliases = Sql::new(format!("alias IN (SELECT session FROM {table} WHERE "))
            .then(days.clone())
            .add(")", []);
        Self::joined(connection, aliases, Sql::new("1")).await
    }

    /// The requests of these sessions, none of which may be an alias.
    pub(super) async fn of_sessions(
        connection: &Connection,
        sessions: &[String],
    ) -> Result<Requests, StoreError> {
        let members = || {
            Sql::new("(SELECT alias FROM ")
                .add(&connection.tables.qualified("identifier"), [])
                .add(" WHERE root IN ", [])
                .list(sessions)
                .add(")", [])
        };
        let aliases = Sql::new("(alias IN ")
            .list(sessions)
            .add(" OR alias GLOBAL IN ", [])
            .then(members())
            .add(")", []);
        let requests = Self::joined(connection, aliases, Sql::new("1")).await?;
        let only = match requests.map {
            None => Sql::new("session IN ").list(sessions),
            // The first condition lets the server skip data.
            Some(_) => Sql::new("(session IN ")
                .list(sessions)
                .add(" OR session GLOBAL IN ", [])
                .then(members())
                .add(&format!(") AND {WHOLE} IN "), [])
                .list(sessions),
        };
        Ok(Requests { only, ..requests })
    }

    async fn joined(
        connection: &Connection,
        aliases: Sql,
        only: Sql,
    ) -> Result<Requests, StoreError> {
        let alias = connection.tables.qualified("alias");
        let any = Sql::new(format!("SELECT 1 AS found FROM {alias} WHERE until > 0 AND "))
            .then(aliases.clone())
            .add(" LIMIT 1", []);
        let any: Vec<Found> = connection.rows(any).await?;
        let map = || {
            Sql::new(format!(
                "SELECT alias AS session, argMax(root, seq) AS joined_root, min(until) AS joined_until \
                 FROM {alias} WHERE "
            ))
            .then(aliases)
            .add(" GROUP BY alias", [])
        };
        let map = (!any.is_empty()).then(map);
        Ok(Requests { table: connection.tables.request.clone(), map, only })
    }

    /// Expression for the session of a request.
    pub(super) fn session(&self) -> &'static str {
        if self.map.is_some() { WHOLE } else { "session" }
    }

    /// ` FROM … WHERE …`, with each line of a batch once.
    pub(super) fn each_once(&self) -> Sql {
        self.source(" FINAL")
    }

    /// ` FROM … WHERE …`, where a line stored twice may occur twice. Faster than [`Self::each_once`].
    pub(super) fn any(&self) -> Sql {
        self.source("")
    }

    fn source(&self, last: &str) -> Sql {
        let from = Sql::new(format!(" FROM {}{last}", self.table));
        let from = match &self.map {
            None => from,
            Some(map) => from
                .add(" GLOBAL ANY LEFT JOIN (", [])
                .then(map.clone())
                .add(") AS joined USING session", []),
        };
        from.add(" WHERE ", []).then(self.only.clone())
    }
}
