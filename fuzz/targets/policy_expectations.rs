//! Any text as a file of expectations: read, and run without policies, where nothing is allowed.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use thingwire_policy_tools::expectations::Suite;

fuzz_target!(|text: &str| {
    match Suite::parse(text) {
        Ok(suite) => {
            let _ = suite.policy_files();
            let report = suite.run(&[], &BTreeMap::new(), "us-east-1", "123456789012");
            assert_eq!(report.cases.len(), suite.expectations.len());
            for case in &report.cases {
                assert_eq!(case.decision, "IMPLICIT_DENY");
            }
        }
        Err(error) => {
            assert!(error.line > 0 && error.column > 0, "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
});
