//! What does the query string ask for?

use crate::filter::Filter;
use crate::problem::Problem;
use crate::schema::Schema;

/// The parameters of a request, names without letter case.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string with form decoding: `+` is a blank.
    pub(crate) fn parse(uri: &http::Uri) -> Result<Query, Problem> {
        let axum::extract::Query(pairs) =
            axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
                .map_err(|_| Problem::bad("the query string cannot be read"))?;
        let mut query = Query::default();
        for (name, value) in pairs {
            let name = name.to_lowercase();
            if query.get(&name).is_some() {
                return Err(Problem::bad(format!("the query has {name:?} twice")));
            }
            query.0.push((name, value));
        }
        Ok(query)
    }

    /// A parameter by its lower-case name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None => Ok(false),
            Some(text) if text.is_empty() || text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) => Err(Problem::bad(format!("{name} is {text:?}, expected true or false"))),
        }
    }

    pub(crate) fn filter(&self, schema: &Schema) -> Result<Filter, Problem> {
        Filter::parse(self.get("filter").unwrap_or_default(), schema)
            .map_err(|error| Problem::bad(format!("filter: {error}")))
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<usize>, Problem> {
        match self.get(name) {
            None => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| Problem::bad(format!("{name} is {text:?}, expected a whole number"))),
        }
    }

    /// Paths to order by, and whether each descends.
    pub(crate) fn order(&self, schema: &Schema) -> Result<Vec<(Vec<String>, bool)>, Problem> {
        let text = self.get("orderby").unwrap_or_default();
        let mut order = Vec::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let mut words = item.split_whitespace();
            let path: Vec<String> =
                words.next().unwrap_or_default().split('.').map(str::to_lowercase).collect();
            schema.check(&path).map_err(|message| Problem::bad(format!("orderby: {message}")))?;
            let descends = match words.next() {
                None => false,
                Some(word) if word.eq_ignore_ascii_case("asc") => false,
                Some(word) if word.eq_ignore_ascii_case("desc") => true,
                Some(word) => {
                    let message = format!("orderby: expected asc or desc, found {word:?}");
                    return Err(Problem::bad(message));
                }
            };
            order.push((path, descends));
        }
        Ok(order)
    }
}
