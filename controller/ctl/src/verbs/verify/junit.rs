//! A report in the XML of JUnit, as CI servers read it: a suite for each stage, a case for each command.

use std::time::Duration;

use agent_harness_model::verify::{CommandReport, Problem, Report, Verdict};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use crate::error::{Exit, Failure, Result};

/// The report as a document.
pub fn xml(report: &Report) -> Result<String> {
    let mut whole = quick_junit::Report::new(format!("verify {}", report.agent));
    whole.set_time(Duration::from_millis(report.total_duration_ms));
    for stage in &report.stages {
        let mut suite = TestSuite::new(stage.name.as_str());
        suite.set_time(Duration::from_millis(stage.duration_ms));
        for command in &stage.commands {
            let mut case = TestCase::new(command.name.as_str(), status(command));
            case.set_classname(stage.name.as_str());
            case.set_time(Duration::from_millis(command.duration_ms));
            suite.add_test_case(case);
        }
        whole.add_test_suite(suite);
    }
    for stage in &report.skipped {
        let mut suite = TestSuite::new(stage.as_str());
        suite.add_test_case(TestCase::new(stage.as_str(), TestCaseStatus::skipped()));
        whole.add_test_suite(suite);
    }
    if let (true, Some(why)) = (report.stages.is_empty(), &report.error) {
        let mut suite = TestSuite::new("verify");
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(why.as_str());
        suite.add_test_case(TestCase::new("run", status));
        whole.add_test_suite(suite);
    }
    whole.to_string().map_err(|error| Failure::from_error(Exit::Failed, &error))
}

fn status(command: &CommandReport) -> TestCaseStatus {
    let kind = match command.status {
        Verdict::Pass => return TestCaseStatus::success(),
        Verdict::Cancelled => return TestCaseStatus::skipped(),
        Verdict::Fail => NonSuccessKind::Failure,
        Verdict::Error => NonSuccessKind::Error,
    };
    let mut status = TestCaseStatus::non_success(kind);
    let code = command.exit_code.map(|code| format!("exit code {code}"));
    status.set_message(command.message.clone().or(code).unwrap_or_default());
    let problems: Vec<String> = command.problems.iter().map(Problem::words).collect();
    if !problems.is_empty() {
        status.set_description(problems.join("\n"));
    }
    status
}
