//! The pictures of the report, as SVG.

use std::{fs, path::Path};

use crate::{
    chart::{Anchor, Picture, Plot, Scale, Series},
    figures::Spread,
};

const WIDTH: f64 = 760.0;

/// A group of bars, from the longest to the shortest.
pub struct Group {
    pub title: String,
    pub bars: Vec<Bar>,
}

pub struct Bar {
    pub name: String,
    /// The bar is as long as the median; a line goes from the least to the most.
    pub spread: Spread,
    pub is_wharf: bool,
}

pub fn save(file: &Path, svg: &str) -> Result<(), String> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(file, svg))
        .map_err(|error| format!("{}: {error}", file.display()))
}

/// Lines against a share from 0 to 1, up to `most`.
pub fn lines(title: &str, x: &str, most: f64, series: &[Series]) -> String {
    let names: Vec<&str> = series.iter().map(|series| series.name.as_str()).collect();
    let description = format!(
        "Lines against the {x}, from 0 to 1: {}. The table beside the picture has the figures.",
        names.join(", ")
    );
    let mut picture = Picture::new(WIDTH, title, &description);
    Plot {
        title,
        x: (x, Scale::UpTo(1.0)),
        y_most: most,
        height: 340.0,
        series,
    }
    .draw(&mut picture);
    picture.svg()
}

/// Names, bars and figures have a column each, so that nothing covers a figure.
const BARS_LEFT: f64 = 130.0;
const BARS_RIGHT: f64 = 600.0;
const FIGURES: f64 = 616.0;
const BAR: f64 = 16.0;

/// Groups of bars, one below the other; a line marks 1.
pub fn bars(title: &str, groups: &[Group]) -> String {
    let bars = groups.iter().flat_map(|group| &group.bars);
    let longest = bars.map(|bar| bar.spread.most).fold(1.0, f64::max);
    let unit = (BARS_RIGHT - BARS_LEFT) / longest;
    let names: Vec<&str> = groups.iter().map(|group| group.title.as_str()).collect();
    let description = format!(
        "A bar for each server, in groups: {}. The tables beside the picture have the figures. A bar is the median of the \
         rounds, a line across its end the range.",
        names.join(", ")
    );
    let mut picture = Picture::new(WIDTH, title, &description);
    picture.title(title);
    for group in groups {
        picture.bottom += 28.0;
        let at = (14.0, picture.bottom);
        picture.text(at, Anchor::Start, &group.title);
        let top = picture.bottom + 6.0;
        let one = BARS_LEFT + unit;
        let below = top + BAR * group.bars.len() as f64;
        let mut bars: Vec<&Bar> = group.bars.iter().collect();
        bars.sort_by(|left, right| right.spread.median.total_cmp(&left.spread.median));
        for (number, bar) in bars.into_iter().enumerate() {
            draw_bar(&mut picture, bar, top + BAR * number as f64, unit);
        }
        picture.line("mark", (one, top - 2.0), (one, below + 2.0));
        picture.bottom = below;
    }
    picture.svg()
}

fn draw_bar(picture: &mut Picture, bar: &Bar, top: f64, unit: f64) {
    let Spread {
        median,
        least,
        most,
        ..
    } = bar.spread;
    let class = if bar.is_wharf { "wharf" } else { "other" };
    let text = top + 12.0;
    picture.text((BARS_LEFT - 10.0, text), Anchor::End, &bar.name);
    let size = (unit * median, BAR - 4.0);
    picture.rectangle(&format!("{class} bar"), (BARS_LEFT, top + 2.0), size);
    let place = |value: f64| BARS_LEFT + unit * value;
    let middle = top + BAR / 2.0;
    picture.line("mark", (place(least), middle), (place(most), middle));
    for value in [least, most] {
        let x = place(value);
        picture.line("mark", (x, middle - 2.5), (x, middle + 2.5));
    }
    let figures = format!("{median:.2} ({least:.2} to {most:.2})");
    picture.text((FIGURES, text), Anchor::Start, &figures);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_beside_the_bars_and_ranges_are_drawn() {
        let spread = Spread {
            median: 0.5,
            least: 0.25,
            most: 2.0,
            interval: None,
        };
        let bar = Bar {
            name: "wharf-uring".to_owned(),
            spread,
            is_wharf: true,
        };
        let group = Group {
            title: "64 connections".to_owned(),
            bars: vec![bar],
        };
        let svg = bars("cost", &[group]);
        // 470 pixels are 2.
        assert!(svg.contains("class=\"wharf bar\" x=\"130.0\" y=\"62.0\" width=\"117.5\""));
        assert!(svg.contains("d=\"M188.8 68.0L600.0 68.0\""), "{svg}");
        assert!(svg.contains("x=\"616.0\" y=\"72.0\" text-anchor=\"start\">0.50 (0.25 to 2.00)<"));
    }
}
