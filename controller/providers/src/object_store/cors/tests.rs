//! Which requests the rules allow, and the headers of the answers.

use super::*;

fn rule(origins: &[&str], methods: &[&str], headers: &[&str]) -> CorsRule {
    let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    CorsRule {
        origins: list(origins),
        methods: list(methods),
        headers: list(headers),
        expose: vec!["ETag".into()],
        max_age: Some(60),
        ..CorsRule::default()
    }
}

fn text(headers: Option<Vec<Header>>) -> String {
    headers.map_or("refused".into(), |headers| {
        let lines: Vec<_> = headers
            .iter()
            .filter(|(name, _)| *name != "vary")
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        lines.join("\n")
    })
}

#[test]
fn a_named_origin_is_answered_by_its_name() {
    let rules = [rule(&["http://localhost:3030"], &["GET", "PUT"], &["x-amz-*", "Content-Type"])];
    let ask = |origin, method, headers: &[&str]| text(preflight(&rules, origin, method, headers));
    assert_eq!(
        ask("http://localhost:3030", "PUT", &["X-Amz-Date", "content-type"]),
        "access-control-allow-origin: http://localhost:3030\n\
         access-control-allow-credentials: true\n\
         access-control-expose-headers: ETag\n\
         access-control-allow-methods: GET, PUT\n\
         access-control-allow-headers: x-amz-date, content-type\n\
         access-control-max-age: 60"
    );
    assert_eq!(ask("http://localhost:3031", "PUT", &[]), "refused");
    assert_eq!(ask("http://localhost:3030", "DELETE", &[]), "refused");
    assert_eq!(ask("http://localhost:3030", "PUT", &["x-other"]), "refused");
}

#[test]
fn a_star_is_answered_by_a_star() {
    let rules = [rule(&["*"], &["GET"], &[])];
    assert_eq!(response(&rules, "http://any", "GET")[0].1, "*");
    assert_eq!(response(&rules, "http://any", "PUT"), []);
}

#[test]
fn a_star_stands_for_any_text_in_the_middle() {
    assert!(matches("http://*.example.com", "http://a.example.com"));
    assert!(!matches("http://*.example.com", "http://.example.co"));
    assert!(!matches("ab*ba", "aba"));
}
