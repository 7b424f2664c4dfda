//! The pictures of the report, as SVG.

use std::{fs, path::Path};

use plotters::{coord::Shift, prelude::*};

/// Colours that are told apart also by those who see fewer (Okabe and Ito, 2008).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
];

/// A line of a plot.
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
    pub dashed: bool,
}

/// A group of bars, from the longest to the shortest.
pub struct Group {
    pub title: String,
    /// Name, length, and whether it stands out.
    pub bars: Vec<(String, f64, bool)>,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

fn save(
    file: &Path,
    size: (u32, u32),
    draw: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<(), String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let drawn = area
            .fill(&WHITE)
            .map_err(Into::into)
            .and_then(|()| draw(&area));
        drawn.map_err(|error| format!("{}: {error}", file.display()))?;
        area.present()
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(file, svg))
        .map_err(|error| format!("{}: {error}", file.display()))
}

/// Lines against a share from 0 to 1, up to `most`.
pub fn lines(
    file: &Path,
    title: &str,
    (x, y): (&str, &str),
    most: f64,
    lines: &[Line],
) -> Result<(), String> {
    save(file, (760, 480), |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 16))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(50)
            .build_cartesian_2d(0.0..1.0, 0.0..most)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc(x)
            .y_desc(y)
            .draw()?;
        for (index, line) in lines.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let points = line.points.iter().copied().filter(|point| point.1 <= most);
            if line.dashed {
                let dashed = DashedLineSeries::new(points, 6, 4, colour.stroke_width(2));
                chart.draw_series(dashed)?
            } else {
                chart.draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(3))?
            }
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        let mut labels = chart.configure_series_labels();
        labels
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .draw()?;
        Ok(())
    })
}

/// Groups of bars, one below the other; 1 is marked.
pub fn bars(file: &Path, title: &str, groups: &[Group]) -> Result<(), String> {
    const BAR: i32 = 16;
    const NAMES: i32 = 130;
    const UNIT: f64 = 400.0;
    let rows: usize = groups.iter().map(|group| group.bars.len() + 2).sum();
    let size = (760, (rows as i32 * BAR + 50) as u32);
    save(file, size, |area| {
        area.draw(&Text::new(title, (12, 12), ("sans-serif", 15)))?;
        let mut top = 40;
        for group in groups {
            area.draw(&Text::new(
                group.title.as_str(),
                (12, top),
                ("sans-serif", 13),
            ))?;
            top += BAR + 2;
            let mut bars: Vec<_> = group.bars.iter().collect();
            bars.sort_by(|left, right| right.1.total_cmp(&left.1));
            let begin = top;
            for (name, length, stands_out) in bars {
                let colour = if *stands_out {
                    COLOURS[0]
                } else {
                    COLOURS[6].mix(0.6).to_backend()
                };
                let right = NAMES + (length * UNIT) as i32;
                area.draw(&Text::new(name.as_str(), (16, top + 2), ("sans-serif", 11)))?;
                let corners = [(NAMES, top + 1), (right, top + BAR - 2)];
                area.draw(&Rectangle::new(corners, colour.filled()))?;
                area.draw(&Text::new(
                    format!("{length:.2}"),
                    (right + 5, top + 2),
                    ("sans-serif", 11),
                ))?;
                top += BAR;
            }
            let one = NAMES + UNIT as i32;
            area.draw(&PathElement::new(
                [(one, begin), (one, top)],
                BLACK.stroke_width(1),
            ))?;
            top += BAR;
        }
        Ok(())
    })
}

/// A colour that is mixed with the white behind it.
trait OnWhite {
    fn to_backend(self) -> RGBColor;
}

impl OnWhite for RGBAColor {
    fn to_backend(self) -> RGBColor {
        let mix = |channel: u8| (255.0 - (255.0 - f64::from(channel)) * self.3) as u8;
        RGBColor(mix(self.0), mix(self.1), mix(self.2))
    }
}
