//! Attacks in a finished request.

use api_sessions_detect::AttackKinds;
use api_sessions_extract::Unread;
use api_sessions_identity::Phase;
use api_sessions_shm::TableHandle;
use smallvec::SmallVec;

use super::context::RequestContext;

/// Types of attack of one request.
pub(super) type Attacks<'c> = SmallVec<[&'c str; 4]>;

/// The findings of the module's own detectors. What they could not examine is counted by reason.
pub(super) fn detect(ctx: &RequestContext<'_>, table: &TableHandle) -> AttackKinds {
    let wanted = ctx.conf.detect();
    if wanted.is_empty() {
        return wanted;
    }
    let (Some(bodies), Some(mut buffers)) = (ctx.bodies(), ctx.buffers()) else {
        return AttackKinds::default();
    };
    let view = bodies.detection_view(ctx.r, ctx.main.variables(), ctx.conf);
    let found = api_sessions_detect::detect(&view, wanted, &mut buffers.detection);
    match bodies.undetected(&view) {
        Some(Unread::Encoding) => table.count_undetected_encoding(),
        Some(_) => table.count_undetected_size(),
        None => {}
    }
    let left = buffers.detection.left();
    if left.values || left.bytes {
        table.count_undetected_values();
    }
    if left.steps {
        table.count_undetected_steps();
    }
    found
}

/// Types of attack without duplicates: those of the operator's variables, then those of the detectors.
pub(super) fn attacks<'c>(ctx: &RequestContext<'c>, detected: AttackKinds) -> Attacks<'c> {
    let mut attacks = Attacks::new();
    let marks = ctx.conf.attacks();
    if detected.is_empty() && marks.is_empty() {
        return attacks;
    }
    let marks = marks.iter().filter(|attack| attack.when.is_true(ctx.r, Phase::Log));
    let marks = marks.map(|attack| -> &'c str { &attack.kind });
    for kind in marks.chain(detected.iter().map(|kind| -> &'c str { kind.as_str() })) {
        if !attacks.contains(&kind) {
            attacks.push(kind);
        }
    }
    attacks
}
