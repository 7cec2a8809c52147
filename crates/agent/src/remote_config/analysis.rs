//! What a location reads from a request: the cloud's keys and context parameters, then those of nginx.conf, and the
//! parts of an exchange that these and the masks need.

use std::rc::Rc;

use api_sessions_extract::CloudSettings;
use api_sessions_extract::ContextParam;
use api_sessions_extract::SessionKey;
use api_sessions_extract::builtin::EntrySet;
use api_sessions_extract::longest_pattern_first;
use api_sessions_extract::{MediaType, Needs, Point, Side};
use api_sessions_identity::{Fallback, Keys};
use api_sessions_protocol::ParamType;
use api_sessions_rules::RuleSet;

/// In force in one location until the cloud's settings change.
#[derive(Default)]
pub struct Analysis {
    generation: u64,
    keys: Rc<Vec<SessionKey>>,
    builtin: bool,
    fallback: Fallback,
    params: Rc<Vec<ContextParam>>,
    /// Built-in entries that are not used, by application.
    demoted: Vec<(String, EntrySet)>,
    rules: RuleSet,
    needs: Needs,
    settles_on_arrival: bool,
    /// Types of context parameters other than `context` that occur.
    has_user: bool,
    has_role: bool,
}

impl Analysis {
    /// Combines the settings of one configuration level with the cloud's, under the cloud's generation.
    #[allow(clippy::too_many_arguments, reason = "what a location says, each once")]
    pub fn new(
        generation: u64,
        cloud: Option<&CloudSettings>,
        (keys, builtin, fallback): (Rc<Vec<SessionKey>>, bool, Fallback),
        ja4_may_change: bool,
        params: Rc<Vec<ContextParam>>,
        masks: &[Point],
        needs_request_body: bool,
        rules: RuleSet,
    ) -> Self {
        let mut keys = cloud.map_or_else(|| keys.clone(), |cloud| before(&cloud.keys, &keys));
        let is_pattern = |key: &SessionKey| key.point.source().is_pattern();
        if keys.iter().any(is_pattern) {
            longest_pattern_first(Rc::make_mut(&mut keys).as_mut_slice());
        }
        let params = cloud.map_or_else(|| params.clone(), |cloud| before(&cloud.params, &params));
        let points = keys.iter().map(|key| &key.point);
        let points = points.chain(params.iter().map(|param| &param.point)).chain(masks);
        let mut needs =
            points.fold(Needs::default(), |needs, point| needs | point.needs()) | rules.needs();
        needs.request_body |= needs_request_body;
        let all = Keys { own: &keys, builtin, fallback, demoted: EntrySet::NONE };
        let settles_on_arrival = all.settle_on_arrival() && !(ja4_may_change && all.read_ja4());
        let has = |kind| params.iter().any(|param| param.kind == kind);
        Self {
            generation,
            builtin,
            fallback,
            demoted: cloud.map(|cloud| cloud.demoted.clone()).unwrap_or_default(),
            rules,
            needs,
            settles_on_arrival,
            has_user: has(ParamType::User),
            has_role: has(ParamType::Role),
            keys,
            params,
        }
    }

    /// The keys in force. `application` is called only if some are demoted; `None`: there is none.
    #[inline]
    pub fn keys<'a>(&self, application: impl FnOnce() -> Option<&'a [u8]>) -> Keys<'_> {
        let demoted = match &*self.demoted {
            [] => EntrySet::NONE,
            all => application()
                .and_then(|name| all.iter().find(|(known, _)| known.as_bytes() == name))
                .map_or(EntrySet::NONE, |(_, set)| *set),
        };
        Keys { own: &self.keys, builtin: self.builtin, fallback: self.fallback, demoted }
    }

    /// The session rules in force.
    #[inline]
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Generation of the cloud's settings that it contains.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the keys yield the same session in the access phase as in the log phase.
    #[inline]
    pub fn settles_on_arrival(&self) -> bool {
        self.settles_on_arrival
    }

    /// Whether some context parameter is the user or the role. False for other types.
    #[inline]
    pub fn names(&self, kind: ParamType) -> bool {
        match kind {
            ParamType::User => self.has_user,
            ParamType::Role => self.has_role,
            ParamType::Session | ParamType::Context => false,
        }
    }

    /// The context parameters in force.
    #[inline]
    pub fn params(&self) -> &[ContextParam] {
        &self.params
    }

    /// Parts of an exchange that have to be read.
    #[inline]
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Whether a key can read request bodies of this type.
    #[inline]
    pub fn keys_read_body_of(&self, media_type: MediaType) -> bool {
        self.keys.iter().any(|key| key.point.reads_body_of(Side::Request, media_type))
    }

    /// Points of keys and parameters that read bodies of this side.
    pub fn body_points(&self, side: Side) -> impl Iterator<Item = &Point> {
        let keys = self.keys.iter().map(|key| &key.point);
        let points = keys.chain(self.params.iter().map(|param| &param.point));
        points.filter(move |point| match side {
            Side::Request => point.needs().request_body,
            Side::Response => point.needs().response_body,
        })
    }

    /// Whether one of the [`Analysis::body_points`] reads JSON.
    pub fn reads_json(&self, side: Side) -> bool {
        self.body_points(side).any(|point| point.reads_body_of(side, MediaType::Json))
    }
}

fn before<T: Clone>(first: &[T], rest: &Rc<Vec<T>>) -> Rc<Vec<T>> {
    if first.is_empty() {
        return rest.clone();
    }
    Rc::new(first.iter().chain(rest.iter()).cloned().collect())
}
