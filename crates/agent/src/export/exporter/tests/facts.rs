use api_sessions_key_facts::ApplicationFacts;
use crossbeam_channel::bounded;

use super::*;

fn window() -> WindowFacts {
    let application = ApplicationFacts { name: "shop".to_owned(), ..Default::default() };
    WindowFacts { start: 0, length: 1000, application }
}

#[test]
fn facts_waited_for_a_gap_between_records_that_kept_the_uplink_busy() {
    const WINDOWS: usize = 10;
    let receiver = FakeCloud::start(&[]);
    let (sender, facts) = bounded(16);
    (0..WINDOWS).for_each(|_| sender.send(vec![window()]).unwrap());
    let mut running = start_with_facts(settings(&receiver.url), facts);
    let is_told = |name: &String| name.contains("-facts-");
    let told = || receiver.attempts.lock().iter().filter(|name| is_told(name)).count();
    let begin = Instant::now();
    while told() < WINDOWS {
        assert!(begin.elapsed() < Duration::from_secs(30), "{} of {WINDOWS} windows", told());
        // More than one batch is waiting at all times.
        while running.region.stats().used < 4 * 4096 {
            running.push(100);
        }
    }
    running.wait_until_empty();
    running.finish();
    let attempts = receiver.attempts.lock();
    let last = attempts.iter().rposition(is_told).unwrap();
    assert!(last < 6 * WINDOWS, "in turn with records, not batch {last}");
    assert!(attempts.iter().take(last).any(|name| !is_told(name)), "nor records with facts");
}

#[test]
fn what_was_measured_last_is_sent_as_the_worker_ends() {
    let receiver = FakeCloud::start(&[]);
    let (sender, facts) = bounded(16);
    let running = start_with_facts(settings(&receiver.url), facts);
    sender.send(vec![window()]).unwrap();
    running.finish();
    assert!(receiver.lines().iter().any(|line| line.contains("\"application\":\"shop\"")));
}
