//! `--http PATH` and `--also PERCENT:PATH`: what is asked for over HTTP.

use std::str::FromStr;

/// A request line that is longer, many servers refuse.
const PATH_BYTES_MAX: usize = 8_192;

/// A path, as it stands in a request.
pub(super) fn parse_path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(format!(
            "`{text}` does not begin with `/`; use a path, as in /index.html"
        ));
    }
    if text.len() > PATH_BYTES_MAX {
        return Err(format!(
            "a path of {} bytes is above the most, {PATH_BYTES_MAX}",
            text.len()
        ));
    }
    let is_other = |letter: &char| !letter.is_ascii_graphic() || *letter == '#';
    match text.chars().find(is_other) {
        Some(other) => Err(format!(
            "{text:?} has {other:?} in it, which no path has; write it as in %{:02X}",
            other.to_string().as_bytes()[0]
        )),
        None => Ok(text.to_owned()),
    }
}

/// A part of the requests goes to another path.
#[derive(Debug, Clone, PartialEq)]
pub struct Also {
    pub(super) percent: f64,
    pub(super) path: String,
}

impl FromStr for Also {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (percent, path) = text
            .split_once(':')
            .ok_or_else(|| format!("`{text}` is no PERCENT:PATH; use one as in 1:/slow"))?;
        let number = percent.parse::<f64>();
        let percent = number.ok().filter(|number| number.is_finite());
        let percent = percent.ok_or_else(|| {
            format!(
                "`{text}` names no percentage before the `:`; use one as in 1:/slow or 0.5:/slow"
            )
        })?;
        if percent <= 0.0 || percent >= 100.0 {
            return Err(format!(
                "{percent} percent leave nothing for one of the paths; use more than 0 and less than 100"
            ));
        }
        Ok(Also {
            percent,
            path: parse_path(path)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_as_it_is_sent_or_refused_with_what_is_wrong_with_it() {
        let longest = format!("/{}", "x".repeat(PATH_BYTES_MAX - 1));
        for path in ["/", "/a/b?c=d&e=%20", "//", &longest] {
            assert_eq!(parse_path(path).as_deref(), Ok(path));
        }
        for (path, message) in [
            ("", "does not begin with `/`"),
            ("index.html", "does not begin with `/`"),
            ("http://a/", "does not begin with `/`"),
            ("/a b", "write it as in %20"),
            ("/a\r\nb", "write it as in %0D"),
            ("/a#b", "write it as in %23"),
            ("/\u{e9}", "write it as in %C3"),
            (&format!("{longest}x"), "8193 bytes is above the most, 8192"),
        ] {
            let error = parse_path(path).expect_err(path);
            assert!(error.contains(message), "{path}: {error}");
        }
    }

    #[test]
    fn a_part_is_a_percentage_and_a_path() {
        let also: Also = "0.5:/a:b".parse().expect("a part");
        assert_eq!((also.percent, &also.path[..]), (0.5, "/a:b"));
        for (text, message) in [
            ("1", "is no PERCENT:PATH"),
            (":/", "names no percentage"),
            ("x:/", "names no percentage"),
            ("nan:/", "names no percentage"),
            ("inf:/", "names no percentage"),
            ("0:/", "more than 0 and less than 100"),
            ("100:/", "more than 0 and less than 100"),
            ("-1:/", "more than 0 and less than 100"),
            ("1:x", "does not begin with `/`"),
        ] {
            let error = text.parse::<Also>().expect_err(text);
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
