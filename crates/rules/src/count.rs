//! `count=WHAT`.

use api_sessions_extract::{Point, VariableCompiler};

use crate::RuleError;

/// What is counted.
#[derive(Debug, Clone)]
pub enum Count {
    /// Requests.
    Requests,
    /// Types of attack.
    Attacks,
    /// Sum of the sizes of requests, bytes.
    BytesIn,
    /// Sum of what was sent to clients, bytes.
    BytesOut,
    /// Sum of the times of requests, milliseconds.
    TimeMs,
    /// Different values of a point.
    Distinct(Point),
    /// Different paths.
    DistinctPath,
    /// Different endpoints: method and path without ids.
    DistinctEndpoint,
    /// Different users.
    DistinctUser,
    /// Different sessions.
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
                    Point::parse(point, variables).map_err(|error| RuleError(error.to_string()))?,
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

    /// Different values are counted.
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

    /// A request adds one at most.
    pub(crate) fn is_of_requests(&self) -> bool {
        matches!(self, Self::Requests)
    }

    /// The point that is read.
    pub fn point(&self) -> Option<&Point> {
        match self {
            Self::Distinct(point) => Some(point),
            _ => None,
        }
    }
}
