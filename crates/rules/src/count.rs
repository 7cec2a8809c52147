//! `count=WHAT`.

use api_sessions_extract::{Point, VariableCompiler};

use crate::RuleError;

/// What a rule counts.
#[derive(Debug, Clone)]
pub enum Count {
    /// Requests.
    Requests,
    /// Attack types of requests.
    Attacks,
    /// Total size of requests, bytes.
    BytesIn,
    /// Total bytes sent to clients.
    BytesOut,
    /// Total time of requests, milliseconds.
    TimeMs,
    /// Distinct values of a point.
    Distinct(Point),
    /// Distinct paths.
    DistinctPath,
    /// Distinct endpoints: method and path template.
    DistinctEndpoint,
    /// Distinct users.
    DistinctUser,
    /// Distinct sessions.
    DistinctSession,
}

impl Count {
    pub(crate) fn parse(
        text: &str,
        variables: &mut dyn VariableCompiler,
    ) -> Result<Self, RuleError> {
        Ok(match text {
            "requests" => Self::Requests,
            "attacks" => Self::Attacks,
            "bytes_in" => Self::BytesIn,
            "bytes_out" => Self::BytesOut,
            "time_ms" => Self::TimeMs,
            "distinct:path" => Self::DistinctPath,
            "distinct:endpoint" => Self::DistinctEndpoint,
            "distinct:user" => Self::DistinctUser,
            "distinct:session" => Self::DistinctSession,
            _ => match text.strip_prefix("distinct:") {
                Some(point) => Self::Distinct(
                    Point::parse(point, variables)
                        .map_err(|error| RuleError(format!("\"count={text}\": {error}")))?,
                ),
                None => {
                    return Err(RuleError::invalid(
                        "parameter",
                        &format!("count={text}"),
                        "\"requests\", \"attacks\", \"bytes_in\", \"bytes_out\", \"time_ms\", \"distinct:POINT\", \"distinct:path\", \"distinct:endpoint\", \"distinct:user\" or \"distinct:session\"",
                    ));
                }
            },
        })
    }

    /// Whether distinct values are counted.
    pub fn is_distinct(&self) -> bool {
        matches!(
            self,
            Self::Distinct(_)
                | Self::DistinctPath
                | Self::DistinctEndpoint
                | Self::DistinctUser
                | Self::DistinctSession
        )
    }

    /// Whether requests are counted, so that each adds at most one.
    pub(crate) fn is_of_requests(&self) -> bool {
        matches!(self, Self::Requests)
    }

    /// The point that is counted, if any.
    pub fn point(&self) -> Option<&Point> {
        match self {
            Self::Distinct(point) => Some(point),
            _ => None,
        }
    }
}
