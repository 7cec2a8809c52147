//! What is read of a request in a location: the keys and context parameters of the cloud, then those
//! of nginx.conf, and the parts of an exchange that they and the masks need.

use std::rc::Rc;

use api_sessions_engine::point::{MediaType, Needs, Point};
use api_sessions_engine::record::ContextParam;
use api_sessions_engine::session::{Keys, SessionKey};
use api_sessions_engine::sync::CloudSettings;

/// In force in one location until the cloud's settings change.
#[derive(Default)]
pub(crate) struct Analysis {
    /// Of the cloud's settings that are in it.
    pub(super) generation: u64,
    keys: Rc<Vec<SessionKey>>,
    builtin: bool,
    params: Rc<Vec<ContextParam>>,
    needs: Needs,
}

impl Analysis {
    pub(super) fn new(
        generation: u64,
        cloud: Option<&CloudSettings>,
        (keys, builtin): (Rc<Vec<SessionKey>>, bool),
        params: Rc<Vec<ContextParam>>,
        masks: &[Point],
        needs_request_body: bool,
    ) -> Self {
        let keys = cloud.map_or_else(|| keys.clone(), |cloud| before(&cloud.keys, &keys));
        let params = cloud.map_or_else(|| params.clone(), |cloud| before(&cloud.params, &params));
        let points = keys.iter().map(|key| &key.point);
        let points = points.chain(params.iter().map(|param| &param.point)).chain(masks);
        let mut needs = points.fold(Needs::default(), |needs, point| needs | point.needs());
        needs.request_body |= needs_request_body;
        Self { generation, keys, builtin, params, needs }
    }

    #[inline]
    pub(crate) fn keys(&self) -> Keys<'_> {
        Keys { own: &self.keys, builtin: self.builtin }
    }

    #[inline]
    pub(crate) fn params(&self) -> &[ContextParam] {
        &self.params
    }

    #[inline]
    pub(crate) fn needs(&self) -> Needs {
        self.needs
    }

    /// A key can read request bodies of that type.
    #[inline]
    pub(super) fn keys_read_body_of(&self, media_type: MediaType) -> bool {
        self.keys.iter().any(|key| key.point.reads_body_of(media_type))
    }
}

fn before<T: Clone>(first: &[T], rest: &Rc<Vec<T>>) -> Rc<Vec<T>> {
    if first.is_empty() {
        return rest.clone();
    }
    Rc::new(first.iter().chain(rest.iter()).cloned().collect())
}
