//! Bodies that keys and parameters could not read.

use api_sessions_extract::Unread;
use api_sessions_identity::FoundBy;
use api_sessions_shm::TableHandle;

use super::context::RequestContext;
use super::view::View;
use crate::directives::Analysis;

/// Counts unread bodies by reason.
pub(super) fn count(
    ctx: &RequestContext<'_>,
    view: &View<'_>,
    table: &TableHandle,
    analysis: &Analysis,
    found_by: FoundBy,
) {
    if !analysis.needs().has_bodies() {
        return;
    }
    let (Some(bodies), Some(mut buffers)) = (ctx.bodies(), ctx.buffers()) else { return };
    let found = match found_by {
        FoundBy::Own(at) => ctx.keys(analysis).own.get(at).map(|key| &key.point),
        _ => None,
    };
    let unread = bodies.unread(view, analysis, ctx.conf, found, &mut buffers.scratch);
    for unread in unread.into_iter().flatten() {
        match unread {
            Unread::Type => table.count_unread_type(),
            Unread::Encoding => table.count_unread_encoding(),
            Unread::Size => table.count_unread_size(),
            Unread::Syntax => table.count_unread_syntax(),
        }
    }
}
