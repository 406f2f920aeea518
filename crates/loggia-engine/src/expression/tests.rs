//! The language as its users see it: text in, value or problems out.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::format::{Interpreter, Locale};

struct Row<'a>(Environment<'a>);

impl RowContext for Row<'_> {
    fn field(&self, field: &FieldRef) -> Option<Value> {
        Some(match &*field.name {
            "Sales" => Value::Number(120.0),
            "Region" => Value::from("Nord"),
            "Order Date" => Value::dual(41395.0, "2013-05-01"),
            "Empty" => Value::Null,
            _ => return None,
        })
    }

    fn variable(&self, name: &str) -> Option<Value> {
        (name == "vRate").then_some(Value::Number(0.5))
    }

    fn environment(&self) -> &Environment<'_> {
        &self.0
    }
}

fn with_row<T>(then: impl FnOnce(&Row<'_>) -> T) -> T {
    let locale = Locale::default();
    let interpreter = Interpreter::new(&locale);
    then(&Row(Environment::new(41_400.75, &locale, &interpreter, "LOGGIA\\ana")))
}

fn check(cases: &str, expected: Expect) {
    let mut answers = String::new();
    for text in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let parsed = parse_expression(text);
        let answer = match (&parsed.expr, parsed.problems.as_slice()) {
            (Some(expr), []) => match with_row(|row| eval_scalar(expr, row)) {
                Value::Null => "null".to_owned(),
                Value::Number(number) => crate::format::number_text(number),
                Value::Text(text) => format!("'{text}'"),
                Value::Dual(number, text) => {
                    format!("'{text}' = {}", crate::format::number_text(number))
                }
            },
            (None, []) => "nothing".to_owned(),
            (_, problems) => problems
                .iter()
                .map(|problem| {
                    format!("{}..{} {}", problem.span.start, problem.span.end, problem.message)
                })
                .collect::<Vec<_>>()
                .join(" | "),
        };
        answers.push_str(&format!("{text} → {answer}\n"));
    }
    expected.assert_eq(&answers);
}

#[test]
fn operators_bind_as_they_do_in_the_field() {
    check(
        "1 + 2 * 3
        = (1 + 2) * 3
        -2 - -3
        1 + 2 & 3 + 4
        'a' & 1 = 'a1'
        not 1 = 2
        not 1 = 1 or 1
        1 or 0 and 0
        1 xor 1
        7 bitand 3 + 4
        2 < 10
        '2' < '10'
        'b' < 'a'
        'b' precedes 'c'
        'Nord' like 'n*D'
        Region = 'nord'
        Sales / 0
        Empty + 1
        Empty = Empty
        Empty & 'x'
        Empty and 0
        Empty or 1
        [Order Date] + 1
        [Order Date] = '2013-05-01'
        \"Order Date\" & ''
        Sales * vRate
        Unknown
        1 << 3",
        expect![[r#"
            1 + 2 * 3 → 7
            = (1 + 2) * 3 → 9
            -2 - -3 → 1
            1 + 2 & 3 + 4 → '37'
            'a' & 1 = 'a1' → -1
            not 1 = 2 → -1
            not 1 = 1 or 1 → -1
            1 or 0 and 0 → -1
            1 xor 1 → 0
            7 bitand 3 + 4 → 7
            2 < 10 → -1
            '2' < '10' → -1
            'b' < 'a' → 0
            'b' precedes 'c' → -1
            'Nord' like 'n*D' → -1
            Region = 'nord' → 0
            Sales / 0 → null
            Empty + 1 → null
            Empty = Empty → null
            Empty & 'x' → 'x'
            Empty and 0 → 0
            Empty or 1 → -1
            [Order Date] + 1 → 41396
            [Order Date] = '2013-05-01' → -1
            "Order Date" & '' → '2013-05-01'
            Sales * vRate → 60
            Unknown → null
            1 << 3 → 8
        "#]],
    );
}

#[test]
fn functions_mean_what_they_do_in_the_field() {
    check(
        "If(Sales > 100, 'high', 'low')
        If(Empty, 1)
        Alt(Empty, 'x', 3)
        Pick(2, 'a', 'b')
        Match('b', 'a', 'b')
        MixMatch('NORD', 'x', 'nord')
        WildMatch(Region, 'S*', '?or*')
        Class(23, 10)
        IsNull(Empty)
        Len('été')
        Mid('abcdef', 3, 2)
        Right('abc', 2)
        Capitalize('new york o''hare')
        SubField('a;b;c', ';', -1)
        Index('banana', 'an', 2)
        Index('banana', 'an', -1)
        TextBetween('<a><b>', '<', '>', 2)
        PurgeChar('a1b2', '12')
        KeepChar('a1b2', '12')
        Replace('aXbX', 'X', '-')
        Num(1234.5, '#,##0.00')
        Num#('1.234,5', '#', ',', '.')
        Date([Order Date], 'D MMM YYYY')
        Date#('01/05/2013', 'DD/MM/YYYY') + 0
        Timestamp(41395.5)
        Interval(1.5)
        Money(12)
        Dual('five', 5) + 1
        Month([Order Date])
        Year('2013-05-01')
        WeekDay([Order Date])
        Week([Order Date])
        Week(MakeDate(2012, 12, 31))
        MonthName([Order Date])
        QuarterName([Order Date])
        MonthEnd([Order Date])
        YearStart([Order Date], -1)
        AddMonths(MakeDate(2013, 1, 31), 1)
        MakeDate(2013, 2, 30)
        Today()
        Now()
        Floor(3.7)
        Floor(23, 5)
        Ceil(3.2)
        Round(1.15, 0.05)
        Round(2.5)
        Round(3.14159, 0.01)
        Mod(-7, 5)
        Div(-7, 5)
        Frac(2.25)
        RangeSum(1, Empty, 3)
        RangeMax(1, Empty, 3)
        RangeAvg(1, 2)
        RGB(1, 2, 3)
        Len(Hash128('a', 1))
        Age('2013-05-01', '1980-05-02')",
        expect![[r#"
            If(Sales > 100, 'high', 'low') → 'high'
            If(Empty, 1) → null
            Alt(Empty, 'x', 3) → 3
            Pick(2, 'a', 'b') → 'b'
            Match('b', 'a', 'b') → 2
            MixMatch('NORD', 'x', 'nord') → 2
            WildMatch(Region, 'S*', '?or*') → 2
            Class(23, 10) → '20<=x<30' = 20
            IsNull(Empty) → -1
            Len('été') → 3
            Mid('abcdef', 3, 2) → 'cd'
            Right('abc', 2) → 'bc'
            Capitalize('new york o''hare') → 'New York O'hare'
            SubField('a;b;c', ';', -1) → 'c'
            Index('banana', 'an', 2) → 4
            Index('banana', 'an', -1) → 4
            TextBetween('<a><b>', '<', '>', 2) → 'b'
            PurgeChar('a1b2', '12') → 'ab'
            KeepChar('a1b2', '12') → '12'
            Replace('aXbX', 'X', '-') → 'a-b-'
            Num(1234.5, '#,##0.00') → '1,234.50' = 1234.5
            Num#('1.234,5', '#', ',', '.') → '1.234,5' = 1234.5
            Date([Order Date], 'D MMM YYYY') → '1 May 2013' = 41395
            Date#('01/05/2013', 'DD/MM/YYYY') + 0 → 41395
            Timestamp(41395.5) → '2013-05-01 12:00:00' = 41395.5
            Interval(1.5) → '36:00:00' = 1.5
            Money(12) → '$12.00' = 12
            Dual('five', 5) + 1 → 6
            Month([Order Date]) → 'May' = 5
            Year('2013-05-01') → 2013
            WeekDay([Order Date]) → 'Wed' = 2
            Week([Order Date]) → 18
            Week(MakeDate(2012, 12, 31)) → 1
            MonthName([Order Date]) → 'May 2013' = 41395
            QuarterName([Order Date]) → 'Apr-Jun 2013' = 41365
            MonthEnd([Order Date]) → '2013-05-31' = 41425.999999988
            YearStart([Order Date], -1) → '2012-01-01' = 40909
            AddMonths(MakeDate(2013, 1, 31), 1) → '2013-02-28' = 41333
            MakeDate(2013, 2, 30) → null
            Today() → '2013-05-06' = 41400
            Now() → '2013-05-06 18:00:00' = 41400.75
            Floor(3.7) → 3
            Floor(23, 5) → 20
            Ceil(3.2) → 4
            Round(1.15, 0.05) → 1.15
            Round(2.5) → 3
            Round(3.14159, 0.01) → 3.14
            Mod(-7, 5) → 3
            Div(-7, 5) → -1
            Frac(2.25) → 0.25
            RangeSum(1, Empty, 3) → 4
            RangeMax(1, Empty, 3) → 3
            RangeAvg(1, 2) → 1.5
            RGB(1, 2, 3) → 'RGB(1,2,3)' = 4278256131
            Len(Hash128('a', 1)) → 22
            Age('2013-05-01', '1980-05-02') → 32
        "#]],
    );
}

#[test]
fn problems_say_what_is_wrong_and_where() {
    check(
        "Sum(
        Summ(Sales)
        Lenght('x')
        1 +
        1 2
        'open
        [open
        Left('a')
        (1
        Frobnicate(Lft('a'), 1)
        Sum({<Year={2013}> Sales)
        Sum({<Year>2013} Sales)
        Aggr(Sum(Sales))
        #
        a ; b
        =",
        expect![[r#"
            Sum( → 4..4 expected a value, a field or a function, found the end
            Summ(Sales) → 0..4 there is no function `Summ`; did you mean `Sum`?
            Lenght('x') → 0..6 there is no function `Lenght`
            1 + → 3..3 expected a value, a field or a function, found the end
            1 2 → 2..3 unexpected the number 2 after the expression
            'open → 0..5 `'` is not closed
            [open → 0..5 `[` is not closed
            Left('a') → 0..9 `Left` takes 2 arguments, not 1
            (1 → 2..2 expected `)`, found the end
            Frobnicate(Lft('a'), 1) → 0..10 there is no function `Frobnicate` | 11..14 there is no function `Lft`; did you mean `Left`?
            Sum({<Year={2013}> Sales) → 19..24 expected `}`, found `Sales`
            Sum({<Year>2013} Sales) → 11..15 expected `}`, found the number 2013
            Aggr(Sum(Sales)) → 0..16 `Aggr` needs at least one dimension after its expression
            # → null
            a ; b → 2..3 unexpected `;` after the expression
            = → nothing
        "#]],
    );
}

#[test]
fn aggregations_and_sets_are_read_whole() {
    fn shape(text: &str) -> String {
        let parsed = parse_expression(text);
        if let Some(problem) = parsed.problems.first() {
            return format!("{}: {}", problem.span.start, problem.message);
        }
        let mut aggregates = Vec::new();
        parsed.expr.unwrap().walk(&mut |expr| match &expr.kind {
            ExprKind::Aggregate(aggregate) => {
                let set = aggregate.set.as_ref().map(set_text).unwrap_or_default();
                let distinct = if aggregate.distinct { " distinct" } else { "" };
                let total =
                    aggregate.total.as_ref().map(|fields| format!(" total<{}>", fields.join(",")));
                aggregates.push(format!(
                    "{:?}{distinct}{}{set}",
                    aggregate.kind,
                    total.unwrap_or_default()
                ));
            }
            ExprKind::Aggr(aggr) => aggregates.push(format!(
                "Aggr by {}",
                aggr.dimensions
                    .iter()
                    .map(|dimension| &*dimension.field)
                    .collect::<Vec<_>>()
                    .join(",")
            )),
            _ => {}
        });
        aggregates.join("; ")
    }
    fn set_text(set: &SetExpr) -> String {
        match set {
            SetExpr::Source(source) => format!(" {source:?}"),
            SetExpr::Modified { base, modifiers } => {
                let modifiers: Vec<String> = modifiers
                    .iter()
                    .map(|modifier| {
                        let op = modifier.op.map(|op| format!("{op:?}")).unwrap_or_default();
                        let elements =
                            modifier.elements.as_ref().map(elements_text).unwrap_or_default();
                        format!("{} {op}= {elements}", modifier.field)
                    })
                    .collect();
                format!("{}<{}>", set_text(base), modifiers.join(", "))
            }
            SetExpr::Binary { op, left, right } => {
                format!("({} {op:?} {})", set_text(left), set_text(right))
            }
            SetExpr::Complement(inner) => format!(" not{}", set_text(inner)),
        }
    }
    fn elements_text(elements: &ElementSet) -> String {
        match elements {
            ElementSet::List(elements) => {
                let elements: Vec<String> = elements
                    .iter()
                    .map(|element| match element {
                        Element::Value(value) => format!("'{value}'"),
                        Element::Search(Search::Pattern(pattern)) => format!("like {pattern}"),
                        Element::Search(Search::Range(bounds)) => {
                            format!("{} bounds", bounds.len())
                        }
                        Element::Search(Search::Expression(_)) => "by expression".to_owned(),
                        Element::Expression(_) => "computed".to_owned(),
                    })
                    .collect();
                format!("[{}]", elements.join(", "))
            }
            ElementSet::Possible { set, field } => format!("P({set:?}, {field:?})"),
            ElementSet::Excluded { set, field } => {
                format!("E({}, {field:?})", set.as_deref().map(set_text).unwrap_or_default())
            }
            ElementSet::Selected { state, field } => format!("selected {state:?} {field}"),
            ElementSet::Binary { op, left, right } => {
                format!("({} {op:?} {})", elements_text(left), elements_text(right))
            }
        }
    }
    let mut answers = String::new();
    for text in [
        "Sum(Sales) / Sum(total Sales)",
        "Count(distinct total <Year, [Order Month]> {1} Customer)",
        "Count(*)",
        "Sum({$1} a) + Sum({$_1} a) + Sum({State} a) + Sum({} a)",
        "Sum({<Year={2013, 2014}, Region={'Nord', \"S*\", [E?t]}, Day={\">=3<5\"}, Month=>} Sales)",
        "Sum({1-$*State<Year+={2013}, Region-={A*}>} Sales)",
        "Sum({<Year={(=max(Year))}, Customer={\"=Sum(Sales)>5\"}>} Sales)",
        "Sum({<Customer=P({1<Year={2012}>} Customer), Region=E(), Year=State::Year, Day=$::Day>} Sales)",
        "Sum({<Date={2013-05-01, New York}>} Sales)",
        "Sum({-<Year={2013}>} Sales)",
        "Sum({<Year=P() - {2013}>} Sales)",
        "{<Year={2013}>} Sum(a) / Count({1} b)",
        "Max(Aggr(Sum(Sales), Region, (Year, (numeric, descending))))",
        "Rank(total Sum(Sales))",
        "FirstSortedValue(distinct Region, -Sales)",
        "Sum(total)",
        "Concat(distinct Region, ', ')",
    ] {
        answers.push_str(&format!("{text}\n    {}\n", shape(text)));
    }
    expect![[r#"
        Sum(Sales) / Sum(total Sales)
            Sum; Sum total<>
        Count(distinct total <Year, [Order Month]> {1} Customer)
            Count distinct total<Year,Order Month> Full
        Count(*)
            Count
        Sum({$1} a) + Sum({$_1} a) + Sum({State} a) + Sum({} a)
            Sum Back(1); Sum Forward(1); Sum Named("State"); Sum Current
        Sum({<Year={2013, 2014}, Region={'Nord', "S*", [E?t]}, Day={">=3<5"}, Month=>} Sales)
            Sum Current<Year = ['2013', '2014'], Region = ['Nord', like S*, like E?t], Day = [2 bounds], Month = >
        Sum({1-$*State<Year+={2013}, Region-={A*}>} Sales)
            Sum( Full Exclude ( Current Intersect  Named("State")<Year Union= ['2013'], Region Exclude= [like A*]>))
        Sum({<Year={(=max(Year))}, Customer={"=Sum(Sales)>5"}>} Sales)
            Sum Current<Year = [computed], Customer = [by expression]>
        Sum({<Customer=P({1<Year={2012}>} Customer), Region=E(), Year=State::Year, Day=$::Day>} Sales)
            Sum Current<Customer = P(Some(Modified { base: Source(Full), modifiers: [Modifier { span: Span { start: 20, end: 31 }, field: "Year", op: None, elements: Some(List([Value(Number(2012.0))])) }] }), Some("Customer")), Region = E(, None), Year = selected Some("State") Year, Day = selected Some("$") Day>
        Sum({<Date={2013-05-01, New York}>} Sales)
            Sum Current<Date = ['2013-05-01', 'New York']>
        Sum({-<Year={2013}>} Sales)
            Sum not Current<Year = ['2013']>
        Sum({<Year=P() - {2013}>} Sales)
            Sum Current<Year = (P(None, None) Exclude ['2013'])>
        {<Year={2013}>} Sum(a) / Count({1} b)
            Sum Current<Year = ['2013']>; Count Full
        Max(Aggr(Sum(Sales), Region, (Year, (numeric, descending))))
            Max; Aggr by Region,Year; Sum
        Rank(total Sum(Sales))
            Sum
        FirstSortedValue(distinct Region, -Sales)
            FirstSortedValue distinct
        Sum(total)
            0: `Sum` takes 1 argument, not 0
        Concat(distinct Region, ', ')
            Concat distinct
    "#]].assert_eq(&answers);
}

#[test]
fn no_expression_makes_texts_that_fill_the_memory() {
    check(
        "Len(Repeat('x', 1000000000))
        Len(Repeat('ab', 1000) & 'c')
        IsNull(Repeat('x', 1000000) & Repeat('x', 1000000))
        Len(Replace(Repeat('a', 1000), 'a', 'bc'))
        IsNull(Replace(Repeat('a', 10000), 'a', Repeat('a', 10000)))
        IsNull(Replace(Replace(Repeat('a', 10000), 'a', Repeat('a', 10000)), 'a', Repeat('a', 10000)))",
        expect![[r#"
            Len(Repeat('x', 1000000000)) → 1048576
            Len(Repeat('ab', 1000) & 'c') → 2001
            IsNull(Repeat('x', 1000000) & Repeat('x', 1000000)) → -1
            Len(Replace(Repeat('a', 1000), 'a', 'bc')) → 2000
            IsNull(Replace(Repeat('a', 10000), 'a', Repeat('a', 10000))) → -1
            IsNull(Replace(Replace(Repeat('a', 10000), 'a', Repeat('a', 10000)), 'a', Repeat('a', 10000))) → -1
        "#]],
    );
}

#[test]
fn no_search_in_a_text_takes_quadratic_time() {
    // Compared anew at each place, each of these takes many minutes.
    check(
        "Index(Repeat('a', 300000), Repeat('a', 150000) & 'b')
        Index(Repeat('a', 300000), Repeat('a', 150000), -1)
        Len(PurgeChar(Repeat('a', 300000), Repeat('b', 300000)))
        Len(KeepChar(Repeat('a', 300000), Repeat('b', 300000)))
        FindOneOf(Repeat('a', 300000), Repeat('b', 300000))
        Repeat('a', 300000) like '*' & Repeat('a', 150000) & 'b'
        Repeat('a', 300000) like ('*' & Repeat('a', 150000) & 'b')",
        expect![[r#"
            Index(Repeat('a', 300000), Repeat('a', 150000) & 'b') → 0
            Index(Repeat('a', 300000), Repeat('a', 150000), -1) → 150001
            Len(PurgeChar(Repeat('a', 300000), Repeat('b', 300000))) → 300000
            Len(KeepChar(Repeat('a', 300000), Repeat('b', 300000))) → 0
            FindOneOf(Repeat('a', 300000), Repeat('b', 300000)) → 0
            Repeat('a', 300000) like '*' & Repeat('a', 150000) & 'b' → 0
            Repeat('a', 300000) like ('*' & Repeat('a', 150000) & 'b') → 0
        "#]],
    );
}

#[test]
fn no_depth_of_text_overflows() {
    let deep = 100_000;
    for text in [
        "(".repeat(deep),
        "-".repeat(deep) + "1",
        "not ".repeat(deep),
        "1+".repeat(deep) + "1",
        "If(1,".repeat(deep),
        "Sum({<a=P({".repeat(deep),
        "Sum({".to_owned() + &"-".repeat(deep),
        "Sum({<a={(=".repeat(deep),
        "Sum({$".to_owned() + &"<a=>".repeat(deep),
        "Sum({$".to_owned() + &"+$".repeat(deep),
        "{1}".repeat(deep),
        "Sum({<a={\"=Sum({<a={\"\"=".repeat(deep),
    ] {
        let parsed = parse_expression(&text);
        assert!(!parsed.problems.is_empty());
    }
    let chain = "1+".repeat(300) + "1";
    let sum = with_row(|row| eval_scalar(&parse_expression(&chain).into_valid().unwrap(), row));
    assert_eq!(sum, Value::Number(301.0));
}

proptest! {
    #[test]
    fn any_text_is_survived(text in ".{0,60}") {
        try_text(&text);
    }

    #[test]
    fn any_words_are_survived(words in proptest::collection::vec(prop::sample::select(vec![
        "Sum(", "(", ")", "{", "}", "<", ">", "=", ",", "+", "-", "*", "'a'", "\"=x\"", "[b]", "total", "distinct", "1", "$",
        "P(", "E(", "Aggr(", "not", "and", "like", "If(", "Date(", "MonthName(", "x", "::", "1e300", "$1", "Mid(", "Repeat(",
        "MakeDate(", "AddMonths(", "Week(", "Fact(", "Combin(", "Color(", "Class(", "Round(", "<<", "Chr(",
    ]), 0..24)) {
        try_text(&words.join(" "));
    }
}

fn try_text(text: &str) {
    let parsed = parse_expression(text);
    for problem in &parsed.problems {
        assert!(text.get(problem.span.range()).is_some(), "{text}: {problem:?}");
    }
    if let Some(expr) = parsed.into_valid() {
        with_row(|row| eval_scalar(&expr, row));
    }
}
