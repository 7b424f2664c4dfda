//! The words and signs of Rust source, without comments, literals and tests.

#[derive(Debug, Clone)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

pub fn tokens(mut rest: &str) -> Vec<Token> {
    let (mut tokens, mut line) = (Vec::new(), 1);
    while let Some(first) = rest.chars().next() {
        let (text, after) = match literal_or_comment(rest) {
            Some(len) => rest.split_at(len),
            None => {
                let text;
                (text, rest) = rest.split_at(sign(rest, first));
                if !first.is_whitespace() {
                    let text = text.to_owned();
                    tokens.push(Token { text, line });
                }
                (text, rest)
            }
        };
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

/// The length of the word or sign that the text begins with.
fn sign(text: &str, first: char) -> usize {
    let is_of_word = |sign: char| sign.is_alphanumeric() || sign == '_';
    match text {
        _ if is_of_word(first) => text.find(|sign| !is_of_word(sign)).unwrap_or(text.len()),
        _ if text.starts_with("::") => 2,
        _ => first.len_utf8(),
    }
}

/// The length of the literal or the comment that the text begins with, if it does.
fn literal_or_comment(text: &str) -> Option<usize> {
    let until = |end: &str, from: usize| {
        Some(
            text[from..]
                .find(end)
                .map_or(text.len(), |at| from + at + end.len()),
        )
    };
    let raw = text.strip_prefix('b').unwrap_or(text).strip_prefix('r');
    let raw = raw.filter(|raw| raw.trim_start_matches('#').starts_with('"'));
    if let Some(raw) = raw {
        let hashes = raw.find('"')?;
        let start = text.len() - raw.len() + hashes + 1;
        return until(&format!("\"{}", &raw[..hashes]), start);
    }
    let mut signs = text.char_indices().skip(1);
    match &text.as_bytes()[..text.len().min(2)] {
        b"//" => until("\n", 0),
        b"/*" => until("*/", 2),
        [b'"', ..] => loop {
            match signs.next() {
                Some((_, '\\')) => drop(signs.next()),
                Some((at, '"')) => return Some(at + 1),
                Some(_) => {}
                None => return Some(text.len()),
            }
        },
        b"'\\" => until("'", 3),
        // A sign between two of these is a literal; else it is a lifetime.
        [b'\'', ..] => signs
            .nth(1)
            .filter(|(_, sign)| *sign == '\'')
            .map(|(at, _)| at + 1),
        _ => None,
    }
}

/// Takes out what is compiled for tests only; gives the modules among it that are files.
pub fn take_tests(tokens: &mut Vec<Token>) -> Vec<String> {
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let mut rest = tokens.as_slice();
    while let Some(token) = rest.first() {
        if !starts_with(rest, "# [ cfg ( test )") && !starts_with(rest, "# [ cfg ( all ( test") {
            kept.push(token.clone());
            rest = &rest[1..];
            continue;
        }
        while starts_with(rest, "# [") {
            rest = &rest[group(&rest[1..]) + 1..];
        }
        let len = item(rest);
        match &rest[..len] {
            [.., word, name, end] if word.text == "mod" && end.text == ";" => {
                modules.push(name.text.clone());
            }
            _ => {}
        }
        rest = &rest[len..];
    }
    *tokens = kept;
    modules
}

fn starts_with(tokens: &[Token], text: &str) -> bool {
    let words = text.split(' ').zip(tokens.iter().map(|token| &token.text));
    words.clone().count() == text.split(' ').count() && words.into_iter().all(|(a, b)| a == b)
}

/// How many tokens the bracket holds with which they begin, itself counted.
fn group(tokens: &[Token]) -> usize {
    let mut depth = 0;
    let end = tokens.iter().position(|token| {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    end.map_or(tokens.len(), |end| end + 1)
}

/// How many tokens an item has: up to its semicolon or the end of its braces.
fn item(tokens: &[Token]) -> usize {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "{" => return at + group(&tokens[at..]),
            ";" => return at + 1,
            "(" | "[" => at += group(&tokens[at..]),
            _ => at += 1,
        }
    }
    at
}
