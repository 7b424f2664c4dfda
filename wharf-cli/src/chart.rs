//! Pictures of figures, as SVG: a page, and plots with lines on it.
//!
//! A picture has a title and a description for a screen reader, and colours for light and for dark. What Wharf does has one
//! colour in all of them. The lab draws its report with this file too.

use std::fmt::Write as _;

/// Everything that is coloured has a class. Wharf's blue, and the others' colours, are told apart on white as on black, and
/// by those who see fewer colours.
const STYLE: &str = "\
.page{fill:#ffffff}.text{fill:#1f2328}.title{font-size:15px;font-weight:600}.grid{stroke:#d8dee4}.axis{stroke:#57606a}.mark{stroke:#1f2328}
.wharf{fill:#1f7fd1;stroke:#1f7fd1}.peer0{fill:#d55e00;stroke:#d55e00}.peer1{fill:#009e73;stroke:#009e73}
.peer2{fill:#b45fa0;stroke:#b45fa0}.other{fill:#8a8f98;stroke:#8a8f98}
.line{fill:none;stroke-width:2}.second{stroke-dasharray:7 3}.first-theory{stroke-dasharray:2 3}.second-theory{stroke-dasharray:9 3 2 3}
.range{stroke-width:1;stroke-dasharray:none}.bar{stroke:none}.dot{stroke-width:1.5;stroke-dasharray:none}.dot.second{fill:#ffffff}
@media (prefers-color-scheme: dark){
.page{fill:#0d1117}.text{fill:#e6edf3}.grid{stroke:#2d333b}.axis{stroke:#9198a1}.mark{stroke:#e6edf3}.dot.second{fill:#0d1117}
}";

/// How wide a letter of 12 pixels is taken to be, where text must find room: as wide as in the widest usual font.
const LETTER: f64 = 7.3;

/// What is drawn, and so how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Wharf, and Wharf in another way.
    Wharf,
    WharfToo,
    /// Another program, by its number among them.
    #[allow(dead_code)] // The sweep has none; the lab has.
    Peer(usize),
    /// What a formula says, by its number.
    #[allow(dead_code)] // As above.
    Theory(usize),
}

impl Ink {
    fn classes(self) -> &'static str {
        match self {
            Ink::Wharf => "wharf",
            Ink::WharfToo => "wharf second",
            Ink::Peer(number) => ["peer0", "peer1", "peer2"][number % 3],
            Ink::Theory(0) => "other first-theory",
            Ink::Theory(_) => "other second-theory",
        }
    }

    fn has_dots(self) -> bool {
        !matches!(self, Ink::Theory(_))
    }
}

/// Where text stands to its point.
#[derive(Debug, Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture under way.
pub struct Picture {
    width: f64,
    /// What is drawn so far ends here.
    pub bottom: f64,
    head: String,
    body: String,
}

impl Picture {
    /// An empty page. The words are for those who can't see it.
    pub fn new(width: f64, title: &str, description: &str) -> Self {
        let head = format!(
            "<title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>\n<style>\n{STYLE}\n</style>\n",
            escaped(title),
            escaped(description)
        );
        Picture {
            width,
            bottom: 0.0,
            head,
            body: String::new(),
        }
    }

    pub fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        self.styled_text("text", (x, y), anchor, text);
    }

    /// A line of text of its own, below what is there.
    pub fn title(&mut self, text: &str) {
        self.bottom += 26.0;
        self.styled_text("text title", (14.0, self.bottom), Anchor::Start, text);
    }

    fn styled_text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.write(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.write(format_args!(
            "<path class=\"{class}\" d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\"/>"
        ));
    }

    #[allow(dead_code)] // The sweep has no bars; the lab has.
    pub fn rectangle(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        self.write(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        ));
    }

    fn write(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string can't fail.
        let _ = writeln!(self.body, "{element}");
    }

    /// The whole of it.
    pub fn svg(self) -> String {
        let (width, height) = (self.width, self.bottom + 12.0);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" \
             font-family=\"system-ui,sans-serif\" font-size=\"12\" role=\"img\" aria-labelledby=\"title desc\">\n{}\
             <rect class=\"page\" width=\"{width:.0}\" height=\"{height:.0}\"/>\n{}</svg>\n",
            self.head, self.body
        )
    }
}

/// What an axis counts in.
#[derive(Debug, Clone, Copy)]
pub enum Scale {
    /// From nothing up to this.
    #[allow(dead_code)] // Of the shares, in the lab.
    UpTo(f64),
    /// From 1 up to this, each step twice the one before.
    DoublesTo(f64),
}

impl Scale {
    /// Where a value is, from 0 to 1.
    fn share(self, value: f64) -> f64 {
        match self {
            Scale::UpTo(most) => value / most,
            Scale::DoublesTo(most) => value.log2() / most.log2(),
        }
    }

    fn ticks(self) -> Vec<f64> {
        match self {
            Scale::UpTo(most) => ticks(most),
            Scale::DoublesTo(most) => {
                let doubled = |value: &f64| Some(value * 2.0);
                let values = std::iter::successors(Some(1.0), doubled);
                values.take_while(|value| *value <= most).collect()
            }
        }
    }
}

/// Some round values from nothing up to the most.
fn ticks(most: f64) -> Vec<f64> {
    let magnitude = 10_f64.powf((most / 6.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * magnitude);
    let step = steps.into_iter().find(|step| most / step <= 6.0);
    let step = step.unwrap_or(most);
    let count = (most / step * 1.000_001).floor() as u32;
    (0..=count).map(|number| f64::from(number) * step).collect()
}

/// Of many measurements, the median and the range, if that is known.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    pub x: f64,
    pub y: f64,
    pub range: Option<(f64, f64)>,
}

pub struct Series {
    pub name: String,
    pub ink: Ink,
    pub marks: Vec<Mark>,
}

/// Lines in one pair of axes.
pub struct Plot<'a> {
    pub title: &'a str,
    pub x: (&'a str, Scale),
    /// What is above the most is cut off.
    pub y_most: f64,
    pub height: f64,
    pub series: &'a [Series],
}

/// The place between the axes of a plot.
struct Field<'a> {
    plot: &'a Plot<'a>,
    left: f64,
    top: f64,
    width: f64,
}

impl Plot<'_> {
    /// Draws it below what is there: its title, what each line is, the lines.
    pub fn draw(&self, picture: &mut Picture) {
        picture.title(self.title);
        self.draw_legend(picture);
        let left = 56.0;
        let field = Field {
            plot: self,
            left,
            top: picture.bottom + 14.0,
            width: picture.width - left - 24.0,
        };
        field.draw_axes(picture);
        for (number, series) in self.series.iter().enumerate() {
            // Ranges stand beside each other, so that one does not cover another.
            let has_ranges = series.marks.iter().any(|mark| mark.range.is_some());
            let aside = match has_ranges {
                true => 3.0 * (number as f64 - (self.series.len() - 1) as f64 / 2.0),
                false => 0.0,
            };
            field.draw_series(picture, series, aside);
        }
        picture.bottom = field.top + self.height + 40.0;
    }

    /// On lines of its own, where no figure is.
    fn draw_legend(&self, picture: &mut Picture) {
        let (left, swatch) = (14.0, 26.0);
        let mut x = left;
        picture.bottom += 20.0;
        for series in self.series {
            let width = swatch + 6.0 + LETTER * series.name.chars().count() as f64 + 14.0;
            if x > left && x + width > picture.width {
                x = left;
                picture.bottom += 18.0;
            }
            let y = picture.bottom - 4.0;
            let classes = series.ink.classes();
            picture.line(&format!("{classes} line"), (x, y), (x + swatch, y));
            if series.ink.has_dots() {
                draw_dot(picture, classes, (x + swatch / 2.0, y));
            }
            let at = (x + swatch + 6.0, picture.bottom);
            picture.text(at, Anchor::Start, &series.name);
            x += width;
        }
    }
}

impl Field<'_> {
    fn bottom(&self) -> f64 {
        self.top + self.plot.height
    }

    fn x(&self, value: f64) -> f64 {
        self.left + self.width * self.plot.x.1.share(value)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom() - self.plot.height * value / self.plot.y_most
    }

    fn draw_axes(&self, picture: &mut Picture) {
        let (right, bottom) = (self.left + self.width, self.bottom());
        for value in ticks(self.plot.y_most) {
            let y = self.y(value);
            picture.line("grid", (self.left, y), (right, y));
            let at = (self.left - 8.0, y + 4.0);
            picture.text(at, Anchor::End, &shown(value));
        }
        for value in self.plot.x.1.ticks() {
            let x = self.x(value);
            picture.line("axis", (x, bottom), (x, bottom + 4.0));
            picture.text((x, bottom + 18.0), Anchor::Middle, &shown(value));
        }
        picture.line("axis", (self.left, bottom), (right, bottom));
        let at = (self.left + self.width / 2.0, bottom + 35.0);
        picture.text(at, Anchor::Middle, self.plot.x.0);
    }

    fn draw_series(&self, picture: &mut Picture, series: &Series, aside: f64) {
        let classes = series.ink.classes();
        let most = self.plot.y_most;
        for mark in &series.marks {
            if let Some((least, greatest)) = mark.range
                && least < most
            {
                let x = self.x(mark.x) + aside;
                let (low, high) = (self.y(least), self.y(greatest.min(most)));
                picture.line(&format!("{classes} range"), (x, low), (x, high));
                for y in [low, high] {
                    picture.line(&format!("{classes} range"), (x - 2.0, y), (x + 2.0, y));
                }
            }
        }
        let place = |mark: &Mark| (self.x(mark.x) + aside, self.y(mark.y));
        let places: Vec<(f64, f64)> = series.marks.iter().map(place).collect();
        let way = way(self.top, &places);
        picture.write(format_args!("<path class=\"{classes} line\" d=\"{way}\"/>"));
        if series.ink.has_dots() {
            for mark in series.marks.iter().filter(|mark| mark.y <= most) {
                draw_dot(picture, classes, (self.x(mark.x) + aside, self.y(mark.y)));
            }
        }
    }
}

fn draw_dot(picture: &mut Picture, classes: &str, (x, y): (f64, f64)) {
    picture.write(format_args!(
        "<circle class=\"{classes} dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>"
    ));
}

/// A path through all places, without what is above the top.
fn way(top: f64, places: &[(f64, f64)]) -> String {
    let mut way = String::new();
    let mut end = None;
    for (from, to) in places.iter().zip(places.iter().skip(1)) {
        if let Some((from, to)) = beneath(top, *from, *to) {
            if end != Some(from) {
                let _ = write!(way, "M{:.1} {:.1}", from.0, from.1);
            }
            let _ = write!(way, "L{:.1} {:.1}", to.0, to.1);
            end = Some(to);
        }
    }
    way
}

/// The part of a stretch that is not above the top.
fn beneath(top: f64, from: (f64, f64), to: (f64, f64)) -> Option<((f64, f64), (f64, f64))> {
    let crossing = || {
        let share = (top - from.1) / (to.1 - from.1);
        (from.0 + share * (to.0 - from.0), top)
    };
    match (from.1 >= top, to.1 >= top) {
        (true, true) => Some((from, to)),
        (true, false) => Some((from, crossing())),
        (false, true) => Some((crossing(), to)),
        (false, false) => None,
    }
}

/// A value at an axis.
fn shown(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(marks: Vec<Mark>) -> String {
        let mut picture = Picture::new(400.0, "a & b", "two < three");
        let series = [Series {
            name: "Wharf".to_owned(),
            ink: Ink::Wharf,
            marks,
        }];
        let plot = Plot {
            title: "figures",
            x: ("workers", Scale::DoublesTo(8.0)),
            y_most: 10.0,
            height: 100.0,
            series: &series,
        };
        plot.draw(&mut picture);
        picture.svg()
    }

    fn mark(x: f64, y: f64) -> Mark {
        Mark { x, y, range: None }
    }

    #[test]
    fn a_picture_has_words_for_those_who_do_not_see_it_and_colours_for_the_dark() {
        let svg = plot(vec![mark(1.0, 5.0)]);
        assert!(svg.contains("<title id=\"title\">a &amp; b</title>"));
        assert!(svg.contains("<desc id=\"desc\">two &lt; three</desc>"));
        assert!(svg.contains("prefers-color-scheme: dark"));
    }

    #[test]
    fn a_range_is_drawn_where_it_is_known() {
        assert!(!plot(vec![mark(1.0, 5.0)]).contains("wharf range"));
        let ranged = Mark {
            range: Some((4.0, 6.0)),
            ..mark(1.0, 5.0)
        };
        // 100 pixels are 10, and the field ends 160 below the top.
        assert!(plot(vec![ranged]).contains("class=\"wharf range\" d=\"M56.0 120.0L56.0 100.0\""));
    }

    #[test]
    fn a_line_ends_where_the_plot_does() {
        let whole = plot(vec![mark(1.0, 5.0), mark(8.0, 5.0)]);
        assert!(whole.contains("class=\"wharf line\" d=\"M56.0 110.0L376.0 110.0\""));
        let cut = plot(vec![mark(1.0, 0.0), mark(8.0, 40.0)]);
        assert!(cut.contains("class=\"wharf line\" d=\"M56.0 160.0L136.0 60.0\""));
        // The legend has one, and the mark below the most.
        assert_eq!(cut.matches("<circle").count(), 2);
    }

    #[test]
    fn ticks_are_few_and_round() {
        assert_eq!(ticks(20.0), [0.0, 5.0, 10.0, 15.0, 20.0]);
        assert_eq!(ticks(1.0), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(shown(0.6000000000000001), "0.6");
        assert_eq!(Scale::DoublesTo(9.0).ticks(), [1.0, 2.0, 4.0, 8.0]);
    }
}
