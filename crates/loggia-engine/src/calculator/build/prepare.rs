//! Binding the expressions of a definition to the model.

use std::sync::Arc;

use crate::calculator::dimension::Dimension;
use crate::calculator::formula::{Failure, Formula, Preparation, Reads, parse_set};
use crate::calculator::{Calculator, Context};
use crate::cube::{AttributeDef, ColumnError, Condition, CubeDef, DimensionDef};
use crate::expression::{Environment, is_true};
use crate::model::FieldId;

/// A definition whose expressions have been bound.
pub(crate) struct PreparedCube {
    pub(super) dimensions: Vec<Result<PreparedDimension, ColumnError>>,
    pub(super) measures: Vec<Result<PreparedMeasure, ColumnError>>,
    pub(crate) reads: Reads,
    /// A dimension exceeds the bound on texts: there is no cube.
    pub(super) is_too_large: bool,
}

pub(super) struct PreparedDimension {
    pub(super) dimension: Dimension,
    pub(super) sort_expression: Option<Formula>,
    pub(super) ranking: Option<Formula>,
    pub(super) attributes: Vec<Result<Formula, Failure>>,
    pub(super) attribute_dimensions: Vec<Result<(Option<FieldId>, Formula), Failure>>,
}

pub(super) struct PreparedMeasure {
    pub(super) formula: Formula,
    pub(super) attributes: Vec<Result<Formula, Failure>>,
}

/// Binds the columns of a definition. Conditions are asked for first: what is hidden is not computed.
pub(crate) fn prepare(
    calculator: &Calculator,
    context: &Context<'_>,
    environment: &Environment<'_>,
    def: &CubeDef,
) -> PreparedCube {
    let default_set = parse_set(&def.context_set);
    let mut preparation = Preparation {
        model: &calculator.model,
        variables: context.variables,
        dimensions: Vec::new(),
        default_set: default_set.clone().unwrap_or_default(),
        reads: Reads::default(),
    };
    let mut is_too_large = false;
    let bound: Vec<Result<Dimension, ColumnError>> = def
        .dimensions
        .iter()
        .map(|dimension| {
            column_condition(calculator, context, dimension.condition.as_ref())?;
            calculator
                .dimension(context, &dimension.expression, &mut preparation, environment)
                .map_err(|failure| {
                    is_too_large |= failure == Failure::TooLarge;
                    invalid(failure)
                })
        })
        .collect();
    preparation.dimensions = bound.iter().flatten().map(Dimension::plain_field).collect();
    let dimensions = bound
        .into_iter()
        .zip(&def.dimensions)
        .map(|(dimension, def)| Ok(prepare_dimension(dimension?, def, &mut preparation)))
        .collect();
    let measures = def
        .measures
        .iter()
        .map(|measure| {
            column_condition(calculator, context, measure.condition.as_ref())?;
            if let Err(message) = &default_set {
                return Err(invalid(message.clone()));
            }
            let formula = preparation.formula(&measure.expression).map_err(invalid)?;
            let attributes = prepare_attributes(&measure.attributes, &mut preparation);
            Ok(PreparedMeasure { formula, attributes })
        })
        .collect();
    PreparedCube { dimensions, measures, reads: preparation.reads, is_too_large }
}

fn prepare_dimension(
    dimension: Dimension,
    def: &DimensionDef,
    preparation: &mut Preparation<'_>,
) -> PreparedDimension {
    let mut optional = |text: &str| {
        if text.trim().is_empty() { None } else { preparation.formula(text).ok() }
    };
    let sort_expression =
        if def.sort.by_expression == 0 { None } else { optional(&def.sort.expression) };
    let ranking = def.other.as_ref().and_then(|other| optional(&other.referenced_expression));
    let attributes = prepare_attributes(&def.attributes, preparation);
    let attribute_dimensions = def
        .attribute_dimensions
        .iter()
        .map(|attribute| {
            let name = attribute.expression.trim();
            let name = name.strip_prefix('=').unwrap_or(name);
            let formula = preparation.formula(name)?;
            let bare = name.trim().trim_start_matches('[').trim_end_matches(']');
            Ok((preparation.model.field(bare), formula))
        })
        .collect();
    PreparedDimension { dimension, sort_expression, ranking, attributes, attribute_dimensions }
}

fn prepare_attributes(
    defs: &[AttributeDef],
    preparation: &mut Preparation<'_>,
) -> Vec<Result<Formula, Failure>> {
    defs.iter().map(|attribute| preparation.formula(&attribute.expression)).collect()
}

fn column_condition(
    calculator: &Calculator,
    context: &Context<'_>,
    condition: Option<&Condition>,
) -> Result<(), ColumnError> {
    match unmet(calculator, context, condition) {
        Some(message) => Err(ColumnError::Condition { message }),
        None => Ok(()),
    }
}

/// The message of a condition that does not hold. One that cannot be evaluated does not hold.
pub(crate) fn unmet(
    calculator: &Calculator,
    context: &Context<'_>,
    condition: Option<&Condition>,
) -> Option<Arc<str>> {
    let condition = condition.filter(|condition| !condition.expression.trim().is_empty())?;
    match calculator.evaluate(context, &condition.expression) {
        Ok(value) if is_true(&value) => None,
        _ => Some(label(calculator, context, &condition.message, "")),
    }
}

/// A text, or the value of the expression that it is.
pub(crate) fn label(
    calculator: &Calculator,
    context: &Context<'_>,
    text: &Arc<str>,
    default: &str,
) -> Arc<str> {
    if text.is_empty() {
        return default.into();
    }
    if !text.trim_start().starts_with('=') {
        return text.clone();
    }
    match calculator.evaluate(context, text) {
        Ok(value) => value.shared_text(),
        Err(error) => error.to_string().into(),
    }
}

pub(super) fn invalid(failure: Failure) -> ColumnError {
    ColumnError::Invalid { message: failure.to_string().into() }
}
