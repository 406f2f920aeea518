//! Statements as read, before they are run.

use std::sync::Arc;

use loggia_engine::expression::Expr;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    Load(Box<Load>),
    /// The text as written.
    Set {
        name: Arc<str>,
        text: String,
    },
    /// Nothing to the right of `=` removes the variable.
    Let {
        name: Arc<str>,
        expr: Option<Expr>,
    },
    DropTables(Vec<Arc<str>>),
    DropFields {
        fields: Vec<Arc<str>>,
        tables: Vec<Arc<str>>,
    },
    RenameFields(Vec<(Arc<str>, Arc<str>)>),
    RenameFieldsUsing(Arc<str>),
    RenameTables(Vec<(Arc<str>, Arc<str>)>),
    /// Names may hold wildcards.
    Qualify(Vec<Arc<str>>),
    Unqualify(Vec<Arc<str>>),
    Tag {
        fields: Vec<Arc<str>>,
        tags: Vec<Arc<str>>,
    },
    MapUsing {
        fields: Vec<Arc<str>>,
        map: Arc<str>,
    },
    Unmap(Vec<Arc<str>>),
    NullAsValue(Vec<Arc<str>>),
    Trace(String),
    Call {
        name: Arc<str>,
        args: Vec<Expr>,
    },
    Exit {
        what: ExitWhat,
        condition: Option<Expr>,
    },
    /// Statements that change nothing here, such as `DIRECTORY`.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitWhat {
    Script,
    Loop,
    Sub,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Load {
    pub(crate) label: Option<Arc<str>>,
    pub(crate) target: Target,
    /// The first is the outermost of preceding loads; only the last has a source.
    pub(crate) steps: Vec<Step>,
    pub(crate) source: Source,
}

/// Where the rows go.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    /// A table of their own, or one that has the same fields.
    Automatic,
    /// A table of their own in any case.
    New,
    /// The named table, or the one loaded last.
    Concatenate(Option<Arc<str>>),
    Join {
        kind: JoinKind,
        table: Option<Arc<str>>,
    },
    Keep {
        kind: JoinKind,
        table: Option<Arc<str>>,
    },
    Mapping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Outer,
    Inner,
    Left,
    Right,
}

/// One `LOAD`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Step {
    pub(crate) distinct: bool,
    pub(crate) fields: Vec<LoadField>,
    pub(crate) condition: Option<Expr>,
    pub(crate) repeat: Option<Expr>,
    pub(crate) group_by: Option<Vec<Expr>>,
    pub(crate) order_by: Vec<(Arc<str>, bool)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LoadField {
    Star,
    Expr { expr: Expr, name: Arc<str> },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    Autogenerate(Expr),
    Resident { table: Arc<str>, start: usize, end: usize },
    Inline { data: Arc<str>, format: FileFormat },
    File { location: Arc<str>, format: FileFormat, start: usize, end: usize },
}

/// How a text file is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileFormat {
    pub(crate) labels: bool,
    pub(crate) delimiter: u8,
    /// `header is n lines`
    pub(crate) header_lines: usize,
    /// `msq`: double quotes may stand around values and hold delimiters and line ends. `no quotes` takes them as they are.
    pub(crate) quotes: bool,
    pub(crate) comment: Option<String>,
    pub(crate) utf8: bool,
}

impl Default for FileFormat {
    fn default() -> FileFormat {
        FileFormat {
            labels: true,
            delimiter: b',',
            header_lines: 0,
            quotes: true,
            comment: None,
            utf8: true,
        }
    }
}
