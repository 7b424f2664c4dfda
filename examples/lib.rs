//! The examples are beside this file; `README.md` gives the order. This file is only here because a package has one.
