//! A reload that changes the queue, while the cloud is away.

use crate::harness::{Cloud, Nginx, eventually, get};

fn nginx(cloud: &Cloud) -> Nginx {
    let export = cloud.export();
    Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {export} queue=1m shutdown=50ms;
                session_key request.header.S;
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ return 200 $api_session_id; }}
                    location = /status {{ api_sessions off; api_sessions_status; }}
                }}
            "
        ))
        .start()
}

fn send(nginx: &Nginx, count: usize) -> String {
    (0..count).fold(String::new(), |_, _| get(nginx.port, "/x", &[("S", "one")]).body)
}

#[test]
fn a_reload_with_another_queue_lost_what_the_old_one_held() {
    let mut cloud = Cloud::start();
    let nginx = nginx(&cloud);
    cloud.kill();
    let session = send(&nginx, 20);
    nginx.reload("queue=1m", "queue=2m");
    send(&nginx, 20);
    // What waits in a queue of two configurations ago is not forgotten.
    nginx.reload("queue=2m", "queue=64k");
    send(&nginx, 20);
    // A record is queued after its answer was sent, and counts as sent after the cloud has stored it.
    let eventually_counts = |name: &str, value: u64| {
        eventually(&format!("{name} is {value}"), || {
            let export = get(nginx.port, "/status", &[]).json()["export"].clone();
            (export[name] == value).then_some(())
        });
    };
    eventually_counts("records_queued_total", 60);
    cloud.run();
    cloud.records(&session, 60);
    eventually_counts("records_sent_total", 60);
    eventually_counts("queue_bytes", 0);
    // The old queues are empty, and go with the next reload.
    nginx.reload("queue=64k", "queue=128k");
    nginx.reload("shutdown=50ms", "shutdown=60ms");
    send(&nginx, 20);
    cloud.records(&session, 80);
    eventually_counts("records_queued_total", 20);
}

#[test]
fn more_workers_after_a_reload_lost_what_the_fewer_had_queued() {
    let mut cloud = Cloud::start();
    let nginx = nginx(&cloud);
    cloud.kill();
    let session = send(&nginx, 20);
    nginx.reload("worker_processes 2", "worker_processes 9");
    eventually("nine workers run", || (nginx.workers().len() == 9).then_some(()));
    send(&nginx, 20);
    cloud.run();
    cloud.records(&session, 40);
}
