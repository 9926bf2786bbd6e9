//! How a task is drawn. The digits are the `captcha` crate's; it has no signs and takes no font from
//! outside, so the signs are strokes of ours. The sheet is a function from a point to its ink: each
//! pixel asks what lies under it once the sheet is warped, and each figure answers in its own
//! coordinates, in which it stands upright.
//!
//! What keeps machines out: lines and a cut cross the digits, and tears part the sheet into light and
//! dark bands, through the digits too. On a dark band ink is light, so no threshold tells figures
//! from ground. What keeps people in: large figures, and signs that hardly tilt (a `+` turned far is
//! a `×`) and that nothing crosses (a lost `−` is no task).

use std::{f32::consts::TAU, io::Cursor, ops::Range, sync::LazyLock};

use image::{
    ExtendedColorType, GrayImage, ImageEncoder, Luma,
    codecs::png::{CompressionType, FilterType, PngEncoder},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::task::{Sign, Task};

/// The size of a picture in pixels.
const WIDTH: u32 = 280;
const HEIGHT: u32 = 90;

/// The four greys of a picture, from paper to ink: few, so that its file is small.
const GREYS: [u8; 4] = [244, 184, 124, 64];

/// Half the widths of a sign's stroke, of the room that lines leave around its middle, and of a
/// line, in pixels.
const PEN: f32 = 2.8;
const MOAT: f32 = 6.5;
const HAIR: f32 = 0.7;

/// Draws a task as a PNG, 280 × 90 pixels, grey, about 2 kB. Its ground is its own, so it reads as
/// well on a dark page. One task is drawn the same each time: a second look gives a machine nothing
/// to average.
///
/// This is work for the processor: call it off the async threads.
pub fn picture(task: &Task) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(task.seed.cast_unsigned());
    let sheet = Sheet::random(task, &mut rng);
    let mut image = GrayImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let tone = sheet.tone(x as f32, y as f32);
        Luma([GREYS[(tone * 3.0).round() as usize]])
    });
    speckle(&mut image, &mut rng);
    png(&image)
}

/// Everything that lies on a picture.
struct Sheet {
    warp: [Wave; 2],
    digits: [Digit; 2],
    signs: [Strokes; 3],
    lines: [Line; 2],
    cut: Line,
    tears: [Line; 3],
}

impl Sheet {
    /// `left sign right = ?`, each at its place in the row, in the irregularity of the seed.
    fn random(task: &Task, rng: &mut StdRng) -> Self {
        let sign = match task.sign {
            Sign::Plus => PLUS,
            Sign::Minus => MINUS,
        };
        Self {
            // As steep as 5° at most: with a sign's own 2° it stays under the 7° at which people doubt.
            warp: [Wave::random(rng, 1.0..2.0, 150.0..200.0), Wave::random(rng, 1.0..2.0, 150.0..200.0)],
            digits: [Digit::random(rng, task.left, 40.0), Digit::random(rng, task.right, 158.0)],
            signs: [
                Strokes::random(rng, sign, 99.0),
                Strokes::random(rng, EQUALS, 212.0),
                Strokes::random(rng, QUESTION_MARK, 252.0),
            ],
            lines: [Line::across(rng), Line::across(rng)],
            cut: Line::across(rng),
            tears: [Line::down(rng, 40.0), Line::down(rng, 158.0), Line::down(rng, 215.0)],
        }
    }

    /// How dark the pixel is, from 0 to 1.
    fn tone(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x + self.warp[0].at(y), y + self.warp[1].at(x));
        let ink = self.ink(x, y);
        if self.is_dark(x, y) { 1.0 - ink } else { ink }
    }

    fn ink(&self, x: f32, y: f32) -> f32 {
        let sign = self.signs.iter().map(|sign| sign.distance(x, y)).fold(f32::INFINITY, f32::min);
        let digit = most(self.digits.iter().map(|digit| digit.ink(x, y)));
        let line = most(self.lines.iter().map(|line| line.ink(x, y))).min(1.0 - coverage(MOAT, sign));
        digit.min(1.0 - self.cut.ink(x, y)).max(line).max(coverage(PEN, sign))
    }

    fn is_dark(&self, x: f32, y: f32) -> bool {
        self.tears.iter().filter(|tear| tear.is_above(x, y)).count() % 2 == 1
    }
}

/// The ink of a stroke at a distance from its middle, with a soft edge.
fn coverage(half_width: f32, distance: f32) -> f32 {
    (half_width + 0.5 - distance).clamp(0.0, 1.0)
}

fn most(inks: impl Iterator<Item = f32>) -> f32 {
    inks.fold(0.0, f32::max)
}

/// Where a figure stands and how: a point of the sheet is looked up in the figure's own coordinates,
/// which begin at its middle.
struct Place {
    middle: (f32, f32),
    turn: (f32, f32),
    slant: f32,
    stretch: (f32, f32),
}

impl Place {
    fn random(rng: &mut StdRng, x: f32, degrees: f32, slant: f32, stretch: Range<f32>) -> Self {
        Self {
            middle: (x + rng.random_range(-5.0..5.0), 45.0 + rng.random_range(-6.0..6.0)),
            turn: rng.random_range(-degrees..=degrees).to_radians().sin_cos(),
            slant: rng.random_range(-slant..=slant),
            stretch: (rng.random_range(stretch.clone()), rng.random_range(stretch)),
        }
    }

    fn own(&self, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = (x - self.middle.0, y - self.middle.1);
        let (sin, cos) = self.turn;
        let (x, y) = (x * cos + y * sin, y * cos - x * sin);
        ((x + y * self.slant) / self.stretch.0, y / self.stretch.1)
    }
}

struct Digit {
    shape: &'static GrayImage,
    place: Place,
}

impl Digit {
    fn random(rng: &mut StdRng, digit: u8, x: f32) -> Self {
        let shape = &DIGITS[usize::from(digit) - 1];
        Self { shape, place: Place::random(rng, x, 18.0, 0.2, 1.35..1.6) }
    }

    /// Between four pixels of the shape, their mean by nearness.
    fn ink(&self, x: f32, y: f32) -> f32 {
        let (x, y) = self.place.own(x, y);
        let (x, y) = (x + self.shape.width() as f32 / 2.0, y + self.shape.height() as f32 / 2.0);
        let (left, top) = (x.floor(), y.floor());
        let at = |x: f32, y: f32| {
            let pixel = self.shape.get_pixel_checked(x as u32, y as u32);
            pixel.filter(|_| x >= 0.0 && y >= 0.0).map_or(0.0, |Luma([ink])| f32::from(*ink) / 255.0)
        };
        let upper = at(left, top) * (left + 1.0 - x) + at(left + 1.0, top) * (x - left);
        let lower = at(left, top + 1.0) * (left + 1.0 - x) + at(left + 1.0, top + 1.0) * (x - left);
        upper * (top + 1.0 - y) + lower * (y - top)
    }
}

/// The ink of the nine digits as the `captcha` crate draws them, cut out. They are the same each
/// time: the crate's randomness is in its choice of characters and in its filters.
static DIGITS: LazyLock<Vec<GrayImage>> = LazyLock::new(|| ('1'..='9').map(cut_out).collect());

fn cut_out(digit: char) -> GrayImage {
    let mut sheet = captcha::Captcha::new();
    let area = sheet.set_chars(&[digit]).add_char().text_area();
    let png = sheet.as_png().expect("the crate encodes what it drew");
    let drawn = image::load_from_memory(&png).expect("the crate made a PNG").into_luma8();
    // Bolder by a pixel: the crate's hairlines would not survive a line that crosses them.
    GrayImage::from_fn(area.right - area.left + 2, area.bottom - area.top + 2, |x, y| {
        let (x, y) = (area.left + x, area.top + y);
        let around = [(x, y), (x - 1, y), (x, y - 1), (x - 1, y - 1)];
        Luma([around.into_iter().map(|(x, y)| 255 - drawn.get_pixel(x, y)[0]).max().unwrap_or(0)])
    })
}

/// A straight line from point to point, measured from the middle of the sign.
type Piece = [(f32, f32); 2];

/// A sign, made of straight lines.
struct Strokes {
    pieces: &'static [Piece],
    place: Place,
}

const PLUS: &[Piece] = &[[(-17.0, 0.0), (17.0, 0.0)], [(0.0, -17.0), (0.0, 17.0)]];
const MINUS: &[Piece] = &[[(-17.0, 0.0), (17.0, 0.0)]];
const EQUALS: &[Piece] = &[[(-11.0, -6.0), (11.0, -6.0)], [(-11.0, 6.0), (11.0, 6.0)]];
const QUESTION_MARK: &[Piece] = &[
    [(-9.0, -12.0), (-5.0, -18.0)],
    [(-5.0, -18.0), (3.0, -19.0)],
    [(3.0, -19.0), (9.0, -14.0)],
    [(9.0, -14.0), (8.0, -7.0)],
    [(8.0, -7.0), (0.0, 0.0)],
    [(0.0, 0.0), (0.0, 5.0)],
    [(0.0, 15.0), (0.0, 15.5)],
];

impl Strokes {
    fn random(rng: &mut StdRng, pieces: &'static [Piece], x: f32) -> Self {
        Self { pieces, place: Place::random(rng, x, 2.0, 0.0, 0.9..1.1) }
    }

    /// How far the nearest piece is; infinitely, where it is too far to matter.
    fn distance(&self, x: f32, y: f32) -> f32 {
        let (x, y) = self.place.own(x, y);
        if x.abs().max(y.abs()) > 30.0 {
            return f32::INFINITY;
        }
        let squared = |[(x1, y1), (x2, y2)]: &Piece| {
            let (dx, dy) = (x2 - x1, y2 - y1);
            let along = (((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
            (x - x1 - along * dx).powi(2) + (y - y1 - along * dy).powi(2)
        };
        self.pieces.iter().map(squared).fold(f32::INFINITY, f32::min).sqrt()
    }
}

/// `height · sin(along)`, in pixels.
struct Wave {
    height: f32,
    length: f32,
    phase: f32,
}

impl Wave {
    fn random(rng: &mut StdRng, height: Range<f32>, length: Range<f32>) -> Self {
        Self {
            height: rng.random_range(height),
            length: rng.random_range(length),
            phase: rng.random_range(0.0..TAU),
        }
    }

    fn at(&self, along: f32) -> f32 {
        self.height * (TAU * along / self.length + self.phase).sin()
    }
}

/// A wavy line: `y = start + slope · x + wave(x)`.
struct Line {
    start: f32,
    slope: f32,
    wave: Wave,
}

impl Line {
    /// One that crosses the whole row of figures.
    fn across(rng: &mut StdRng) -> Self {
        let (left, right) = (rng.random_range(20.0..70.0), rng.random_range(20.0..70.0));
        let wave = Wave::random(rng, 4.0..14.0, 60.0..150.0);
        Self { start: left, slope: (right - left) / WIDTH as f32, wave }
    }

    /// One from the upper left to the lower right, through the middle of the column `x`. No stroke
    /// of a digit or a sign runs that way for long, so none is lost along it.
    fn down(rng: &mut StdRng, x: f32) -> Self {
        let (slope, x) = (rng.random_range(0.8..1.2), x + rng.random_range(-12.0..12.0));
        Self { start: HEIGHT as f32 / 2.0 - slope * x, slope, wave: Wave::random(rng, 1.5..3.0, 45.0..70.0) }
    }

    fn y(&self, x: f32) -> f32 {
        self.start + self.slope * x + self.wave.at(x)
    }

    fn ink(&self, x: f32, y: f32) -> f32 {
        let upright = (y - self.y(x)).abs();
        if upright > 5.0 {
            return 0.0;
        }
        let steepness = self.y(x + 0.5) - self.y(x - 0.5);
        coverage(HAIR, upright / steepness.hypot(1.0))
    }

    fn is_above(&self, x: f32, y: f32) -> bool {
        self.y(x) < y
    }
}

/// Turns small spots to their opposite grey.
fn speckle(image: &mut GrayImage, rng: &mut StdRng) {
    for _ in 0..60 {
        let size = rng.random_range(1..=2);
        let (x, y) = (rng.random_range(0..=WIDTH - size), rng.random_range(0..=HEIGHT - size));
        for (x, y) in (x..x + size).flat_map(|x| (y..y + size).map(move |y| (x, y))) {
            let Luma([grey]) = image.get_pixel_mut(x, y);
            *grey = GREYS[0] - *grey + GREYS[3];
        }
    }
}

fn png(image: &GrayImage) -> Vec<u8> {
    let mut png = Cursor::new(Vec::new());
    PngEncoder::new_with_quality(&mut png, CompressionType::Default, FilterType::NoFilter)
        .write_image(image.as_raw(), WIDTH, HEIGHT, ExtendedColorType::L8)
        .expect("a picture of this size is written to memory");
    png.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(text: &str, seed: i64) -> Task {
        Task::parse(text, seed).unwrap()
    }

    fn sheet(text: &str, seed: i64) -> Sheet {
        Sheet::random(&task(text, seed), &mut StdRng::seed_from_u64(seed.cast_unsigned()))
    }

    #[test]
    fn a_picture_is_a_small_png_of_the_promised_size() {
        let png = picture(&Task::random());
        let image = image::load_from_memory_with_format(&png, image::ImageFormat::Png).unwrap();
        assert_eq!((image.width(), image.height()), (WIDTH, HEIGHT));
        assert!(png.len() < 8_000, "{} bytes", png.len());
    }

    #[test]
    fn a_task_is_drawn_the_same_each_time_and_its_like_otherwise() {
        assert_eq!(picture(&task("7 + 5", 1)), picture(&task("7 + 5", 1)));
        assert_ne!(picture(&task("7 + 5", 1)), picture(&task("7 + 5", 2)));
    }

    #[test]
    fn every_digit_has_a_shape_of_its_own() {
        for (index, shape) in DIGITS.iter().enumerate() {
            let inked = shape.pixels().filter(|Luma([ink])| *ink > 127).count();
            assert!((100..700).contains(&inked), "{} has {inked} pixels of ink", index + 1);
            assert!(DIGITS[..index].iter().all(|other| other != shape), "{} looks like another", index + 1);
        }
    }

    #[test]
    fn a_sign_is_whole_and_no_line_touches_it() {
        for seed in 0..40 {
            let sheet = sheet(if seed % 2 == 0 { "4 − 1" } else { "4 + 1" }, seed);
            let points = (60..140).flat_map(|x| (0..HEIGHT).map(move |y| (x as f32, y as f32)));
            for (x, y) in points {
                let (ink, from_sign) = (sheet.ink(x, y), sheet.signs[0].distance(x, y));
                let from_digits = most(sheet.digits.iter().map(|digit| digit.ink(x, y)));
                if from_sign < PEN - 0.5 {
                    assert_eq!(ink, 1.0, "seed {seed} at {x}, {y}");
                } else if from_sign > PEN + 0.5 && from_sign < MOAT - 0.5 {
                    assert!(ink <= from_digits, "seed {seed} at {x}, {y}");
                }
            }
        }
    }

    #[test]
    fn every_figure_lies_on_the_picture() {
        // The warp moves what is drawn by two pixels at most.
        let inside =
            |x: &i32, y: &i32| (2..WIDTH as i32 - 2).contains(x) && (2..HEIGHT as i32 - 2).contains(y);
        for seed in 0..90 {
            let digit = seed % 9 + 1;
            let sheet = sheet(&format!("{digit} + {}", 10 - digit), seed);
            let outside =
                (-30..310).flat_map(|x| (-30..120).map(move |y| (x, y))).filter(|(x, y)| !inside(x, y));
            for (x, y) in outside.map(|(x, y)| (x as f32, y as f32)) {
                assert_eq!(
                    most(sheet.digits.iter().map(|digit| digit.ink(x, y))),
                    0.0,
                    "seed {seed} at {x}, {y}"
                );
                assert!(sheet.signs.iter().all(|sign| sign.distance(x, y) > PEN), "seed {seed} at {x}, {y}");
            }
        }
    }
}
