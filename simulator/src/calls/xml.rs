//! Parses well-formed XML 1.0 in UTF-8 into elements.
//! Source: W3C, "Extensible Markup Language (XML) 1.0 (Fifth Edition)".

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// TwiML nests less deeply.
const MAX_DEPTH: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
    /// The text of the element and its children in document order, with single spaces.
    pub(super) text: String,
    /// True if the element itself contains text other than white space.
    pub(super) has_text: bool,
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.has_text |= !text.trim().is_empty();
    }
}

/// The root element of a document, or the reason why the document is not well-formed.
pub(super) fn parse(body: &[u8]) -> Result<Element, String> {
    let text = std::str::from_utf8(body).map_err(|_| "not UTF-8".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(illegal) = text.chars().find(|c| !is_xml_char(*c)) {
        return Err(format!("the character U+{:04X} is not allowed in XML", u32::from(illegal)));
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut is_first = true;
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Start(start) => {
                if open.len() >= MAX_DEPTH {
                    return Err("elements are nested too deeply".to_owned());
                }
                open.push(element(&start)?);
            }
            Event::Empty(start) => close(element(&start)?, &mut open, &mut root)?,
            Event::End(_) => {
                // The reader has checked that the names of the start and end tags match.
                let ended = open.pop().ok_or("an end tag without a start tag")?;
                close(ended, &mut open, &mut root)?;
            }
            Event::Text(text) => push_text(&text.xml10_content(), &mut open)?,
            Event::CData(text) if !open.is_empty() => push_text(&text.xml10_content(), &mut open)?,
            Event::GeneralRef(reference) => {
                let character = match reference.resolve_char_ref().map_err(|error| error.to_string())? {
                    Some(character) => Some(character),
                    None => predefined(&reference.xml10_content()),
                };
                let character =
                    character.filter(|c| is_xml_char(*c)).ok_or("an unknown entity or character reference")?;
                let element = open.last_mut().ok_or("a reference outside of the root element")?;
                element.push(character.encode_utf8(&mut [0; 4]));
            }
            Event::Decl(declaration) if is_first => {
                let encoding = declaration.encoding().transpose().map_err(|error| error.to_string())?;
                if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("utf-8")) {
                    return Err("the encoding must be UTF-8".to_owned());
                }
            }
            Event::Comment(_) | Event::PI(_) => {}
            Event::Decl(_) => return Err("the XML declaration must be at the beginning".to_owned()),
            Event::CData(_) => return Err("text outside of the root element".to_owned()),
            Event::DocType(_) => return Err("a document type declaration is not allowed".to_owned()),
            Event::Eof => break,
        }
        is_first = false;
    }
    if let Some(open) = open.last() {
        return Err(format!("<{}> is not closed", open.name));
    }
    root.ok_or_else(|| "no root element".to_owned())
}

fn push_text(text: &str, open: &mut [Element]) -> Result<(), String> {
    match open.last_mut() {
        Some(element) => element.push(text),
        None if text.trim().is_empty() => {}
        None => return Err("text outside of the root element".to_owned()),
    }
    Ok(())
}

fn close(mut ended: Element, open: &mut [Element], root: &mut Option<Element>) -> Result<(), String> {
    ended.text = ended.text.split_whitespace().collect::<Vec<_>>().join(" ");
    match (open.last_mut(), &root) {
        (Some(parent), _) => {
            parent.text.push(' ');
            parent.text.push_str(&ended.text);
            parent.text.push(' ');
            parent.children.push(ended);
        }
        (None, None) => *root = Some(ended),
        (None, Some(_)) => return Err("more than one root element".to_owned()),
    }
    Ok(())
}

fn element(start: &BytesStart<'_>) -> Result<Element, String> {
    let mut element = Element { name: start.name().as_ref().to_owned(), ..Element::default() };
    if !is_name(&element.name) {
        return Err(format!("<{}> is not a valid element name", element.name));
    }
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        if attribute.value.contains('<') {
            return Err("an attribute value contains `<`".to_owned());
        }
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
        element.attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(element)
}

/// Narrower than XML: all names in TwiML are ASCII.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:".contains(c))
}

fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn predefined(name: &str) -> Option<char> {
    [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\'')]
        .into_iter()
        .find(|(known, _)| *known == name)
        .map(|(_, character)| character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attribute_values_are_unescaped() {
        let body = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- a --><R a=\"1 &amp; 2\"> Tom &amp;\n \
                    <b>Jerry</b>&#33;<![CDATA[<&>]]></R>\n";
        let root = parse(body.as_bytes()).unwrap();
        assert_eq!((root.attribute("a"), root.text.as_str()), (Some("1 & 2"), "Tom & Jerry !<&>"));
        assert!(root.has_text && root.children[0].name == "b");
    }

    #[test]
    fn malformed_documents_are_rejected() {
        for body in [
            "",
            "Hello",
            "<R>",
            "<R></S>",
            "<R/><R/>",
            "<R/>x",
            "x<R/>",
            "<R a=1/>",
            "<R a=\"1\" a=\"2\"/>",
            "<R a=\"<\"/>",
            "<R>&nbsp;</R>",
            "<R>Tom & Jerry</R>",
            "<R>&#0;</R>",
            "<R>\u{1}</R>",
            "<R><!-- a -- b --></R>",
            "<!DOCTYPE R><R/>",
            "<?xml version=\"1.0\" encoding=\"latin1\"?><R/>",
            " <?xml version=\"1.0\"?><R/>",
        ] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
        assert!(parse(b"<R>\xff</R>").is_err());
    }
}
