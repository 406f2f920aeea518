//! What no expression may do: take all memory, or go on when nobody waits any more.

use std::sync::atomic::{AtomicUsize, Ordering};

use loggia_engine::Value;
use loggia_engine::calculator::{Context, EvaluateError};
use loggia_engine::cube::CubeError;
use loggia_engine::list::{ListDef, ListError};
use loggia_engine::table::{ColumnBuilder, Table};

use crate::kit::{App, cube, straight_text};

/// Two fields of a thousand values each, that never repeat together.
fn many() -> App {
    let (mut left, mut right) = (ColumnBuilder::new("Left"), ColumnBuilder::new("Right"));
    for row in 0..4000_u32 {
        left.push(Value::from_text(&format!("left{}", row % 1000)));
        right.push(Value::from_text(&format!("right{}", row * 7 % 997)));
    }
    App::of(vec![Table::new("T", vec![left.finish(), right.finish()]).unwrap()])
}

#[test]
fn charts_that_would_take_all_memory_are_refused() {
    let app = many();
    for (dimension, measure) in [
        ("=Repeat(Left & Right, 30000)", "Count(Left)"),
        ("=Repeat(Left, 100000)", "Count(Left)"),
        ("=Aggr(Repeat(Left, 100000), Left)", "Count(Left)"),
        ("Left", "Count(Repeat(Left & Right, 30000))"),
        ("Left", "Repeat(Left, 100000)"),
        ("Left", "Concat(Repeat(Right, 30000))"),
        ("Left", "Max(Aggr(Repeat(Left, 100000), Left))"),
    ] {
        let refused = app.calculator.cube(&app.context(), &cube(&[dimension], &[measure]));
        assert_eq!(refused.err(), Some(CubeError::TooLarge), "{measure} by {dimension}");
    }
    let twice = ["Repeat(Left, 9000)", "Repeat(Left, 9001)", "Repeat(Left, 9002)"];
    let refused = app.calculator.cube(&app.context(), &cube(&["Left"], &[twice[0]]));
    assert!(refused.is_ok());
    let refused = app.calculator.cube(&app.context(), &cube(&["Left"], &twice));
    assert_eq!(refused.err(), Some(CubeError::TooLarge), "columns count together");
}

#[test]
fn values_and_lists_that_would_take_all_memory_are_refused() {
    let app = many();
    let value = |text| app.calculator.evaluate(&app.context(), text);
    assert_eq!(value("Count(Repeat(Left & Right, 30000))"), Err(EvaluateError::TooLarge));
    let list = ListDef { expression: "=Repeat(Left, 100000)".into(), ..ListDef::default() };
    let refused = app.calculator.list(&app.context(), &list);
    assert_eq!(refused.err(), Some(ListError::TooLarge));
    // Texts that the model holds anyway cost nothing more.
    assert_eq!(app.evaluate("Count(distinct Left & Right)"), "4000");
}

#[test]
fn joined_texts_end_at_a_megabyte() {
    let app = many();
    assert_eq!(app.evaluate("Len(Concat(distinct Left, ','))"), "7889");
    assert_eq!(app.evaluate("IsNull(Concat(Repeat(Left, 1000)))"), "-1");
}

/// Whoever is stopped, however far, gets nothing and leaves nothing wrong behind.
#[test]
fn calculations_stop_anywhere_without_a_trace() {
    let mut def = cube(
        &["Left", "=Upper(Right) & Left"],
        &[
            "Sum(Aggr(Count(Right), Left))",
            "Concat(distinct {<Right={'right1*'}>} Right & '!', ',', Right)",
            "Median(Len(Left & Right))",
            "Count(total <Left> Right)",
        ],
    );
    def.dimensions[0].sort.by_expression = -1;
    def.dimensions[0].sort.expression = "Count(distinct Right)".into();
    let list = ListDef {
        expression: "=Left & '/' & Right".into(),
        search: "*9*/*1*".into(),
        ..ListDef::default()
    };
    let whole = many();
    let expected_cube = straight_text(&whole.cube(&def));
    let expected_list = whole.list(&list);
    let expression = "Sum(Aggr(Len(Concat(Right)), Left))";
    let expected_value = whole.evaluate(expression);

    let mut finished = 0;
    let mut steps = 0;
    while finished < 2 && steps < 40_000 {
        // A new app each time, so that every step of the way is stopped at once.
        let app = many();
        let asked = AtomicUsize::new(0);
        let stop = || asked.fetch_add(1, Ordering::Relaxed) >= steps;
        let context = Context { stop: &stop, ..app.context() };
        let shown = app.calculator.cube(&context, &def);
        asked.store(0, Ordering::Relaxed);
        let listed = app.calculator.list(&context, &list);
        asked.store(0, Ordering::Relaxed);
        let value = app.calculator.evaluate(&context, expression);
        match shown {
            Ok(shown) => {
                assert_eq!(straight_text(&shown), expected_cube, "after {steps}");
                finished += 1;
            }
            Err(error) => assert_eq!(error, CubeError::Stopped, "after {steps}"),
        }
        if let Err(error) = listed {
            assert_eq!(error, ListError::Stopped, "after {steps}");
        }
        if let Err(error) = value {
            assert_eq!(error, EvaluateError::Stopped, "after {steps}");
        }
        assert_eq!(straight_text(&app.cube(&def)), expected_cube, "after {steps}");
        assert_eq!(app.list(&list), expected_list, "after {steps}");
        assert_eq!(app.evaluate(expression), expected_value, "after {steps}");
        steps += steps / 2 + 1;
    }
    assert_eq!(finished, 2);
}
