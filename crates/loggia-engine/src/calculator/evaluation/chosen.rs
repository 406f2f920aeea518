//! Functions that tell what is selected.

use super::Evaluation;
use crate::expression::{Call, Expr};
use crate::functions::Function;
use crate::model::FieldId;
use crate::value::Value;

impl Evaluation<'_> {
    /// Answers of functions about selections.
    pub(super) fn selection_function(&self, call: &Call) -> Value {
        let field =
            call.args.first().and_then(Expr::as_field).and_then(|name| self.model().field(name));
        let view = self.view();
        let counts = field.map(|field| *view.states(field).counts());
        let count = |count: fn(&crate::view::StateCounts) -> usize| match &counts {
            Some(counts) => Value::Number(count(counts) as f64),
            None => Value::Null,
        };
        match call.function {
            Function::GetSelectedCount => count(|counts| counts.all_selected()),
            Function::GetPossibleCount => {
                count(|counts| counts.locked + counts.selected + counts.optional)
            }
            Function::GetExcludedCount => count(|counts| counts.excluded),
            Function::GetAlternativeCount => count(|counts| counts.alternative),
            Function::GetNotSelectedCount => {
                count(|counts| counts.optional + counts.alternative + counts.excluded)
            }
            Function::GetFieldSelections => match field {
                Some(field) => self.selected_text(field, call),
                None => Value::Null,
            },
            Function::GetCurrentSelections => {
                let lines = self.base.in_order("").into_iter().map(|(field, _)| {
                    format!(
                        "{}: {}",
                        self.model().field_info(field).name,
                        self.selected_text(field, call).text()
                    )
                });
                Value::from_text(&lines.collect::<Vec<_>>().join("\n"))
            }
            Function::StateName => Value::from_text(if self.context.state.is_empty() {
                "$"
            } else {
                self.context.state
            }),
            _ => Value::Null,
        }
    }

    pub(super) fn selected_text(&self, field: FieldId, call: &Call) -> Value {
        let literal = |at: usize| match call.args.get(at).map(|arg| &arg.kind) {
            Some(crate::expression::ExprKind::Literal(value)) => Some(value.clone()),
            _ => None,
        };
        let is_own = call.function == Function::GetFieldSelections;
        let separator =
            literal(1).filter(|_| is_own).map_or(", ".into(), |value| value.text().into_owned());
        let most = literal(2).filter(|_| is_own).and_then(|value| value.number()).unwrap_or(6.0);
        let Some(selection) = self.base.field("", field) else { return Value::Null };
        let values = self.model().values(field);
        let selected = selection.elements();
        if selected.len() as f64 > most {
            return Value::from_text(&format!("{} of {}", selected.len(), values.len()));
        }
        let texts: Vec<_> = selected.iter().map(|&element| values.value(element).text()).collect();
        Value::from_text(&texts.join(&separator))
    }
}
