//! JUnit reports: a suite per check, a case per pair.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

/// One suite.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// How long it took, where that is known.
    pub time: Option<Duration>,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Success,
    /// Not as wanted, and how.
    Failure(String),
    /// It could not be tried, and why.
    Error(String),
}

/// Renders the report of a lab; no time stamp and no random number, so the same result is the same text.
///
/// # Errors
/// A name that XML cannot carry.
pub fn render(lab: &str, suites: &[Suite]) -> Result<String, SerializeError> {
    let mut report = Report::new(lab);
    for suite in suites {
        let mut out = TestSuite::new(suite.name.as_str());
        for case in &suite.cases {
            let status = match &case.outcome {
                Outcome::Success => TestCaseStatus::success(),
                Outcome::Failure(why) => non_success(NonSuccessKind::Failure, why),
                Outcome::Error(why) => non_success(NonSuccessKind::Error, why),
            };
            let mut test = TestCase::new(case.name.as_str(), status);
            test.set_classname(lab);
            if let Some(time) = case.time {
                test.set_time(time);
            }
            out.add_test_case(test);
        }
        report.add_test_suite(out);
    }
    report.to_string()
}

fn non_success(kind: NonSuccessKind, why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(why);
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_names_what_failed() {
        let case = |name: &str, outcome| Case { name: name.into(), time: Some(Duration::from_millis(2)), outcome };
        let cases = vec![
            case("a -> b:eth0 (10.0.0.2)", Outcome::Success),
            case("b -> a:eth0 (10.0.0.1)", Outcome::Failure("no answer in 3 tries of 1s".into())),
        ];
        let text = render("two", &[Suite { name: "reach * -> *".into(), cases }]).unwrap();
        assert!(text.contains(r#"<testsuites name="two" tests="2" skipped="0" failures="1" errors="0">"#), "{text}");
        assert!(text.contains(r#"<failure message="no answer in 3 tries of 1s"/>"#), "{text}");
    }
}
