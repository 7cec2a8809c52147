//! Places that hidden points read: they are hidden as a whole, whatever their value.

use api_sessions_extract::json::Step;
use api_sessions_extract::{Part, Point, PointSource, Side, percent};

/// Points whose values are hidden, or shown.
pub struct Places<'p>(Vec<&'p Point>);

impl<'p> Places<'p> {
    /// The places that `points` read.
    pub fn new(points: impl Iterator<Item = &'p Point>) -> Self {
        Self(points.collect())
    }

    fn any(&self, source: impl Fn(&PointSource) -> bool, part: impl Fn(&Part) -> bool) -> bool {
        self.0.iter().any(|point| source(point.source()) || point.parts().iter().any(&part))
    }

    pub(crate) fn header(&self, name: &[u8]) -> bool {
        let is_host = name.eq_ignore_ascii_case(b"host");
        self.any(
            |source| match source {
                PointSource::Header { side: Side::Request, name: known, .. } => {
                    name.eq_ignore_ascii_case(known)
                }
                PointSource::HeaderLike(begin) => begins(name, begin),
                PointSource::Host => is_host,
                _ => false,
            },
            |part| part.is_header(name) || is_host && *part == Part::Host,
        )
    }

    /// Includes cookies that the response sets.
    pub(crate) fn cookie(&self, name: &[u8]) -> bool {
        self.any(
            |source| match source {
                PointSource::Cookie(known) | PointSource::SetCookie(known) => {
                    name.eq_ignore_ascii_case(known)
                }
                PointSource::CookieLike(begin) => begins(name, begin),
                _ => false,
            },
            |part| matches!(part, Part::Cookie(known) if name.eq_ignore_ascii_case(known)),
        )
    }

    /// `name` is percent-encoded as it was sent.
    pub(crate) fn argument(&self, name: &[u8]) -> bool {
        self.any(
            |source| {
                matches!(source, PointSource::Query { name: known, .. } if percent::equals(name, true, known))
            },
            |part| match part {
                Part::Argument(known) => name.eq_ignore_ascii_case(known),
                Part::Arguments => true,
                _ => false,
            },
        )
    }

    pub(crate) fn body(&self) -> bool {
        self.any(
            |source| {
                matches!(source, PointSource::Form(_) | PointSource::Multipart(_))
                    || matches!(source, PointSource::Json { side: Side::Request, .. })
            },
            |part| *part == Part::Body,
        )
    }

    /// Whether a point reads the whole body.
    pub(crate) fn whole_body(&self) -> bool {
        self.any(|_| false, |part| *part == Part::Body)
    }

    /// A field of a urlencoded body; `name` is encoded as it was sent.
    pub(crate) fn field(&self, name: &[u8]) -> bool {
        let is = |source: &PointSource| matches!(source, PointSource::Form(known) if percent::equals(name, true, known));
        self.any(is, |_| false)
    }

    /// A field of a multipart body.
    pub(crate) fn multipart(&self, name: &[u8]) -> bool {
        self.any(
            |source| matches!(source, PointSource::Multipart(known) if name == &**known),
            |_| false,
        )
    }

    /// Whether any point reads a JSON body.
    pub(crate) fn has_json(&self) -> bool {
        self.any(
            |source| matches!(source, PointSource::Json { side: Side::Request, .. }),
            |_| false,
        )
    }

    /// Whether a point reads a JSON value at this depth; `is_step` compares each step of its path, given with
    /// its index.
    pub(crate) fn json(&self, depth: usize, is_step: &mut dyn FnMut(&Step, usize) -> bool) -> bool {
        self.0.iter().any(|point| match point.source() {
            PointSource::Json { side: Side::Request, path } => {
                path.len() == depth && path.iter().enumerate().all(|(at, step)| is_step(step, at))
            }
            _ => false,
        })
    }

    /// Indexes of the path segments that points read.
    pub(crate) fn segments(&self) -> Vec<u32> {
        let segment = |point: &&Point| match point.source() {
            PointSource::Path(nth) => Some(*nth),
            _ => None,
        };
        self.0.iter().filter_map(segment).collect()
    }
}

fn begins(name: &[u8], begin: &[u8]) -> bool {
    name.get(..begin.len()).is_some_and(|head| head.eq_ignore_ascii_case(begin))
}
