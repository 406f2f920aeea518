//! Pages: the built HTML files with three marks, filled with a title, a data block for the page's
//! own code, and HTML that says the same to those without it.

use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde_json::Value;

/// Which built file a page is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageKind {
    Hub,
    Viewer,
    Login,
    Message,
}

/// A page to be filled.
#[derive(Clone, Debug)]
pub struct Page {
    pub kind: PageKind,
    pub title: String,
    /// The data block. See `web/src/data.ts`.
    pub data: Value,
    /// Trusted HTML, made with [`Html`].
    pub content: Html,
}

/// Where the built files come from.
#[derive(Clone)]
pub struct Templates {
    shared: Arc<Shared>,
}

struct Shared {
    load: Box<Load>,
    /// The templates as they were first read; not used in debug builds, where the pages can be
    /// rebuilt under a running server.
    read: [OnceLock<Option<Template>>; 4],
}

type Load = dyn Fn(&str) -> Option<String> + Send + Sync;

/// A built file, cut at its marks.
struct Template(Vec<Piece>);

enum Piece {
    Text(String),
    Title,
    Content,
    Data,
}

/// HTML text in which everything that is not ours is escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Html(String);

impl PageKind {
    fn file(self) -> &'static str {
        match self {
            PageKind::Hub => "hub.html",
            PageKind::Viewer => "viewer.html",
            PageKind::Login => "login.html",
            PageKind::Message => "message.html",
        }
    }
}

impl Templates {
    /// `load` gives the text of a built file, such as `hub.html`.
    #[must_use]
    pub fn new(load: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Templates {
        let read = std::array::from_fn(|_| OnceLock::new());
        Templates { shared: Arc::new(Shared { load: Box::new(load), read }) }
    }

    /// The finished page.
    #[must_use]
    pub fn fill(&self, page: &Page) -> String {
        self.fill_written(page.kind, &page.title, &[page.content.as_str()], &[&written(&page.data)])
    }

    /// The finished page of content and a data block whose parts are written already, those of the
    /// block by [`written`].
    #[must_use]
    pub fn fill_written(
        &self,
        kind: PageKind,
        title: &str,
        content: &[&str],
        data: &[&str],
    ) -> String {
        let title = Html::text(title).markup(" · ").plain(PRODUCT);
        if cfg!(debug_assertions) {
            return fill(self.load(kind).as_ref(), &title, content, data);
        }
        #[expect(clippy::indexing_slicing, reason = "there is a place for each kind")]
        let template = self.shared.read[kind as usize].get_or_init(|| self.load(kind));
        fill(template.as_ref(), &title, content, data)
    }

    fn load(&self, kind: PageKind) -> Option<Template> {
        (self.shared.load)(kind.file()).map(|text| Template::cut(&text))
    }
}

impl Template {
    fn cut(text: &str) -> Template {
        const MARK: &str = "<!--loggia:";
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(MARK) {
            pieces.push(Piece::Text(before.to_owned()));
            let (name, after) = after.split_once("-->").unwrap_or((after, ""));
            match name {
                "title" => pieces.push(Piece::Title),
                "content" => pieces.push(Piece::Content),
                "data" => pieces.push(Piece::Data),
                // No mark of ours: a comment like others.
                other => pieces.push(Piece::Text(format!("{MARK}{other}-->"))),
            }
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Template(pieces)
    }
}

fn fill(template: Option<&Template>, title: &Html, content: &[&str], data: &[&str]) -> String {
    let title = title.as_str();
    let Some(Template(pieces)) = template else {
        let (content, data) = (content.concat(), data.concat());
        // The server works without the built pages; it says how to get them.
        return format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <title>{title}</title></head><body>{content}<hr><p>The web pages are not built. Run \
             <code>cargo xtask demo</code>, or <code>npm ci &amp;&amp; npm run build</code> in \
             <code>web</code>, and build the server again.</p>{BLOCK}{data}{BLOCK_END}</body>\
             </html>",
        );
    };
    let length = |parts: &[&str]| parts.iter().map(|part| part.len()).sum::<usize>();
    let (content_length, data_length) = (length(content), length(data));
    let size = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => text.len(),
        Piece::Title => title.len(),
        Piece::Content => content_length,
        Piece::Data => BLOCK.len() + data_length + BLOCK_END.len(),
    });
    // As large as it gets, since it is made for every request: growing costs more than filling.
    let mut page = String::with_capacity(size.sum());
    for piece in pieces {
        match piece {
            Piece::Text(text) => page.push_str(text),
            Piece::Title => page.push_str(title),
            Piece::Content => page.extend(content.iter().copied()),
            Piece::Data => {
                page.push_str(BLOCK);
                page.extend(data.iter().copied());
                page.push_str(BLOCK_END);
            }
        }
    }
    page
}

/// What the pages call the product.
pub const PRODUCT: &str = "Loggia";

/// The product member of every data block. Strangers do not learn the release, so that nobody
/// finds the hubs of a certain one by asking around.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Product {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
}

impl Product {
    pub(crate) const FOR_STRANGERS: Product = Product { name: PRODUCT, version: None };
    pub(crate) const FOR_USERS: Product =
        Product { name: PRODUCT, version: Some(env!("CARGO_PKG_VERSION")) };
}

impl Html {
    /// Plain text, escaped for element content and for quoted attributes.
    #[must_use]
    pub fn text(text: &str) -> Html {
        let mut html = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '"' => html.push_str("&quot;"),
                '\'' => html.push_str("&#39;"),
                c => html.push(c),
            }
        }
        Html(html)
    }

    /// Adds markup of our own.
    #[must_use]
    pub fn markup(mut self, markup: &'static str) -> Html {
        self.0.push_str(markup);
        self
    }

    /// Adds plain text.
    #[must_use]
    pub fn plain(mut self, text: &str) -> Html {
        self.0.push_str(Html::text(text).as_str());
        self
    }

    /// Adds a link. Addresses come from [`crate::path::write`] or are our own.
    #[must_use]
    pub fn link(self, href: &str, label: &str) -> Html {
        self.markup("<a href=\"").plain(href).markup("\">").plain(label).markup("</a>")
    }

    /// Adds other HTML.
    #[must_use]
    pub fn html(mut self, other: &Html) -> Html {
        self.0.push_str(&other.0);
        self
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const BLOCK: &str = "<script type=\"application/json\" id=\"loggia-data\">";
const BLOCK_END: &str = "</script>";

/// A data block, or a part of one, as a page may hold it.
#[must_use]
pub fn written(data: &Value) -> String {
    within_script(data.to_string())
}

/// JSON as a script element may hold it.
#[must_use]
pub fn within_script(json: String) -> String {
    // Only `<` could end the element or open a comment.
    if json.contains('<') { json.replace('<', "\\u003c") } else { json }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_from_outside_becomes_markup() {
        let templates = Templates::new(|name| {
            (name == "hub.html").then(|| {
                "<title><!--loggia:title--></title><!--loggia:content--><!--loggia:data-->".into()
            })
        });
        let evil = "</script><script>alert('1')</script><!--";
        let page = Page {
            kind: PageKind::Hub,
            title: evil.into(),
            data: json!({ "name": evil }),
            content: Html::default().markup("<p>").plain(evil).markup("</p>").link(evil, evil),
        };
        let html = templates.fill(&page);
        assert_eq!(html.matches("<script").count(), 1, "{html}");
        assert_eq!(html.matches("</script").count(), 1, "{html}");
        assert!(html.contains("&lt;/script&gt;"));

        let unbuilt = templates.fill(&Page { kind: PageKind::Message, ..page });
        assert!(unbuilt.contains("The web pages are not built"), "{unbuilt}");
        assert_eq!(unbuilt.matches("<script").count(), 1);
    }

    #[test]
    fn a_name_that_looks_like_a_mark_fills_nothing() {
        let templates =
            Templates::new(|_| Some("<!--loggia:title--><!--loggia:data-->".to_owned()));
        let page = Page {
            kind: PageKind::Hub,
            title: "<!--loggia:data-->".into(),
            data: json!("<!--loggia:title-->"),
            content: Html::default(),
        };
        let html = templates.fill(&page);
        assert_eq!(html.matches("loggia-data").count(), 1, "{html}");
    }
}
