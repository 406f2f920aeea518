//! What does a client's definition mean? Defaults filled in, library items looked up, spellings
//! told apart; titles and client members kept aside for the result.

use loggia_engine::cube::{
    AttributeDef, AttributeDimensionDef, Condition, CubeDef, DimensionDef, LimitMode, MeasureDef,
    Mode, OtherDef, OtherRule, SortCriteria, TotalKind,
};
use loggia_engine::format::NumberFormat;
use serde_json::{Map, Value};

use crate::layout::definition::Computer;
use crate::wire::{
    self, choice, expression_at, flag_at, integer_at, items_at, number_format, text_at,
};

/// A definition read.
#[derive(Clone, Debug)]
pub(crate) struct CubeSource {
    pub(crate) def: CubeDef,
    pub(crate) dimensions: Vec<DimensionSource>,
    pub(crate) measures: Vec<MeasureSource>,
}

/// What the result says of a dimension beyond what was computed.
#[derive(Clone, Debug)]
pub(crate) struct DimensionSource {
    pub(crate) library_id: String,
    pub(crate) grouping: Grouping,
    pub(crate) field_defs: Vec<String>,
    /// Which of the field definitions is shown.
    pub(crate) active: usize,
    pub(crate) number_format: Option<NumberFormat>,
    pub(crate) attributes: Vec<Value>,
    pub(crate) attribute_dimensions: Vec<Value>,
    pub(crate) client_members: Map<String, Value>,
    labels: Vec<String>,
    label_expression: String,
}

/// How several field definitions share one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grouping {
    None,
    Drill,
    Cycle,
}

/// What the result says of a measure beyond what was computed.
#[derive(Clone, Debug)]
pub(crate) struct MeasureSource {
    pub(crate) library_id: String,
    pub(crate) number_format: Option<NumberFormat>,
    pub(crate) attributes: Vec<Value>,
    pub(crate) client_members: Map<String, Value>,
    label: String,
    label_expression: String,
    text: String,
}

const MODES: [&[&str]; 4] = [
    &["S", "DATA_MODE_STRAIGHT"],
    &["P", "DATA_MODE_PIVOT"],
    &["K", "DATA_MODE_PIVOT_STACK"],
    &["T", "DATA_MODE_TREE"],
];

/// Reads `qHyperCubeDef`.
pub(crate) fn read(
    computer: &Computer<'_>,
    definition: &Value,
    path: &str,
    state: &str,
) -> CubeSource {
    let (dimensions, dimension_defs): (Vec<_>, Vec<_>) = items_at(definition, "qDimensions")
        .iter()
        .map(|dimension| read_dimension(computer, dimension, state))
        .unzip();
    let (measures, measure_defs): (Vec<_>, Vec<_>) = items_at(definition, "qMeasures")
        .iter()
        .map(|measure| read_measure(computer, measure))
        .unzip();
    let mode = match mode_letter(definition) {
        "P" => Mode::Pivot,
        "K" => Mode::Stacked,
        _ => Mode::Straight,
    };
    let expansions = computer
        .place(path)
        .and_then(|place| computer.document.expansions.get(&place))
        .cloned()
        .unwrap_or_default();
    let small = |name: &str, default: i64| {
        i32::try_from(integer_at(definition, name, default)).unwrap_or(-1)
    };
    let def = CubeDef {
        mode,
        dimensions: dimension_defs,
        measures: measure_defs,
        inter_column_sort: items_at(definition, "qInterColumnSortOrder")
            .iter()
            .filter_map(|column| column.as_i64().and_then(|column| i32::try_from(column).ok()))
            .collect(),
        suppress_zero: flag_at(definition, "qSuppressZero"),
        suppress_missing: flag_at(definition, "qSuppressMissing"),
        left_dimensions: small("qNoOfLeftDims", -1),
        pseudo_position: small("qPseudoDimPos", -1),
        always_expanded: flag_at(definition, "qAlwaysFullyExpanded"),
        expanded_left: expansions.left,
        expanded_top: expansions.top,
        show_totals_above: flag_at(definition, "qShowTotalsAbove"),
        sort_by_measure: small("qSortbyYValue", 0),
        condition: condition(definition),
        context_set: text_at(definition, "qContextSetExpression").into(),
    };
    CubeSource { def, dimensions, measures }
}

/// Reads one entry of `qDimensions`, or the dimension of a list.
pub(crate) fn read_dimension(
    computer: &Computer<'_>,
    dimension: &Value,
    state: &str,
) -> (DimensionSource, DimensionDef) {
    let null = Value::Null;
    let inline = dimension.get("qDef").unwrap_or(&null);
    let library_id = text_at(dimension, "qLibraryId");
    let library = computer.view.library_item(library_id, "dimension");
    let library_dim = library.and_then(|item| item.properties.get("qDim")).unwrap_or(&null);
    let named = if library.is_some() { library_dim } else { inline };
    let field_defs: Vec<String> = texts(named, "qFieldDefs");
    let grouping = match choice(
        named.get("qGrouping"),
        &[
            &["N", "GRP_NX_NONE"],
            &["H", "GRP_NX_HIEARCHY", "GRP_NX_HIERARCHY"],
            &["C", "GRP_NX_COLLECTION"],
        ],
    ) {
        Some(1) => Grouping::Drill,
        Some(2) => Grouping::Cycle,
        _ => Grouping::None,
    };
    let active = active_field(computer, grouping, &field_defs, inline, state);
    let format = items_at(inline, "qNumberPresentations")
        .get(active)
        .and_then(|format| own_format(Some(format)));
    let mut client_members = client_members(library_dim);
    client_members.extend(self::client_members(inline));
    let attributes = items_at(dimension, "qAttributeExpressions").to_vec();
    let attribute_dimensions = items_at(dimension, "qAttributeDimensions").to_vec();
    let def = DimensionDef {
        expression: field_defs.get(active).map(String::as_str).unwrap_or_default().into(),
        null_suppression: flag_at(dimension, "qNullSuppression"),
        show_all: flag_at(dimension, "qShowAll"),
        total: has_total(dimension),
        total_label: expression_at(dimension, "qTotalLabel").into(),
        sort: sort_criteria(
            items_at(inline, "qSortCriterias")
                .get(active)
                .or(items_at(inline, "qSortCriterias").first()),
        ),
        reverse: flag_at(inline, "qReverseSort"),
        other: other(dimension),
        other_label: expression_at(dimension, "qOtherLabel").into(),
        number_format: format.clone(),
        attributes: attributes.iter().map(|entry| attribute(computer, entry)).collect(),
        attribute_dimensions: attribute_dimensions
            .iter()
            .map(|entry| AttributeDimensionDef {
                expression: attribute_dimension(computer, entry).into(),
            })
            .collect(),
        condition: condition(dimension),
    };
    let source = DimensionSource {
        library_id: library_id.to_owned(),
        grouping,
        labels: texts(named, "qFieldLabels"),
        label_expression: match text_at(inline, "qLabelExpression") {
            "" => text_at(named, "qLabelExpression").to_owned(),
            own => own.to_owned(),
        },
        field_defs,
        active,
        number_format: format,
        attributes,
        attribute_dimensions,
        client_members,
    };
    (source, def)
}

/// `qMode` in its short form; modes that we do not have are straight.
pub(super) fn mode_letter(definition: &Value) -> &'static str {
    match choice(definition.get("qMode"), &MODES) {
        Some(1) => "P",
        Some(2) => "K",
        _ => "S",
    }
}

/// A number format that says something; none where the client leaves it to us.
pub(crate) fn own_format(value: Option<&Value>) -> Option<NumberFormat> {
    let format = number_format(value);
    let says_nothing =
        format.kind == loggia_engine::format::NumberKind::Unknown && format.pattern.is_empty();
    (!says_nothing).then_some(format)
}

/// Reads sort criteria; absent is load order.
pub(crate) fn sort_criteria(value: Option<&Value>) -> SortCriteria {
    let Some(value) = value else { return SortCriteria::default() };
    let sign = |name: &str| integer_at(value, name, 0).signum() as i8;
    SortCriteria {
        by_state: sign("qSortByState"),
        by_greyness: sign("qSortByGreyness"),
        by_expression: sign("qSortByExpression"),
        expression: expression_at(value, "qExpression").into(),
        by_frequency: sign("qSortByFrequency"),
        by_numeric: sign("qSortByNumeric"),
        by_ascii: sign("qSortByAscii"),
        by_load_order: sign("qSortByLoadOrder"),
    }
}

impl Grouping {
    pub(crate) fn letter(self) -> &'static str {
        match self {
            Grouping::None => "N",
            Grouping::Drill => "H",
            Grouping::Cycle => "C",
        }
    }
}

impl DimensionSource {
    /// The title of one of the field definitions: its label, or what it is defined as.
    pub(crate) fn title(&self, computer: &Computer<'_>, at: usize, state: &str) -> String {
        if !self.label_expression.is_empty() && (at == self.active || self.field_defs.len() <= 1) {
            let label = if self.label_expression.trim_start().starts_with('=') {
                computer.label(&self.label_expression, state)
            } else {
                computer.label(&format!("={}", self.label_expression), state)
            };
            if !label.is_empty() {
                return label;
            }
        }
        match self.labels.get(at).map(String::as_str) {
            Some(label) if !label.is_empty() => computer.label(label, state),
            _ => {
                let text = self.field_defs.get(at).map(String::as_str).unwrap_or_default();
                plain_name(text).to_owned()
            }
        }
    }
}

impl MeasureSource {
    pub(crate) fn title(&self, computer: &Computer<'_>, state: &str) -> String {
        if !self.label_expression.is_empty() {
            let expression = self.label_expression.trim_start_matches('=');
            let label = computer.label(&format!("={expression}"), state);
            if !label.is_empty() {
                return label;
            }
        }
        if self.label.is_empty() { self.text.clone() } else { computer.label(&self.label, state) }
    }
}

fn read_measure(computer: &Computer<'_>, measure: &Value) -> (MeasureSource, MeasureDef) {
    let null = Value::Null;
    let inline = measure.get("qDef").unwrap_or(&null);
    let library_id = text_at(measure, "qLibraryId");
    let library = computer.view.library_item(library_id, "measure");
    let library_measure = library.and_then(|item| item.properties.get("qMeasure")).unwrap_or(&null);
    let named = if library.is_some() { library_measure } else { inline };
    let text = measure_text(named);
    let format = own_format(inline.get("qNumFormat"))
        .or_else(|| own_format(library_measure.get("qNumFormat")));
    let mut client_members = client_members(library_measure);
    client_members.extend(self::client_members(inline));
    let attributes = items_at(measure, "qAttributeExpressions").to_vec();
    let def = MeasureDef {
        expression: text.as_str().into(),
        sort: sort_criteria(measure.get("qSortBy")),
        reverse: flag_at(inline, "qReverseSort"),
        number_format: format.clone(),
        is_relative: flag_at(inline, "qRelative"),
        total: total_kind(inline),
        accumulate: u32::try_from(integer_at(inline, "qAccumulate", 0)).unwrap_or(0),
        attributes: attributes.iter().map(|entry| attribute(computer, entry)).collect(),
        condition: condition(measure),
    };
    let first = |name: &str| match text_at(inline, name) {
        "" => text_at(library_measure, name).to_owned(),
        own => own.to_owned(),
    };
    let source = MeasureSource {
        library_id: library_id.to_owned(),
        number_format: format,
        attributes,
        client_members,
        label: match (text_at(inline, "qLabel"), library) {
            ("", Some(_)) => match text_at(library_measure, "qLabel") {
                "" => library
                    .and_then(|item| item.properties.pointer("/qMetaDef/title"))
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned(),
                label => label.to_owned(),
            },
            (label, _) => label.to_owned(),
        },
        label_expression: first("qLabelExpression"),
        text,
    };
    (source, def)
}

/// The expression that a measure computes; one of several when it has alternatives.
fn measure_text(measure: &Value) -> String {
    let at = usize::try_from(integer_at(measure, "qActiveExpression", 0)).unwrap_or(0);
    let chosen = items_at(measure, "qExpressions")
        .get(at)
        .and_then(Value::as_str)
        .filter(|expression| !expression.is_empty());
    chosen.unwrap_or_else(|| text_at(measure, "qDef")).to_owned()
}

fn attribute(computer: &Computer<'_>, entry: &Value) -> AttributeDef {
    let library = computer.view.library_item(text_at(entry, "qLibraryId"), "measure");
    let expression = match library.and_then(|item| item.properties.get("qMeasure")) {
        Some(measure) => measure_text(measure),
        None => expression_at(entry, "qExpression").to_owned(),
    };
    AttributeDef {
        expression: expression.into(),
        number_format: own_format(entry.get("qNumFormat")),
    }
}

fn attribute_dimension(computer: &Computer<'_>, entry: &Value) -> String {
    let library = computer.view.library_item(text_at(entry, "qLibraryId"), "dimension");
    match library.and_then(|item| item.properties.pointer("/qDim/qFieldDefs/0")) {
        Some(definition) => definition.as_str().unwrap_or_default().to_owned(),
        None => text_at(entry, "qDef").to_owned(),
    }
}

/// A drill-down stands at the first level that has more than one possible value.
fn active_field(
    computer: &Computer<'_>,
    grouping: Grouping,
    field_defs: &[String],
    inline: &Value,
    state: &str,
) -> usize {
    let last = field_defs.len().saturating_sub(1);
    match grouping {
        Grouping::None => 0,
        Grouping::Cycle => {
            usize::try_from(integer_at(inline, "qActiveField", 0)).unwrap_or(0).min(last)
        }
        Grouping::Drill => {
            let document = computer.document;
            let view = document.loaded.calculator.view(&document.selections, state);
            field_defs
                .iter()
                .position(|definition| {
                    document.field(definition).is_none_or(|field| {
                        let counts = *view.states(field).counts();
                        counts.selected + counts.optional + counts.locked != 1
                    })
                })
                .unwrap_or(last)
        }
    }
}

fn condition(value: &Value) -> Option<Condition> {
    let new = value.get("qCalcCondition");
    let new_text = new.map(|condition| expression_at(condition, "qCond")).unwrap_or_default();
    let expression = if new_text.is_empty() { expression_at(value, "qCalcCond") } else { new_text };
    if expression.trim().is_empty() {
        return None;
    }
    let message = new.map(|condition| expression_at(condition, "qMsg")).unwrap_or_default();
    Some(Condition { expression: expression.into(), message: message.into() })
}

fn has_total(dimension: &Value) -> bool {
    let spec = dimension.get("qOtherTotalSpec").unwrap_or(&Value::Null);
    let mode = choice(spec.get("qTotalMode"), &[&["TOTAL_OFF"], &["TOTAL_EXPR"]]);
    mode == Some(1) || flag_at(dimension, "qShowTotal")
}

fn other(dimension: &Value) -> Option<OtherDef> {
    let spec = dimension.get("qOtherTotalSpec")?;
    let mode = choice(
        spec.get("qOtherMode"),
        &[
            &["OTHER_OFF"],
            &["OTHER_COUNTED"],
            &["OTHER_ABS_LIMITED"],
            &["OTHER_ABS_ACC_TARGET"],
            &["OTHER_REL_LIMITED"],
            &["OTHER_REL_ACC_TARGET"],
        ],
    )?;
    let rule = match mode {
        1 => OtherRule::Counted,
        2 => OtherRule::AbsoluteLimit,
        3 => OtherRule::AbsoluteTarget,
        4 => OtherRule::RelativeLimit,
        5 => OtherRule::RelativeTarget,
        _ => return None,
    };
    let limit = match (rule, expression_at(spec, "qOtherCounted")) {
        (OtherRule::Counted, "") => "10",
        (OtherRule::Counted, counted) => counted,
        _ => expression_at(spec, "qOtherLimit"),
    };
    let limit_mode = match choice(
        spec.get("qOtherLimitMode"),
        &[&["OTHER_GE_LIMIT"], &["OTHER_LE_LIMIT"], &["OTHER_GT_LIMIT"], &["OTHER_LT_LIMIT"]],
    ) {
        Some(1) => LimitMode::LessEqual,
        Some(2) => LimitMode::Greater,
        Some(3) => LimitMode::Less,
        _ => LimitMode::GreaterEqual,
    };
    let order = match choice(
        spec.get("qOtherSortMode"),
        &[&["OTHER_SORT_DEFAULT"], &["OTHER_SORT_DESCENDING"], &["OTHER_SORT_ASCENDING"]],
    ) {
        Some(2) => 1,
        _ => -1,
    };
    Some(OtherDef {
        rule,
        limit: limit.into(),
        limit_mode,
        suppress_other: flag_at(spec, "qSuppressOther"),
        referenced_expression: expression_at(spec, "qReferencedExpression").into(),
        is_global: flag_at(spec, "qGlobalOtherGrouping"),
        collapse_inner: flag_at(spec, "qOtherCollapseInnerDimensions"),
        order,
    })
}

fn total_kind(measure: &Value) -> TotalKind {
    let names: [&[&str]; 7] =
        [&["Expr"], &["Sum"], &["Avg"], &["Min"], &["Max"], &["Count"], &["None"]];
    match measure.get("qAggrFunc") {
        Some(Value::String(_)) => match choice(measure.get("qAggrFunc"), &names) {
            Some(1) => TotalKind::Sum,
            Some(2) => TotalKind::Average,
            Some(3) => TotalKind::Min,
            Some(4) => TotalKind::Max,
            Some(5) => TotalKind::Count,
            Some(6) => TotalKind::None,
            _ => TotalKind::Expression,
        },
        _ if flag_at(measure, "qBrutalSum") => TotalKind::Sum,
        _ => TotalKind::Expression,
    }
}

fn client_members(value: &Value) -> Map<String, Value> {
    let mut kept = Value::Object(Map::new());
    wire::copy_client_members(value, &mut kept);
    match kept {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    items_at(value, name).iter().map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
}

/// A field's name without the brackets that it may be written in.
fn plain_name(text: &str) -> &str {
    let inner = text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.filter(|inner| !inner.contains(']')).unwrap_or(text)
}
