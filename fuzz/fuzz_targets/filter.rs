//! Whatever a resource filter's bytes are: no panic, problems within the text, suggestions that can
//! be used, and a filter that covers itself.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loggia_rules::{Entity, ResourceFilter, ResourceKind};
use uuid::Uuid;

fuzz_target!(|text: &str| {
    let (filter, problems) = ResourceFilter::parse(text);
    assert_eq!(filter.is_none(), problems.iter().any(|problem| problem.is_error()));
    for problem in &problems {
        assert!(text.get(problem.span.start..problem.span.end).is_some());
        if let Some(rewritten) = problem.rewrite(text) {
            let (_, left) = ResourceFilter::parse(&rewritten);
            let errors = |problems: &[loggia_rules::Problem]| {
                problems.iter().filter(|problem| problem.is_error()).count()
            };
            assert!(errors(&left) <= errors(&problems), "{rewritten}");
        }
    }
    let Some(filter) = filter else {
        return;
    };
    assert!(filter.covers(&filter));
    assert!(ResourceFilter::everything().covers(&filter));
    let (again, _) = ResourceFilter::parse(filter.text());
    assert_eq!(again.as_ref(), Some(&filter));
    for &kind in ResourceKind::ALL {
        for entity in [Entity::new(kind, Uuid::from_u128(1)), Entity::to_create(kind)] {
            assert!(!filter.matches(&entity) || filter.kinds().contains(kind));
        }
    }
});
