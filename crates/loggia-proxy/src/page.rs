//! Pages: the built HTML files with three marks, filled with a title, a data block for the page's
//! own code, and HTML that says the same to those without it.

use std::sync::Arc;

use serde_json::{Value, json};

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
    load: Arc<Load>,
}

type Load = dyn Fn(&str) -> Option<String> + Send + Sync;

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
        Templates { load: Arc::new(load) }
    }

    /// The finished page.
    #[must_use]
    pub fn fill(&self, page: &Page) -> String {
        let title = Html::text(&format!("{} · {PRODUCT}", page.title));
        match (self.load)(page.kind.file()) {
            Some(template) => template
                .replace("<!--loggia:title-->", title.as_str())
                .replace("<!--loggia:content-->", page.content.as_str())
                .replace("<!--loggia:data-->", &data_block(&page.data)),
            // The server works without the built pages; it says how to get them.
            None => format!(
                "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
                 <title>{}</title></head><body>{}<hr><p>The web pages are not built. Run \
                 <code>cargo xtask demo</code>, or <code>npm ci &amp;&amp; npm run build</code> in \
                 <code>web</code>, and build the server again.</p>{}</body></html>",
                title.as_str(),
                page.content.as_str(),
                data_block(&page.data)
            ),
        }
    }
}

/// What the pages call the product.
pub const PRODUCT: &str = "Loggia";

/// The product member of every data block.
#[must_use]
pub fn product() -> Value {
    json!({ "name": PRODUCT, "version": env!("CARGO_PKG_VERSION") })
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

fn data_block(data: &Value) -> String {
    // Inside a script element only `<` could end it or open a comment.
    let json = data.to_string().replace('<', "\\u003c");
    format!("<script type=\"application/json\" id=\"loggia-data\">{json}</script>")
}

#[cfg(test)]
mod tests {
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
