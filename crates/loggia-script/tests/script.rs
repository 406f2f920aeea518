//! Scripts as their authors see them: text in, tables or a problem out.

use std::io::Read;

use expect_test::{Expect, expect};
use loggia_engine::Value;
use loggia_script::{ConnectError, Connector, NoFiles, Settings, check, run, sections};
use proptest::prelude::*;

/// Files by location, with `lib://Data/` left out.
struct Files(&'static [(&'static str, &'static str)]);

impl Connector for Files {
    fn open(&self, location: &str) -> Result<Box<dyn Read + Send>, ConnectError> {
        let name = location.strip_prefix("lib://Data/").unwrap_or(location);
        match self.0.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => Ok(Box::new(text.as_bytes())),
            None => Err(ConnectError::Missing { location: location.to_owned() }),
        }
    }

    fn list(&self, location: &str) -> Result<Vec<String>, ConnectError> {
        match location.strip_suffix("*.csv") {
            Some(folder) if folder.ends_with("None/") => Ok(Vec::new()),
            Some(folder) => Ok(self.0.iter().map(|(name, _)| format!("{folder}{name}")).collect()),
            None => Ok(vec![location.to_owned()]),
        }
    }
}

const FILES: Files = Files(&[
    (
        "orders.csv",
        "\u{feff}id,customer,amount,day\n1,Ana,12.5,2013-05-01\n2,Ben,NA,2013-05-02\n3,\"Doe, Ana\",7,2013-06-01\n\n",
    ),
    (
        "german.csv",
        "Bericht\nvom Mai\nName;Betrag;Tag\nÄpfel;1.234,5;01.05.2013\nBirnen;2;02.05.2013\n",
    ),
    ("plain.csv", "a|1\nb|2|extra\nc\n"),
]);

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Number(number) => loggia_engine::format::number_text(*number),
        Value::Text(text) => format!("'{text}'"),
        Value::Dual(number, text) => {
            format!("'{text}'={}", loggia_engine::format::number_text(*number))
        }
    }
}

fn result(script: &str) -> String {
    let mut log = String::new();
    let settings =
        Settings { now: 41_400.5, user: "LOGGIA\\ana".to_owned(), ..Settings::default() };
    let outcome = run(script, &FILES, &settings, &mut |line| {
        if !line.text.contains("loaded, ") {
            log.push_str(&format!("log {}: {}\n", line.line, line.text));
        }
    });
    match outcome {
        Err(problem) => log + &format!("{problem}\n"),
        Ok(outcome) => {
            for table in outcome.tables {
                let names: Vec<&str> =
                    table.columns().iter().map(|column| &**column.name()).collect();
                log.push_str(&format!("{}: {}\n", table.name(), names.join(", ")));
                for row in 0..table.rows() {
                    let values: Vec<String> =
                        table.columns().iter().map(|column| shown(&column.value(row))).collect();
                    log.push_str(&format!("    {}\n", values.join(", ")));
                }
            }
            log
        }
    }
}

#[track_caller]
fn scenario(script: &str, expected: Expect) {
    expected.assert_eq(&result(script));
}

#[test]
fn files_are_read_as_their_format_says() {
    scenario(
        "Orders:
         LOAD id AS Order, customer, If(IsNum(amount), amount) AS Amount, Month(day) AS Month, day
         FROM 'lib://Data/orders.csv' (txt, utf8, embedded labels, delimiter is ',', msq);
         SET DecimalSep=','; SET ThousandSep='.'; SET DateFormat='DD.MM.YYYY';
         German: LOAD *, Betrag * 2 AS Doppelt FROM [lib://Data/german.csv] (txt, utf8, embedded labels, delimiter is ';', header is 2 lines);
         Plain: LOAD @1 AS Letter, @2 AS Digit FROM lib://Data/plain.csv (txt, no labels, delimiter is '|') WHERE @1 <> 'b';",
        expect![[r#"
            Orders: Order, customer, Amount, Month, day
                1, 'Ana', 12.5, 'May'=5, '2013-05-01'=41395
                2, 'Ben', -, 'May'=5, '2013-05-02'=41396
                3, 'Doe, Ana', 7, 'Jun'=6, '2013-06-01'=41426
            German: Name, Betrag, Tag, Doppelt
                'Äpfel', '1.234,5'=1234.5, '01.05.2013'=41395, 2469
                'Birnen', 2, '02.05.2013'=41396, 4
            Plain: Letter, Digit
                'a', 1
                'c', -
        "#]],
    );
}

#[test]
fn rows_come_from_text_tables_and_thin_air() {
    scenario(
        "Cities:
         LOAD * INLINE [
         City, Country, Founded
         Oslo, Norway, 1048
         Bergen, Norway, 1070
         'Åre', Sweden,
         ];
         // A table made of another, in another order.
         Old: NOCONCATENATE LOAD City, RowNo() AS Rank RESIDENT Cities WHERE Founded > 0 ORDER BY Founded DESC;
         Numbers: LOAD RecNo() AS N, RecNo() * RecNo() AS Square, Today() AS Day AUTOGENERATE 3;
         Countries: LOAD DISTINCT Country AS Land RESIDENT Cities;
         Upper:
         LOAD *, Upper(Name) AS Big WHERE Len(Name) > 4;
         LOAD City & '!' AS Name RESIDENT Cities;",
        expect![[r#"
            Cities: City, Country, Founded
                'Oslo', 'Norway', 1048
                'Bergen', 'Norway', 1070
                ''Åre'', 'Sweden', ''
            Old: City, Rank
                'Bergen', 1
                'Oslo', 2
            Numbers: N, Square, Day
                1, 1, '2013-05-06'=41400
                2, 4, '2013-05-06'=41400
                3, 9, '2013-05-06'=41400
            Countries: Land
                'Norway'
                'Sweden'
            Upper: Name, Big
                'Oslo!', 'OSLO!'
                'Bergen!', 'BERGEN!'
                ''Åre'!', ''ÅRE'!'
        "#]],
    );
}

#[test]
fn tables_with_the_same_fields_become_one() {
    scenario(
        "A: LOAD * INLINE [x, y
         1, a];
         LOAD * INLINE [y, x
         b, 2];
         B: NOCONCATENATE LOAD * INLINE [x, y
         3, c];
         CONCATENATE (A) LOAD * INLINE [x, z
         4, d];
         C: LOAD x AS k, y RESIDENT B;
         CONCATENATE LOAD 9 AS k AUTOGENERATE 1;",
        expect![[r#"
            A: x, y, z
                1, 'a', -
                2, 'b', -
                4, -, 'd'
            B: x, y
                3, 'c'
            C: k, y
                3, 'c'
                9, -
        "#]],
    );
}

#[test]
fn joins_put_rows_beside_each_other() {
    scenario(
        "T: LOAD * INLINE [k, a
         1, one
         2, two
         2, zwei];
         LEFT JOIN (T) LOAD * INLINE [k, b
         2, II
         3, III];
         U: LOAD * INLINE [k2, a2
         1, x];
         OUTER JOIN LOAD * INLINE [k2, b2
         1, y
         5, z];
         V: LOAD * INLINE [m
         1
         2];
         JOIN (V) LOAD * INLINE [n
         8
         9];
         W: LOAD * INLINE [p, q
         1, a
         2, b];
         X: INNER KEEP (W) LOAD * INLINE [p, r
         2, c
         3, d];",
        expect![[r#"
            T: k, a, b
                1, 'one', -
                2, 'two', 'II'
                2, 'zwei', 'II'
            U: k2, a2, b2
                1, 'x', 'y'
                5, -, 'z'
            V: m, n
                1, 8
                1, 9
                2, 8
                2, 9
            W: p, q
                2, 'b'
            X: p, r
                2, 'c'
        "#]],
    );
}

#[test]
fn groups_are_aggregated() {
    scenario(
        "Sales: LOAD * INLINE [Region, Product, Amount
         Nord, Tea, 10
         Nord, Tea, 5
         Sud, Tea, 7
         Sud, Coffee,
         Nord, Coffee, 1];
         ByRegion:
         LOAD Region, Sum(Amount) AS Total, Count(DISTINCT Product) AS Products, Avg(Amount) AS Mean,
              Max(Amount) & '/' & Min(Amount) AS Span, Only(Region) AS Same, Concat(DISTINCT Product, '+') AS All,
              FirstSortedValue(Product, -Amount) AS Best, Count(*) AS Rows
         RESIDENT Sales GROUP BY Region;
         Whole: LOAD Sum(Amount) AS Everything, Median(Amount) AS Middle RESIDENT Sales WHERE Region = 'Nord';",
        expect![[r#"
            Sales: Region, Product, Amount
                'Nord', 'Tea', 10
                'Nord', 'Tea', 5
                'Sud', 'Tea', 7
                'Sud', 'Coffee', ''
                'Nord', 'Coffee', 1
            ByRegion: Region, Total, Products, Mean, Span, Same, All, Best, Rows
                'Nord', 16, 2, 5.3333333333333, '10/1', 'Nord', 'Coffee+Tea', 'Tea', 3
                'Sud', 7, 2, 7, '7/7', 'Sud', 'Coffee+Tea', 'Tea', 2
            Whole: Everything, Middle
                16, 5
        "#]],
    );
}

#[test]
fn maps_and_earlier_rows_are_at_hand() {
    scenario(
        "Names: MAPPING LOAD * INLINE [code, name
         N, Nord
         S, Sud
         7, Seven];
         T: LOAD ApplyMap('Names', c) AS c1, ApplyMap('Names', c, 'other') AS c2,
              Peek('Sum') + v AS Ignored, RangeSum(Peek('Sum'), v) AS Sum, Previous(v) AS Before,
              AutoNumber(c) AS Number, MapSubString('Names', c & '-' & c) AS Long
         INLINE [c, v
         N, 1
         X, 2
         07, 3
         N, 4];
         Seen: LOAD id INLINE [id
         1
         2
         2
         3] WHERE NOT Exists(id);
         Some: LOAD other INLINE [other
         2
         9] WHERE Exists(id, other);
         Parts: LOAD k, SubField(list, ';') AS part, SubField(list, ';', 1) AS head INLINE [k, list
         1, a;b
         2, c];
         Loop: LOAD n, IterNo() AS i INLINE [n
         1
         3] WHILE IterNo() <= n;",
        expect![[r#"
            log 1: Names: maps 3 values
            T: c1, c2, Ignored, Sum, Before, Number, Long
                'Nord', 'Nord', -, 1, -, 1, 'Nord-Nord'
                'X', 'other', 3, 3, 1, 2, 'X-X'
                'Seven', 'Seven', 6, 6, 2, 3, '0Seven-0Seven'
                'Nord', 'Nord', 10, 10, 3, 1, 'Nord-Nord'
            Seen: id
                1
                2
                3
            Some: other
                2
            Parts: k, part, head
                1, 'a', 'a'
                1, 'b', 'a'
                2, 'c', 'c'
            Loop: n, i
                1, 1
                3, 1
                3, 2
                3, 3
        "#]],
    );
}

#[test]
fn fields_and_tables_are_renamed_dropped_and_qualified() {
    scenario(
        "A: LOAD 1 AS x, 2 AS y, 3 AS z AUTOGENERATE 1;
         RENAME FIELD x TO [the x], y TO why;
         RENAME TABLE A TO Alpha;
         DROP FIELD z FROM Alpha;
         QUALIFY *; UNQUALIFY key;
         B: LOAD 1 AS key, 2 AS value AUTOGENERATE 1;
         UNQUALIFY *;
         C: LOAD 1 AS c AUTOGENERATE 1;
         DROP TABLE C;
         M: MAPPING LOAD * INLINE [from, to
         1, one];
         MAP d USING M;
         D: LOAD 1 AS d AUTOGENERATE 1;
         TAG FIELD d WITH '$mine';",
        expect![[r#"
            log 10: M: maps 1 value
            Alpha: the x, why
                1, 2
            B: key, B.value
                1, 2
            D: d
                'one'
        "#]],
    );
}

#[test]
fn variables_steer_the_script() {
    scenario(
        "SET vText = hello; LET vSum = 1 + 2;
         SET vFields = a, b;
         LET vDay = Date(Today(), 'D MMM YYYY');
         TRACE $(vText) $(vSum) on $(vDay), it's $(=Upper('late'));
         IF vSum = 3 THEN
           T: LOAD $(vFields) INLINE [a, b
           1, 2];
         ELSEIF vSum = 4 THEN
           TRACE never;
         ELSE
           TRACE never;
         END IF
         FOR i = 1 TO 3
           T2: LOAD $(i) AS i AUTOGENERATE 1;
           IF i = 2 THEN
             EXIT FOR
           END IF
         NEXT i
         FOR EACH f IN 'x', 'y'
           TRACE $(f);
         NEXT
         SUB Add(name, n)
           $(name): NOCONCATENATE LOAD $(n) AS [$(name) value] AUTOGENERATE 1;
         END SUB
         CALL Add('S', 5);
         DO WHILE Len(vText) < 7
           LET vText = vText & '.';
         LOOP
         TRACE $(vText);
         REM this is not run;
         EXIT SCRIPT;
         TRACE never;",
        expect![[r#"
            log 4: hello 3 on 6 May 2013, it's LATE
            log 20: x
            log 20: y
            log 29: hello..
            T: a, b
                1, 2
            T2: i
                1
                2
            S: S value
                5
        "#]],
    );
}

#[test]
fn several_files_are_one_table() {
    scenario(
        "FOR EACH file IN FileList('lib://Data/*.csv')
           TRACE $(file);
         NEXT
         T: LOAD id, customer FROM [lib://Data/orders.csv];",
        expect![[r#"
            log 2: lib://Data/orders.csv
            log 2: lib://Data/german.csv
            log 2: lib://Data/plain.csv
            T: id, customer
                1, 'Ana'
                2, 'Ben'
                3, 'Doe, Ana'
        "#]],
    );
}

#[test]
fn problems_name_the_place_and_the_mend() {
    let mut answers = String::new();
    for script in [
        "LOAD a FROM 'lib://Data/nothing.csv' (txt);",
        "LOAD Id, amount FROM 'lib://Data/orders.csv' (txt);",
        "LOAD price FROM 'lib://Data/orders.csv' (txt);",
        "T: LOAD * INLINE [a\n1];\nLOAD b RESIDENT T;",
        "T: LOAD * INLINE [a\n1];\n\n  LOAD a RESIDENT Tt;",
        "LOAD a, Summ(b) FROM x;",
        "LOAD a AS b, c AS b INLINE [a, c\n1, 2];",
        "LOAD a;",
        "LOAD FROM x;",
        "LAOD a FROM x;",
        "T: SET x = 1;",
        "LET x = 1 +;",
        "IF 1 THEN\nTRACE x;",
        "TRACE x;\nEND IF",
        "FOR i = 1 TO 0 STEP 0\nNEXT",
        "DO\nLOOP",
        "SUB a\nCALL a;\nEND SUB\nCALL a;",
        "SET v = $(v);\nTRACE $(v);",
        "LOAD a FROM [lib://Data/orders.csv] (qvd);",
        "LOAD a FROM [lib://Data/None/*.csv];",
        "SQL SELECT * FROM t;",
        "$(Must_Include=lib://Data/more.qvs);",
        "T: LOAD * INLINE [a, b\n1, 2];\nLOAD a, Sum(b) AS s, b RESIDENT T GROUP BY a;",
        "DROP TABLE T;",
        "MAPPING LOAD 1 AS a AUTOGENERATE 1;",
        "LOAD 'open FROM x;",
        "STORE T INTO x;",
        "LOAD a FROM lib://Data/orders.csv (txt, delimiter is 'xx');",
    ] {
        answers.push_str(&format!("{}\n    {}", script.replace('\n', " ⏎ "), result(script)));
    }
    expect![[r#"
        LOAD a FROM 'lib://Data/nothing.csv' (txt);
            line 1, column 13: there is no file `lib://Data/nothing.csv`
        LOAD Id, amount FROM 'lib://Data/orders.csv' (txt);
            line 1, column 6: the source has no field `Id` (did you mean `id`?)
        LOAD price FROM 'lib://Data/orders.csv' (txt);
            line 1, column 6: the source has no field `price` (it has: id, customer, amount, day)
        T: LOAD * INLINE [a ⏎ 1]; ⏎ LOAD b RESIDENT T;
            line 3, column 6: the source has no field `b` (it has: a)
        T: LOAD * INLINE [a ⏎ 1]; ⏎  ⏎   LOAD a RESIDENT Tt;
            line 4, column 19: there is no table `Tt` (there are: T)
        LOAD a, Summ(b) FROM x;
            line 1, column 9: there is no function `Summ`; did you mean `Sum`?
        LOAD a AS b, c AS b INLINE [a, c ⏎ 1, 2];
            line 1, column 14: the field `b` is loaded twice (give one of them another name with `AS`)
        LOAD a;
            line 1, column 7: expected `FROM`, `RESIDENT`, `INLINE`, `AUTOGENERATE` or another `LOAD`, found the end of the statement
        LOAD FROM x;
            line 1, column 11: expected `FROM`, `RESIDENT`, `INLINE` or `AUTOGENERATE`, found `x`
        LAOD a FROM x;
            line 1, column 1: `LAOD` begins no statement (did you mean `LOAD`?)
        T: SET x = 1;
            line 1, column 4: expected `LOAD` after the label `T`, found `SET`
        LET x = 1 +;
            line 1, column 12: expected a value, a field or a function, found the end
        IF 1 THEN ⏎ TRACE x;
            line 1, column 1: `IF` without `END IF` (end the block with `END IF`)
        TRACE x; ⏎ END IF
            line 2, column 1: `END IF` without its beginning
        FOR i = 1 TO 0 STEP 0 ⏎ NEXT
            line 1, column 5: the step of `FOR` must not be 0
        DO ⏎ LOOP
            line 1, column 3: the loops of this script turned more than 1000000 times
        SUB a ⏎ CALL a; ⏎ END SUB ⏎ CALL a;
            line 4, column 8: subs call each other more than 30 deep
        SET v = $(v); ⏎ TRACE $(v);
            log 2: 
        LOAD a FROM [lib://Data/orders.csv] (qvd);
            line 1, column 38: files of format `qvd` cannot be read; delimited text (`txt`) can
        LOAD a FROM [lib://Data/None/*.csv];
            line 1, column 13: no file fits `lib://Data/None/*.csv`
        SQL SELECT * FROM t;
            line 1, column 1: there is no database connection to send this to
        $(Must_Include=lib://Data/more.qvs);
            line 1, column 1: scripts of other files cannot be included
        T: LOAD * INLINE [a, b ⏎ 1, 2]; ⏎ LOAD a, Sum(b) AS s, b RESIDENT T GROUP BY a;
            line 3, column 22: `b` is neither aggregated nor grouped by (add it to `GROUP BY`, or wrap it in `Only(…)`)
        DROP TABLE T;
            line 1, column 1: there is no table `T`
        MAPPING LOAD 1 AS a AUTOGENERATE 1;
            line 1, column 1: a mapping table needs a name (write `Name:` before `MAPPING LOAD`)
        LOAD 'open FROM x;
            line 1, column 6: `'` is not closed
        STORE T INTO x;
            line 1, column 1: `STORE` is not supported here
        LOAD a FROM lib://Data/orders.csv (txt, delimiter is 'xx');
            line 1, column 54: expected a delimiter of one character, or '\t', found `'xx'`
    "#]].assert_eq(&answers);
}

#[test]
fn a_check_finds_every_problem_without_running() {
    let script = "LET a = 1 +;\nT: LOAD x FROM [lib://No/such.csv];\nDRPO TABLE T;\nTRACE $(anything;\nFOR i = 1 TO 2\nLOAD Lenn(x) RESIDENT T;";
    let problems: Vec<String> = check(script)
        .iter()
        .map(|problem| format!("{problem} [{}]", &script[problem.span.clone()]))
        .collect();
    expect![[r#"
        line 1, column 12: expected a value, a field or a function, found the end []
        line 3, column 1: `DRPO` begins no statement (did you mean `DROP`?) [DRPO]
        line 5, column 1: `FOR` without `NEXT` (end the block with `NEXT`) [FOR i = 1 TO 2]
        line 6, column 6: there is no function `Lenn`; did you mean `Len`? [Lenn]"#]]
    .assert_eq(&problems.join("\n"));
}

#[test]
fn sections_are_split_by_their_tabs() {
    let script = "SET a=1;\r\n///$tab Data\r\nLOAD 1 AS a AUTOGENERATE 1;\n///$tab\nlast";
    assert_eq!(
        sections(script),
        [("Main", "SET a=1;\r\n"), ("Data", "LOAD 1 AS a AUTOGENERATE 1;\n"), ("", "last")]
    );
    assert_eq!(sections(""), [("Main", "")]);
}

#[test]
fn the_demo_scripts_are_sound() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/apps");
    for app in folder.read_dir().unwrap() {
        let script = app.unwrap().path().join("script.qvs");
        let text = std::fs::read_to_string(&script).unwrap();
        assert_eq!(check(&text), [], "{}", script.display());
    }
}

#[test]
fn no_depth_of_a_script_overflows() {
    for text in [
        "IF 1 THEN\n".repeat(50_000),
        "FOR i = 1 TO 2\n".repeat(50_000),
        "LOAD a;".repeat(5_000),
        "a:".repeat(50_000),
        "[".repeat(50_000),
        "LOAD (".to_owned() + &"(".repeat(50_000),
        "LEFT JOIN ".repeat(50_000),
    ] {
        assert!(!check(&text).is_empty());
        assert!(run(&text, &NoFiles, &Settings::default(), &mut |_| {}).is_err());
    }
}

proptest! {
    #[test]
    fn any_text_is_survived(text in ".{0,80}") {
        try_text(&text);
    }

    #[test]
    fn any_words_are_survived(words in proptest::collection::vec(prop::sample::select(vec![
        "LOAD ", "* ", "a ", "b ", ", ", "; ", ": ", "T", "INLINE [a, b\n1, 2\n2, x]", "RESIDENT ", "FROM ", "(", ")",
        "AUTOGENERATE ", "3 ", "WHERE ", "GROUP BY ", "ORDER BY ", "DISTINCT ", "JOIN ", "LEFT ", "KEEP ", "MAPPING ",
        "CONCATENATE ", "IF ", "THEN\n", "ELSE\n", "END IF\n", "FOR ", "EACH ", "IN ", "i = ", "TO ", "NEXT\n", "SUB ",
        "END SUB\n", "CALL ", "SET ", "LET ", "$(", "x", "= ", "'q' ", "DROP ", "TABLE ", "FIELD ", "RENAME ", "QUALIFY ",
        "Peek('a')", "Exists(a)", "Sum(a)", "SubField(a, ',')", "AS ", "WHILE ", "RowNo()", "EXIT SCRIPT", "[", "'", "é", "\n",
        "//", "/*", "*/", "Previous(a)", "TRACE ", "REM ", "DO\n", "LOOP UNTIL 1\n", "lib://Data/orders.csv",
    ]), 0..30)) {
        try_text(&words.concat());
    }
}

fn try_text(text: &str) {
    for problem in check(text) {
        assert!(text.get(problem.span.clone()).is_some());
    }
    if let Err(problem) = run(text, &FILES, &Settings::default(), &mut |_| {}) {
        assert!(text.get(problem.span.clone()).is_some());
        assert!(problem.line >= 1 && problem.column >= 1);
    }
}

#[test]
fn a_script_that_needs_more_memory_than_there_is_ends_with_a_problem() {
    for script in [
        "A: LOAD RowNo() AS a AUTOGENERATE 400000000;",
        "A: LOAD 1 AS a AUTOGENERATE 400000000;",
        "A: LOAD Repeat('x', 10000) & RecNo() AS a AUTOGENERATE 100000;",
        "A: LOAD RecNo() AS a AUTOGENERATE 5000; JOIN LOAD RecNo() AS b AUTOGENERATE 5000;",
        "A: LOAD RecNo() AS a AUTOGENERATE 100000; B: LOAD Concat(Repeat('x', 1000) & a) AS b RESIDENT A;",
        "A: LOAD RecNo() AS a AUTOGENERATE 1 WHILE IterNo() < 100000000;",
        "FOR i = 1 TO 1000\nA: LOAD Repeat($(i) & 'x', 100000) AS a AUTOGENERATE 1;\nNEXT",
    ] {
        let settings = Settings { memory: 8 << 20, ..Settings::default() };
        let Err(problem) = run(script, &FILES, &settings, &mut |_| {}) else {
            panic!("{script} was run");
        };
        let said = problem.to_string();
        assert!(said.contains("need more than the 8 MB that a reload may take"), "{said}");
        assert!(said.contains("DROP TABLE"), "{said}");
    }
}
