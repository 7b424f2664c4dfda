//! The attributes `main` and `test` of [`wharf-async`](https://docs.rs/wharf-async), which has them again and explains them.
//!
//! A function that is `async` becomes a plain one, with the first within it:
//!
//! ```text
//! fn main() -> Output {
//!     async fn main() -> Output { .. }
//!     ::wharf_async::Runtime::builder().concurrency(2).run(main())
//! }
//! ```
//!
//! Nothing else of it is read or changed, so that what is wrong in it is told of its own place.

mod arguments;

use std::fmt::Display;

use proc_macro::{Delimiter, Group, Span, TokenStream, TokenTree};

use arguments::Arguments;

/// Runs an `async fn main` on a runtime; `wharf_async::main` says more.
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(arguments, item, "")
}

/// Runs an `async` test on a runtime of its own; `wharf_async::test` says more.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(arguments, item, "#[::core::prelude::v1::test]")
}

/// Something that is wrong, and where.
struct Wrong {
    what: String,
    at: Span,
}

impl Wrong {
    fn new(what: impl Display, at: Span) -> Wrong {
        let what = what.to_string();
        Wrong { what, at }
    }

    /// An error of the compiler's, at that place.
    fn told(&self) -> TokenStream {
        let error = format!("::core::compile_error!{{{:?}}}", self.what);
        let at_its_place = parsed(&error).into_iter().map(|mut token| {
            token.set_span(self.at);
            token
        });
        at_its_place.collect()
    }
}

fn expand(arguments: TokenStream, item: TokenStream, attribute: &str) -> TokenStream {
    let function = match Function::read(item) {
        Ok(function) => function,
        Err(wrong) => return wrong.told(),
    };
    let (arguments, wrong) = match Arguments::read(arguments) {
        Ok(arguments) => (arguments, TokenStream::new()),
        // The function is there all the same, or the compiler would miss it besides.
        Err(wrong) => (Arguments::default(), wrong.told()),
    };
    let mut expanded = wrong;
    expanded.extend(parsed(attribute));
    expanded.extend(function.expand(&arguments));
    expanded
}

/// A function, in pieces.
struct Function {
    /// Attributes, and who may call it.
    before: TokenStream,
    /// From `async` up to the body.
    head: Vec<TokenTree>,
    name: TokenTree,
    body: Group,
}

impl Function {
    fn read(item: TokenStream) -> Result<Function, Wrong> {
        let tokens: Vec<_> = item.into_iter().collect();
        let at = |at: usize| tokens.get(at).map_or(Span::call_site(), TokenTree::span);
        let is = |at: usize, word: &str| tokens.get(at).is_some_and(|it| is_word(it, word));
        let place = |word: &str| (0..tokens.len()).find(|at| is(*at, word));
        let Some(function) = place("fn") else {
            return Err(Wrong::new("this attribute is for an `async fn`", at(0)));
        };
        let Some(start) = place("async").filter(|start| *start < function) else {
            let what = "the function has to be `async`: write `async fn`";
            return Err(Wrong::new(what, at(function)));
        };
        let parameters = match tokens.get(function + 2) {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => group,
            _ => {
                let what = "the function has to have no generic parameters";
                return Err(Wrong::new(what, at(function + 2)));
            }
        };
        if !parameters.stream().is_empty() {
            let what = "the function has to have no parameters";
            return Err(Wrong::new(what, parameters.span()));
        }
        let Some(TokenTree::Group(body)) = tokens.last() else {
            return Err(Wrong::new("the function has no body", at(function)));
        };
        Ok(Function {
            before: tokens[..start].iter().cloned().collect(),
            head: tokens[start..tokens.len() - 1].to_vec(),
            name: tokens[function + 1].clone(),
            body: body.clone(),
        })
    }

    fn expand(self, arguments: &Arguments) -> TokenStream {
        let asynchronous: TokenStream = self.head.iter().cloned().collect();
        // `async` goes, which is the first.
        let plain = self.head.into_iter().skip(1);
        let mut body = asynchronous;
        body.extend([TokenTree::from(self.body)]);
        body.extend(parsed(&format!(
            "::wharf_async::Runtime::builder(){}.run({}())",
            arguments.calls(),
            self.name
        )));
        let body = Group::new(Delimiter::Brace, body);
        let mut expanded = self.before;
        expanded.extend(plain);
        expanded.extend([TokenTree::from(body)]);
        expanded
    }
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == word)
}

fn parsed(text: &str) -> TokenStream {
    text.parse().expect("it is Rust")
}
