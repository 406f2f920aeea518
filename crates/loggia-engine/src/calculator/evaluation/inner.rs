//! `Aggr`: a table made of groups, whose rows feed an outer aggregation.

use std::sync::Arc;

use super::{Column, Evaluation};
use crate::calculator::column::{RowColumn, intern};
use crate::calculator::dimension::Dimension;
use crate::calculator::formula::{AggregateSpec, Failure, no_such_field};
use crate::calculator::grouping::Feed;
use crate::expression::{Aggr, Environment, Expr, FieldRef, RowContext, eval_scalar};
use crate::model::FieldId;
use crate::value::Value;

impl Evaluation<'_> {
    /// Rows of an `Aggr`: one for each combination of its dimensions, with the value it has there. Outer dimensions
    /// that are not among its own are added to them, so that each outer group aggregates its own inner table.
    pub(super) fn virtual_rows(
        &mut self,
        spec: &AggregateSpec,
        aggr: &Aggr,
        kept: &[usize],
    ) -> Result<(Vec<Arc<RowColumn>>, Arc<Feed>), Failure> {
        let model = self.model();
        let mut inner = self.with_base(self.base.clone());
        inner.default_set = aggr.set.clone().or_else(|| self.default_set.clone());
        for dimension in &aggr.dimensions {
            let field =
                model.field(&dimension.field).ok_or_else(|| no_such_field(&dimension.field))?;
            inner.dimensions.push(Dimension::of_field(field));
        }
        // Where each outer dimension stands among the inner ones.
        let mut places = Vec::with_capacity(kept.len());
        for &outer in kept {
            let dimension = &self.dimensions[outer];
            let same = |own: &Dimension| {
                own.plain_field().is_some() && own.plain_field() == dimension.plain_field()
            };
            let place = inner.dimensions.iter().position(same);
            places.push(place.unwrap_or(inner.dimensions.len()));
            if place.is_none() {
                inner.dimensions.push(dimension.clone());
            }
        }
        let value = inner.prepared(aggr.value.clone())?;
        let all = inner.all_dimensions();
        let groups = inner.groups_of(&[&value])?;
        let values = inner.column(&value, &all, &groups)?;
        let mut args = Vec::with_capacity(spec.args.len());
        for arg in &spec.args {
            let names: Vec<FieldId> = arg.fields.clone();
            let mut inputs = Vec::with_capacity(names.len());
            for field in &names {
                let formula = inner.prepared(Expr::field(&model.field_info(*field).name))?;
                inputs.push(inner.column(&formula, &all, &groups)?);
            }
            let mut bound = arg.expr.clone();
            bound.bind(&|name| {
                let field = model.field(name)?;
                names.iter().position(|own| *own == field).map(|slot| slot as u32)
            });
            let mut row = VirtualRow {
                value: &values,
                inputs: &inputs,
                at: 0,
                environment: self.environment,
            };
            let results = (0..groups.len()).map(|at| {
                row.at = at;
                eval_scalar(&bound, &row)
            });
            args.push(Arc::new(RowColumn::Coded(intern(
                results,
                groups.len(),
                self.context.stop,
            )?)));
        }
        let inner_grouping = inner.grouping(&all).clone();
        let grouping = self.grouping(kept);
        let (mut codes, mut part) = (Vec::new(), Vec::new());
        let numbers: Vec<u32> = groups
            .iter()
            .map(|&group| {
                inner_grouping.codes_of(group, &mut codes);
                part.clear();
                part.extend(places.iter().map(|&place| codes[place]));
                grouping.add(&part)
            })
            .collect();
        Ok((
            args,
            Arc::new(Feed::Pairs { rows: (0..groups.len() as u32).collect(), groups: numbers }),
        ))
    }
}

/// One row of an `Aggr`.
struct VirtualRow<'r, 'a> {
    value: &'r Column,
    inputs: &'r [Column],
    at: usize,
    environment: &'r Environment<'a>,
}

impl RowContext for VirtualRow<'_, '_> {
    fn field(&self, field: &FieldRef) -> Option<Value> {
        Some(self.inputs.get(field.slot? as usize)?.get(self.at))
    }

    fn environment(&self) -> &Environment<'_> {
        self.environment
    }

    fn aggr(&self, _aggr: &Aggr) -> Value {
        self.value.get(self.at)
    }
}
