//! The request's user and role: the first context parameter of each type, as exported.

use api_sessions_protocol::ParamType;

use super::context::RequestContext;
use super::view::View;
use crate::directives::Analysis;

/// User and role; empty if there is none.
pub(super) fn user_and_role(
    ctx: &RequestContext<'_>,
    view: &View<'_>,
    analysis: &Analysis,
) -> [Vec<u8>; 2] {
    [ParamType::User, ParamType::Role].map(|kind| {
        let mut text = Vec::new();
        read(ctx, view, analysis, kind, |value| text.extend_from_slice(value));
        text
    })
}

/// Calls back with the value of a parameter type, if there is one.
pub(super) fn read(
    ctx: &RequestContext<'_>,
    view: &View<'_>,
    analysis: &Analysis,
    kind: ParamType,
    then: impl FnOnce(&[u8]),
) {
    if !analysis.names(kind) {
        return;
    }
    let (Some(hasher), Some(mut buffers)) = (ctx.hasher(), ctx.buffers()) else { return };
    for param in analysis.params().iter().filter(|param| param.kind == kind) {
        if let Some(value) = param.point.read(view, &mut buffers.scratch) {
            if param.hash {
                then(hasher.parameter(value).as_str().as_bytes());
            } else {
                then(value);
            }
            return;
        }
    }
}
