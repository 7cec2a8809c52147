//! Lists of sessions with their scores, and in the order of these.

use std::cmp::Reverse;
use std::time::Duration;

use api_sessions_session_facts::Scored;
use api_sessions_store::clock::now_ms;
use api_sessions_store::{SessionPage, SessionQuery, SessionSummary, Sort};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::query::RawQuery;
use crate::error::AppError;
use crate::limits::MAX_RANKED_SESSIONS;
use crate::state::AppState;

/// Longest time that scores are measured for one list, which may go on after its answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A session of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ListedSession {
    /// The session.
    #[serde(flatten)]
    pub summary: SessionSummary,
    /// Its score now, 0 to 100, up to a minute old; absent without normal values, and where it is `pending`.
    #[schema(maximum = 100)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<u64>,
}

/// One page of sessions.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SessionList {
    /// Sessions that match, on all pages; at most 10,000.
    #[schema(maximum = 10_000)]
    pub total: u64,
    /// More than 10,000 sessions match. Absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub total_is_lower_bound: bool,
    /// Sessions in order.
    pub sessions: Vec<ListedSession>,
    /// Number of sessions that the ones with the highest or lowest scores were chosen from: the most recently active
    /// ones. Absent in any other order.
    #[schema(maximum = 300)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranked: Option<u64>,
    /// Number of sessions, of `sessions` or of `ranked`, whose score could not be measured in time. Absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<u64>,
    /// Cursor of the next page; `None` on the last.
    #[schema(required = true)]
    pub next: Option<String>,
    /// Days that could not be read completely: `2026-11-23`. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
}

/// A page of the sessions that match, with the scores that are measured within `wait`.
///
/// # Errors
/// 400, naming the parameter and its valid values; the error of the store.
pub async fn list(
    state: &AppState,
    raw: &RawQuery,
    wait: Duration,
) -> Result<SessionList, AppError> {
    let mut query = raw.sessions()?;
    let (is_ranked, ascending, limit) = (raw.is_by_score(), query.ascending, query.limit);
    if is_ranked {
        if query.cursor.is_some() {
            return Err(AppError::bad_request("cursor: a list by score has one page"));
        }
        let filter = query.filter;
        query = SessionQuery {
            filter,
            sort: Sort::LastTs,
            limit: MAX_RANKED_SESSIONS,
            ..<_>::default()
        };
    }
    let page = state.list(move |store| store.sessions(&query)).await?;
    let SessionPage { total, total_is_lower_bound, sessions, next, incomplete } = page;
    let Scored { scores, pending } = scores(state, &sessions, wait).await?;
    let listed = |(summary, score)| ListedSession { summary, score };
    let mut sessions: Vec<ListedSession> = sessions.into_iter().zip(scores).map(listed).collect();
    let ranked = is_ranked.then_some(sessions.len() as u64);
    if is_ranked {
        // The sort is stable: of equal scores, the most recently active session is first.
        match ascending {
            true => sessions.sort_by_key(|one| (one.score.is_none(), one.score)),
            false => sessions.sort_by_key(|one| Reverse(one.score)),
        }
        sessions.truncate(limit);
    }
    Ok(SessionList {
        total,
        total_is_lower_bound,
        sessions,
        ranked,
        pending: Some(pending).filter(|count| *count > 0),
        next: next.filter(|_| !is_ranked),
        incomplete,
    })
}

/// The scores of sessions that are measured within `wait`. What is not goes on, for the next list.
async fn scores(
    state: &AppState,
    sessions: &[SessionSummary],
    wait: Duration,
) -> Result<Scored, AppError> {
    let now = now_ms();
    if !state.scores.has(sessions, now) {
        let (reader, of) = (state.clone(), sessions.to_vec());
        let measuring = tokio::spawn(async move {
            let state = reader.clone();
            let times = (wait, PATIENCE);
            let measure = reader
                .read(move |store| state.scores.measure(store, &state.normals, &of, now, times));
            measure.await
        });
        match tokio::time::timeout(wait, measuring).await {
            Ok(Ok(measured)) => measured?,
            Ok(Err(error)) => return Err(AppError::unavailable(error.to_string())),
            Err(_) => {}
        }
    }
    Ok(state.scores.remembered(sessions, now))
}
