//! How long does a click take? Loads nycflights13 from a folder of CSV files, makes clicks on a dashboard of eight
//! charts and five lists, and prints the processor time of each part. Nothing is taken from the result cache: every click is new.
//!
//! ```text
//! cargo run --release -p loggia-engine --example click -- target/demo-data/flights
//! ```

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use loggia_engine::Value;
use loggia_engine::calculator::{Calculator, Context, NoSets, never};
use loggia_engine::cube::{
    Area, CubeDef, DimensionDef, MeasureDef, Mode, OtherDef, OtherRule, SortCriteria,
};
use loggia_engine::expression::NoVariables;
use loggia_engine::format::Locale;
use loggia_engine::list::ListDef;
use loggia_engine::model::DataModel;
use loggia_engine::selection::{Locks, Pick, Selections};
use loggia_engine::table::{ColumnBuilder, Table};

/// Measures processor time of this thread where the system tells it (Linux), so that a busy machine does not count;
/// wall time elsewhere.
struct Watch {
    wall: std::time::Instant,
    processor: Option<u64>,
}

impl Watch {
    fn start() -> Watch {
        Watch { wall: std::time::Instant::now(), processor: processor_time() }
    }

    fn elapsed(&self) -> Duration {
        match (self.processor, processor_time()) {
            (Some(before), Some(now)) => Duration::from_nanos(now - before),
            _ => self.wall.elapsed(),
        }
    }
}

fn processor_time() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// File, and the columns to load under the names they get.
const FILES: [(&str, &[(&str, &str)]); 5] = [
    (
        "flights",
        &[
            ("month", "Month"),
            ("day", "Day"),
            ("hour", "Hour"),
            ("carrier", "Carrier"),
            ("tailnum", "Tail"),
            ("origin", "Origin"),
            ("dest", "Destination code"),
            ("time_hour", "Time"),
            ("dep_delay", "Departure delay"),
            ("arr_delay", "Arrival delay"),
            ("air_time", "Air time"),
            ("distance", "Distance"),
        ],
    ),
    ("airlines", &[("carrier", "Carrier"), ("name", "Airline")]),
    (
        "planes",
        &[
            ("tailnum", "Tail"),
            ("year", "Built"),
            ("manufacturer", "Maker"),
            ("seats", "Seats"),
            ("engine", "Engine"),
        ],
    ),
    ("airports", &[("faa", "Destination code"), ("name", "Destination"), ("tzone", "Zone")]),
    (
        "weather",
        &[
            ("origin", "Origin"),
            ("time_hour", "Time"),
            ("temp", "Temperature"),
            ("precip", "Rain"),
            ("visib", "Visibility"),
        ],
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("name the folder of the CSV files")?;
    let started = Watch::start();
    let tables = FILES
        .iter()
        .map(|(name, columns)| load(Path::new(&folder), name, columns))
        .collect::<Result<Vec<_>, _>>()?;
    say("load", started.elapsed());

    let started = Watch::start();
    let linked = DataModel::link(tables)?;
    say("link", started.elapsed());
    for warning in &linked.warnings {
        say(&warning.to_string(), Duration::ZERO);
    }
    let mut bytes = Vec::new();
    let started = Watch::start();
    linked.model.write(&mut bytes)?;
    say(&format!("write {} kB", bytes.len() / 1024), started.elapsed());
    let started = Watch::start();
    let model = Arc::new(DataModel::read(&bytes)?);
    say(&format!("read; {} kB in memory", model.bytes() / 1024), started.elapsed());

    let calculator = Calculator::new(model.clone());
    let locale = Locale::default();
    let charts = charts();
    let lists = lists();
    let mut selections = Selections::new();
    let clicks: [(&str, &[&str]); 12] = [
        ("", &[]),
        ("Carrier", &["UA"]),
        ("Month", &["7"]),
        ("Maker", &["BOEING"]),
        ("Carrier", &["UA", "AA", "DL"]),
        ("Origin", &["JFK"]),
        ("Maker", &[]),
        ("Destination", &["Los Angeles Intl"]),
        ("Destination", &[]),
        ("Engine", &["Turbo-jet"]),
        ("Month", &["1", "2", "3"]),
        ("Rain", &["0"]),
    ];
    let mut times = Vec::new();
    for (field, values) in clicks {
        let started = Watch::start();
        if let Some(field) = model.field(field) {
            let elements: Vec<u32> = values
                .iter()
                .filter_map(|value| model.element(field, &Value::interpret(value)))
                .collect();
            selections = calculator.select(
                &selections,
                "",
                field,
                &elements,
                Pick::Replace,
                Locks::Respect,
            )?;
        }
        let context = Context {
            selections: &selections,
            state: "",
            variables: &NoVariables,
            sets: &NoSets,
            now: 46_000.0,
            locale: &locale,
            user: "visitor",
            stop: &never,
        };
        let view = calculator.view(&selections, "");
        let viewed = started.elapsed();
        for list in &lists {
            let list = calculator.list(&context, list)?;
            list.page(Area { left: 0, top: 0, width: 1, height: 100 });
        }
        let listed = started.elapsed();
        let mut parts = Vec::new();
        for (name, chart) in &charts {
            let before = started.elapsed();
            let cube = calculator.cube(&context, chart)?;
            match chart.mode {
                Mode::Straight => {
                    drop(cube.straight(Area { left: 0, top: 0, width: 10, height: 500 }))
                }
                Mode::Stacked => {
                    drop(cube.stacked(Area { left: 0, top: 0, width: 500, height: 500 }, 5000))
                }
                Mode::Pivot => drop(cube.pivot(Area { left: 0, top: 0, width: 50, height: 50 })),
            }
            parts.push(format!("{name} {:.1}", (started.elapsed() - before).as_secs_f64() * 1e3));
        }
        let all = started.elapsed();
        times.push(all);
        let flights = view.possible_rows(model.table("flights").ok_or("no flights")?);
        say(
            &format!(
                "{field} {values:?}: {flights} flights; select {:.1}, lists {:.1}, {}",
                viewed.as_secs_f64() * 1e3,
                (listed - viewed).as_secs_f64() * 1e3,
                parts.join(", ")
            ),
            all,
        );
    }
    times.remove(0);
    times.sort_unstable();
    say("median click", times[times.len() / 2]);
    say("slowest click", times[times.len() - 1]);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example talks")]
fn say(what: &str, time: Duration) {
    println!("{:8.1} ms  {what}", time.as_secs_f64() * 1e3);
}

fn load(folder: &Path, name: &str, wanted: &[(&str, &str)]) -> Result<Table, Box<dyn Error>> {
    let text = std::fs::read_to_string(folder.join(name).with_extension("csv"))?;
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let mut columns = Vec::new();
    for (from, to) in wanted {
        let at = header
            .iter()
            .position(|column| column.trim_matches('"') == *from)
            .ok_or("a column is missing")?;
        columns.push((at, ColumnBuilder::new(*to)));
    }
    for line in lines {
        // The few quoted cells hold no commas in the columns used here.
        let cells: Vec<&str> = line.split(',').collect();
        for (at, column) in &mut columns {
            let cell = cells.get(*at).copied().unwrap_or_default().trim_matches('"');
            column.push(if matches!(cell, "" | "NA") {
                Value::Null
            } else {
                Value::interpret(cell)
            });
        }
    }
    Ok(Table::new(name, columns.into_iter().map(|(_, column)| column.finish()).collect())?)
}

fn dimension(expression: &str) -> DimensionDef {
    let sort = SortCriteria { by_numeric: 1, by_ascii: 1, ..SortCriteria::default() };
    DimensionDef {
        expression: expression.into(),
        sort,
        null_suppression: true,
        ..DimensionDef::default()
    }
}

fn chart(mode: Mode, dimensions: &[&str], measures: &[&str]) -> CubeDef {
    CubeDef {
        mode,
        dimensions: dimensions.iter().map(|text| dimension(text)).collect(),
        measures: measures
            .iter()
            .map(|text| MeasureDef { expression: (*text).into(), ..MeasureDef::default() })
            .collect(),
        left_dimensions: -1,
        pseudo_position: -1,
        suppress_missing: true,
        always_expanded: mode != Mode::Straight,
        ..CubeDef::default()
    }
}

fn charts() -> Vec<(&'static str, CubeDef)> {
    let mut pie = chart(Mode::Straight, &["Destination"], &["Count(Distance)"]);
    pie.dimensions[0].other = Some(OtherDef {
        rule: OtherRule::Counted,
        limit: "10".into(),
        limit_mode: Default::default(),
        suppress_other: false,
        referenced_expression: "".into(),
        is_global: false,
        collapse_inner: true,
        order: -1,
    });
    let mut pivot =
        chart(Mode::Pivot, &["Carrier", "Origin", "Month"], &["Avg([Departure delay])"]);
    pivot.left_dimensions = 2;
    vec![
        (
            "kpi",
            chart(
                Mode::Straight,
                &[],
                &["Sum(Distance) / Count(Distance)", "Count(DISTINCT Tail)"],
            ),
        ),
        ("bar", chart(Mode::Straight, &["Airline"], &["Avg([Arrival delay])"])),
        ("stack", chart(Mode::Stacked, &["Month", "Origin"], &["Sum(Distance)"])),
        ("pie", pie),
        (
            "scatter",
            chart(
                Mode::Straight,
                &["Destination"],
                &["Avg(Distance)", "Avg([Departure delay])", "Count(Tail)"],
            ),
        ),
        (
            "table",
            chart(
                Mode::Straight,
                &["Airline", "Maker", "Engine"],
                &["Sum(If([Arrival delay] > 15, 1, 0))", "Avg(Seats)"],
            ),
        ),
        ("pivot", pivot),
        (
            "weather",
            chart(
                Mode::Straight,
                &["=Round(Temperature, 10)"],
                &["Avg([Departure delay])", "Sum({1} Distance)"],
            ),
        ),
    ]
}

fn lists() -> Vec<ListDef> {
    let sort = SortCriteria { by_state: 1, by_numeric: 1, by_ascii: 1, ..SortCriteria::default() };
    ["Carrier", "Month", "Maker", "Origin", "Destination"]
        .map(|field| ListDef {
            expression: field.into(),
            sort: sort.clone(),
            show_alternatives: true,
            ..ListDef::default()
        })
        .to_vec()
}
