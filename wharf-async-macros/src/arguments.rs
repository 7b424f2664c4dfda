//! What stands in the parentheses of an attribute: `concurrency = 2, threads = 2..=64`.

use std::ops::RangeInclusive;

use proc_macro::{TokenStream, TokenTree};

use crate::Wrong;

/// The most that a program may name; as many as there can be on any system.
const NUMBER_MAX: usize = u32::MAX as usize;

/// What the runtime is to be like.
#[derive(Default)]
pub(crate) struct Arguments {
    concurrency: Option<usize>,
    threads: Option<RangeInclusive<usize>>,
}

impl Arguments {
    pub(crate) fn read(tokens: TokenStream) -> Result<Arguments, Wrong> {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut arguments = Arguments::default();
        let is_comma = |token: &TokenTree| is_punct(token, ',');
        for argument in tokens.split(is_comma).filter(|it| !it.is_empty()) {
            arguments.set(argument)?;
        }
        Ok(arguments)
    }

    /// Reads one, as `concurrency = 2`.
    fn set(&mut self, tokens: &[TokenTree]) -> Result<(), Wrong> {
        let (name, value) = (&tokens[0], tokens.get(2..).unwrap_or_default());
        let has_value = tokens.get(1).is_some_and(|it| is_punct(it, '='));
        let wrong = |what: &str| {
            let at = value.first().unwrap_or(name).span();
            Err(Wrong::new(what, at))
        };
        match name.to_string().as_str() {
            "concurrency" => {
                let read = Some(value).filter(|_| has_value).and_then(number);
                let Some(read) = read else {
                    return wrong("`concurrency` takes a number of workers: `concurrency = 2`");
                };
                once(&mut self.concurrency, read, name)
            }
            "threads" => {
                let read = Some(value).filter(|_| has_value).and_then(range);
                match read {
                    None => wrong("`threads` takes a range of numbers: `threads = 2..=64`"),
                    Some((0, _)) => {
                        wrong("`threads` has to begin with 1 or more: there is no runtime without")
                    }
                    Some((least, most)) if least > most => wrong(
                        "`threads` ends before it begins: the most comes last, as in `2..=64`",
                    ),
                    Some((least, most)) => once(&mut self.threads, least..=most, name),
                }
            }
            other => Err(Wrong::new(
                format!(
                    "`{other}` is no argument; there are `concurrency = 2` and `threads = 2..=64`"
                ),
                name.span(),
            )),
        }
    }

    /// The calls of the builder's methods.
    pub(crate) fn calls(&self) -> String {
        let mut calls = String::new();
        if let Some(concurrency) = self.concurrency {
            calls += &format!(".concurrency({concurrency})");
        }
        if let Some(threads) = &self.threads {
            calls += &format!(".threads({}..={})", threads.start(), threads.end());
        }
        calls
    }
}

fn once<T>(slot: &mut Option<T>, value: T, name: &TokenTree) -> Result<(), Wrong> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Wrong::new(format!("`{name}` is there twice"), name.span())),
    }
}

/// A number: digits, with or without `_`.
fn number(tokens: &[TokenTree]) -> Option<usize> {
    let [TokenTree::Literal(literal)] = tokens else {
        return None;
    };
    let digits = literal.to_string().replace('_', "");
    let number = digits.parse().ok()?;
    (number <= NUMBER_MAX).then_some(number)
}

/// The least and the most: `2..=64`.
fn range(tokens: &[TokenTree]) -> Option<(usize, usize)> {
    let [least @ .., first, second, last, most] = tokens else {
        return None;
    };
    let is_range = is_punct(first, '.') && is_punct(second, '.') && is_punct(last, '=');
    let most = number(std::slice::from_ref(most))?;
    Some((number(least)?, most)).filter(|_| is_range)
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}
