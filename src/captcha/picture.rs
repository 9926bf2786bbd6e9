//! How a task is drawn. The digits are the `captcha` crate's; it has no signs and takes no font from
//! outside, so the signs are strokes of ours. The sheet is a function from a point to its ink: each
//! pixel asks what lies under it once the sheet is warped, and each figure answers in its own
//! coordinates, in which it stands upright.
//!
//! What keeps machines out: wavy seams part the ground into light and dark patches, smaller than the
//! figures, and ink is black on the light ones and white on the dark ones. So no stroke is of one tone,
//! and a figure has as many edges of patches in it as of its own. A shade over all makes the ground here
//! as light or dark as ink is there, so no threshold, nor two, tell them apart. What keeps people in:
//! ink is lighter or darker than any ground beside it, so large figures stand out; signs hardly tilt
//! (a `+` turned far is a `×`), and nothing but specks lies over a figure.

use std::{array, f32::consts::TAU, io::Cursor, ops::Range, sync::LazyLock};

use image::{
    ExtendedColorType, GrayImage, ImageEncoder, Luma,
    codecs::png::{CompressionType, FilterType, PngEncoder},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::task::{Sign, Task};

/// The size of a picture in pixels: about as wide as the column of a page of 360.
const WIDTH: u32 = 328;
const HEIGHT: u32 = 116;

/// The greys of the ground and of the ink on it, before the shade.
const LIGHT_PATCH: (f32, f32) = (195.0, 35.0);
const DARK_PATCH: (f32, f32) = (95.0, 235.0);

/// Between the greys that a picture has: few, so that its file is small.
const STEP: f32 = 8.0;

/// Half the width of a sign's stroke, and of a ribbon, in pixels.
const PEN: f32 = 3.4;
const RIBBON: f32 = 4.0;

/// How far around a digit's shape there is room for a bolder stroke, in pixels of the shape.
const MARGIN: u32 = 4;

/// Draws a task as a PNG, 328 × 116 pixels, grey, about 8 kB. Its ground is its own, so it reads as
/// well on a dark page. One task is drawn the same each time: a second look gives a machine nothing
/// to average.
///
/// This is work for the processor: call it off the async threads.
pub fn picture(task: &Task) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(task.seed.cast_unsigned());
    let (sheet, ground) = (Sheet::random(task, &mut rng), Ground::random(&mut rng));
    let mut image = GrayImage::new(WIDTH, HEIGHT);
    // Sines cost much of a picture's time, so those of a row or a column are worked out once.
    let warp_of_rows: Vec<f32> = (0..HEIGHT).map(|y| sheet.warp[0].at(y as f32)).collect();
    for x in 0..WIDTH {
        let (seams, warp_of_column) = (ground.crossed_by(x as f32), sheet.warp[1].at(x as f32));
        for (y, warp_of_row) in (0..HEIGHT).zip(&warp_of_rows) {
            let is_dark = seams.iter().filter(|seam| **seam < y as f32).count() % 2 == 1;
            let (paper, pen) = if is_dark { DARK_PATCH } else { LIGHT_PATCH };
            let ink = sheet.ink(x as f32 + warp_of_row, y as f32 + warp_of_column);
            let grey = paper + (pen - paper) * ink + ground.shade(x as f32, y as f32);
            image.put_pixel(x, y, Luma([((grey / STEP).round() * STEP).clamp(0.0, 255.0) as u8]));
        }
    }
    speckle(&mut image, &mut rng);
    png(&image)
}

/// The figures of a picture.
struct Sheet {
    warp: [Wave; 2],
    digits: [Digit; 3],
    signs: [Strokes; 3],
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
            digits: [
                Digit::random(rng, task.left / 10, 42.0),
                Digit::random(rng, task.left % 10, 94.0),
                Digit::random(rng, task.right, 204.0),
            ],
            signs: [
                Strokes::random(rng, sign, 151.0),
                Strokes::random(rng, EQUALS, 255.0),
                Strokes::random(rng, QUESTION_MARK, 297.0),
            ],
        }
    }

    /// How much ink there is on a point that is not warped, from 0 to 1.
    fn ink(&self, x: f32, y: f32) -> f32 {
        let digits = self.digits.iter().filter(|digit| digit.place.is_near(x));
        let digits = digits.map(|digit| digit.ink(x, y));
        let signs = self.signs.iter().filter(|sign| sign.place.is_near(x));
        let signs = signs.map(|sign| coverage(PEN, sign.distance(x, y)));
        most(digits.chain(signs))
    }
}

/// The ink of a stroke at a distance from its middle, with a soft edge.
fn coverage(half_width: f32, distance: f32) -> f32 {
    (half_width + 0.5 - distance).clamp(0.0, 1.0)
}

fn most(inks: impl Iterator<Item = f32>) -> f32 {
    inks.fold(0.0, f32::max)
}

/// The patches under the figures: each seam turns all that is below it to the other grey.
struct Ground {
    falling: [Seam; 8],
    rising: [Seam; 8],
    /// Runs through the row of figures, as wide as a stroke.
    ribbon: Seam,
    shades: [Wave; 2],
}

impl Ground {
    fn random(rng: &mut StdRng) -> Self {
        let middle = |index: usize| WIDTH as f32 * (index as f32 + 0.5) / 8.0;
        Self {
            falling: array::from_fn(|index| Seam::steep(rng, 1.0, middle(index))),
            rising: array::from_fn(|index| Seam::steep(rng, -1.0, middle(index))),
            ribbon: Seam::flat(rng),
            shades: array::from_fn(|_| Wave::random(rng, 15.0..19.0, 60.0..90.0)),
        }
    }

    /// How much lighter the picture is here.
    fn shade(&self, x: f32, y: f32) -> f32 {
        self.shades[0].at(x) + self.shades[1].at(y + x / 2.0)
    }

    /// The heights at which a column of pixels crosses the seams.
    fn crossed_by(&self, x: f32) -> Vec<f32> {
        let ribbon = [-RIBBON, RIBBON].map(|away| self.ribbon.y(x) + away);
        self.falling.iter().chain(&self.rising).map(|seam| seam.y(x)).chain(ribbon).collect()
    }
}

/// A wavy line: `y = start + slope · x + wave(x)`.
struct Seam {
    start: f32,
    slope: f32,
    wave: Wave,
}

impl Seam {
    /// From the top to the bottom, or the other way with a negative slope, across the column `x`.
    fn steep(rng: &mut StdRng, slope: f32, x: f32) -> Self {
        let (slope, x) = (slope * rng.random_range(0.8..1.2), x + rng.random_range(-12.0..12.0));
        Self { start: HEIGHT as f32 / 2.0 - slope * x, slope, wave: Wave::random(rng, 1.5..3.0, 45.0..70.0) }
    }

    /// From the left to the right.
    fn flat(rng: &mut StdRng) -> Self {
        let (left, right) = (rng.random_range(28.0..88.0), rng.random_range(28.0..88.0));
        let wave = Wave::random(rng, 4.0..14.0, 60.0..150.0);
        Self { start: left, slope: (right - left) / WIDTH as f32, wave }
    }

    fn y(&self, x: f32) -> f32 {
        self.start + self.slope * x + self.wave.at(x)
    }
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
            middle: (x + rng.random_range(-3.0..3.0), HEIGHT as f32 / 2.0 + rng.random_range(-5.0..5.0)),
            turn: rng.random_range(-degrees..=degrees).to_radians().sin_cos(),
            slant: rng.random_range(-slant..=slant),
            stretch: (rng.random_range(stretch.clone()), rng.random_range(stretch)),
        }
    }

    /// Whether the figure can reach this column: what most cannot is soon left out.
    fn is_near(&self, x: f32) -> bool {
        (x - self.middle.0).abs() < 60.0
    }

    fn own(&self, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = (x - self.middle.0, y - self.middle.1);
        let (sin, cos) = self.turn;
        let (x, y) = (x * cos + y * sin, y * cos - x * sin);
        ((x + y * self.slant) / self.stretch.0, y / self.stretch.1)
    }
}

/// A digit, with a warp and a weight of its own: the crate has one shape of each.
struct Digit {
    shape: &'static GrayImage,
    place: Place,
    warp: [Wave; 2],
    /// How far its strokes reach beyond the shape's, in pixels of the shape.
    weight: f32,
}

impl Digit {
    fn random(rng: &mut StdRng, digit: u8, x: f32) -> Self {
        Self {
            shape: &DIGITS[usize::from(digit) - 1],
            place: Place::random(rng, x, 13.0, 0.22, 1.5..1.8),
            warp: [Wave::random(rng, 0.5..1.8, 22.0..40.0), Wave::random(rng, 0.5..1.8, 22.0..40.0)],
            weight: rng.random_range(1.0..1.9),
        }
    }

    fn ink(&self, x: f32, y: f32) -> f32 {
        let (x, y) = self.place.own(x, y);
        // Two pixels are as far as the warp reaches.
        let (width, height) = (self.shape.width() as f32 / 2.0, self.shape.height() as f32 / 2.0);
        if x.abs() > width + 2.0 || y.abs() > height + 2.0 {
            return 0.0;
        }
        let (x, y) = (x + self.warp[0].at(y), y + self.warp[1].at(x));
        let beyond = (1.0 - self.nearness(x, y)) * MARGIN as f32;
        coverage(self.weight * self.place.stretch.0, beyond * self.place.stretch.0)
    }

    /// What the shape says between four of its pixels: their mean by nearness.
    fn nearness(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x + self.shape.width() as f32 / 2.0, y + self.shape.height() as f32 / 2.0);
        let (left, top) = (x.floor(), y.floor());
        let at = |x: f32, y: f32| {
            let pixel = self.shape.get_pixel_checked(x as u32, y as u32);
            pixel.filter(|_| x >= 0.0 && y >= 0.0).map_or(0.0, |Luma([near])| f32::from(*near) / 255.0)
        };
        let upper = at(left, top) * (left + 1.0 - x) + at(left + 1.0, top) * (x - left);
        let lower = at(left, top + 1.0) * (left + 1.0 - x) + at(left + 1.0, top + 1.0) * (x - left);
        upper * (top + 1.0 - y) + lower * (y - top)
    }
}

/// The nine digits as the `captcha` crate draws them, cut out, and how near their ink is: 255 on it,
/// falling with the distance to 0 at [`MARGIN`] from it. They are the same each time: the crate's
/// randomness is in its choice of characters and in its filters.
static DIGITS: LazyLock<Vec<GrayImage>> = LazyLock::new(|| ('1'..='9').map(cut_out).collect());

fn cut_out(digit: char) -> GrayImage {
    let mut sheet = captcha::Captcha::new();
    let area = sheet.set_chars(&[digit]).add_char().text_area();
    let png = sheet.as_png().expect("the crate encodes what it drew");
    let drawn = image::load_from_memory(&png).expect("the crate made a PNG").into_luma8();
    let (width, height) = (area.right - area.left + 2 * MARGIN, area.bottom - area.top + 2 * MARGIN);
    GrayImage::from_fn(width, height, |x, y| {
        let (left, top) = (area.left + x - 2 * MARGIN, area.top + y - 2 * MARGIN);
        let around = (0..=2 * MARGIN).flat_map(|dy| (0..=2 * MARGIN).map(move |dx| (dx, dy)));
        let near = around.map(|(dx, dy)| {
            let away = (dx as f32 - MARGIN as f32).hypot(dy as f32 - MARGIN as f32);
            let ink = f32::from(255 - drawn.get_pixel(left + dx, top + dy)[0]);
            ink - 255.0 * away / MARGIN as f32
        });
        Luma([most(near).round() as u8])
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

/// `height · sin(along)`; lengths are in pixels.
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

/// Turns small spots to their opposite grey.
fn speckle(image: &mut GrayImage, rng: &mut StdRng) {
    for _ in 0..70 {
        let size = rng.random_range(1..=2);
        let (x, y) = (rng.random_range(0..=WIDTH - size), rng.random_range(0..=HEIGHT - size));
        for (x, y) in (x..x + size).flat_map(|x| (y..y + size).map(move |y| (x, y))) {
            let Luma([grey]) = image.get_pixel_mut(x, y);
            *grey = 255 - *grey;
        }
    }
}

fn png(image: &GrayImage) -> Vec<u8> {
    let mut png = Cursor::new(Vec::new());
    PngEncoder::new_with_quality(&mut png, CompressionType::Level(4), FilterType::NoFilter)
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
        assert!(png.len() < 12_000, "{} bytes", png.len());
    }

    #[test]
    fn a_task_is_drawn_the_same_each_time_and_its_like_otherwise() {
        assert_eq!(picture(&task("34 + 7", 1)), picture(&task("34 + 7", 1)));
        assert_ne!(picture(&task("34 + 7", 1)), picture(&task("34 + 7", 2)));
    }

    #[test]
    fn every_digit_has_a_shape_of_its_own() {
        for (index, shape) in DIGITS.iter().enumerate() {
            let inked = shape.pixels().filter(|Luma([near])| *near > 191).count();
            assert!((150..800).contains(&inked), "{} has {inked} pixels of ink", index + 1);
            assert!(DIGITS[..index].iter().all(|other| other != shape), "{} looks like another", index + 1);
        }
    }

    #[test]
    fn a_digit_never_looks_twice_alike() {
        let sheet = sheet("44 + 4", 1);
        let [one, other, _] = sheet.digits.each_ref().map(|digit| {
            let (x, y) = digit.place.middle;
            let around = || (-30..30).map(|away| away as f32);
            around().flat_map(|dy| around().map(move |dx| digit.ink(x + dx, y + dy))).collect::<Vec<f32>>()
        });
        assert_ne!(one, other);
    }

    #[test]
    fn no_digit_lies_on_a_sign() {
        for seed in 0..90 {
            let digit = seed % 9 + 1;
            let sheet = sheet(&format!("{digit}{digit} − {digit}"), seed);
            for (x, y) in (0..WIDTH).flat_map(|x| (0..HEIGHT).map(move |y| (x as f32, y as f32))) {
                if sheet.signs.iter().any(|sign| sign.distance(x, y) < PEN) {
                    let digits = most(sheet.digits.iter().map(|digit| digit.ink(x, y)));
                    assert_eq!(digits, 0.0, "seed {seed} at {x}, {y}");
                }
            }
        }
    }

    #[test]
    fn a_sign_tilts_by_seven_degrees_at_most() {
        for seed in 0..200 {
            let sheet = sheet("34 + 7", seed);
            let steepest = |wave: &Wave| TAU * wave.height / wave.length;
            let warp = steepest(&sheet.warp[0]).max(steepest(&sheet.warp[1])).atan();
            let tilt = sheet.signs.iter().map(|sign| sign.place.turn.0.asin().abs()).fold(0.0, f32::max);
            assert!((warp + tilt).to_degrees() < 7.0, "seed {seed}");
        }
    }

    #[test]
    fn ink_stands_out_from_either_grey() {
        let ([paper_1, paper_2], [ink_1, ink_2]) =
            ([LIGHT_PATCH.0, DARK_PATCH.0], [LIGHT_PATCH.1, DARK_PATCH.1]);
        for paper in [paper_1, paper_2] {
            assert!(ink_1 + 40.0 <= paper && paper + 40.0 <= ink_2, "{paper}");
        }
    }

    #[test]
    fn every_figure_lies_on_the_picture() {
        // The warp moves what is drawn by two pixels at most.
        let inside =
            |x: &i32, y: &i32| (2..WIDTH as i32 - 2).contains(x) && (2..HEIGHT as i32 - 2).contains(y);
        for seed in 0..90 {
            let digit = seed % 9 + 1;
            let sheet = sheet(&format!("{digit}{digit} + {digit}"), seed);
            let outside =
                (-30..360).flat_map(|x| (-30..150).map(move |y| (x, y))).filter(|(x, y)| !inside(x, y));
            for (x, y) in outside {
                assert_eq!(sheet.ink(x as f32, y as f32), 0.0, "seed {seed} at {x}, {y}");
            }
        }
    }
}
