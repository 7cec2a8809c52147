//! A ring fills up, round by round; nothing here depends on timing.

use super::*;
use crate::export::{ThreadPriority, ThreadRole};

/// An exporter whose rounds are run by the test, and the priorities that it set.
struct Stepped {
    exporter: Exporter,
    producer: Producer,
    region: RecordQueue,
    priorities: Arc<Priorities>,
    _stop: Stop,
}

#[derive(Default)]
struct Priorities(Mutex<Vec<u8>>);

impl ThreadPriority for Priorities {
    fn join(&self, _: ThreadRole) {}

    fn set(&self, niceness: u8) {
        self.0.lock().push(niceness);
    }
}

impl Stepped {
    fn new(settings: ExportSettings) -> Self {
        let region = testing::record_queue(1, RING);
        let hand = region.join(1, std::process::id());
        let (producer, consumer) = hand.claim().unwrap();
        let (stop, stopped) = stop_channel();
        let priorities = Arc::<Priorities>::default();
        let exporter =
            Exporter::new(settings, hand, consumer, stopped, priorities.clone(), log_channel().0);
        Self { exporter: exporter.unwrap(), producer, region, priorities, _stop: stop }
    }

    /// About a tenth of a ring.
    fn push_a_tenth(&mut self) {
        let line = format!("{{\"n\":\"{}\"}}\n", "x".repeat(RING / 100 - 10));
        (0..10).for_each(|_| self.producer.push(line.as_bytes()).unwrap());
    }

    fn last_priority(&self) -> u8 {
        *self.priorities.0.lock().last().unwrap()
    }
}

#[test]
fn a_ring_that_filled_up_behind_a_busy_uplink_lost_records_though_the_spool_had_room() {
    // Accepts, and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let timeout = Duration::from_secs(600);
    let mut it = Stepped::new(ExportSettings { timeout, ..with_spool(&url, directory.path()) });
    for tenth in 1..=4 {
        it.push_a_tenth();
        let pause = it.exporter.run_once();
        assert!(it.last_priority() < 5 || tenth == 1);
        assert!(!pause.is_zero(), "the uplink may still do it alone");
    }
    assert_eq!(it.region.stats().spooled, 0);
    for _ in 0..40 {
        it.push_a_tenth();
        it.push_a_tenth();
        // It does not sleep until the ring is less than half full.
        let mut turns = 0;
        while it.exporter.run_once().is_zero() {
            assert_eq!(it.last_priority(), 0, "the event loop's priority");
            turns += 1;
            assert!(turns < 100);
        }
        assert!(it.region.stats().used < RING as u64 / 2);
        assert!(it.last_priority() > 0);
    }
    let stats = it.region.stats();
    assert_eq!(stats.dropped_full, 0, "{stats:?}");
    let waiting = it.region.waiting().0;
    assert_eq!(stats.spooled + waiting, stats.queued);
}

#[test]
fn without_a_spool_an_exporter_that_can_do_nothing_sleeps_until_it_is_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let timeout = Duration::from_secs(600);
    let mut it = Stepped::new(ExportSettings { timeout, ..settings(&url) });
    (0..9).for_each(|_| it.push_a_tenth());
    // The uplink gets its batch.
    it.exporter.run_once();
    assert_eq!(it.exporter.run_once(), Pressure::longest_pause());
    assert_eq!(it.last_priority(), 0);
}

#[test]
fn a_batch_spooled_while_it_was_in_flight_was_sent_twice() {
    let receiver = FakeCloud::start(&[]);
    let directory = tempfile::tempdir().unwrap();
    let flush = Duration::ZERO;
    let mut it =
        Stepped::new(ExportSettings { flush, ..with_spool(&receiver.url, directory.path()) });
    it.producer.push(b"{\"n\":1}\n").unwrap();
    it.exporter.run_once();
    assert!(it.exporter.spool_first(0));
    let (batch, answer) = it.exporter.answers.recv().unwrap();
    it.exporter.answered(batch, &answer);
    it.exporter.run_once();
    let stats = it.region.stats();
    assert_eq!((stats.sent, stats.spooled, stats.used), (1, 1, 0));
    assert!(it.exporter.in_flight.is_none());
    assert_eq!(receiver.attempts.lock().len(), 1);
}
