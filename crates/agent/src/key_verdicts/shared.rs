//! What the workers of a node share to judge keys.

use api_sessions_extract::ParametersText;
use api_sessions_key_facts::{Kept, Kind, Verdict};
use api_sessions_protocol::DemotedKey;
use api_sessions_shm::{Mailbox, PublishError, SharedConfig};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Shared memory of a node that judges keys itself. Copies refer to the same memory.
#[derive(Clone, Copy)]
pub struct SharedVerdicts {
    /// Facts on their way to the worker that judges.
    pub mailbox: Mailbox,
    /// The verdicts that stand.
    pub standings: SharedConfig,
    /// The demoted keys, as settings that all workers read.
    pub settings: SharedConfig,
}

/// A key whose verdict is bad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadKey {
    /// The application; empty if it has no name.
    pub application: String,
    /// Label of the key.
    pub key: String,
    /// Kind of key.
    pub kind: Kind,
    /// The verdict.
    pub verdict: Verdict,
    /// Start of the window since which it stands, milliseconds since 1970.
    pub since: u64,
    /// Whether the node does not use it.
    pub demoted: bool,
}

/// The text of [`SharedVerdicts::standings`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Standings {
    /// Windows that were over then are judged, milliseconds since 1970.
    pub(super) judged_to: u64,
    /// Bad ones first.
    pub(super) kept: Vec<Kept>,
}

impl SharedVerdicts {
    /// The keys whose verdict is bad.
    pub fn bad(&self) -> Vec<BadKey> {
        let demoted = self.demoted().unwrap_or_default();
        let kept = self.standings().unwrap_or_default().kept.into_iter();
        let bad = kept.filter(|it| it.standing.verdict.is_bad());
        let bad = bad.map(|Kept { application, kind, name, standing }| BadKey {
            demoted: kind == Kind::Builtin
                && demoted.iter().any(|it| it.application == application && it.key == name),
            application,
            key: name,
            kind,
            verdict: standing.verdict,
            since: standing.since,
        });
        bad.collect()
    }

    /// `None`: they are being replaced.
    pub(super) fn standings(&self) -> Option<Standings> {
        read(self.standings)
    }

    /// `None`: they are being replaced.
    pub(super) fn demoted(&self) -> Option<Vec<DemotedKey>> {
        read(self.settings).map(|text: ParametersText| text.demoted)
    }

    /// Publishes the verdicts. If there are too many, the last ones are left out.
    pub(super) fn publish_standings(
        &self,
        mut standings: Standings,
        pid: u32,
    ) -> Result<u64, PublishError> {
        standings.kept.sort_by_key(|it| !it.standing.verdict.is_bad());
        publish(self.standings, &mut standings, |it| &mut it.kept, pid)
    }

    /// Publishes the demoted keys. If there are too many, the last ones are left out, and used.
    pub(super) fn publish_demoted(
        &self,
        demoted: Vec<DemotedKey>,
        pid: u32,
    ) -> Result<u64, PublishError> {
        let mut text = ParametersText { demoted, ..ParametersText::default() };
        publish(self.settings, &mut text, |it| &mut it.demoted, pid)
    }
}

/// Reads a text; empty if there is none, or a damaged one. `None`: it is being replaced.
fn read<T: DeserializeOwned + Default>(from: SharedConfig) -> Option<T> {
    if from.generation() == 0 {
        return Some(T::default());
    }
    let (_, text) = from.read()?;
    Some(serde_json::from_slice(&text).unwrap_or_default())
}

/// Publishes a text with as much of its list as fits.
fn publish<T: Serialize, I>(
    to: SharedConfig,
    text: &mut T,
    list: impl Fn(&mut T) -> &mut Vec<I>,
    pid: u32,
) -> Result<u64, PublishError> {
    loop {
        // Serializing numbers and texts to memory does not fail.
        let json = serde_json::to_vec(text).unwrap_or_default();
        let list = list(text);
        match to.publish(&json, pid) {
            Err(PublishError::TooLarge(_)) if !list.is_empty() => list.truncate(list.len() * 3 / 4),
            result => return result,
        }
    }
}
