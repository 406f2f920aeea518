//! Behaviour on small models, one subject a test.

use expect_test::{Expect, expect};
use loggia_engine::cube::{
    Area, CubeDef, CubeError, MeasureRange, Mode, OtherDef, OtherRule, PivotPick, RangeMode, Side,
    SortCriteria,
};
use loggia_engine::list::{FrequencyMode, ListDef};
use loggia_engine::selection::{Locks, Mass, Pick, SelectError};

use crate::kit::{App, cube, dimension, measure, nodes_text, rows_text, straight_text};

/// A star: sales in the middle, one region without sales, one sale without a region.
const STAR: &str = "
Sales: Id, Region, Product, Year, Amount
1, North, Bolt, 2012, 10
2, North, Nut, 2013, 20
3, South, Bolt, 2013, 30
4, South, Nut, 2012, 40
5, West, Bolt, 2013, 50
6, -, Nut, 2013, 60

Regions: Region, Country
North, A
South, A
East, B

Products: Product, Price
Bolt, 2
Nut, 3
Gear, 4
";

fn check(actual: &str, expected: Expect) {
    expected.assert_eq(actual);
}

#[test]
fn selections_travel_along_associations() {
    let mut app = App::new(STAR);
    app.pick("Country", "A");
    check(
        &app.states(&["Region", "Country", "Product", "Year"]),
        expect![[r#"
            Region: North=O South=O West=X East=X
            Country: A=S B=A
            Product: Bolt=O Nut=O Gear=X
            Year: 2012=O 2013=O
        "#]],
    );
    app.pick("Product", "Bolt");
    check(
        &app.states(&["Region", "Country", "Product", "Year", "Id"]),
        expect![[r#"
            Region: North=O South=O West=X East=X
            Country: A=S B=X
            Product: Bolt=S Nut=A Gear=X
            Year: 2012=O 2013=O
            Id: 1=O 2=X 3=O 4=X 5=X 6=X
        "#]],
    );
}

#[test]
fn a_picked_excluded_value_wins_over_older_selections() {
    let mut app = App::new(STAR);
    app.pick("Country", "A").pick("Year", "2012").toggle("Region", "West");
    check(
        &app.states(&["Country", "Year", "Region"]),
        expect![[r#"
            Country: A=X B=X
            Year: 2012=X 2013=O
            Region: North=A South=A West=S East=A
        "#]],
    );
    // Where some selected values stay possible, the others are kept as excluded.
    let mut app = App::new(STAR);
    app.pick("Product", "Bolt, Gear").pick("Region", "South");
    check(
        &app.states(&["Product", "Region"]),
        expect![[r#"
            Product: Bolt=S Nut=A Gear=XS
            Region: North=A South=S West=A East=X
        "#]],
    );
}

#[test]
fn locks_hold_until_overridden() {
    let mut app = App::new(STAR);
    let year = app.calculator.model().field("Year").unwrap();
    app.pick("Year", "2012");
    app.selections = app.selections.locked("", year).unwrap();
    assert_eq!(app.try_pick("Year", "2013", Pick::Replace), Err(SelectError::Locked));
    assert_eq!(app.selections.cleared("", year, Locks::Respect), Err(SelectError::Locked));
    app.pick("Region", "West");
    check(
        &app.states(&["Year", "Region"]),
        expect![[r#"
            Year: 2012=XL 2013=A
            Region: North=A South=A West=XS East=X
        "#]],
    );
    app.selections = app.selections.all_cleared("", Locks::Respect);
    assert!(app.selections.field("", year).is_some());
    app.selections = app.selections.all_cleared("", Locks::Override);
    assert!(app.selections.is_empty());
}

#[test]
fn mass_selections_take_values_by_state() {
    let mut app = App::new(STAR);
    let region = app.calculator.model().field("Region").unwrap();
    app.pick("Year", "2012").pick("Region", "North");
    let mass = |app: &App, mass| {
        app.calculator.select_mass(&app.selections, "", region, mass, Locks::Respect)
    };
    let mut text = String::new();
    for kind in [Mass::All, Mass::Possible, Mass::Alternative, Mass::Excluded] {
        let mut other = App::new(STAR);
        other.selections = mass(&app, kind).unwrap();
        text += &format!("{kind:?}\n{}", other.states(&["Region", "Year"]));
    }
    // Without alternative values the excluded ones win.
    app.pick("Region", "North, South");
    let mut other = App::new(STAR);
    other.selections = mass(&app, Mass::Excluded).unwrap();
    text += &format!("Excluded, no alternative\n{}", other.states(&["Region", "Year"]));
    check(
        &text,
        expect![[r#"
            All
            Region: North=S South=S West=XS East=XS
            Year: 2012=S 2013=A
            Possible
            Region: North=S South=A West=X East=X
            Year: 2012=S 2013=A
            Alternative
            Region: North=A South=S West=X East=X
            Year: 2012=S 2013=A
            Excluded
            Region: North=A South=S West=XS East=XS
            Year: 2012=S 2013=A
            Excluded, no alternative
            Region: North=A South=A West=S East=S
            Year: 2012=X 2013=O
        "#]],
    );
}

#[test]
fn rows_count_once_in_each_group_and_nulls_are_a_group() {
    let app = App::new(STAR);
    check(
        &app.table(&cube(&["Region"], &["Sum(Amount)", "Count(Id)", "Avg(Price)"])),
        expect![[r#"
            East | 0 | 0 | -
            North | 30 | 2 | 2.5
            South | 70 | 2 | 2.5
            West | 50 | 1 | 2
            - | 60 | 1 | 3.5
            total 210 total 6 total 3
        "#]],
    );
    check(
        &app.table(&cube(
            &["Country"],
            &["Sum(Amount)", "Count(DISTINCT Product)", "Max(Amount) - Min(Amount)"],
        )),
        expect![[r#"
            A | 100 | 2 | 30
            B | 0 | 0 | -
            - | 110 | 2 | 10
            total 210 total 2 total 50
        "#]],
    );
    // A measure of the small side: each product counts once in each region it is sold in.
    check(
        &app.table(&cube(&["Region"], &["Sum(Price)", "Sum(Price * Amount)"])),
        expect![[r#"
            East | 0 | 0
            North | 5 | 80
            South | 5 | 180
            West | 2 | 100
            - | 7 | 180
            total 9 total 540
        "#]],
    );
    check(
        &app.table(&cube(&["Country", "Product"], &["Sum(Amount)"])),
        expect![[r#"
            A | Bolt | 40
            A | Nut | 60
            B | - | 0
            - | Bolt | 50
            - | Gear | 0
            - | Nut | 60
            total 210
        "#]],
    );
}

#[test]
fn aggregations_of_all_kinds() {
    let app = App::new(STAR);
    let mut text = String::new();
    for expression in [
        "Sum(Amount)",
        "=Avg(Amount)",
        "Median(Amount)",
        "Stdev(Amount)",
        "Fractile(Amount, 0.25)",
        "Min(Amount, 2)",
        "Max(Amount, 2)",
        "Mode(Region)",
        "Only(Region)",
        "Only({<Id={3}>} Region)",
        "Concat(DISTINCT Product, ', ')",
        "Concat(Product, '/', -Amount)",
        "MinString(Product) & MaxString(Product)",
        "FirstSortedValue(Region, -Amount)",
        "FirstSortedValue(Product, Amount, 2)",
        "NullCount(Region)",
        "TextCount(Region) + NumericCount(Year)",
        "Count(*)",
        "Count(DISTINCT Year) / Count(Year)",
        "Sum(DISTINCT Year)",
        "Sum(If(Product = 'Bolt' and Year > 2012, Amount))",
        "Sum(Amount) / Sum(TOTAL Amount)",
        "Correl(Amount, Id)",
        "Max(Aggr(Sum(Amount), Region))",
        "Max(AGGR(Count([Region]), [Region]))",
        "Avg(Aggr(Sum(Amount), Region, Year))",
        "Sum(Amount) * vLimit",
        "Sum(Amount * $(vLimit))",
        "$(=Max(Year)) + 1",
        "$(vSelf)",
        "Sum(Sum(Amount))",
        "Sum(Nothing)",
        "Sum(Amount",
        "GetSelectedCount(Region) & '/' & GetPossibleCount(Region)",
        "'Year ' & Max(Year)",
        "",
    ] {
        text += &format!("{expression} → {}\n", app.evaluate(expression));
    }
    check(
        &text,
        expect![[r#"
            Sum(Amount) → 210
            =Avg(Amount) → 35
            Median(Amount) → 35
            Stdev(Amount) → 18.70828693387
            Fractile(Amount, 0.25) → 22.5
            Min(Amount, 2) → 20
            Max(Amount, 2) → 50
            Mode(Region) → -
            Only(Region) → -
            Only({<Id={3}>} Region) → South
            Concat(DISTINCT Product, ', ') → Bolt, Nut
            Concat(Product, '/', -Amount) → Nut/Bolt/Nut/Bolt/Nut/Bolt
            MinString(Product) & MaxString(Product) → BoltNut
            FirstSortedValue(Region, -Amount) → West
            FirstSortedValue(Product, Amount, 2) → Nut
            NullCount(Region) → 1
            TextCount(Region) + NumericCount(Year) → 11
            Count(*) → 6
            Count(DISTINCT Year) / Count(Year) → 0.33333333333333
            Sum(DISTINCT Year) → 4025
            Sum(If(Product = 'Bolt' and Year > 2012, Amount)) → 80
            Sum(Amount) / Sum(TOTAL Amount) → 1
            Correl(Amount, Id) → 1
            Max(Aggr(Sum(Amount), Region)) → 70
            Max(AGGR(Count([Region]), [Region])) → 2
            Avg(Aggr(Sum(Amount), Region, Year)) → 30
            Sum(Amount) * vLimit → 420
            Sum(Amount * $(vLimit)) → 420
            $(=Max(Year)) + 1 → 2014
            $(vSelf) → error: expansions nest more than 32 deep; does a variable refer to itself?
            Sum(Sum(Amount)) → error: an aggregation within an aggregation needs Aggr
            Sum(Nothing) → error: there is no field Nothing
            Sum(Amount → error: expected `,` or `)`, found the end
            GetSelectedCount(Region) & '/' & GetPossibleCount(Region) → 0/4
            'Year ' & Max(Year) → Year 2013
             → -
        "#]],
    );
}

#[test]
fn sets_read_other_rows_than_the_selected_ones() {
    let mut app = App::new(STAR);
    app.pick("Year", "2012").pick("Region", "North");
    let mut text = String::new();
    for set in [
        "",
        "{$}",
        "{1}",
        "{<Year={2013}>}",
        "{<Year=>}",
        "{<Year+={2013}>}",
        "{<Year-={2012}>}",
        "{<Region*={North, South}>}",
        "{<Region={\"*th\"}, Year=>}",
        "{<Amount={\">=20<=40\"}, Year=, Region=>}",
        "{1<Product={'Bolt'}>}",
        "{1-$}",
        "{$+1<Region={South}>}",
        "{1-1<Year={2013}>}",
        "{1<Region=P({1<Product={Nut}, Year={2012}>} Region)>}",
        "{1<Region=E({1<Product={Nut}, Year={2012}>} Region)>}",
        "{1<Region={\"=Sum({1} Amount) > 30\"}>}",
        "{<Year={$(=Max({1} Year))}>}",
        "{1<Year={1900}>}",
        "{1<Country={A}>}",
        "{<Nowhere={A}>}",
    ] {
        text += &format!("{set} → {}\n", app.evaluate(&format!("Sum({set} Amount)")));
    }
    check(
        &text,
        expect![[r#"
             → 10
            {$} → 10
            {1} → 210
            {<Year={2013}>} → 20
            {<Year=>} → 30
            {<Year+={2013}>} → 30
            {<Year-={2012}>} → 0
            {<Region*={North, South}>} → 10
            {<Region={"*th"}, Year=>} → 100
            {<Amount={">=20<=40"}, Year=, Region=>} → 90
            {1<Product={'Bolt'}>} → 90
            {1-$} → 200
            {$+1<Region={South}>} → 80
            {1-1<Year={2013}>} → 50
            {1<Region=P({1<Product={Nut}, Year={2012}>} Region)>} → 70
            {1<Region=E({1<Product={Nut}, Year={2012}>} Region)>} → 80
            {1<Region={"=Sum({1} Amount) > 30"}>} → 120
            {<Year={$(=Max({1} Year))}>} → 20
            {1<Year={1900}>} → 0
            {1<Country={A}>} → 100
            {<Nowhere={A}>} → error: there is no field Nowhere
        "#]],
    );
    check(
        &app.table(&cube(
            &["Product"],
            &["Sum(Amount)", "Sum({1} Amount)", "Sum({1} TOTAL Amount)"],
        )),
        expect![[r#"
            Bolt | 10 | 90 | 210
            Nut [X] | 0 | 120 | 210
            total 10 total 210 total 210
        "#]],
    );
}

#[test]
fn totals_keep_named_dimensions() {
    let app = App::new(STAR);
    let mut def = cube(
        &["Region", "Product"],
        &["Sum(Amount)", "Sum(TOTAL <Region> Amount)", "Sum(TOTAL Amount)"],
    );
    def.suppress_zero = false;
    def.dimensions[0].null_suppression = true;
    check(
        &app.table(&def),
        expect![[r#"
            East | - | 0 | 0 | 210
            North | Bolt | 10 | 30 | 210
            North | Nut | 20 | 30 | 210
            South | Bolt | 30 | 70 | 210
            South | Nut | 40 | 70 | 210
            West | Bolt | 50 | 50 | 210
            total 210 total 210 total 210
        "#]],
    );
}

#[test]
fn sorting_by_measures_expressions_and_states() {
    let mut app = App::new(STAR);
    let mut def = cube(&["Region"], &["Sum(Amount)"]);
    def.inter_column_sort = vec![1, 0];
    check(
        &app.table(&def),
        expect![[r#"
            South | 70
            - | 60
            West | 50
            North | 30
            East | 0
            total 210
        "#]],
    );
    def.measures[0].reverse = true;
    def.suppress_zero = true;
    check(
        &app.table(&def),
        expect![[r#"
            North | 30
            West | 50
            - | 60
            South | 70
            total 210
        "#]],
    );
    def.inter_column_sort = vec![0, 1];
    def.dimensions[0].sort = SortCriteria {
        by_expression: -1,
        expression: "Count(Id)".into(),
        by_ascii: -1,
        ..SortCriteria::default()
    };
    check(
        &app.table(&def),
        expect![[r#"
            South | 70
            North | 30
            West | 50
            - | 60
            total 210
        "#]],
    );
    app.pick("Region", "West");
    let sort = SortCriteria { by_state: 1, by_ascii: 1, ..SortCriteria::default() };
    let list = ListDef {
        expression: "[Region]".into(),
        sort,
        show_alternatives: true,
        ..ListDef::default()
    };
    check(
        &app.list(&list),
        expect![[r#"
            West [S]
            East [A]
            North [A]
            South [A]
        "#]],
    );
}

#[test]
fn the_rest_is_computed_from_its_rows() {
    let app = App::new(STAR);
    let other = |rule, limit: &str| OtherDef {
        rule,
        limit: limit.into(),
        limit_mode: Default::default(),
        suppress_other: false,
        referenced_expression: "".into(),
        is_global: false,
        collapse_inner: true,
        order: 0,
    };
    let mut def = cube(&["Region"], &["Sum(Amount)", "Count(DISTINCT Product)"]);
    def.inter_column_sort = vec![1];
    def.suppress_zero = true;
    let mut text = String::new();
    for (rule, limit) in [
        (OtherRule::Counted, "2"),
        (OtherRule::Counted, "-1"),
        (OtherRule::AbsoluteLimit, "=40 + 10"),
        (OtherRule::RelativeLimit, "0.3"),
        (OtherRule::AbsoluteTarget, "70"),
        (OtherRule::RelativeTarget, "0.5"),
    ] {
        def.dimensions[0].other = Some(other(rule, limit));
        let cube = app.cube(&def);
        assert!(cube.has_others);
        text += &format!("{rule:?} {limit}\n{}", straight_text(&cube));
    }
    let mut def = cube(&["Year", "Region"], &["Sum(Amount)"]);
    def.dimensions[1].other = Some(other(OtherRule::Counted, "1"));
    text += &format!("within the year\n{}", app.table(&def));
    check(
        &text,
        expect![[r#"
            Counted 2
            South | 70 | 2
            - | 60 | 1
            Others | 80 | 2
            total 210 total 2
            Counted -1
            North | 30 | 2
            Others | 180 | 2
            total 210 total 2
            AbsoluteLimit =40 + 10
            South | 70 | 2
            - | 60 | 1
            West | 50 | 1
            Others | 30 | 2
            total 210 total 2
            RelativeLimit 0.3
            South | 70 | 2
            Others | 140 | 2
            total 210 total 2
            AbsoluteTarget 70
            South | 70 | 2
            Others | 140 | 2
            total 210 total 2
            RelativeTarget 0.5
            South | 70 | 2
            - | 60 | 1
            Others | 80 | 2
            total 210 total 2
            within the year
            2012 | South | 40
            2012 | Others | 10
            2013 | - | 60
            2013 | Others | 100
            - | East | 0
            total 210
        "#]],
    );
}

#[test]
fn calculated_dimensions_have_elements_of_their_own() {
    let mut app = App::new(STAR);
    let mut def = cube(&["=If(Amount > 30, 'large', 'small')"], &["Count(Id)"]);
    check(
        &app.table(&def),
        expect![[r#"
            large | 3
            small | 3
            total 6
        "#]],
    );
    let shown = app.cube(&def);
    let picked = shown.picked_values(0, &[1]).unwrap();
    let model = app.calculator.model().clone();
    let values: Vec<String> = picked
        .elements
        .iter()
        .map(|&element| model.value(picked.field, element).to_string())
        .collect();
    assert_eq!(values, ["40", "50", "60"]);
    app.selections = app
        .calculator
        .select(&app.selections, "", picked.field, &picked.elements, Pick::Replace, Locks::Respect)
        .unwrap();
    check(
        &app.table(&def),
        expect![[r#"
            large [S] | 3
            total 3
        "#]],
    );
    def.dimensions[0] = dimension("=Region & '-' & Price");
    check(
        &app.table(&def),
        expect![[r#"
            -3 | 1
            South-3 | 1
            West-2 | 1
            total 3
        "#]],
    );
}

#[test]
fn two_shared_fields_make_a_synthetic_key() {
    let mut app = App::new(
        "
Flights: Flight, Origin, Hour, Delay
1, JFK, 1, 5
2, JFK, 2, 7
3, LGA, 1, 9
4, -, 1, 11
5, -, -, 13

Weather: Origin, Hour, Sky
JFK, 1, clear
JFK, 2, rain
LGA, 2, fog
-, 1, snow
",
    );
    check(
        &app.warnings.join("\n"),
        expect![
            "tables Flights, Weather share the fields Origin, Hour: associated by the synthetic key $Syn 1"
        ],
    );
    let names = |app: &App| {
        let model = app.calculator.model();
        let fields =
            model.fields().iter().map(|field| format!("{} {}", field.name, field.tags.join(" ")));
        fields.collect::<Vec<_>>().join("\n")
    };
    check(
        &names(&app),
        expect![[r#"
        Flight $numeric $integer
        Origin $ascii $text $key
        Hour $numeric $integer $key
        Delay $numeric $integer
        Sky $ascii $text
        $Syn 1 $numeric $integer $key $synthetic $hidden $system"#]],
    );
    check(
        &app.table(&cube(&["Sky"], &["Sum(Delay)", "Concat(Flight, ',')"])),
        expect![[r#"
            clear | 5 | 1
            fog | 0 | -
            rain | 7 | 2
            snow | 0 | -
            - | 33 | 3,4,5
            total 45 total 1,2,3,4,5
        "#]],
    );
    app.pick("Sky", "rain");
    check(
        &app.states(&["Flight", "Origin", "Hour", "Sky"]),
        expect![[r#"
            Flight: 1=X 2=O 3=X 4=X 5=X
            Origin: JFK=O LGA=X
            Hour: 1=X 2=O
            Sky: clear=A rain=S fog=A snow=A
        "#]],
    );
    app.pick("Sky", "").pick("Origin", "LGA");
    check(
        &app.states(&["Flight", "Origin", "Hour", "Sky"]),
        expect![[r#"
            Flight: 1=X 2=X 3=O 4=X 5=X
            Origin: JFK=A LGA=S
            Hour: 1=O 2=O
            Sky: clear=X rain=X fog=O snow=X
        "#]],
    );
}

#[test]
fn a_circle_is_cut_at_its_smallest_table() {
    let mut app = App::new(
        "
Orders: Order, Customer, Shipper
1, c1, s1
2, c2, s1
3, c2, s2

Customers: Customer, City
c1, x
c2, y

Shippers: Shipper, City
s1, x
s2, z
s3, z
",
    );
    check(
        &app.warnings.join("\n"),
        expect![
            "tables Orders, Customers, Shippers are associated in a circle: Customers is loosely coupled"
        ],
    );
    app.pick("City", "x");
    check(
        &app.states(&["Order", "Customer", "Shipper", "City"]),
        expect![[r#"
            Order: 1=O 2=O 3=X
            Customer: c1=O c2=O
            Shipper: s1=O s2=X s3=X
            City: x=S y=A z=A
        "#]],
    );
}

#[test]
fn many_to_many_links_multiply_groups_not_rows() {
    let mut app = App::new(
        "
Books: Book, Pages
b1, 100
b2, 200
b3, 300

Topics: Book, Topic
b1, war
b1, peace
b2, peace
b4, silence

Fans: Topic, Fan
war, ann
peace, ann
peace, bob
",
    );
    check(
        &app.table(&cube(&["Fan"], &["Sum(Pages)", "Count(Book)", "Count(DISTINCT Topic)"])),
        expect![[r#"
            ann | 300 | 3 | 2
            bob | 300 | 2 | 1
            - | 300 | 1 | 1
            total 600 total 4 total 3
        "#]],
    );
    check(
        &app.table(&cube(&["Topic"], &["Sum(Pages)"])),
        expect![[r#"
            peace | 300
            silence | 0
            war | 100
            - | 300
            total 600
        "#]],
    );
    app.pick("Fan", "bob");
    check(
        &app.states(&["Book", "Topic", "Fan"]),
        expect![[r#"
            Book: b1=O b2=O b3=X b4=X
            Topic: war=X peace=O silence=X
            Fan: ann=A bob=S
        "#]],
    );
    check(
        &app.table(&cube(&["Book", "Topic"], &["Sum(Pages)"])),
        expect![[r#"
            b1 | peace | 100
            b2 | peace | 200
            total 300
        "#]],
    );
}

#[test]
fn tables_apart_are_combined_with_everything() {
    let app = App::new(
        "
Sales: Product, Amount
Bolt, 1
Nut, 2

Units: Unit, Factor
kg, 1
lb, 2
",
    );
    check(
        &app.table(&cube(&["Product", "Unit"], &["Sum(Amount)", "Sum(Factor)"])),
        expect![[r#"
            Bolt | kg | 1 | 1
            Bolt | lb | 1 | 2
            Nut | kg | 2 | 1
            Nut | lb | 2 | 2
            total 3 total 3
        "#]],
    );
}

#[test]
fn pages_are_cut_to_what_there_is() {
    let app = App::new(STAR);
    let shown = app.cube(&cube(&["Product"], &["Sum(Amount)"]));
    let page = shown.straight(Area { left: 1, top: 1, width: 500, height: 500 });
    assert_eq!(page.area, Area { left: 1, top: 1, width: 1, height: 2 });
    assert_eq!(rows_text(&page.rows), "0\n120\n");
    assert_eq!(shown.straight(Area { left: 0, top: 7, width: 5, height: 5 }).area.height, 0);
    let kpi = app.cube(&cube(&[], &["Sum(Amount)"]));
    assert_eq!(kpi.size(), (1, 1));
    assert_eq!(straight_text(&kpi), "210\ntotal 210\n");
    assert_eq!(app.cube(&CubeDef::default()).size(), (0, 0));
}

#[test]
fn conditions_hide_charts_and_columns() {
    let app = App::new(STAR);
    let condition = |expression: &str| {
        Some(loggia_engine::cube::Condition {
            expression: expression.into(),
            message: "='no ' & 1".into(),
        })
    };
    let mut def = cube(&["Region", "Product"], &["Sum(Amount)", "Count(Id)"]);
    def.condition = condition("Sum(Amount) > 1000");
    let refused = app.calculator.cube(&app.context(), &def).unwrap_err();
    assert_eq!(refused, CubeError::Condition { message: "no 1".into() });
    def.condition = condition("Sum(Amount) > 100");
    def.dimensions[0].condition = condition("0");
    def.measures[0].condition = condition("=1=2");
    let shown = app.cube(&def);
    assert_eq!(shown.size().0, 2);
    assert_eq!(shown.effective_order, [1, 3]);
    assert!(shown.dimensions[0].error.is_some() && shown.measures[0].error.is_some());
    def.measures[1] = measure("Sum(");
    let wrong = app.cube(&def);
    assert_eq!(straight_text(&wrong), "Bolt | -\nGear | -\nNut | -\ntotal -\n");
    assert!(wrong.measures[1].error.is_some());
}

#[test]
fn cells_and_ranges_lead_back_to_values() {
    let app = App::new(STAR);
    let shown = app.cube(&cube(&["Region", "Product"], &["Sum(Amount)"]));
    let model = app.calculator.model();
    let names = |picked: Vec<loggia_engine::cube::Picked>| {
        let fields = picked.iter().map(|picked| {
            let values = picked
                .elements
                .iter()
                .map(|&element| model.value(picked.field, element).to_string());
            format!(
                "{}={}",
                model.field_info(picked.field).name,
                values.collect::<Vec<_>>().join(",")
            )
        });
        fields.collect::<Vec<_>>().join(" ")
    };
    let mut text = straight_text(&shown);
    text += &format!("{}\n", names(shown.picked_cells(&[1, 2], &[]).unwrap()));
    text += &format!("{}\n", names(shown.picked_cells(&[], &[1]).unwrap()));
    let range =
        MeasureRange { measure: 0, min: 20.0, max: 40.0, min_included: true, max_included: false };
    text += &format!("{}\n", names(shown.picked_ranges(&[range], &[0], RangeMode::All).unwrap()));
    assert_eq!(shown.picked_values(0, &[-2]), Err(SelectError::NoSuchValue));
    assert_eq!(shown.picked_values(5, &[0]), Err(SelectError::NotSelectable));
    check(
        &text,
        expect![[r#"
            East | - | 0
            North | Bolt | 10
            North | Nut | 20
            South | Bolt | 30
            South | Nut | 40
            West | Bolt | 50
            - | Gear | 0
            - | Nut | 60
            total 210
            Region=North Product=Bolt,Nut
            Product=Bolt,Nut,Gear
            Region=North,South
        "#]],
    );
}

#[test]
fn stacks_hold_values_under_two_levels() {
    let app = App::new(STAR);
    let mut def = cube(&["Product", "Region"], &["Sum(Amount)"]);
    def.mode = Mode::Stacked;
    def.suppress_zero = true;
    def.always_expanded = true;
    let shown = app.cube(&def);
    let page = shown.stacked(Area { left: 0, top: 0, width: 500, height: 500 }, 5000);
    let mut text = format!("{:?} {:?}\n", shown.size(), page.area);
    nodes_text(std::slice::from_ref(&page.root), 0, &mut text);
    let second = shown.stacked(Area { left: 0, top: 1, width: 2, height: 1 }, 5000);
    let leaves: usize = page.root.nodes.iter().map(|node| node.nodes.len()).sum();
    let rows = shown.reduced(Area { left: 0, top: 0, width: 500, height: 500 }, 2000);
    assert_eq!(shown.flat_size(), (3, leaves), "under the stacks lie rows");
    assert_eq!((rows.rows.len(), rows.is_reduced), (leaves, false));
    nodes_text(std::slice::from_ref(&second.root), 0, &mut text);
    check(
        &text,
        expect![[r#"
            (4, 2) Area { left: 0, top: 0, width: 4, height: 2 }
            R  #0
              N Bolt #0
                N North #0
                  V 10 #0
                N South #1
                  V 30 #0
                N West #2
                  V 50 #0
              N Nut #1
                N North #0
                  V 20 #0
                N South #1
                  V 40 #0
                U - #-2
                  V 60 #0
            R  #0 up 1 down 0
              N Nut #1
                N North #0
                  V 20 #0
                N South #1 up 0 down 1
                  V 40 #0
        "#]],
    );
}

fn pivot_text(app: &App, def: &CubeDef) -> String {
    let shown = app.cube(def);
    let (columns, rows) = shown.size();
    let page = shown.pivot(Area { left: 0, top: 0, width: columns, height: rows });
    let mut text =
        format!("order {:?} left {}\nleft\n", shown.effective_order, shown.left_dimensions);
    nodes_text(&page.left, 1, &mut text);
    text += "top\n";
    nodes_text(&page.top, 1, &mut text);
    for row in &page.data {
        let cells: Vec<String> =
            row.iter().map(|cell| format!("{}{}", cell.kind.letter(), cell.text)).collect();
        text += &format!("{}\n", cells.join(" "));
    }
    text
}

#[test]
fn pivots_open_and_close() {
    let app = App::new(STAR);
    let mut def = cube(&["Country", "Region", "Year"], &["Sum(Amount)", "Count(Id)"]);
    def.mode = Mode::Pivot;
    def.inter_column_sort = vec![0, 1, 2, -1];
    def.left_dimensions = 2;
    def.suppress_zero = true;
    def.dimensions[1].total = true;
    let closed = pivot_text(&app, &def);
    check(
        &closed,
        expect![[r#"
            order [0, 1, 2, -1] left 2
            left
              N A #0 +
              U - #-2 +
            top
              N 2012 #0
                P  #0
                P  #1
              N 2013 #1
                P  #0
                P  #1
            A50 A2 A50 A2
            U- U- A110 A2
        "#]],
    );
    let shown = app.cube(&def);
    def.expanded_left = shown.expanded(&def, Side::Left, 0, 0, false).unwrap();
    check(
        &pivot_text(&app, &def),
        expect![[r#"
            order [0, 1, 2, -1] left 2
            left
              N A #0 -
                N North #0
                N South #1
                T Totals #-1
              U - #-2 +
            top
              N 2012 #0
                P  #0
                P  #1
              N 2013 #1
                P  #0
                P  #1
            V10 V1 V20 V1
            V40 V1 V30 V1
            T50 T2 T50 T2
            U- U- A110 A2
        "#]],
    );
    let opened = app.cube(&def);
    let picked = opened.picked_pivot_cells(&[PivotPick::Left { row: Some(1), level: 1 }]).unwrap();
    assert_eq!(picked.len(), 2);
    def.expanded_left = opened.collapsed(&def, Side::Left, 1, 0, false).unwrap();
    assert_eq!(pivot_text(&app, &def), closed);
}

#[test]
fn a_pivot_with_one_measure_has_one_header_for_it() {
    let app = App::new(STAR);
    let mut def = cube(&["Product"], &["Sum(Amount)"]);
    def.mode = Mode::Pivot;
    def.always_expanded = true;
    check(
        &pivot_text(&app, &def),
        expect![[r#"
            order [0, -1] left 1
            left
              N Bolt #0
              N Gear #2
              N Nut #1
            top
              P  #0
            V90
            V0
            V120
        "#]],
    );
}

#[test]
fn lists_are_searched_the_way_people_type() {
    let mut app = App::new(
        "
Places: Place, Size
New York, 8
Newark, 1
São Paulo, 12
York, 2
Old Newton, 3
",
    );
    let mut text = String::new();
    for search in
        ["new", "new y", "*new*", "sao", "y*k", "\"old new\"", ">2<=8", "=Sum(Size) > 5", "zzz"]
    {
        let expression = if search.starts_with('>') { "Size" } else { "Place" };
        let def =
            ListDef { expression: expression.into(), search: search.into(), ..ListDef::default() };
        text += &format!("{search}\n{}", app.list(&def));
    }
    app.pick("Place", "York");
    let def = ListDef {
        expression: "Place".into(),
        frequency: FrequencyMode::Percent,
        auto_sort_rows: 3,
        ..ListDef::default()
    };
    text += &format!("selected first\n{}", app.list(&def));
    check(
        &text,
        expect![[r#"
            new
            New York ^0+3
            Newark ^0+3
            Old Newton ^4+3
            new y
            New York ^0+3 ^4+1
            Newark ^0+3
            York ^0+1
            Old Newton ^4+3
            *new*
            New York ^0+3
            Newark ^0+3
            Old Newton ^4+3
            sao
            São Paulo ^0+3
            y*k
            York ^0+1 ^3+1
            "old new"
            Old Newton ^0+7
            >2<=8
            8
            3
            =Sum(Size) > 5
            New York
            São Paulo
            zzz
            selected first
            York [S] ×100.0%
            New York [X] ×0.0%
            Newark [X] ×0.0%
            São Paulo [X] ×0.0%
            Old Newton [X] ×0.0%
        "#]],
    );
}

#[test]
fn alternate_states_do_not_touch_each_other() {
    let mut app = App::new(STAR);
    app.pick("Year", "2012");
    let year = app.calculator.model().field("Year").unwrap();
    let other = app.elements("Year", "2013");
    app.selections = app
        .calculator
        .select(&app.selections, "Group", year, &other, Pick::Replace, Locks::Respect)
        .unwrap();
    assert_eq!(app.evaluate("Sum(Amount)"), "50");
    assert_eq!(app.evaluate("Sum({Group} Amount)"), "160");
    assert_eq!(app.evaluate("Sum({$<Year=Group::Year>} Amount)"), "160");
    let context = loggia_engine::calculator::Context { state: "Group", ..app.context() };
    assert_eq!(app.calculator.evaluate(&context, "Sum(Amount)").unwrap().to_string(), "160");
}

#[test]
fn a_chart_under_selection_keeps_its_rows() {
    let mut app = App::new(STAR);
    let def = cube(&["Product"], &["Sum(Amount)"]);
    let before = app.cube(&def);
    app.pick("Product", "Nut");
    let view = app.calculator.view(&app.selections, "");
    check(
        &straight_text(&before.under(&view)),
        expect![[r#"
            Bolt [A] | 90
            Gear [A] | 0
            Nut [S] | 120
            total 210
        "#]],
    );
}

#[test]
fn a_list_under_selection_keeps_its_order() {
    let mut app = App::new(STAR);
    let sort = SortCriteria { by_state: 1, by_ascii: 1, ..SortCriteria::default() };
    let def = ListDef { expression: "Region".into(), sort, ..ListDef::default() };
    let before = app.calculator.list(&app.context(), &def).unwrap();
    app.pick("Region", "West");
    let shown = before.under(&app.calculator.view(&app.selections, ""));
    let page = shown.page(Area { left: 0, top: 0, width: 1, height: 10 });
    check(
        &rows_text(&page.rows),
        expect![[r#"
            East [X]
            North [X]
            South [X]
            West [S]
        "#]],
    );
    assert_eq!((shown.dimension.counts.selected, shown.dimension.counts.excluded), (1, 3));
}

#[test]
fn attributes_colour_cells_and_headers() {
    let app = App::new(STAR);
    let attribute = |expression: &str| loggia_engine::cube::AttributeDef {
        expression: expression.into(),
        number_format: None,
    };
    let mut def = cube(&["Product", "Region"], &["Sum(Amount)"]);
    def.suppress_zero = true;
    def.dimensions[0].attributes = vec![attribute("Max(Price) & '!'")];
    def.measures[0].attributes = vec![attribute("=If(Sum(Amount) > 30, RGB(255, 0, 0))")];
    let straight = app.cube(&def);
    let page = straight.straight(Area { left: 0, top: 0, width: 3, height: 1 });
    let texts = |attributes: &[loggia_engine::cube::Attribute]| {
        attributes.iter().map(|attribute| attribute.text.to_string()).collect::<Vec<_>>().join(",")
    };
    let mut text: String =
        page.rows[0].iter().map(|cell| format!("[{}] ", texts(&cell.attributes))).collect();
    def.mode = Mode::Pivot;
    def.left_dimensions = 1;
    def.always_expanded = true;
    let pivot = app.cube(&def);
    let (columns, rows) = pivot.size();
    let page = pivot.pivot(Area { left: 0, top: 0, width: columns, height: rows });
    for (node, row) in page.left.iter().zip(&page.data) {
        let cells: Vec<String> =
            row.iter().map(|cell| format!("{}[{}]", cell.text, texts(&cell.attributes))).collect();
        text += &format!("\n{} [{}] {}", node.text, texts(&node.attributes), cells.join(" "));
    }
    check(
        &text,
        expect![[r#"
        [2!] [] [] 
        Bolt [2!] 10[] 30[] 50[RGB(255,0,0)] -[]
        Nut [3!] 20[] 40[RGB(255,0,0)] -[] 60[RGB(255,0,0)]"#]],
    );
}

#[test]
fn dimensions_may_be_values_of_inner_tables() {
    let app = App::new(STAR);
    check(
        &app.table(&cube(&["=If(Aggr(Sum(Amount), Region) > 40, 'big', 'small')"], &["Count(Id)"])),
        expect![[r#"
            big | 4
            small | 2
            total 6
        "#]],
    );
    // The inner table is made within each group of the chart.
    check(
        &app.table(&cube(&["Year"], &["Max(Aggr(Sum(Amount), Region))", "Count(DISTINCT Region)"])),
        expect![[r#"
            2012 | 40 | 2
            2013 | 60 | 3
            total 70 total 3
        "#]],
    );
}

#[test]
fn a_pivot_with_a_limit_totals_the_rest() {
    let app = App::new(STAR);
    let mut def = cube(&["Region", "Year"], &["Sum(Amount)"]);
    def.mode = Mode::Pivot;
    def.left_dimensions = 1;
    def.always_expanded = true;
    def.suppress_zero = true;
    def.dimensions[0].total = true;
    def.dimensions[0].other = Some(OtherDef {
        rule: OtherRule::Counted,
        limit: "1".into(),
        limit_mode: Default::default(),
        suppress_other: false,
        referenced_expression: "".into(),
        is_global: false,
        collapse_inner: true,
        order: 0,
    });
    check(
        &pivot_text(&app, &def),
        expect![[r#"
            order [0, 1] left 1
            left
              N South #1
              U - #-2
              O Others #-3
              T Totals #-1
            top
              N 2012 #0
              N 2013 #1
            V40 V30
            U- V60
            V10 V70
            T50 T160
        "#]],
    );
}
