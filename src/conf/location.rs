//! What may be written in `http`, `server` and `location`, and how it is inherited.

use std::rc::Rc;

use api_sessions_engine::point::{Needs, Point};
use api_sessions_engine::record::ContextParam;
use api_sessions_engine::session::{Keys, SessionKey};

use super::attack::Attack;
use super::deny::Deny;
use crate::nginx::request::Request;
use crate::nginx::variable::ComplexValue;

/// Default of `api_sessions_body_size`, bytes.
const BODY_SIZE: usize = 16 * 1024;

/// `api_sessions`.
#[derive(Clone)]
pub(crate) enum Switch {
    Off,
    On,
    Variable(Rc<ComplexValue>),
}

/// A repeatable directive: inherited as a whole, only if none is written on the current level.
pub(crate) struct Repeated<T>(Option<Rc<Vec<T>>>);

impl<T> Default for Repeated<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Repeated<T> {
    /// Adds one more of the current level.
    pub(super) fn push(&mut self, item: T) -> Result<(), String> {
        let list = self.0.get_or_insert_with(Default::default);
        // Lists are shared by `inherit` alone, after every level has been read.
        Rc::get_mut(list).ok_or("the level is complete already")?.push(item);
        Ok(())
    }

    fn inherit(&mut self, above: &Self) {
        if self.0.is_none() {
            self.0 = above.0.clone();
        }
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[T] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }
}

/// One level's settings; after [`LocationConf::merge`], those in force in a location.
#[derive(Default)]
pub(crate) struct LocationConf {
    pub(super) enabled: Option<Switch>,
    pub(super) own_keys: Repeated<SessionKey>,
    pub(super) builtin: Option<bool>,
    pub(super) params: Repeated<ContextParam>,
    pub(super) masks: Repeated<Point>,
    pub(super) application: Option<Rc<ComplexValue>>,
    pub(super) body_size: Option<usize>,
    pub(super) preread: Option<bool>,
    pub(super) deny: Option<Deny>,
    pub(super) attacks: Repeated<Attack>,
    /// Which parts of an exchange the keys, parameters and masks read.
    needs: Needs,
    /// Which of those the keys alone read.
    key_needs: Needs,
}

impl LocationConf {
    /// Fills what this level does not say from the level above (`merge_loc_conf`).
    pub(crate) fn merge(&mut self, above: &Self) {
        self.enabled = self.enabled.take().or_else(|| above.enabled.clone());
        self.own_keys.inherit(&above.own_keys);
        self.builtin = self.builtin.or(above.builtin);
        self.params.inherit(&above.params);
        self.masks.inherit(&above.masks);
        self.application = self.application.take().or_else(|| above.application.clone());
        self.body_size = self.body_size.or(above.body_size);
        self.preread = self.preread.or(above.preread);
        self.deny = self.deny.or(above.deny);
        self.attacks.inherit(&above.attacks);

        self.key_needs =
            self.own_keys.as_slice().iter().fold(Needs::default(), |n, key| n | key.point.needs());
        let params = self.params.as_slice().iter().map(|param| &param.point);
        self.needs = params
            .chain(self.masks.as_slice())
            .fold(self.key_needs, |needs, point| needs | point.needs());
        // The full content of a malicious request has its body.
        self.needs.request_body |= !self.attacks.as_slice().is_empty();
    }

    /// Whether this request is looked at.
    #[inline]
    pub(crate) fn is_enabled(&self, r: Request<'_>) -> bool {
        match &self.enabled {
            None | Some(Switch::Off) => false,
            Some(Switch::On) => true,
            Some(Switch::Variable(value)) => value.is_true(r),
        }
    }

    #[inline]
    pub(crate) fn keys(&self) -> Keys<'_> {
        Keys { own: self.own_keys.as_slice(), builtin: self.builtin.unwrap_or(true) }
    }

    #[inline]
    pub(crate) fn params(&self) -> &[ContextParam] {
        self.params.as_slice()
    }

    #[inline]
    pub(crate) fn masks(&self) -> &[Point] {
        self.masks.as_slice()
    }

    #[inline]
    pub(crate) fn application<'r>(&self, r: Request<'r>) -> Option<&'r [u8]> {
        self.application.as_ref()?.evaluate(r)
    }

    #[inline]
    pub(crate) fn body_size(&self) -> usize {
        self.body_size.unwrap_or(BODY_SIZE)
    }

    /// How requests are marked as malicious.
    #[inline]
    pub(crate) fn attacks(&self) -> &[Attack] {
        self.attacks.as_slice()
    }

    #[inline]
    pub(crate) fn deny(&self) -> Deny {
        self.deny.unwrap_or(Deny::Off)
    }

    #[inline]
    pub(crate) fn needs(&self) -> Needs {
        self.needs
    }

    /// Bodies that a key reads are to be read before the request is passed on.
    #[inline]
    pub(crate) fn prereads(&self) -> bool {
        self.key_needs.request_body && self.preread.unwrap_or(false)
    }
}
