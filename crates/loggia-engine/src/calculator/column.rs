//! What value does each row of a table have? Columns of fields, of far fields reached over associations, and of
//! expressions over them. None depends on selections, so they are computed once and shared by everyone.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use super::Calculator;
use super::bounds::{Failure, Interner, Stop, Stopped, check, check_batch};
use crate::expression::{Environment, Expr, ExprKind, FieldRef, RowContext, eval_scalar};
use crate::functions::Function;
use crate::model::{DataModel, FieldId, FieldValues, NO_ROW, TableId};
use crate::table::{Code, Codes, with_codes};
use crate::value::Value;

/// Where codes find their values.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    Field(FieldId),
    Own(Arc<FieldValues>),
}

impl Values {
    pub(crate) fn of<'a>(&'a self, model: &'a DataModel) -> &'a FieldValues {
        match self {
            Values::Field(field) => model.values(*field),
            Values::Own(values) => values,
        }
    }

    /// Bytes held besides the model's.
    pub(crate) fn own_bytes(&self) -> usize {
        match self {
            Values::Field(_) => 0,
            Values::Own(values) => values.bytes(),
        }
    }
}

/// A code for each row.
#[derive(Clone, Debug)]
pub(crate) struct Coded {
    pub(crate) codes: Arc<Codes>,
    pub(crate) values: Values,
}

/// A value for each row.
#[derive(Debug)]
pub(crate) enum RowColumn {
    Coded(Coded),
    /// Results of arithmetic, not-a-number for null; coded only if someone must tell them apart.
    Numbers {
        numbers: Vec<f64>,
        coded: OnceLock<Coded>,
    },
}

impl RowColumn {
    pub(crate) fn coded(&self) -> &Coded {
        match self {
            RowColumn::Coded(coded) => coded,
            RowColumn::Numbers { numbers, coded } => coded.get_or_init(|| intern_numbers(numbers)),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            RowColumn::Coded(coded) => coded.codes.bytes() + coded.values.own_bytes(),
            RowColumn::Numbers { numbers, .. } => numbers.len() * 12,
        }
    }
}

/// An expression over one field, evaluated once for each of its values.
#[derive(Debug)]
pub(crate) struct FieldExpression {
    /// The code of the result for each code of the field, null included.
    pub(crate) map: Vec<u32>,
    pub(crate) values: Arc<FieldValues>,
}

/// What a cached column is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ColumnKey {
    Link(TableId, TableId),
    Field(TableId, FieldId),
    /// The fingerprint holds the expression and what else it reads.
    Mapped(FieldId, Arc<str>),
    Computed(TableId, Arc<str>),
}

#[derive(Clone, Debug)]
pub(crate) enum CachedColumn {
    Link(Option<Arc<[u32]>>),
    Field(Option<Arc<Codes>>),
    Mapped(Arc<FieldExpression>),
    Computed(Option<Arc<RowColumn>>),
    /// Not to be had: its texts exceed the bound. Kept so that it is not tried again.
    TooLarge,
}

impl CachedColumn {
    fn bytes(&self) -> usize {
        match self {
            CachedColumn::Link(Some(rows)) => rows.len() * 4,
            CachedColumn::Field(Some(codes)) => codes.bytes(),
            CachedColumn::Mapped(mapped) => mapped.map.len() * 4 + mapped.values.bytes(),
            CachedColumn::Computed(Some(column)) => column.bytes(),
            _ => 0,
        }
    }
}

impl Calculator {
    /// The row of `to` that each row of `from` meets, where that is at most one.
    pub(crate) fn link(&self, from: TableId, to: TableId) -> Option<Arc<[u32]>> {
        let path = self.model.path(from, to).filter(|path| path.is_functional)?;
        let compute = || {
            let mut rows: Option<Vec<u32>> = None;
            for step in &path.steps {
                let keys = self.model.column(step.from, step.key)?;
                let by_key = self.model.key_rows(step.to, step.key)?;
                let next = |code: u32| by_key.of(code).first().copied().unwrap_or(NO_ROW);
                rows = Some(match rows {
                    None => {
                        with_codes!(&*keys.codes, codes => codes.iter().map(|code| next(code.index() as u32)).collect())
                    }
                    Some(rows) => rows
                        .into_iter()
                        .map(|row| {
                            if row == NO_ROW { NO_ROW } else { next(keys.codes.get(row as usize)) }
                        })
                        .collect(),
                });
            }
            Some(
                rows.unwrap_or_else(|| (0..self.model.table_info(from).rows as u32).collect())
                    .into(),
            )
        };
        match self.plain_column(ColumnKey::Link(from, to), || CachedColumn::Link(compute())) {
            CachedColumn::Link(rows) => rows,
            _ => None,
        }
    }

    /// A field's code for each row of a table, where each row meets at most one.
    pub(crate) fn field_column(&self, source: TableId, field: FieldId) -> Option<Arc<Codes>> {
        if let Some(own) = self.model.column(source, field) {
            return Some(own.codes.clone());
        }
        let path = self.model.nearest(source, field).filter(|path| path.is_functional)?;
        let compute = || {
            let holder = path.steps.last()?.to;
            let rows = self.link(source, holder)?;
            let column = self.model.column(holder, field)?;
            Some(gather(&column.codes, &rows, self.model.values(field).null()).into())
        };
        match self.plain_column(ColumnKey::Field(source, field), || CachedColumn::Field(compute()))
        {
            CachedColumn::Field(codes) => codes,
            _ => None,
        }
    }

    /// An expression over one field.
    pub(crate) fn field_expression(
        &self,
        field: FieldId,
        expr: &Expr,
        environment: &Environment<'_>,
        stop: Stop<'_>,
    ) -> Result<Arc<FieldExpression>, Failure> {
        let compute = || -> Result<Arc<FieldExpression>, Failure> {
            let mut bound = expr.clone();
            bound.bind(&|_| Some(0));
            let values = self.model.values(field);
            let mut interner = Interner::default();
            let mut row = Row { values: vec![Value::Null], environment };
            let mut results = Vec::with_capacity(values.len() + 1);
            for code in 0..=values.null() {
                check_batch(code as usize, stop)?;
                row.values[0] = values.value(code).clone();
                results.push(interner.code(&eval_scalar(&bound, &row))?);
            }
            let dictionary = interner.dictionary;
            let null = dictionary.values.len() as u32;
            let map = results.into_iter().map(|code| code.unwrap_or(null)).collect();
            Ok(Arc::new(FieldExpression {
                map,
                values: Arc::new(FieldValues::new(dictionary.values.into())),
            }))
        };
        let key = ColumnKey::Mapped(field, fingerprint(expr, environment));
        let column = || compute().map_or_else(|_| CachedColumn::TooLarge, CachedColumn::Mapped);
        match self.column(key, stop, column)? {
            CachedColumn::Mapped(mapped) => Ok(mapped),
            _ => Err(Failure::TooLarge),
        }
    }

    /// An expression for each row of a table. Nothing where a field of it is out of reach.
    pub(crate) fn expression_column(
        &self,
        source: TableId,
        expr: &Expr,
        fields: &[FieldId],
        environment: &Environment<'_>,
        stop: Stop<'_>,
    ) -> Result<Option<Arc<RowColumn>>, Failure> {
        if let ([field], Some(_)) = (fields, expr.as_field()) {
            let column =
                |codes| Arc::new(RowColumn::Coded(Coded { codes, values: Values::Field(*field) }));
            return Ok(self.field_column(source, *field).map(column));
        }
        let key = ColumnKey::Computed(source, fingerprint(expr, environment));
        let rows = self.model.table_info(source).rows;
        let compute = || {
            let inputs: Option<Vec<Coded>> = fields
                .iter()
                .map(|&field| {
                    let codes = self.field_column(source, field)?;
                    Some(Coded { codes, values: Values::Field(field) })
                })
                .collect();
            let Some(inputs) = inputs else { return CachedColumn::Computed(None) };
            match self.computed(expr, fields, &inputs, rows, environment, stop) {
                Ok(column) => CachedColumn::Computed(Some(Arc::new(column))),
                Err(_) => CachedColumn::TooLarge,
            }
        };
        match self.column(key, stop, compute)? {
            CachedColumn::Computed(column) => Ok(column),
            _ => Err(Failure::TooLarge),
        }
    }

    /// Evaluates an expression over input columns that stand beside `fields`.
    pub(crate) fn computed(
        &self,
        expr: &Expr,
        fields: &[FieldId],
        inputs: &[Coded],
        rows: usize,
        environment: &Environment<'_>,
        stop: Stop<'_>,
    ) -> Result<RowColumn, Failure> {
        if let ([field], [input]) = (fields, inputs) {
            let mapped = self.field_expression(*field, expr, environment, stop)?;
            let null = mapped.values.null();
            let codes = with_codes!(&*input.codes, codes => codes.iter().map(|code| mapped.map[code.index()]).collect());
            let codes = Codes::pack(codes, null);
            return Ok(RowColumn::Coded(Coded {
                codes: codes.into(),
                values: Values::Own(mapped.values.clone()),
            }));
        }
        let mut bound = expr.clone();
        bound.bind(&|name| {
            let field = self.model.field(name)?;
            fields.iter().position(|own| *own == field).map(|slot| slot as u32)
        });
        let dictionaries: Vec<&FieldValues> =
            inputs.iter().map(|input| input.values.of(&self.model)).collect();
        let mut row = Row { values: vec![Value::Null; inputs.len()], environment };
        // Few combinations are evaluated once each; many row by row.
        let combinations = dictionaries
            .iter()
            .try_fold(1usize, |product, values| product.checked_mul(values.len() + 1));
        let known_size = combinations.filter(|&size| size <= rows.max(1024)).unwrap_or(0);
        // For each combination, one more than the place of its number or the code of its text; 0 where it is not known.
        let mut known: Vec<u32> = vec![0; known_size];
        let place_of = |at: usize| {
            let codes = inputs.iter().zip(&dictionaries);
            codes.fold(0, |place, (input, values)| {
                place * (values.len() + 1) + input.codes.get(at) as usize
            })
        };
        let mut evaluate = |at: usize| {
            for ((input, values), slot) in inputs.iter().zip(&dictionaries).zip(&mut row.values) {
                *slot = values.value(input.codes.get(at)).clone();
            }
            eval_scalar(&bound, &row)
        };
        let mut numbers: Vec<f64> = Vec::with_capacity(rows);
        let mut first_text = None;
        for at in 0..rows {
            check_batch(at, stop)?;
            let place = if known_size > 0 { place_of(at) } else { 0 };
            if let Some(&before) = known.get(place)
                && before > 0
            {
                numbers.push(numbers[before as usize - 1]);
                continue;
            }
            match evaluate(at) {
                Value::Number(number) => numbers.push(number),
                Value::Null => numbers.push(f64::NAN),
                other => {
                    first_text = Some(other);
                    break;
                }
            }
            if let Some(slot) = known.get_mut(place) {
                *slot = numbers.len() as u32;
            }
        }
        let Some(first_text) = first_text else {
            return Ok(RowColumn::Numbers { numbers, coded: OnceLock::new() });
        };
        // Texts get their codes at once, so that equal ones are not held twice.
        let start = numbers.len();
        let mut interner = Interner::default();
        let mut codes: Vec<Option<u32>> = Vec::with_capacity(rows);
        for number in numbers {
            codes.push(interner.code(&Value::from_number(number))?);
        }
        codes.push(interner.code(&first_text)?);
        known.fill(0);
        for at in start + 1..rows {
            check_batch(at, stop)?;
            let place = if known_size > 0 { place_of(at) } else { 0 };
            if let Some(&before) = known.get(place)
                && before > 0
            {
                codes.push(codes[before as usize - 1]);
                continue;
            }
            codes.push(interner.code(&evaluate(at))?);
            if let Some(slot) = known.get_mut(place) {
                *slot = codes.len() as u32;
            }
        }
        Ok(RowColumn::Coded(packed(codes, interner)))
    }

    fn column(
        &self,
        key: ColumnKey,
        stop: Stop<'_>,
        compute: impl FnOnce() -> CachedColumn,
    ) -> Result<CachedColumn, Stopped> {
        self.columns.get(&key, || check(stop), compute, CachedColumn::bytes)
    }

    /// A column that costs one look-up a row.
    fn plain_column(&self, key: ColumnKey, compute: impl FnOnce() -> CachedColumn) -> CachedColumn {
        let Ok(column) =
            self.columns.get(&key, || Ok::<(), Infallible>(()), compute, CachedColumn::bytes);
        column
    }
}

/// Codes for values.
pub(crate) fn intern(
    values: impl Iterator<Item = Value>,
    rows: usize,
    stop: Stop<'_>,
) -> Result<Coded, Failure> {
    let mut interner = Interner::default();
    let mut codes = Vec::with_capacity(rows);
    for (at, value) in values.enumerate() {
        check_batch(at, stop)?;
        codes.push(interner.code(&value)?);
    }
    Ok(packed(codes, interner))
}

fn intern_numbers(numbers: &[f64]) -> Coded {
    let mut interner = Interner::default();
    // Numbers have no texts that could become too many.
    let code = |&number: &f64| interner.code(&Value::from_number(number)).ok().flatten();
    let codes = numbers.iter().map(code).collect();
    packed(codes, interner)
}

fn packed(codes: Vec<Option<u32>>, interner: Interner) -> Coded {
    let values = interner.dictionary.values;
    let null = values.len() as u32;
    let codes = codes.into_iter().map(|code| code.unwrap_or(null)).collect();
    let values = FieldValues::new(values.into());
    Coded { codes: Codes::pack(codes, null).into(), values: Values::Own(Arc::new(values)) }
}

/// The codes at other rows; [`NO_ROW`] is null.
pub(crate) fn gather(codes: &Codes, rows: &[u32], null: u32) -> Codes {
    fn pick<C: Code>(codes: &[C], rows: &[u32], null: C) -> Vec<C> {
        rows.iter().map(|&row| codes.get(row as usize).copied().unwrap_or(null)).collect()
    }
    match codes {
        Codes::U8(codes) => Codes::U8(pick(codes, rows, null as u8)),
        Codes::U16(codes) => Codes::U16(pick(codes, rows, null as u16)),
        Codes::U32(codes) => Codes::U32(pick(codes, rows, null)),
    }
}

/// One row's field values, by slot.
struct Row<'a> {
    values: Vec<Value>,
    environment: &'a Environment<'a>,
}

impl RowContext for Row<'_> {
    fn field(&self, field: &FieldRef) -> Option<Value> {
        field.slot.and_then(|slot| self.values.get(slot as usize)).cloned()
    }

    fn environment(&self) -> &Environment<'_> {
        self.environment
    }
}

/// What an expression's values depend on besides its fields, as text: the expression itself, and the circumstances
/// it reads.
pub(crate) fn fingerprint(expr: &Expr, environment: &Environment<'_>) -> Arc<str> {
    use std::fmt::Write;
    let mut plain = expr.clone();
    let (mut reads_clock, mut reads_user) = (false, false);
    plain.walk_mut(&mut |part| {
        part.span = crate::expression::Span::default();
        if let ExprKind::Call(call) = &part.kind {
            reads_clock |= matches!(call.function, Function::Now | Function::Today | Function::Age);
            reads_user |= call.function == Function::OsUser;
        }
    });
    let mut text = format!("{:?}", plain.kind);
    if reads_clock {
        let _ = write!(text, "@{}", environment.now);
    }
    if reads_user {
        let _ = write!(text, "@{}", environment.user);
    }
    let locale = xxhash_rust::xxh3::xxh3_64(format!("{:?}", environment.locale).as_bytes());
    let _ = write!(text, "@{locale:x}");
    text.into()
}
