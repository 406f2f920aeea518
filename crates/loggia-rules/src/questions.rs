//! The questions that `HasPrivilege` asks within each other: which are cut short, and which
//! answers are remembered. [`crate::oracle`] says what the rules for it are.

use std::collections::HashMap;

use crate::web::{DEEPEST, Web};
use crate::{Action, Entity};

/// The questions of one requester, or of many at once, in one context; answers are truth values or
/// whatever stands for them.
///
/// INVARIANT: what is answered depends only on the rules, the facts and the questions that it is
/// asked within, never on the order of rules or on what was asked before.
pub(crate) struct Questions<V = bool> {
    /// The answer *no*.
    no: V,
    /// The questions being answered, outermost first.
    asking: Vec<Asked<V>>,
    /// Answers that do not depend on what they are asked within.
    answers: HashMap<Question, Answer<V>>,
    /// The same for questions that led too deep: they hold at one depth only.
    at_depth: HashMap<(Question, usize), V>,
    /// What the innermost question has led to so far.
    trace: Trace,
}

/// What becomes of a question.
pub(crate) enum Asking<V> {
    Answered(V),
    /// It has to be answered, and then given to [`Questions::answer`].
    Open(Open),
}

pub(crate) struct Open {
    question: Question,
    depth: usize,
    /// Whether other questions of its knot are being answered.
    is_within: bool,
    outer: Trace,
}

/// A question that is being answered.
struct Asked<V> {
    question: Question,
    /// What was asked directly within it and depends on that.
    answers: HashMap<Question, Answer<V>>,
}

type Question = (Entity, Action);

#[derive(Clone, Copy)]
struct Answer<V> {
    holds: V,
    /// How many levels of further questions it took.
    height: usize,
    trace: Trace,
}

/// What an answer depends on besides the rules and the facts.
#[derive(Clone, Copy)]
struct Trace {
    /// The deepest question that was asked.
    deepest: usize,
    /// Whether a question was not asked for being too deep.
    is_too_deep: bool,
    /// The outermost question that cut another short.
    outermost_cut: usize,
}

impl Default for Questions {
    fn default() -> Questions {
        Questions::new(false)
    }
}

impl<V: Copy> Questions<V> {
    pub(crate) fn new(no: V) -> Questions<V> {
        Questions {
            no,
            asking: Vec::new(),
            answers: HashMap::new(),
            at_depth: HashMap::new(),
            trace: Trace::default(),
        }
    }

    /// Begins the outermost question.
    pub(crate) fn begin(&mut self, entity: &Entity, action: Action) {
        self.asking.clear();
        self.asking.push(Asked { question: (entity.clone(), action), answers: HashMap::new() });
    }

    /// Ends the outermost question.
    pub(crate) fn end(&mut self) {
        self.asking.clear();
    }

    /// Asks within the questions that are being answered.
    pub(crate) fn ask(&mut self, web: &Web, entity: &Entity, action: Action) -> Asking<V> {
        let depth = self.asking.len();
        let question = (entity.clone(), action);
        if let Some(same) = self.asking.iter().position(|asked| asked.question == question) {
            self.trace.outermost_cut = self.trace.outermost_cut.min(same);
            return Asking::Answered(self.no);
        }
        if depth > DEEPEST {
            self.trace.is_too_deep = true;
            return Asking::Answered(self.no);
        }
        let knot = web.knot(entity.kind, action);
        let is_in_knot = |asked: &&Asked<V>| {
            let (entity, action) = &asked.question;
            knot.is_some() && web.knot(entity.kind, *action) == knot
        };
        let within = self.asking.iter().filter(is_in_knot).count();
        if knot.is_some_and(|knot| within > knot.deepest) {
            let first = self.asking.iter().position(|asked| is_in_knot(&asked)).unwrap_or(0);
            self.trace.outermost_cut = self.trace.outermost_cut.min(first);
            return Asking::Answered(self.no);
        }
        if let Some(answer) = self.remembered(&question, depth, within > 0) {
            let deepest = answer.trace.deepest.max(depth + answer.height);
            self.trace.merge(Trace { deepest, ..answer.trace });
            return Asking::Answered(answer.holds);
        }
        let outer =
            std::mem::replace(&mut self.trace, Trace { deepest: depth, ..Trace::default() });
        self.asking.push(Asked { question: question.clone(), answers: HashMap::new() });
        Asking::Open(Open { question, depth, is_within: within > 0, outer })
    }

    /// Answers the innermost question.
    pub(crate) fn answer(&mut self, open: Open, holds: V) -> V {
        let Open { question, depth, is_within, outer } = open;
        self.asking.truncate(depth);
        let trace = std::mem::replace(&mut self.trace, outer);
        let outermost_cut = Some(trace.outermost_cut).filter(|&cut| cut < depth);
        self.trace.merge(Trace { outermost_cut: outermost_cut.unwrap_or(usize::MAX), ..trace });
        let answer = Answer { holds, height: trace.deepest.saturating_sub(depth), trace };
        if is_within || outermost_cut.is_some() {
            // Outside of the questions around it the answer may be another.
            if let Some(asker) = self.asking.last_mut() {
                asker.answers.insert(question, answer);
            }
        } else if trace.is_too_deep {
            self.at_depth.insert((question, depth), holds);
        } else {
            self.answers.insert(question, Answer { trace: Trace::default(), ..answer });
        }
        holds
    }

    fn remembered(&self, question: &Question, depth: usize, is_within: bool) -> Option<Answer<V>> {
        if let Some(answer) = self.asking.last().and_then(|asker| asker.answers.get(question)) {
            return Some(*answer);
        }
        if is_within {
            return None;
        }
        if let Some(answer) = self.answers.get(question).filter(|a| depth + a.height <= DEEPEST) {
            return Some(*answer);
        }
        let holds = *self.at_depth.get(&(question.clone(), depth))?;
        let trace = Trace { is_too_deep: true, ..Trace::default() };
        Some(Answer { holds, height: DEEPEST.saturating_sub(depth), trace })
    }
}

impl Default for Trace {
    fn default() -> Trace {
        Trace { deepest: 0, is_too_deep: false, outermost_cut: usize::MAX }
    }
}

impl Trace {
    fn merge(&mut self, inner: Trace) {
        self.deepest = self.deepest.max(inner.deepest);
        self.is_too_deep |= inner.is_too_deep;
        self.outermost_cut = self.outermost_cut.min(inner.outermost_cut);
    }
}
