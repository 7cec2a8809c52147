//! Settings of `http`, `server` and `location`, and their inheritance.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use api_sessions_detect::AttackKinds;
use api_sessions_extract::CloudSettings;
use api_sessions_extract::ContextParam;
use api_sessions_extract::Ja4Form;
use api_sessions_extract::SessionKey;
use api_sessions_extract::{JsonTypes, MediaType, NoVariables, Point};
use api_sessions_identity::Fallback;
use api_sessions_identity::Phase;
use api_sessions_key_facts::Settings;
use api_sessions_nginx::conf::{Conf, Directive, HeaderMention};
use api_sessions_nginx::request::Request;
use api_sessions_nginx::variable::ComplexValue;
use api_sessions_redact::FullContent;
use api_sessions_rules::{Exception, Rule, RuleSet, parse_all};

use ngx::http::{Merge, MergeConfigError};

use super::Analysis;
use super::MainConf;
use super::location_values::{Attack, Deny, DenyOptions, Following, Ja4Source, Switch};

/// Default of `api_sessions_body_size`, bytes.
const BODY_SIZE: usize = 16 * 1024;
/// Default of `api_sessions_detect_body_size`, bytes.
const DETECT_BODY_SIZE: usize = 128 * 1024;

/// A repeatable directive: inherited as a whole, only if none is written on the current level.
pub(crate) struct Repeated<T> {
    list: Option<Rc<Vec<T>>>,
    /// Request headers that the points name.
    headers: Vec<HeaderMention>,
}

impl<T> Default for Repeated<T> {
    fn default() -> Self {
        Self { list: None, headers: Vec::new() }
    }
}

impl<T> Repeated<T> {
    /// Appends an item of the current level.
    pub(super) fn push(&mut self, item: T) -> Result<(), String> {
        let list = self.list.get_or_insert_with(Default::default);
        // Only `inherit` shares lists, after every level has been read.
        Rc::get_mut(list).ok_or("the level is complete already")?.push(item);
        Ok(())
    }

    /// Records which headers the next item reads.
    pub(super) fn mention<'p, D: Directive>(
        &mut self,
        cf: Conf<'_>,
        points: impl IntoIterator<Item = &'p Point>,
    ) {
        let headers = points.into_iter().filter_map(|point| HeaderMention::of(cf, D::NAME, point));
        self.headers.extend(headers);
    }

    fn inherit(&mut self, above: &Self) {
        if self.list.is_none() {
            self.list = above.list.clone();
            self.headers.clone_from(&above.headers);
        }
    }

    fn shared(&self) -> Rc<Vec<T>> {
        self.list.clone().unwrap_or_default()
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[T] {
        self.list.as_deref().map_or(&[], Vec::as_slice)
    }
}

/// One level's settings; after [`LocationConf::merge`], those in force in a location.
#[derive(Default)]
pub(crate) struct LocationConf {
    pub(super) enabled: Option<Switch>,
    pub(super) own_keys: Repeated<SessionKey>,
    pub(super) builtin: Option<bool>,
    pub(super) fallback: Option<Fallback>,
    pub(super) ja4: Option<Ja4Source>,
    pub(super) params: Repeated<ContextParam>,
    pub(super) masks: Repeated<Point>,
    pub(super) shown: Repeated<Point>,
    pub(super) content: Option<FullContent>,
    pub(super) application: Option<Rc<ComplexValue>>,
    pub(super) body_size: Option<usize>,
    pub(super) detect_body_size: Option<usize>,
    pub(super) json_types: Option<Rc<JsonTypes>>,
    pub(super) preread: Option<bool>,
    pub(super) follow: Option<Following>,
    /// `Some(None)` is `off`.
    pub(super) key_facts: Option<Option<Settings>>,
    pub(super) deny: Option<Deny>,
    pub(super) attacks: Repeated<Attack>,
    pub(super) detect: Option<AttackKinds>,
    pub(super) rules: Repeated<Rule>,
    pub(super) default_rules: Option<bool>,
    pub(super) exceptions: Repeated<Exception>,
    /// `api_sessions_control` or `api_sessions_status` answers here: nobody is refused, so that a denial can be undone.
    pub(super) answers: bool,
    /// Built once a level is complete, and again when the cloud's settings change. A level that changes none of its
    /// inputs shares the analysis of the level above.
    analysis: OnceCell<Rc<RefCell<Rc<Analysis>>>>,
}

impl Merge for LocationConf {
    /// Inherits what this level does not set from the level above.
    fn merge(&mut self, above: &Self) -> Result<(), MergeConfigError> {
        if self.is_analysed_as_above() {
            self.analysis = OnceCell::from(above.current_analysis().clone());
        }
        self.enabled = self.enabled.take().or_else(|| above.enabled.clone());
        self.own_keys.inherit(&above.own_keys);
        self.builtin = self.builtin.or(above.builtin);
        self.fallback = self.fallback.or(above.fallback);
        self.ja4 = self.ja4.take().or_else(|| above.ja4.clone());
        self.params.inherit(&above.params);
        self.masks.inherit(&above.masks);
        self.shown.inherit(&above.shown);
        self.content = self.content.or(above.content);
        self.application = self.application.take().or_else(|| above.application.clone());
        self.body_size = self.body_size.or(above.body_size);
        self.detect_body_size = self.detect_body_size.or(above.detect_body_size);
        self.json_types = self.json_types.take().or_else(|| above.json_types.clone());
        self.preread = self.preread.or(above.preread);
        self.follow = self.follow.or(above.follow);
        self.key_facts = self.key_facts.or(above.key_facts);
        self.deny = self.deny.or(above.deny);
        self.attacks.inherit(&above.attacks);
        self.detect = self.detect.or(above.detect);
        self.rules.inherit(&above.rules);
        self.default_rules = self.default_rules.or(above.default_rules);
        self.exceptions.inherit(&above.exceptions);
        self.current_analysis();
        Ok(())
    }
}

impl LocationConf {
    /// Collects warnings about points that never match in this server, if the module is on here.
    pub(crate) fn warn_of_dropped_headers(&self, cf: Conf<'_>) {
        if matches!(self.enabled, None | Some(Switch::Off)) {
            return;
        }
        let headers = self.own_keys.headers.iter().chain(&self.params.headers);
        let headers = headers.chain(&self.masks.headers).chain(&self.shown.headers);
        let mut headers = headers.chain(&self.rules.headers).peekable();
        if headers.peek().is_some() {
            let server = cf.header_names();
            let main = cf.main_conf::<MainConf>();
            main.warnings.extend(headers.filter_map(|header| header.warning(&server)));
        }
    }

    /// An `if` block keeps the handler of its location.
    pub(crate) fn inherit_handler(&mut self, cf: Conf<'_>, above: &Self) {
        self.answers |= above.answers && cf.is_in_location();
    }

    /// Whether the module's own content handler answers here; such a location refuses nobody.
    #[inline]
    pub(crate) fn answers(&self) -> bool {
        self.answers
    }

    /// Whether this level sets nothing that [`Self::analyse`] reads.
    fn is_analysed_as_above(&self) -> bool {
        #[rustfmt::skip]
        let Self {
            own_keys, builtin, fallback, ja4, params, masks, attacks, detect, rules, default_rules,
            // What follows is not read.
            enabled: _, shown: _, content: _, application: _, body_size: _, detect_body_size: _, json_types: _,
            preread: _, follow: _, key_facts: _, deny: _, exceptions: _, answers: _, analysis: _,
        } = self;
        own_keys.list.is_none()
            && builtin.is_none()
            && fallback.is_none()
            && ja4.is_none()
            && params.list.is_none()
            && masks.list.is_none()
            && attacks.list.is_none()
            && detect.is_none()
            && rules.list.is_none()
            && default_rules.is_none()
    }

    #[inline]
    fn current_analysis(&self) -> &Rc<RefCell<Rc<Analysis>>> {
        self.analysis.get_or_init(|| Rc::new(RefCell::new(Rc::new(self.analyse(0, None)))))
    }

    fn analyse(&self, generation: u64, cloud: Option<&CloudSettings>) -> Analysis {
        // The full content of a malicious request includes its body.
        let needs_body = !self.attacks.as_slice().is_empty() || !self.detect().is_empty();
        let builtin = self.builtin.unwrap_or(true);
        let keys = (self.own_keys.shared(), builtin, self.fallback.unwrap_or_default());
        let (params, masks) = (self.params.shared(), self.masks());
        let ja4_may_change = matches!(self.ja4, Some(Ja4Source::Variable(_)));
        let of_cloud = cloud.map(|cloud| parse_all(&cloud.rules, &mut NoVariables));
        // The poller has validated them.
        let of_cloud = of_cloud.and_then(Result::ok).unwrap_or_default();
        let with_default = self.default_rules.unwrap_or(false);
        let rules = RuleSet::new(self.rules.as_slice(), with_default, &of_cloud);
        Analysis::new(generation, cloud, keys, ja4_may_change, params, masks, needs_body, rules)
    }

    /// The analysis in force. Call it once per step of a request: the cloud may
    /// change it in between.
    #[inline]
    pub(crate) fn analysis(&self, main: &MainConf) -> Rc<Analysis> {
        let shared = self.current_analysis();
        let current = shared.borrow().clone();
        if current.generation() == main.runtime().settings_generation() {
            return current;
        }
        let (generation, cloud) = main.runtime().cloud_settings();
        if current.generation() == generation {
            return current;
        }
        let new = Rc::new(self.analyse(generation, cloud.as_deref()));
        shared.replace(new.clone());
        new
    }

    /// Whether the module is on for this request.
    #[inline]
    pub(crate) fn is_enabled(&self, r: Request<'_>, phase: Phase) -> bool {
        match &self.enabled {
            None | Some(Switch::Off) => false,
            Some(Switch::On) => true,
            Some(Switch::Variable(value)) => value.is_true(r, phase),
        }
    }

    /// The client's JA4, from the operator's variable or from the handshake.
    #[inline]
    pub(crate) fn ja4<'r>(&self, r: Request<'r>, phase: Phase, form: Ja4Form) -> Option<&'r [u8]> {
        self.ja4.as_ref().unwrap_or(&Ja4Source::Handshake).read(r, phase, form)
    }

    #[inline]
    pub(crate) fn masks(&self) -> &[Point] {
        self.masks.as_slice()
    }

    /// Places that full content shows whatever the values look like (`api_sessions_show`).
    #[inline]
    pub(crate) fn shown(&self) -> &[Point] {
        self.shown.as_slice()
    }

    /// Whether full content is redacted (`api_sessions_full_content`).
    #[inline]
    pub(crate) fn content(&self) -> FullContent {
        self.content.unwrap_or_default()
    }

    #[inline]
    pub(crate) fn application<'r>(&self, r: Request<'r>, phase: Phase) -> Option<&'r [u8]> {
        self.application.as_ref()?.evaluate(r, phase)
    }

    #[inline]
    pub(crate) fn body_size(&self) -> usize {
        self.body_size.unwrap_or(BODY_SIZE)
    }

    /// Bytes of a request body that detectors see.
    #[inline]
    pub(crate) fn detect_body_size(&self) -> usize {
        self.detect_body_size.unwrap_or(DETECT_BODY_SIZE)
    }

    /// Bytes of a request body that are kept, for points, records and detectors.
    #[inline]
    pub(crate) fn kept_body_size(&self) -> usize {
        match self.detect().is_empty() {
            true => self.body_size(),
            false => self.body_size().max(self.detect_body_size()),
        }
    }

    /// The operator's `api_sessions_attack` variables.
    #[inline]
    pub(crate) fn attacks(&self) -> &[Attack] {
        self.attacks.as_slice()
    }

    /// Attack types that the module's own detectors look for.
    #[inline]
    pub(crate) fn detect(&self) -> AttackKinds {
        self.detect.unwrap_or_default()
    }

    /// Whether identifiers that responses issue are followed.
    #[inline]
    pub(crate) fn follow(&self) -> Following {
        self.follow.unwrap_or_default()
    }

    /// Settings of key facts; `None` if keys are not measured.
    #[inline]
    pub(crate) fn key_facts(&self, main: &MainConf) -> Option<Settings> {
        self.key_facts.unwrap_or_else(|| main.key_facts())
    }

    #[inline]
    pub(crate) fn deny(&self) -> Deny {
        if self.answers {
            return Deny::Off;
        }
        self.deny.unwrap_or_else(|| match self.current_analysis().borrow().rules().denies() {
            true => Deny::On(DenyOptions::default()),
            false => Deny::Off,
        })
    }

    /// Whether neither this level nor one above has `api_sessions_deny`.
    #[inline]
    pub(crate) fn is_deny_unset(&self) -> bool {
        self.deny.is_none() && !self.answers
    }

    /// Clients that rules never count or refuse.
    #[inline]
    pub(crate) fn exceptions(&self) -> &[Exception] {
        self.exceptions.as_slice()
    }

    /// Media types that are read as JSON.
    #[inline]
    pub(crate) fn json_types(&self) -> &JsonTypes {
        self.json_types.as_deref().unwrap_or(&JsonTypes::Json)
    }

    /// Whether a body of this type must be read before the request is passed on, since it may hold a key.
    pub(crate) fn prereads(&self, main: &MainConf, content_type: &[u8]) -> bool {
        if !self.preread.unwrap_or(false) {
            return false;
        }
        let analysis = self.analysis(main);
        analysis.keys_read_body_of(MediaType::of(content_type))
            || self.json_types().may_be_json(content_type)
                && analysis.keys_read_body_of(MediaType::Json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(above: &LocationConf, change: impl FnOnce(&mut LocationConf)) -> LocationConf {
        let mut level = LocationConf::default();
        change(&mut level);
        assert!(level.merge(above).is_ok());
        level
    }

    fn shares(above: &LocationConf, change: impl FnOnce(&mut LocationConf)) -> bool {
        Rc::ptr_eq(below(above, change).current_analysis(), above.current_analysis())
    }

    #[test]
    fn each_location_had_an_analysis_of_its_own() {
        let http = LocationConf { builtin: Some(false), ..LocationConf::default() };
        let server = below(&http, |_| {});
        assert!(shares(&http, |_| {}) && shares(&server, |_| {}));
        assert!(shares(&server, |level| level.deny = Some(Deny::Off)));
        let of = |level: &LocationConf| level.current_analysis().borrow().keys(|| None).builtin;
        assert!(!of(&server));
        assert!(of(&below(&server, |level| level.builtin = Some(true))));

        assert!(!shares(&server, |level| level.builtin = Some(false)));
        assert!(!shares(&server, |level| level.fallback = Some(Fallback::default())));
        assert!(!shares(&server, |level| level.ja4 = Some(Ja4Source::Handshake)));
        assert!(!shares(&server, |level| level.detect = Some(AttackKinds::default())));
        assert!(!shares(&server, |level| level.default_rules = Some(false)));
        assert!(!shares(&server, |level| level.own_keys.list = Some(Rc::default())));
        assert!(!shares(&server, |level| level.params.list = Some(Rc::default())));
        assert!(!shares(&server, |level| level.masks.list = Some(Rc::default())));
        assert!(!shares(&server, |level| level.attacks.list = Some(Rc::default())));
        assert!(!shares(&server, |level| level.rules.list = Some(Rc::default())));
    }
}
