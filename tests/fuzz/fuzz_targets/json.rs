#![no_main]
//! The JSON reader takes what serde_json takes and reads the same from it (RFC 8259), at every path of the
//! document; of a document that was cut, nothing that the whole would not yield.
mod common;
mod reference;

use api_sessions_extract::limits::{MAX_JSON_DEPTH, MAX_PATH_STEPS};
use api_sessions_extract::json::{Step, find, find_in_part};
use api_sessions_extract::testing::FakeExchange;
use reference::{Node, depth, parse};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let exchange = FakeExchange::get("/")
        .body("application/json", data)
        .answered_body("application/json", data);
    common::read(
        &[
            "request.body.json.a",
            "request.body.json.a.b[0].c",
            "request.body.json[1]",
            "request.body.json[\"a.b\"]",
            "response.body.json.a",
            "request.body.json.a.json.b",
        ],
        &exchange,
    );
    let document = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data);
    let member = |name: &[u8]| Step::Member(name.into());
    let shallow = (depth(document) <= MAX_JSON_DEPTH).then_some(document);
    match shallow.and_then(parse) {
        None => {
            for path in [
                &[member(b"a")][..],
                &[member(b"a"), member(b"b")],
                &[Step::Element(0)],
                &[member(b"")],
            ] {
                assert_eq!(find(data, path, &mut Vec::new()), None);
            }
        }
        Some(root) => {
            let mut walk = Walk { data, path: Vec::new(), left: 64, cut: data.len() * 2 / 3 };
            walk.visit(&root, false);
        }
    }
});

/// Reads every path of a document both ways.
struct Walk<'d> {
    data: &'d [u8],
    path: Vec<Step>,
    /// How many values are still looked at.
    left: usize,
    /// Where the document is cut.
    cut: usize,
}

impl Walk<'_> {
    /// `doubtful`: a member on the way is written twice, or has a name that is no text.
    fn visit(&mut self, node: &Node<'_>, doubtful: bool) {
        let Some(left) = self.left.checked_sub(1) else { return };
        self.left = left;
        if !self.path.is_empty() && self.path.len() <= MAX_PATH_STEPS {
            self.compare(node, doubtful);
        }
        let doubtful = doubtful || node.has_repeated_names();
        for (step, child) in node.children() {
            self.path.push(step);
            self.visit(child, doubtful);
            self.path.pop();
        }
        // What is not there.
        let absent = [Step::Member(b"\x00none"[..].into()), Step::Element(u32::MAX)];
        for step in absent {
            self.path.push(step);
            assert_eq!(find(self.data, &self.path, &mut Vec::new()), None, "{:?}", self.path);
            self.path.pop();
        }
    }

    fn compare(&mut self, node: &Node<'_>, doubtful: bool) {
        let (mut buffer, mut of_part) = (Vec::new(), Vec::new());
        let expected = node.text();
        let found = find(self.data, &self.path, &mut buffer);
        assert_eq!(found, expected.as_deref(), "{:?}", self.path);
        let part = &self.data[..self.cut];
        if let Some(seen) = find_in_part(part, &self.path, &mut of_part) {
            assert!(doubtful || Some(seen) == found, "{:?}", self.path);
        }
    }
}
