//! The examples are beside this file; `README.md` gives the order. A package has a file like this one; what it holds is the
//! repository's README, so that the program there is compiled like any other, in both languages.

/// The repository's README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// The same in Korean.
#[cfg(doctest)]
#[doc = include_str!("../README.ko.md")]
pub struct ReadmeInKorean;
