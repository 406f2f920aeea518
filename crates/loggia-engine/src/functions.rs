//! Which functions are there, and what does each take?
//!
//! One table names them all. Scalar functions are plain Rust functions of their arguments; the others are answered by
//! whoever evaluates: conditionals by [`eval_scalar`](crate::expression::eval_scalar), script and chart functions by the
//! [`RowContext`](crate::expression::RowContext).

mod color;
mod conditional;
mod date;
mod math;
mod range;
mod text;

use crate::expression::Environment;
use crate::value::Value;

pub(crate) use text::MAX_TEXT;

/// A scalar function's body: the arguments have been counted.
pub type Apply = fn(&[Value], &Environment<'_>) -> Value;

/// Who answers a call.
#[derive(Clone, Copy, Debug)]
pub enum FunctionKind {
    /// A function of its arguments alone.
    Scalar(Apply),
    /// Reads only the arguments it needs.
    Conditional,
    /// Needs the row, in script and chart.
    Row,
    /// Only in the load script.
    Script,
    /// Only in charts: inter-record functions, selections.
    Chart,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct FunctionInfo {
    pub name: &'static str,
    pub min_args: u8,
    pub max_args: u8,
    pub kind: FunctionKind,
}

/// As many arguments as one likes.
pub const MANY: u8 = u8::MAX;

macro_rules! functions {
    ($($variant:ident $name:literal $min:literal..=$max:tt $kind:expr;)*) => {
        /// A function that exists.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Function { $($variant),* }

        const TABLE: &[FunctionInfo] = &[
            $(FunctionInfo { name: $name, min_args: $min, max_args: functions!(@max $max), kind: $kind }),*
        ];

        const FUNCTIONS: &[Function] = &[$(Function::$variant),*];
    };
    (@max many) => { MANY };
    (@max $max:literal) => { $max };
}

use FunctionKind::{Chart, Conditional, Row, Scalar, Script};

functions! {
    // conditional
    If "If" 2..=3 Conditional;
    Alt "Alt" 1..=many Conditional;
    Coalesce "Coalesce" 1..=many Conditional;
    EmptyIsNull "EmptyIsNull" 1..=1 Scalar(conditional::empty_is_null);
    Pick "Pick" 2..=many Conditional;
    Match "Match" 2..=many Scalar(conditional::match_exact);
    MixMatch "MixMatch" 2..=many Scalar(conditional::match_folded);
    WildMatch "WildMatch" 2..=many Scalar(conditional::match_wild);
    Class "Class" 2..=4 Scalar(conditional::class);
    IsNull "IsNull" 1..=1 Scalar(conditional::is_null);
    IsNum "IsNum" 1..=1 Scalar(conditional::is_num);
    IsText "IsText" 1..=1 Scalar(conditional::is_text);
    Null "Null" 0..=0 Scalar(conditional::null);
    True "True" 0..=0 Scalar(conditional::true_value);
    False "False" 0..=0 Scalar(conditional::false_value);
    // text
    Len "Len" 1..=1 Scalar(text::len);
    Left "Left" 2..=2 Scalar(text::left);
    Right "Right" 2..=2 Scalar(text::right);
    Mid "Mid" 2..=3 Scalar(text::mid);
    Upper "Upper" 1..=1 Scalar(text::upper);
    Lower "Lower" 1..=1 Scalar(text::lower);
    Capitalize "Capitalize" 1..=1 Scalar(text::capitalize);
    Trim "Trim" 1..=1 Scalar(text::trim);
    LTrim "LTrim" 1..=1 Scalar(text::trim_left);
    RTrim "RTrim" 1..=1 Scalar(text::trim_right);
    SubField "SubField" 2..=3 Scalar(text::sub_field);
    SubStringCount "SubStringCount" 2..=2 Scalar(text::sub_string_count);
    Index "Index" 2..=3 Scalar(text::index);
    FindOneOf "FindOneOf" 2..=3 Scalar(text::find_one_of);
    Replace "Replace" 3..=3 Scalar(text::replace);
    MapSubString "MapSubString" 2..=2 Script;
    PurgeChar "PurgeChar" 2..=2 Scalar(text::purge_char);
    KeepChar "KeepChar" 2..=2 Scalar(text::keep_char);
    TextBetween "TextBetween" 3..=4 Scalar(text::text_between);
    Repeat "Repeat" 2..=2 Scalar(text::repeat);
    Chr "Chr" 1..=1 Scalar(text::chr);
    Ord "Ord" 1..=1 Scalar(text::ord);
    Hash128 "Hash128" 1..=many Scalar(text::hash128);
    Hash160 "Hash160" 1..=many Scalar(text::hash160);
    Hash256 "Hash256" 1..=many Scalar(text::hash256);
    LevenshteinDist "LevenshteinDist" 2..=2 Scalar(text::levenshtein);
    // formatting and interpretation
    Text "Text" 1..=1 Scalar(text::text);
    Num "Num" 1..=4 Scalar(text::num);
    NumParse "Num#" 1..=4 Scalar(text::num_parse);
    Money "Money" 1..=4 Scalar(text::money);
    MoneyParse "Money#" 1..=4 Scalar(text::num_parse);
    Dual "Dual" 2..=2 Scalar(text::dual);
    Date "Date" 1..=2 Scalar(date::date);
    DateParse "Date#" 1..=2 Scalar(date::date_parse);
    Time "Time" 1..=2 Scalar(date::time);
    TimeParse "Time#" 1..=2 Scalar(date::time_parse);
    Timestamp "Timestamp" 1..=2 Scalar(date::timestamp);
    TimestampParse "Timestamp#" 1..=2 Scalar(date::timestamp_parse);
    Interval "Interval" 1..=2 Scalar(date::interval);
    IntervalParse "Interval#" 1..=2 Scalar(date::interval_parse);
    // dates
    MakeDate "MakeDate" 1..=3 Scalar(date::make_date);
    MakeTime "MakeTime" 1..=3 Scalar(date::make_time);
    MakeWeekDate "MakeWeekDate" 1..=3 Scalar(date::make_week_date);
    Year "Year" 1..=1 Scalar(date::year);
    Month "Month" 1..=1 Scalar(date::month);
    Day "Day" 1..=1 Scalar(date::day);
    Week "Week" 1..=1 Scalar(date::week);
    WeekYear "WeekYear" 1..=1 Scalar(date::week_year);
    WeekDay "WeekDay" 1..=2 Scalar(date::week_day);
    Hour "Hour" 1..=1 Scalar(date::hour);
    Minute "Minute" 1..=1 Scalar(date::minute);
    Second "Second" 1..=1 Scalar(date::second);
    MonthName "MonthName" 1..=2 Scalar(date::month_name);
    QuarterName "QuarterName" 1..=3 Scalar(date::quarter_name);
    YearName "YearName" 1..=3 Scalar(date::year_name);
    MonthStart "MonthStart" 1..=2 Scalar(date::month_start);
    MonthEnd "MonthEnd" 1..=2 Scalar(date::month_end);
    QuarterStart "QuarterStart" 1..=3 Scalar(date::quarter_start);
    QuarterEnd "QuarterEnd" 1..=3 Scalar(date::quarter_end);
    YearStart "YearStart" 1..=3 Scalar(date::year_start);
    YearEnd "YearEnd" 1..=3 Scalar(date::year_end);
    WeekStart "WeekStart" 1..=3 Scalar(date::week_start);
    WeekEnd "WeekEnd" 1..=3 Scalar(date::week_end);
    WeekName "WeekName" 1..=3 Scalar(date::week_name);
    DayStart "DayStart" 1..=2 Scalar(date::day_start);
    DayEnd "DayEnd" 1..=2 Scalar(date::day_end);
    DayNumberOfYear "DayNumberOfYear" 1..=2 Scalar(date::day_number_of_year);
    AddMonths "AddMonths" 2..=3 Scalar(date::add_months);
    AddYears "AddYears" 2..=2 Scalar(date::add_years);
    Age "Age" 2..=2 Scalar(date::age);
    InYear "InYear" 3..=4 Scalar(date::in_year);
    InMonth "InMonth" 3..=3 Scalar(date::in_month);
    Today "Today" 0..=1 Scalar(date::today);
    Now "Now" 0..=1 Scalar(date::now);
    // numbers
    Floor "Floor" 1..=3 Scalar(math::floor);
    Ceil "Ceil" 1..=3 Scalar(math::ceil);
    Round "Round" 1..=3 Scalar(math::round);
    Frac "Frac" 1..=1 Scalar(math::frac);
    Mod "Mod" 2..=2 Scalar(math::modulo);
    Fmod "Fmod" 2..=2 Scalar(math::fmod);
    Div "Div" 2..=2 Scalar(math::div);
    Abs "Abs" 1..=1 Scalar(math::abs);
    Fabs "Fabs" 1..=1 Scalar(math::abs);
    Sign "Sign" 1..=1 Scalar(math::sign);
    Sqrt "Sqrt" 1..=1 Scalar(math::sqrt);
    Sqr "Sqr" 1..=1 Scalar(math::sqr);
    Exp "Exp" 1..=1 Scalar(math::exp);
    Log "Log" 1..=1 Scalar(math::log);
    Log10 "Log10" 1..=1 Scalar(math::log10);
    Pow "Pow" 2..=2 Scalar(math::pow);
    Sin "Sin" 1..=1 Scalar(math::sin);
    Cos "Cos" 1..=1 Scalar(math::cos);
    Tan "Tan" 1..=1 Scalar(math::tan);
    Asin "Asin" 1..=1 Scalar(math::asin);
    Acos "Acos" 1..=1 Scalar(math::acos);
    Atan "Atan" 1..=1 Scalar(math::atan);
    Atan2 "Atan2" 2..=2 Scalar(math::atan2);
    Sinh "Sinh" 1..=1 Scalar(math::sinh);
    Cosh "Cosh" 1..=1 Scalar(math::cosh);
    Tanh "Tanh" 1..=1 Scalar(math::tanh);
    Pi "Pi" 0..=0 Scalar(math::pi);
    E "E" 0..=0 Scalar(math::e);
    Even "Even" 1..=1 Scalar(math::even);
    Odd "Odd" 1..=1 Scalar(math::odd);
    Fact "Fact" 1..=1 Scalar(math::fact);
    Combin "Combin" 2..=2 Scalar(math::combin);
    BitCount "BitCount" 1..=1 Scalar(math::bit_count);
    RangeSum "RangeSum" 1..=many Scalar(range::sum);
    RangeMin "RangeMin" 1..=many Scalar(range::min);
    RangeMax "RangeMax" 1..=many Scalar(range::max);
    RangeAvg "RangeAvg" 1..=many Scalar(range::avg);
    RangeCount "RangeCount" 1..=many Scalar(range::count);
    RangeNumericCount "RangeNumericCount" 1..=many Scalar(range::numeric_count);
    RangeTextCount "RangeTextCount" 1..=many Scalar(range::text_count);
    RangeNullCount "RangeNullCount" 1..=many Scalar(range::null_count);
    RangeOnly "RangeOnly" 1..=many Scalar(range::only);
    RangeStdev "RangeStdev" 1..=many Scalar(range::stdev);
    RangeMinString "RangeMinString" 1..=many Scalar(range::min_string);
    RangeMaxString "RangeMaxString" 1..=many Scalar(range::max_string);
    // colours
    Rgb "RGB" 3..=3 Scalar(color::rgb);
    Argb "ARGB" 4..=4 Scalar(color::argb);
    Hsl "HSL" 3..=3 Scalar(color::hsl);
    Color "Color" 1..=2 Scalar(color::color);
    ColorMix1 "ColorMix1" 3..=3 Scalar(color::mix1);
    ColorMix2 "ColorMix2" 3..=4 Scalar(color::mix2);
    Black "Black" 0..=1 Scalar(color::black);
    Blue "Blue" 0..=1 Scalar(color::blue);
    Brown "Brown" 0..=1 Scalar(color::brown);
    Cyan "Cyan" 0..=1 Scalar(color::cyan);
    DarkGray "DarkGray" 0..=1 Scalar(color::dark_gray);
    Green "Green" 0..=1 Scalar(color::green);
    LightBlue "LightBlue" 0..=1 Scalar(color::light_blue);
    LightCyan "LightCyan" 0..=1 Scalar(color::light_cyan);
    LightGray "LightGray" 0..=1 Scalar(color::light_gray);
    LightGreen "LightGreen" 0..=1 Scalar(color::light_green);
    LightMagenta "LightMagenta" 0..=1 Scalar(color::light_magenta);
    LightRed "LightRed" 0..=1 Scalar(color::light_red);
    Magenta "Magenta" 0..=1 Scalar(color::magenta);
    Red "Red" 0..=1 Scalar(color::red);
    White "White" 0..=1 Scalar(color::white);
    Yellow "Yellow" 0..=1 Scalar(color::yellow);
    // who and what
    OsUser "OSUser" 0..=0 Scalar(conditional::os_user);
    // the row
    RowNo "RowNo" 0..=0 Row;
    // load script
    RecNo "RecNo" 0..=0 Script;
    IterNo "IterNo" 0..=0 Script;
    ApplyMap "ApplyMap" 2..=3 Script;
    Peek "Peek" 1..=3 Script;
    Previous "Previous" 1..=1 Script;
    Exists "Exists" 1..=2 Script;
    AutoNumber "AutoNumber" 1..=2 Script;
    FieldValue "FieldValue" 2..=2 Script;
    FieldValueCount "FieldValueCount" 1..=1 Script;
    NoOfTableRows "NoOfTableRows" 1..=1 Script;
    // charts: other rows
    Above "Above" 1..=3 Chart;
    Below "Below" 1..=3 Chart;
    Before "Before" 1..=3 Chart;
    After "After" 1..=3 Chart;
    Top "Top" 1..=3 Chart;
    Bottom "Bottom" 1..=3 Chart;
    First "First" 1..=3 Chart;
    Last "Last" 1..=3 Chart;
    ColumnNo "ColumnNo" 0..=0 Chart;
    NoOfRows "NoOfRows" 0..=1 Chart;
    NoOfColumns "NoOfColumns" 0..=0 Chart;
    Rank "Rank" 1..=3 Chart;
    HRank "HRank" 1..=3 Chart;
    Column "Column" 1..=1 Chart;
    Dimensionality "Dimensionality" 0..=0 Chart;
    SecondaryDimensionality "SecondaryDimensionality" 0..=0 Chart;
    // charts: selections
    GetSelectedCount "GetSelectedCount" 1..=3 Chart;
    GetPossibleCount "GetPossibleCount" 1..=1 Chart;
    GetExcludedCount "GetExcludedCount" 1..=1 Chart;
    GetAlternativeCount "GetAlternativeCount" 1..=1 Chart;
    GetNotSelectedCount "GetNotSelectedCount" 1..=2 Chart;
    GetFieldSelections "GetFieldSelections" 1..=4 Chart;
    GetCurrentSelections "GetCurrentSelections" 0..=5 Chart;
    StateName "StateName" 0..=0 Chart;
    ValueList "ValueList" 1..=many Chart;
    ValueLoop "ValueLoop" 1..=3 Chart;
}

impl Function {
    pub fn info(self) -> &'static FunctionInfo {
        &TABLE[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// Finds a function by name, whatever its case.
    pub fn named(name: &str) -> Option<Function> {
        FUNCTIONS.iter().copied().find(|function| function.name().eq_ignore_ascii_case(name))
    }
}

/// Every function that does not aggregate, in the order of the table.
pub fn all() -> impl Iterator<Item = Function> {
    FUNCTIONS.iter().copied()
}

/// Calls a scalar function; nothing for functions of other kinds.
pub fn apply(function: Function, args: &[Value], environment: &Environment<'_>) -> Value {
    match function.info().kind {
        Scalar(body) => body(args, environment),
        Conditional => conditional::apply_eagerly(function, args, environment),
        Row | Script | Chart => Value::Null,
    }
}

macro_rules! aggregates {
    ($($variant:ident $name:literal $min:literal..=$max:literal;)*) => {
        /// A function over rows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum AggregateKind { $($variant),* }

        const AGGREGATES: &[(AggregateKind, &str, u8, u8)] = &[$((AggregateKind::$variant, $name, $min, $max)),*];
    };
}

aggregates! {
    Sum "Sum" 1..=1;
    // `Count(*)` counts rows and has no argument.
    Count "Count" 0..=1;
    Min "Min" 1..=2;
    Max "Max" 1..=2;
    Avg "Avg" 1..=1;
    Only "Only" 1..=1;
    MinString "MinString" 1..=1;
    MaxString "MaxString" 1..=1;
    Concat "Concat" 1..=3;
    FirstValue "FirstValue" 1..=1;
    LastValue "LastValue" 1..=1;
    FirstSortedValue "FirstSortedValue" 2..=3;
    Mode "Mode" 1..=1;
    Median "Median" 1..=1;
    Fractile "Fractile" 2..=2;
    Stdev "Stdev" 1..=1;
    Sterr "Sterr" 1..=1;
    Skew "Skew" 1..=1;
    Kurtosis "Kurtosis" 1..=1;
    Correl "Correl" 2..=2;
    NumericCount "NumericCount" 1..=1;
    TextCount "TextCount" 1..=1;
    NullCount "NullCount" 1..=1;
    MissingCount "MissingCount" 1..=1;
}

impl AggregateKind {
    pub fn name(self) -> &'static str {
        AGGREGATES[self as usize].1
    }

    /// Fewest and most arguments.
    pub fn arity(self) -> (u8, u8) {
        let (_, _, min, max) = AGGREGATES[self as usize];
        (min, max)
    }

    pub fn named(name: &str) -> Option<AggregateKind> {
        AGGREGATES
            .iter()
            .find(|(_, known, ..)| known.eq_ignore_ascii_case(name))
            .map(|(kind, ..)| *kind)
    }
}

/// The known name nearest to a mistyped one.
pub fn suggestion(name: &str) -> Option<&'static str> {
    let wanted = name.to_ascii_lowercase();
    let limit = if wanted.len() <= 4 { 1 } else { 2 };
    let names = TABLE
        .iter()
        .map(|info| info.name)
        .chain(AGGREGATES.iter().map(|(_, name, ..)| *name))
        .chain(["Aggr"]);
    names
        .map(|known| (text::edit_distance(&wanted, &known.to_ascii_lowercase()), known))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// The number a value stands for: text is read as a number or a date of the locale where it looks like one.
pub(crate) fn numeric(value: &Value, environment: &Environment<'_>) -> Option<f64> {
    match value {
        Value::Number(number) | Value::Dual(number, _) => Some(*number),
        Value::Null => None,
        Value::Text(text) => environment.interpreter().number_of(text),
    }
}

/// As [`numeric`], as a whole number towards zero.
pub(crate) fn whole(value: &Value, environment: &Environment<'_>) -> Option<i64> {
    numeric(value, environment)
        .filter(|number| number.is_finite())
        .map(|number| number.trunc() as i64)
}
