//! The facts: their names, units and weights.

use serde::Serialize;
use utoipa::ToSchema;

/// A fact of a session's last day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// Maximum number of requests within 60 seconds.
    PeakPerMinute,
    /// Number of distinct endpoints.
    Endpoints,
    /// Maximum number of distinct paths of an endpoint whose template has a placeholder.
    IdsAtOneEndpoint,
    /// Share of requests answered with 4xx.
    ClientErrors,
    /// Share of requests answered with 401 or 403.
    Refused,
    /// `POST` requests answered with 401 or 403.
    LoginFailures,
    /// Bytes sent to the client.
    BytesOut,
    /// Regularity of the time between requests, 0 to 1; absent below 10 gaps.
    Regularity,
    /// Networks (IPv4 /24, IPv6 /48).
    Networks,
    /// User-Agents.
    UserAgents,
    /// Users.
    Users,
    /// Share of requests to endpoints that at most 1 % of the application's sessions use; absent without normal
    /// values.
    RareEndpoints,
}

/// Unit of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A number.
    Count,
    /// A share, 0 to 1.
    Share,
    /// Bytes.
    Bytes,
}

impl Fact {
    /// All facts, in the order of display.
    pub const ALL: [Fact; 12] = [
        Fact::PeakPerMinute,
        Fact::Endpoints,
        Fact::IdsAtOneEndpoint,
        Fact::ClientErrors,
        Fact::Refused,
        Fact::LoginFailures,
        Fact::BytesOut,
        Fact::Regularity,
        Fact::Networks,
        Fact::UserAgents,
        Fact::Users,
        Fact::RareEndpoints,
    ];

    /// Unit of its value.
    pub const fn unit(self) -> Unit {
        match self {
            Fact::ClientErrors | Fact::Refused | Fact::Regularity | Fact::RareEndpoints => {
                Unit::Share
            }
            Fact::BytesOut => Unit::Bytes,
            _ => Unit::Count,
        }
    }

    /// The value up to which the fact is never unusual, however low p99 is, and the maximum number of points.
    const fn weight(self) -> (f64, f64) {
        match self {
            Fact::PeakPerMinute => (10.0, 15.0),
            Fact::Endpoints => (5.0, 10.0),
            Fact::IdsAtOneEndpoint => (5.0, 20.0),
            Fact::ClientErrors => (0.1, 15.0),
            Fact::Refused => (0.05, 20.0),
            Fact::LoginFailures => (3.0, 25.0),
            Fact::BytesOut => (100_000.0, 10.0),
            Fact::Regularity => (0.5, 10.0),
            Fact::Networks | Fact::UserAgents => (2.0, 10.0),
            Fact::Users => (2.0, 20.0),
            Fact::RareEndpoints => (0.2, 15.0),
        }
    }

    /// Points of a value: none up to p99, 40 % of the maximum above it, and 20 % more for each doubling.
    pub(crate) fn points(self, value: f64, p99: f64) -> f64 {
        let (floor, most) = self.weight();
        let usual = p99.max(floor);
        if value <= usual {
            return 0.0;
        }
        (most * (0.4 + 0.2 * (value / usual).log2()).min(1.0)).round()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_begin_beyond_p99_and_end_at_the_most() {
        let points = |value| Fact::LoginFailures.points(value, 10.0);
        assert_eq!(
            [10.0, 10.1, 20.0, 40.0, 80.0, 1e9].map(points),
            [0.0, 10.0, 15.0, 20.0, 25.0, 25.0]
        );
        // Three failures are not unusual, even where no session has any.
        assert_eq!([3.0, 4.0].map(|value| Fact::LoginFailures.points(value, 0.0)), [0.0, 12.0]);
    }
}
