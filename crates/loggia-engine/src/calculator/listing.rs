//! Lists: all values of a dimension with their states, in order, perhaps only those that match a search.

use std::sync::Arc;

use super::bounds::{Failure, check, check_batch};
use super::build::{describe, frequencies, indicator, measure_cell, ranks_of, unmet};
use super::dimension::Dimension;
use super::evaluation::{Column, Evaluation};
use super::formula::parse;
use super::{Calculator, Context};
use crate::cube::{
    Area, Cell, ColumnError, DimensionInfo, MeasureInfo, Page, Picked, SortIndicator,
};
use crate::expression::{Environment, Search, is_true, wildcard_matches};
use crate::format::{Interpreter, Locale, NumberFormat, format_value};
use crate::list::{FrequencyMode, List, ListDef, ListError};
use crate::model::DataModel;
use crate::selection::SelectError;
use crate::value::fold;
use crate::view::{State, View};

/// A list's rows under the states of a moment.
#[derive(Clone, Debug)]
pub(crate) struct ListBody {
    data: Arc<ListData>,
    /// By code.
    states: Arc<[State]>,
}

#[derive(Debug)]
struct ListData {
    model: Arc<DataModel>,
    locale: Locale,
    dimension: Dimension,
    format: Option<NumberFormat>,
    /// The codes shown, in order.
    codes: Vec<u32>,
    frequencies: Option<Frequencies>,
    /// Beside the codes.
    expressions: Vec<(Option<NumberFormat>, Column)>,
    matcher: Option<Matcher>,
    show_alternatives: bool,
}

#[derive(Debug)]
struct Frequencies {
    mode: FrequencyMode,
    counts: Vec<u32>,
    total: f64,
}

/// Computes a list.
pub(crate) fn build(
    calculator: &Calculator,
    context: &Context<'_>,
    def: &ListDef,
) -> Result<List, ListError> {
    if let Some(message) = unmet(calculator, context, def.condition.as_ref()) {
        return Err(ListError::Condition { message });
    }
    let interpreter = Interpreter::new(context.locale);
    let environment = Environment::new(context.now, context.locale, &interpreter, context.user);
    let mut evaluation = Evaluation::new(calculator, context, &environment);
    let mut preparation = evaluation.preparation();
    let dimension = calculator
        .dimension(context, &def.expression, &mut preparation, &environment)
        .map_err(ListError::from)?;
    evaluation.dimensions = vec![dimension.clone()];
    let view = evaluation.view();
    let states = dimension.states(&view);
    let len = states.len();
    let all: Vec<u32> = (0..len as u32).collect();

    let by_expression = match def.sort.by_expression {
        0 => None,
        _ => value_column(&mut evaluation, &def.sort.expression, &all).ok(),
    };
    let ranks = ranks_of(&dimension, &view, &def.sort, by_expression.as_ref(), def.reverse);
    let selected_first = def.auto_sort_rows > 0 && len > def.auto_sort_rows as usize;
    check(context.stop)?;
    let mut codes = all;
    codes.sort_unstable_by_key(|&code| {
        let is_selected = states[code as usize].is_selected();
        (selected_first && !is_selected, ranks[code as usize])
    });
    let matcher = if def.search.trim().is_empty() { None } else { Some(Matcher::new(&def.search)) };
    if let Some(matcher) = &matcher {
        let found = matcher.matches(&mut evaluation, &dimension, &interpreter)?;
        codes.retain(|&code| found[code as usize]);
    }

    let mut expressions = Vec::with_capacity(def.expressions.len());
    let mut infos = Vec::with_capacity(def.expressions.len());
    for own in &def.expressions {
        let (column, error) = match value_column(&mut evaluation, &own.expression, &codes) {
            Ok(column) => (column, None),
            Err(failure @ (Failure::Stopped | Failure::TooLarge)) => return Err(failure.into()),
            Err(Failure::Invalid(message)) => {
                (Column::nulls(codes.len()), Some(ColumnError::Invalid { message }))
            }
        };
        infos.push(expression_info(&column, error));
        expressions.push((own.number_format.clone(), column));
    }
    let counts = match def.frequency {
        FrequencyMode::None => None,
        mode => {
            let counts = frequencies(&dimension, &view);
            let total = counts.iter().map(|&count| f64::from(count)).sum();
            Some(Frequencies { mode, counts, total })
        }
    };
    let mut info: DimensionInfo = describe(&dimension, &calculator.model, &view, 0..len as u32);
    info.sort_indicator = indicator(&def.sort, def.reverse);
    let data = ListData {
        model: calculator.model.clone(),
        locale: context.locale.clone(),
        dimension,
        format: def.number_format.clone(),
        codes,
        frequencies: counts,
        expressions,
        matcher,
        show_alternatives: def.show_alternatives,
    };
    let body = ListBody { data: Arc::new(data), states: states.into() };
    Ok(List { dimension: info, expressions: infos, body }.with_shown_states())
}

fn value_column(
    evaluation: &mut Evaluation<'_>,
    text: &str,
    codes: &[u32],
) -> Result<Column, Failure> {
    let Some(expr) = parse(text)? else { return Ok(Column::nulls(codes.len())) };
    let formula = evaluation.prepared(expr)?;
    // The rows of the values first, so that all have their groups.
    evaluation.groups_of(&[&formula])?;
    evaluation.column_by_codes(&formula, codes)
}

fn expression_info(column: &Column, error: Option<ColumnError>) -> MeasureInfo {
    let (min, max) = column.numbers.iter().fold((f64::NAN, f64::NAN), |(min, max), number| {
        (f64::min(min, *number), f64::max(max, *number))
    });
    MeasureInfo {
        min: if min.is_nan() { 0.0 } else { min },
        max: if max.is_nan() { 0.0 } else { max },
        glyphs: 0,
        sort_indicator: SortIndicator::None,
        error,
        attributes: Vec::new(),
    }
}

impl List {
    /// A list that does not show alternative values shows them as excluded.
    fn with_shown_states(mut self) -> List {
        if !self.body.data.show_alternatives {
            let shown = |state: &State| match state {
                State::Alternative => State::Excluded,
                state => *state,
            };
            self.body.states = self.body.states.iter().map(shown).collect();
            self.dimension.counts.excluded +=
                std::mem::take(&mut self.dimension.counts.alternative);
        }
        self
    }
}

impl ListBody {
    pub(crate) fn under(&self, list: &List, view: &View) -> List {
        let mut shown = list.clone();
        let dimension = &self.data.dimension;
        shown.body.states = dimension.states(view).into();
        shown.dimension.counts = dimension.counts(view);
        shown.dimension.is_locked =
            dimension.field().is_some_and(|field| view.selections().is_locked("", field));
        shown.with_shown_states()
    }

    pub(crate) fn bytes(&self) -> usize {
        let data = &*self.data;
        let columns: usize = data.expressions.iter().map(|(_, column)| column.bytes()).sum();
        data.codes.len() * 8
            + self.states.len()
            + columns
            + data.dimension.values.own_bytes()
            + 1024
    }

    pub(crate) fn size(&self) -> (usize, usize) {
        (1 + self.data.expressions.len(), self.data.codes.len())
    }

    pub(crate) fn page(&self, area: Area) -> Page {
        let (columns, rows) = self.size();
        let area = area.clipped(columns, rows);
        let rows = (area.top..area.top + area.height)
            .map(|row| {
                (area.left..area.left + area.width).map(|column| self.cell(row, column)).collect()
            })
            .collect();
        Page { area, is_reduced: false, rows }
    }

    fn cell(&self, row: usize, column: usize) -> Cell {
        let data = &*self.data;
        let code = data.codes[row];
        if let Some((format, values)) =
            column.checked_sub(1).and_then(|at| data.expressions.get(at))
        {
            return measure_cell(&values.get(row), format.as_ref(), &data.locale);
        }
        let value = data.dimension.dictionary(&data.model).value(code);
        let text = match &data.format {
            Some(format) => format_value(value, format, &data.locale),
            None => value.shared_text(),
        };
        let highlights =
            data.matcher.as_ref().map(|matcher| matcher.highlights(&text)).unwrap_or_default();
        Cell {
            number: value.number().unwrap_or(f64::NAN),
            element: code as i32,
            state: self.states[code as usize],
            is_null: false,
            is_total: false,
            is_other: false,
            attributes: Vec::new(),
            attribute_dimensions: Vec::new(),
            frequency: data.frequencies.as_ref().map(|frequencies| frequencies.text(code)),
            highlights,
            text,
        }
    }

    pub(crate) fn picked_values(&self, elements: &[i32]) -> Result<Picked, SelectError> {
        let codes: Vec<u32> =
            elements.iter().filter_map(|&element| u32::try_from(element).ok()).collect();
        if codes.is_empty() && !elements.is_empty() {
            return Err(SelectError::NoSuchValue);
        }
        self.picked(&codes)
    }

    pub(crate) fn picked_matches(&self) -> Result<Picked, SelectError> {
        if self.data.codes.is_empty() {
            return Err(SelectError::Nothing);
        }
        self.picked(&self.data.codes)
    }

    fn picked(&self, codes: &[u32]) -> Result<Picked, SelectError> {
        let dimension = &self.data.dimension;
        let field = dimension.field().ok_or(SelectError::NotSelectable)?;
        if dimension.plain_field().is_some() {
            return Ok(Picked { field, elements: codes.to_vec() });
        }
        let elements = codes
            .iter()
            .filter_map(|&code| dimension.elements_of(code))
            .flat_map(|(_, elements)| elements);
        Ok(Picked { field, elements: elements.collect() })
    }
}

impl Frequencies {
    fn text(&self, code: u32) -> Arc<str> {
        let count = f64::from(self.counts.get(code as usize).copied().unwrap_or(0));
        let share = if self.total > 0.0 { count / self.total } else { 0.0 };
        match self.mode {
            FrequencyMode::Percent => format!("{:.1}%", share * 100.0).into(),
            FrequencyMode::Relative => format!("{share:.3}").into(),
            FrequencyMode::None | FrequencyMode::Value => format!("{count}").into(),
        }
    }
}

/// A search as people type it: words match where words begin, each by itself; `*` and `?` make a pattern for the
/// whole text; quotes a phrase; `>` and `<` a range; `=` an expression.
#[derive(Debug)]
enum Matcher {
    Words(Vec<String>),
    Pattern(String),
    Search(Search),
}

impl Matcher {
    fn new(text: &str) -> Matcher {
        let trimmed = text.trim();
        match Search::parse(trimmed) {
            Search::Pattern(_) if trimmed.contains(['*', '?']) => {
                Matcher::Pattern(trimmed.to_owned())
            }
            Search::Pattern(_) => Matcher::Words(words(trimmed)),
            search => Matcher::Search(search),
        }
    }

    fn matches(
        &self,
        evaluation: &mut Evaluation<'_>,
        dimension: &Dimension,
        interpreter: &Interpreter,
    ) -> Result<Vec<bool>, ListError> {
        let model = evaluation.model();
        let values = dimension.dictionary(model);
        let stop = evaluation.context.stop;
        let by_text = |holds: &dyn Fn(&str) -> bool| -> Result<Vec<bool>, ListError> {
            let mut found = Vec::with_capacity(values.len());
            for (at, value) in values.values.iter().enumerate() {
                check_batch(at, stop)?;
                found.push(holds(&value.text()));
            }
            Ok(found)
        };
        match self {
            Matcher::Words(words) => by_text(&|text| {
                let folded: Vec<char> = text.chars().map(fold).collect();
                words.iter().any(|word| find_word(&folded, word).is_some())
            }),
            Matcher::Pattern(pattern) => by_text(&|text| wildcard_matches(pattern, text)),
            Matcher::Search(Search::Pattern(pattern)) => {
                by_text(&|text| wildcard_matches(pattern, text))
            }
            Matcher::Search(Search::Range(bounds)) => {
                let limits: Option<Vec<_>> = bounds
                    .iter()
                    .map(|bound| {
                        let dual = || {
                            let same =
                                values.values.iter().find(|value| value.text() == *bound.text);
                            same.and_then(|value| value.number())
                        };
                        Some((bound.op, interpreter.number_of(&bound.text).or_else(dual)?))
                    })
                    .collect();
                let holds = |number: &f64| {
                    let within = |limits: &Vec<_>| {
                        limits.iter().all(|(op, limit): &(crate::expression::BoundOp, f64)| {
                            op.holds(*number, *limit)
                        })
                    };
                    !number.is_nan() && limits.as_ref().is_some_and(within)
                };
                Ok(values.numbers[..values.len()].iter().map(holds).collect())
            }
            Matcher::Search(Search::Expression(expr)) => {
                let formula = evaluation.prepared(Clone::clone(expr))?;
                let codes: Vec<u32> = (0..values.null()).collect();
                let column = evaluation.column_by_codes(&formula, &codes)?;
                Ok((0..codes.len()).map(|code| is_true(&column.get(code))).collect())
            }
        }
    }

    /// Where the search is found in a text: first character and number of characters.
    fn highlights(&self, text: &str) -> Vec<(usize, usize)> {
        let folded: Vec<char> = text.chars().map(fold).collect();
        let mut found = match self {
            Matcher::Words(words) => words
                .iter()
                .filter_map(|word| Some((find_word(&folded, word)?, word.chars().count())))
                .collect(),
            Matcher::Pattern(pattern) => {
                // The plain pieces, one after the other.
                let mut from = 0;
                let mut found = Vec::new();
                for piece in pattern.split(['*', '?']).filter(|piece| !piece.is_empty()) {
                    let piece: Vec<char> = piece.chars().map(fold).collect();
                    let Some(at) = find_from(&folded, &piece, from) else { break };
                    found.push((at, piece.len()));
                    from = at + piece.len();
                }
                found
            }
            Matcher::Search(_) => Vec::new(),
        };
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Blank-separated words, folded; what stands in quotes is one.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in text.split('"').enumerate() {
        let folded: String = part.chars().map(fold).collect();
        if at % 2 == 1 {
            words.push(folded);
        } else {
            words.extend(folded.split_whitespace().map(str::to_owned));
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Where a word of the text begins with this one.
fn find_word(text: &[char], word: &str) -> Option<usize> {
    let word: Vec<char> = word.chars().collect();
    let begins = |at: usize| at == 0 || !text[at - 1].is_alphanumeric();
    (0..text.len()).find(|&at| begins(at) && text[at..].starts_with(&word))
}

fn find_from(text: &[char], piece: &[char], from: usize) -> Option<usize> {
    (from..text.len()).find(|&at| text[at..].starts_with(piece))
}
