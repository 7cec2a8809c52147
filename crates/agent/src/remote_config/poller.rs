//! Long-polling of `GET /v1/sync`, by one worker of a node.

use std::collections::HashMap;
use std::time::Duration;

use api_sessions_extract::limits::MAX_PARAMETERS_BYTES;
use api_sessions_protocol::{
    BadSessionId, SYNC_COUNTERS, SYNC_ERROR, SYNC_MODULE, SessionId, SyncDocument,
};
use ureq::Agent;
use ureq::http::{HeaderValue, StatusCode};

use super::{OrderError, StateFile};
use crate::Stopped;
use crate::clock::now_ms;
use crate::export::{Backoff, ExportSettings, LogSender, Severity, agent, answered, explain};
use crate::limits::{MAX_ANSWER_BYTES, MAX_ERROR_BYTES, MAX_SYNC_BYTES, MAX_SYNC_LINKS};
use api_sessions_extract::{BadParameters, CloudSettings, NoVariables, ParametersText};
use api_sessions_rules::{default_pack, parse_all};
use api_sessions_shm::{DenyError, DenylistWriter, EntryOrigin, PublishError, SharedConfig};

/// Longest time for which the cloud may hold a poll open, seconds. Short, so that the Console has recent figures of the
/// node; a change is answered at once in any case.
const WAIT: u64 = 10;
/// Prefix of the reason of a denial by a rule.
const BY_RULE: &str = "rule ";

/// Settings of a poller.
pub struct SyncSettings {
    /// The cloud's address, token and certificates, as for export.
    pub export: ExportSettings,
    /// URL to poll: `{url}/v1/sync`.
    pub url: String,
    /// Id of this process.
    pub pid: u32,
}

/// Looks up the session of an address.
pub type AddressSession = Box<dyn Fn(&str) -> Option<SessionId> + Send>;

/// An id issued by another node, and the session it belongs to.
pub type ReceivedLink = (SessionId, Option<SessionId>);

/// Takes over what other nodes have issued. Returns whether it did.
pub type TakeLinks = Box<dyn Fn(Vec<ReceivedLink>) -> bool + Send>;

/// Where the content of a document goes.
pub struct SyncState {
    /// The denylist, if some location uses it.
    pub deny: Option<DenylistWriter>,
    /// Where removals from that list are written down.
    pub journal: Option<StateFile>,
    /// The session that an address has on this node by itself.
    pub address_session: AddressSession,
    /// Called for each denial by a rule that is removed; no rule restores it for a while.
    pub lifted: Box<dyn Fn(SessionId) + Send>,
    /// Called with what other nodes have issued: ids of values, and the sessions they belong to; `None`: they belong to
    /// none. Returns `false` if it cannot take them now.
    pub linked: TakeLinks,
    /// Keys and context parameters.
    pub settings: SharedConfig,
    /// Names of the rules in nginx.conf and, if used, in the default pack.
    pub rule_names: Vec<String>,
    /// The node's metrics, as a JSON object, for the Console.
    pub counters: Box<dyn Fn() -> String + Send>,
}

/// Why a document was not accepted.
enum NotTaken {
    /// It is invalid, and a retry would not help.
    Bad(String),
    /// Another process is writing: during a reload, the poller of the previous generation.
    Busy(String),
}

/// Polls the cloud and applies its documents.
pub struct Poller {
    settings: SyncSettings,
    state: SyncState,
    /// The client, or why there is none.
    agent: Result<Agent, String>,
    notes: LogSender,
    stopped: Stopped,
    /// Version of the last document, whether accepted in full or not.
    version: String,
    /// Position up to which the cloud has reported what other nodes have issued.
    links: u64,
    /// Why the last document was not accepted in full.
    error: Option<String>,
}

impl Poller {
    /// A poller. Once stopped, it changes nothing any more and ends when the cloud has answered the current request, at
    /// the latest. Reads TLS roots here.
    pub fn new(
        settings: SyncSettings,
        state: SyncState,
        notes: LogSender,
        stopped: Stopped,
    ) -> Self {
        let agent = agent(&settings.export.endpoint, settings.export.ca_pem.as_deref());
        Self {
            settings,
            state,
            agent,
            notes,
            stopped,
            version: String::new(),
            links: 0,
            error: None,
        }
    }

    /// Polls until stopped.
    pub fn run(mut self) {
        let mut backoff = Backoff::default();
        while !self.stopped.is_stopped() {
            match self.poll() {
                Ok(()) => {
                    if backoff.failures() > 0 {
                        self.note(Severity::Notice, "sync: the cloud answers again".to_owned());
                    }
                    backoff.success();
                }
                Err(reason) => {
                    if backoff.failures() == 0 {
                        let url = &self.settings.url;
                        let text =
                            format!("sync: {url}: {reason}; what was taken before stays in force");
                        self.note(Severity::Warning, text);
                    }
                    self.stopped.wait(backoff.failure(None));
                }
            }
        }
    }

    /// Polls once. Neither an unchanged nor an invalid document is an error.
    fn poll(&mut self) -> Result<(), String> {
        let timeout = self.settings.export.timeout + Duration::from_secs(WAIT);
        let agent = self.agent.as_ref().map_err(String::clone)?;
        let mut request = agent
            .get(&self.settings.url)
            .query("node", &self.settings.export.node)
            .query("version", &self.version)
            .query("wait", WAIT.to_string())
            .query("links", self.links.to_string())
            .header(SYNC_MODULE, env!("CARGO_PKG_VERSION"))
            .config()
            .timeout_global(Some(timeout))
            .build();
        for (name, value) in self.settings.export.headers() {
            request = request.header(name, value);
        }
        if let Ok(counters) = HeaderValue::try_from((self.state.counters)()) {
            request = request.header(SYNC_COUNTERS, counters);
        }
        let error = self.error.as_deref().map(printable);
        if let Some(error) = error.and_then(|error| HeaderValue::try_from(error).ok()) {
            request = request.header(SYNC_ERROR, error);
        }
        let mut response = request.call().map_err(|error| explain(&error))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED => return Ok(()),
            status => {
                let text = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
                return Err(answered(status, response.headers(), &text.unwrap_or_default()));
            }
        }
        let body = response.body_mut().with_config().limit(MAX_SYNC_BYTES).read_to_vec();
        if self.stopped.is_stopped() {
            return Ok(());
        }
        let body = match body {
            Ok(body) => body,
            Err(ureq::Error::BodyExceedsLimit(_)) => {
                self.refuse(None, format!("it is larger than {MAX_SYNC_BYTES} bytes"));
                return Err("the document is too large".to_owned());
            }
            Err(error) => return Err(error.to_string()),
        };
        let document: SyncDocument = match serde_json::from_slice(&body) {
            Ok(document) => document,
            Err(error) => {
                self.refuse(None, format!("it does not parse: {error}"));
                return Err(format!("the document does not parse: {error}"));
            }
        };
        // If its version is the current one, the document contains only links.
        let is_same = !document.version.is_empty() && document.version == self.version;
        let taken = if is_same { Ok(()) } else { self.take(&document) };
        let linked = self.link(&document);
        if is_same {
            return match linked {
                Err(NotTaken::Busy(reason)) => Err(reason),
                Err(NotTaken::Bad(reason)) => {
                    self.refuse(None, reason);
                    Ok(())
                }
                Ok(()) => Ok(()),
            };
        }
        match taken.and(linked) {
            Ok(()) => {
                self.version = document.version.clone();
                match self.overridden(&document) {
                    Some(names) => self.refuse(None, names),
                    None => self.error = None,
                }
                Ok(())
            }
            // The version is noted, so that the same document is not sent again.
            Err(NotTaken::Bad(reason)) => {
                self.refuse(Some(document.version), reason);
                Ok(())
            }
            // Not noted, so that the document is sent again.
            Err(NotTaken::Busy(reason)) => Err(reason),
        }
    }

    /// Takes the denylist first: a denial must not depend on whether the parameters beside it are valid. The parameters
    /// are accepted as a whole, or the previous ones stay. If something cannot be written at the moment, the rest is
    /// retried with the next poll.
    fn take(&self, document: &SyncDocument) -> Result<(), NotTaken> {
        if let Some(deny) = &self.state.deny {
            let summary = deny.replace_from_cloud(&document.denylist);
            let summary = summary.map_err(|error| match error {
                DenyError::Busy => NotTaken::Busy(error.to_string()),
                _ => NotTaken::Bad(error.to_string()),
            })?;
            if summary.rejected > 0 {
                let text = format!(
                    "sync: denylist entries not taken, since they are bad or there is no room: {} of {}",
                    summary.rejected,
                    document.denylist.len()
                );
                self.note(Severity::Error, text);
            }
            self.lift(deny, document)?;
        }
        let version = document.version.clone();
        let checked = CloudSettings::new(version.clone(), &document.parameters);
        checked.map_err(|error| NotTaken::Bad(error.to_string()))?;
        let checked = parse_all(&document.rules, &mut NoVariables);
        checked.map_err(|error| NotTaken::Bad(error.to_string()))?;
        let (parameters, rules) = (document.parameters.clone(), document.rules.clone());
        let demoted = document.demoted.clone();
        let text = ParametersText { version, parameters, rules, demoted };
        let text = serde_json::to_vec(&text).map_err(|error| NotTaken::Bad(error.to_string()))?;
        if text.len() > MAX_PARAMETERS_BYTES {
            return Err(NotTaken::Bad(BadParameters::TooLarge.to_string()));
        }
        let same = self.state.settings.read().is_some_and(|(_, before)| before == text);
        if !same {
            let published = self.state.settings.publish(&text, self.settings.pid);
            published.map_err(|error| match error {
                PublishError::Busy => NotTaken::Busy(error.to_string()),
                _ => NotTaken::Bad(error.to_string()),
            })?;
        }
        Ok(())
    }

    /// Names the rules that are not in force because nginx.conf has rules of the same names.
    fn overridden(&self, document: &SyncDocument) -> Option<String> {
        let pack = default_pack();
        let is_written = |name: &String| {
            self.state.rule_names.contains(name) && pack.iter().all(|rule| rule.name != *name)
        };
        let names = document.rules.iter().map(|rule| &rule.name).filter(|name| is_written(name));
        let names: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
        (!names.is_empty()).then(|| {
            format!(
                "rules not in force where nginx.conf has one of the same name: {}",
                names.join(", ")
            )
        })
    }

    /// Takes over what other nodes have issued: all of it or nothing.
    fn link(&mut self, document: &SyncDocument) -> Result<(), NotTaken> {
        let Some(links_to) = document.links_to else { return Ok(()) };
        let parsed = document.links.iter().map(|link| {
            let session = link.session.as_deref().map(str::parse::<SessionId>).transpose()?;
            Ok((link.alias.parse::<SessionId>()?, session))
        });
        let links = match parsed.collect::<Result<Vec<_>, BadSessionId>>() {
            Ok(links) if links.len() <= MAX_SYNC_LINKS => Ok(links),
            Ok(_) => Err(format!("it has more than {MAX_SYNC_LINKS} links")),
            Err(error) => Err(format!("a link: {error}")),
        };
        if let Ok(links) = &links
            && !links.is_empty()
            && !(self.state.linked)(links.clone())
        {
            return Err(NotTaken::Busy("links wait for the worker".to_owned()));
        }
        // Invalid links are not sent again, either.
        self.links = links_to;
        links.map(drop).map_err(NotTaken::Bad)
    }

    /// Removes this node's denials by rules of sessions and addresses that were lifted afterwards.
    fn lift(&self, deny: &DenylistWriter, document: &SyncDocument) -> Result<(), NotTaken> {
        let sessions = document
            .lifted
            .iter()
            .filter_map(|one| Some((one.session.parse::<SessionId>().ok()?, one.ts)));
        let addresses = document
            .lifted_addresses
            .iter()
            .filter_map(|one| Some(((self.state.address_session)(&one.address)?, one.ts)));
        let since: HashMap<String, u64> =
            sessions.chain(addresses).map(|(session, ts)| (session.to_string(), ts)).collect();
        if since.is_empty() {
            return Ok(());
        }
        let mut over = Vec::new();
        deny.list().list(0, &mut |entry, origin| {
            let is_by_rule = entry.reason.as_deref().is_some_and(|text| text.starts_with(BY_RULE));
            let is_over = since.get(&entry.session).is_some_and(|ts| entry.since < *ts);
            if origin == EntryOrigin::Local && is_by_rule && is_over {
                over.extend(entry.session.parse::<SessionId>());
            }
        });
        for session in over {
            let removed = match &self.state.journal {
                Some(journal) => journal.remove(&session, now_ms()),
                None => deny.remove(&session, EntryOrigin::Local).map_err(OrderError::NotTaken),
            };
            match removed {
                Err(OrderError::NotTaken(error)) => return Err(NotTaken::Busy(error.to_string())),
                Err(OrderError::NotDurable(error)) => self.note(
                    Severity::Error,
                    format!("sync: a denial was taken off until NGINX restarts: {error}"),
                ),
                Ok(_) => {}
            }
            (self.state.lifted)(session);
        }
        Ok(())
    }

    fn refuse(&mut self, version: Option<String>, reason: String) {
        if self.error.as_ref() != Some(&reason) {
            let text = format!("sync: a document of the cloud is not taken in full: {reason}");
            self.note(Severity::Error, text);
        }
        self.error = Some(reason);
        if let Some(version) = version {
            self.version = version;
        }
    }

    fn note(&self, severity: Severity, text: String) {
        self.notes.add(severity, text);
    }
}

/// Makes a text fit for a header.
fn printable(text: &str) -> String {
    let plain = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    text.chars().map(plain).take(MAX_ERROR_BYTES).collect()
}

#[cfg(test)]
mod tests;
