//! Every method the interface answers, one row each: on what it is called, whether it reads or
//! changes the session, and the function that does it.

mod bookmark;
mod data;
mod doc;
mod field;
mod global;
mod library;
mod object;
mod script;
mod select;
mod tables;
mod variable;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use crate::Shared;
use crate::document::{Document, Object};
use crate::effect::Effects;
use crate::fault::Fault;
use crate::handle::{Kind, Target};
use crate::params::Params;
use crate::patience::Patience;
use crate::session::{Session, Socket, Sockets};
use crate::view::View;

/// One method.
pub(crate) struct Row {
    pub(crate) on: Kind,
    pub(crate) name: &'static str,
    pub(crate) params: &'static [&'static str],
    pub(crate) run: Run,
}

/// What a method does to the session.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// Nothing, and its answer cannot wait for what runs now.
    AtOnce(fn(&Call<'_>) -> Result<Value, Fault>),
    Read(fn(&Call<'_>, &Session) -> Result<Value, Fault>),
    Change(Change),
}

pub(crate) type Change = fn(&Call<'_>, &mut Session) -> Result<(Value, Effects), Fault>;

/// One call of a method.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) socket: &'a Arc<Socket>,
    /// All sockets of the engine session.
    pub(crate) sockets: &'a Sockets,
    /// What the caller may see, as of this request.
    pub(crate) view: Arc<View>,
    pub(crate) target: Target,
    pub(crate) params: Params,
    /// The request's id.
    pub(crate) request: &'a Value,
    /// How long its calculations may take.
    pub(crate) patience: &'a Patience,
}

impl Row {
    /// Whether a call means that somebody is at work (`spec/access.md` §3.5): only then is the next
    /// licence unit due. Opening the app is judged by itself. Reading again what is on the screen
    /// is no work: pages do so by themselves when the server says that something changed, and when
    /// they are closed they tidy up after themselves.
    pub(crate) fn is_activity(&self) -> bool {
        match self.run {
            Run::AtOnce(_) => false,
            // Going to another sheet begins with asking for it.
            Run::Read(_) => matches!(self.name, "GetObject" | "GetObjects" | "GetChild"),
            Run::Change(_) => !matches!(
                self.name,
                "GetActiveDoc" | "DestroySessionObject" | "DestroySessionVariable" | "AbortModal"
            ),
        }
    }
}

impl Call<'_> {
    /// The object the call is about.
    pub(crate) fn object(&self, document: &Document) -> Result<Object, Fault> {
        let id = self.target.id();
        document.object(&self.view, id).ok_or_else(|| Fault::object_not_found(id))
    }
}

/// The row of `name` on a thing of `kind`.
pub(crate) fn find(kind: Kind, name: &str) -> Option<&'static Row> {
    static INDEX: LazyLock<HashMap<(Kind, &'static str), &'static Row>> =
        LazyLock::new(|| METHODS.iter().map(|row| ((row.on, row.name), row)).collect());
    INDEX.get(&(kind, name)).copied()
}

const fn at_once(
    on: Kind,
    name: &'static str,
    params: &'static [&'static str],
    run: fn(&Call<'_>) -> Result<Value, Fault>,
) -> Row {
    Row { on, name, params, run: Run::AtOnce(run) }
}

const fn read(
    on: Kind,
    name: &'static str,
    params: &'static [&'static str],
    run: fn(&Call<'_>, &Session) -> Result<Value, Fault>,
) -> Row {
    Row { on, name, params, run: Run::Read(run) }
}

const fn change(on: Kind, name: &'static str, params: &'static [&'static str], run: Change) -> Row {
    Row { on, name, params, run: Run::Change(run) }
}

/// A path to a definition and pages of its result.
const DATA: &[&str] = &["qPath", "qPages"];

#[rustfmt::skip]
static METHODS: &[Row] = &[
    change(Kind::Global, "OpenDoc", &["qDocName", "qUserName", "qPassword", "qSerial", "qNoData"], global::open_doc),
    change(Kind::Global, "GetActiveDoc", &[], global::get_active_doc),
    read(Kind::Global, "GetDocList", &[], global::get_doc_list),
    at_once(Kind::Global, "EngineVersion", &[], global::engine_version),
    at_once(Kind::Global, "ProductVersion", &[], global::product_version),
    at_once(Kind::Global, "QvVersion", &[], global::product_version),
    at_once(Kind::Global, "QTProduct", &[], global::product),
    at_once(Kind::Global, "OSName", &[], global::os_name),
    at_once(Kind::Global, "OSVersion", &[], global::os_name),
    at_once(Kind::Global, "GetAuthenticatedUser", &[], global::get_authenticated_user),
    at_once(Kind::Global, "GetUniqueID", &[], global::get_unique_id),
    at_once(Kind::Global, "IsDesktopMode", &[], global::no),
    at_once(Kind::Global, "IsPersonalMode", &[], global::no),
    at_once(Kind::Global, "AllowCreateApp", &[], global::no),
    at_once(Kind::Global, "GetConfiguration", &[], global::get_configuration),
    at_once(Kind::Global, "GetBaseBNFHash", &["qBnfType"], global::get_base_bnf_hash),
    at_once(Kind::Global, "GetProgress", &["qRequestId"], global::get_progress),
    at_once(Kind::Global, "CancelRequest", &["qRequestId"], global::cancel_request),
    at_once(Kind::Global, "AbortRequest", &["qRequestId"], global::cancel_request),
    at_once(Kind::Global, "AbortAll", &[], global::abort_all),
    at_once(Kind::Global, "CancelReload", &[], global::nothing),
    at_once(Kind::Global, "ConfigureReload", &["qCancelOnScriptError", "qUseErrorData", "qInteractOnError"], global::configure_reload),

    read(Kind::Doc, "GetAppLayout", &[], doc::get_app_layout),
    read(Kind::Doc, "GetLayout", &[], doc::get_app_layout),
    read(Kind::Doc, "GetAppProperties", &[], doc::get_app_properties),
    read(Kind::Doc, "GetObject", &["qId"], doc::get_object),
    read(Kind::Doc, "GetObjects", &["qOptions"], doc::get_objects),
    read(Kind::Doc, "GetAllInfos", &[], doc::get_all_infos),
    change(Kind::Doc, "CreateSessionObject", &["qProp"], doc::create_session_object),
    change(Kind::Doc, "DestroySessionObject", &["qId"], doc::destroy_session_object),
    change(Kind::Doc, "CreateObject", &["qProp"], doc::create_object),
    change(Kind::Doc, "DestroyObject", &["qId"], doc::destroy_object),
    change(Kind::Doc, "CloneObject", &["qId"], doc::clone_object),
    change(Kind::Doc, "GetOrCreateObject", &["qProp"], doc::get_or_create_object),
    read(Kind::Doc, "GetField", &["qFieldName", "qStateName"], doc::get_field),
    read(Kind::Doc, "GetFieldDescription", &["qFieldName"], tables::get_field_description),
    change(Kind::Doc, "ClearAll", &["qLockedAlso", "qStateName"], doc::clear_all),
    change(Kind::Doc, "LockAll", &["qStateName"], doc::lock_all),
    change(Kind::Doc, "UnlockAll", &["qStateName"], doc::unlock_all),
    change(Kind::Doc, "Back", &[], doc::back),
    change(Kind::Doc, "Forward", &[], doc::forward),
    read(Kind::Doc, "BackCount", &[], doc::back_count),
    read(Kind::Doc, "ForwardCount", &[], doc::forward_count),
    change(Kind::Doc, "AbortModal", &["qAccept"], doc::abort_modal),
    read(Kind::Doc, "ClearUndoBuffer", &[], doc::nothing),
    read(Kind::Doc, "Resume", &[], doc::nothing),
    change(Kind::Doc, "AddSessionAlternateState", &["qStateName", "qSourceStateName"], doc::add_state),
    change(Kind::Doc, "RemoveSessionAlternateState", &["qStateName"], doc::remove_state),
    read(Kind::Doc, "Evaluate", &["qExpression"], doc::evaluate),
    read(Kind::Doc, "EvaluateEx", &["qExpression"], doc::evaluate_ex),
    read(Kind::Doc, "ExpandExpression", &["qExpression"], doc::expand_expression),
    read(Kind::Doc, "CheckExpression", &["qExpr", "qLabels"], doc::check_expression),
    read(Kind::Doc, "GetLocaleInfo", &[], doc::get_locale_info),
    read(Kind::Doc, "GetTablesAndKeys", &["qWindowSize", "qNullSize", "qCellHeight", "qSyntheticMode", "qIncludeSysVars", "qIncludeProfiling"], tables::get_tables_and_keys),
    read(Kind::Doc, "GetTableData", &["qOffset", "qRows", "qSyntheticMode", "qTableName"], tables::get_table_data),
    read(Kind::Doc, "GetScript", &[], script::get_script),
    read(Kind::Doc, "GetScriptEx", &[], script::get_script_ex),
    change(Kind::Doc, "SetScript", &["qScript"], script::set_script),
    read(Kind::Doc, "CheckScriptSyntax", &[], script::check_script_syntax),
    change(Kind::Doc, "DoReload", &["qMode", "qPartial", "qDebug"], script::do_reload),
    change(Kind::Doc, "DoReloadEx", &["qParams"], script::do_reload_ex),
    read(Kind::Doc, "DoSave", &["qFileName"], script::do_save),
    read(Kind::Doc, "GetDimension", &["qId"], library::get_dimension),
    read(Kind::Doc, "GetMeasure", &["qId"], library::get_measure),
    change(Kind::Doc, "CreateDimension", &["qProp"], library::create_dimension),
    change(Kind::Doc, "CreateMeasure", &["qProp"], library::create_measure),
    change(Kind::Doc, "DestroyDimension", &["qId"], library::destroy_dimension),
    change(Kind::Doc, "DestroyMeasure", &["qId"], library::destroy_measure),
    read(Kind::Doc, "GetBookmark", &["qId"], bookmark::get_bookmark),
    change(Kind::Doc, "CreateBookmark", &["qProp"], bookmark::create_bookmark),
    change(Kind::Doc, "ApplyBookmark", &["qId"], bookmark::apply_by_id),
    change(Kind::Doc, "DestroyBookmark", &["qId"], bookmark::destroy_bookmark),
    read(Kind::Doc, "GetVariableById", &["qId"], variable::get_by_id),
    read(Kind::Doc, "GetVariableByName", &["qName"], variable::get_by_name),
    change(Kind::Doc, "CreateSessionVariable", &["qProp"], variable::create_session_variable),
    change(Kind::Doc, "DestroySessionVariable", &["qId"], variable::destroy_session_variable),

    read(Kind::Object, "GetLayout", &[], object::get_layout),
    read(Kind::Object, "GetProperties", &[], object::get_properties),
    read(Kind::Object, "GetEffectiveProperties", &[], object::get_effective_properties),
    read(Kind::Object, "GetInfo", &[], object::get_info),
    change(Kind::Object, "SetProperties", &["qProp"], object::set_properties),
    change(Kind::Object, "ApplyPatches", &["qPatches", "qSoftPatch"], object::apply_patches),
    change(Kind::Object, "ClearSoftPatches", &[], object::clear_soft_patches),
    read(Kind::Object, "GetFullPropertyTree", &[], object::get_full_property_tree),
    change(Kind::Object, "SetFullPropertyTree", &["qPropEntry"], object::set_full_property_tree),
    read(Kind::Object, "GetChild", &["qId"], object::get_child),
    read(Kind::Object, "GetChildInfos", &[], object::get_child_infos),
    read(Kind::Object, "GetParent", &[], object::get_parent),
    change(Kind::Object, "CreateChild", &["qProp", "qPropForThis"], object::create_child),
    change(Kind::Object, "DestroyChild", &["qId", "qPropForThis"], object::destroy_child),
    change(Kind::Object, "DestroyAllChildren", &["qPropForThis"], object::destroy_all_children),
    change(Kind::Object, "SetChildArrayOrder", &["qIds"], object::set_child_array_order),
    read(Kind::Object, "GetLinkedObjects", &[], object::get_linked_objects),
    read(Kind::Object, "GetHyperCubeData", DATA, data::get_hyper_cube_data),
    read(Kind::Object, "GetHyperCubeReducedData", &["qPath", "qPages", "qZoomFactor", "qReductionMode"], data::get_hyper_cube_reduced_data),
    read(Kind::Object, "GetHyperCubeStackData", &["qPath", "qPages", "qMaxNbrCells"], data::get_hyper_cube_stack_data),
    read(Kind::Object, "GetHyperCubePivotData", DATA, data::get_hyper_cube_pivot_data),
    read(Kind::Object, "GetListObjectData", DATA, data::get_list_object_data),
    change(Kind::Object, "ExpandLeft", &["qPath", "qRow", "qCol", "qAll"], data::expand_left),
    change(Kind::Object, "ExpandTop", &["qPath", "qRow", "qCol", "qAll"], data::expand_top),
    change(Kind::Object, "CollapseLeft", &["qPath", "qRow", "qCol", "qAll"], data::collapse_left),
    change(Kind::Object, "CollapseTop", &["qPath", "qRow", "qCol", "qAll"], data::collapse_top),
    change(Kind::Object, "BeginSelections", &["qPaths"], select::begin_selections),
    change(Kind::Object, "EndSelections", &["qAccept"], select::end_selections),
    change(Kind::Object, "ResetMadeSelections", &[], select::reset_made_selections),
    change(Kind::Object, "ClearSelections", &["qPath", "qColIndices"], select::clear_selections),
    change(Kind::Object, "SelectHyperCubeValues", &["qPath", "qDimNo", "qValues", "qToggleMode"], select::select_hyper_cube_values),
    change(Kind::Object, "SelectHyperCubeCells", &["qPath", "qRowIndices", "qColIndices", "qSoftLock", "qDeselectOnlyOneSelected"], select::select_hyper_cube_cells),
    change(Kind::Object, "SelectPivotCells", &["qPath", "qSelections", "qSoftLock", "qDeselectOnlyOneSelected"], select::select_pivot_cells),
    change(Kind::Object, "RangeSelectHyperCubeValues", &["qPath", "qRanges", "qColumnsToSelect", "qOrMode", "qDeselectOnlyOneSelected"], select::range_select),
    change(Kind::Object, "MultiRangeSelectHyperCubeValues", &["qPath", "qRanges", "qOrMode", "qDeselectOnlyOneSelected"], select::multi_range_select),
    change(Kind::Object, "SelectHyperCubeContinuousRange", &["qPath", "qRanges", "qSoftLock"], select::select_continuous_range),
    change(Kind::Object, "SelectListObjectValues", &["qPath", "qValues", "qToggleMode", "qSoftLock"], select::select_list_object_values),
    change(Kind::Object, "SelectListObjectAll", &["qPath", "qSoftLock"], select::select_list_object_all),
    change(Kind::Object, "SelectListObjectPossible", &["qPath", "qSoftLock"], select::select_list_object_possible),
    change(Kind::Object, "SelectListObjectAlternative", &["qPath", "qSoftLock"], select::select_list_object_alternative),
    change(Kind::Object, "SelectListObjectExcluded", &["qPath", "qSoftLock"], select::select_list_object_excluded),
    change(Kind::Object, "SearchListObjectFor", &["qPath", "qMatch"], select::search_list_object_for),
    change(Kind::Object, "AcceptListObjectSearch", &["qPath", "qToggleMode", "qSoftLock"], select::accept_list_object_search),
    change(Kind::Object, "AbortListObjectSearch", &["qPath"], select::abort_list_object_search),
    change(Kind::Object, "Lock", &["qPath", "qColIndices"], select::lock),
    change(Kind::Object, "Unlock", &["qPath", "qColIndices"], select::unlock),

    change(Kind::Field, "Clear", &[], field::clear),
    change(Kind::Field, "ClearAllButThis", &["qSoftLock"], field::clear_all_but_this),
    change(Kind::Field, "Select", &["qMatch", "qSoftLock", "qExcludedValuesMode"], field::select),
    change(Kind::Field, "ToggleSelect", &["qMatch", "qSoftLock", "qExcludedValuesMode"], field::toggle_select),
    change(Kind::Field, "SelectValues", &["qFieldValues", "qToggleMode", "qSoftLock"], field::select_values),
    change(Kind::Field, "LowLevelSelect", &["qValues", "qToggleMode", "qSoftLock"], field::low_level_select),
    change(Kind::Field, "SelectAll", &["qSoftLock"], field::select_all),
    change(Kind::Field, "SelectPossible", &["qSoftLock"], field::select_possible),
    change(Kind::Field, "SelectExcluded", &["qSoftLock"], field::select_excluded),
    change(Kind::Field, "SelectAlternative", &["qSoftLock"], field::select_alternative),
    change(Kind::Field, "Lock", &[], field::lock),
    change(Kind::Field, "Unlock", &[], field::unlock),
    read(Kind::Field, "GetCardinal", &[], field::get_cardinal),
    read(Kind::Field, "GetNxProperties", &[], field::get_nx_properties),
    read(Kind::Field, "GetAndMode", &[], field::get_and_mode),

    read(Kind::Dimension, "GetLayout", &[], library::get_layout),
    read(Kind::Dimension, "GetProperties", &[], library::get_properties),
    read(Kind::Dimension, "GetInfo", &[], library::get_info),
    read(Kind::Dimension, "GetDimension", &[], library::get_inner_dimension),
    read(Kind::Dimension, "GetLinkedObjects", &[], object::get_linked_objects),
    change(Kind::Dimension, "SetProperties", &["qProp"], library::set_properties),
    change(Kind::Dimension, "ApplyPatches", &["qPatches"], library::apply_patches),
    read(Kind::Measure, "GetLayout", &[], library::get_layout),
    read(Kind::Measure, "GetProperties", &[], library::get_properties),
    read(Kind::Measure, "GetInfo", &[], library::get_info),
    read(Kind::Measure, "GetMeasure", &[], library::get_inner_measure),
    read(Kind::Measure, "GetLinkedObjects", &[], object::get_linked_objects),
    change(Kind::Measure, "SetProperties", &["qProp"], library::set_properties),
    change(Kind::Measure, "ApplyPatches", &["qPatches"], library::apply_patches),

    read(Kind::Bookmark, "GetLayout", &[], bookmark::get_layout),
    read(Kind::Bookmark, "GetProperties", &[], library::get_properties),
    read(Kind::Bookmark, "GetInfo", &[], library::get_info),
    change(Kind::Bookmark, "SetProperties", &["qProp"], library::set_properties),
    change(Kind::Bookmark, "Apply", &[], bookmark::apply),

    read(Kind::Variable, "GetLayout", &[], variable::get_layout),
    read(Kind::Variable, "GetProperties", &[], variable::get_properties),
    read(Kind::Variable, "GetInfo", &[], variable::get_info),
    read(Kind::Variable, "GetRawContent", &[], variable::get_raw_content),
    change(Kind::Variable, "SetStringValue", &["qVal"], variable::set_string_value),
    change(Kind::Variable, "SetNumValue", &["qVal"], variable::set_number_value),
    change(Kind::Variable, "SetDualValue", &["qText", "qNum"], variable::set_dual_value),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_one_row() {
        let mut names: Vec<_> = METHODS.iter().map(|row| (row.on, row.name)).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn work_is_told_from_what_pages_do_by_themselves() {
        let is_activity = |kind, name| find(kind, name).unwrap().is_activity();
        for (kind, name) in [
            (Kind::Doc, "GetObject"),
            (Kind::Doc, "DoReload"),
            (Kind::Doc, "ClearAll"),
            (Kind::Object, "SelectHyperCubeValues"),
            (Kind::Field, "Select"),
            (Kind::Bookmark, "Apply"),
        ] {
            assert!(is_activity(kind, name), "{name}");
        }
        for (kind, name) in [
            (Kind::Global, "EngineVersion"),
            (Kind::Global, "GetActiveDoc"),
            (Kind::Doc, "GetAppLayout"),
            (Kind::Doc, "DestroySessionObject"),
            (Kind::Object, "GetLayout"),
            (Kind::Object, "GetHyperCubeData"),
        ] {
            assert!(!is_activity(kind, name), "{name}");
        }
    }

    #[test]
    fn unknown_methods_have_none() {
        assert!(find(Kind::Global, "ShutdownProcess").is_none());
        assert!(find(Kind::Object, "OpenDoc").is_none());
    }
}
