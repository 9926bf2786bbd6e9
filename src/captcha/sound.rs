//! How a task is spoken: “what is thirty-four plus seven”, in words from [recordings](recordings/README.md).
//!
//! No hearing is like another. Its voice is one of those recorded; pitch, pace, loudness and gaps are
//! each word's own, so that no recording of ours is found in it by comparing. The noise under it is
//! mostly babble: words of the other voices, backwards. It sounds like speech to a machine, which
//! therefore cannot filter it out, and like no word to people, who are used to following one voice
//! among many.

use std::{f32::consts::TAU, ops::Range, sync::LazyLock};

use rand::{Rng, RngExt};

use super::task::{Sign, Task};

/// Samples a second, of the recordings and of what is made of them.
const RATE: u32 = 11_025;

/// The recordings of each voice.
static VOICES: LazyLock<[Vec<&[u8]>; 3]> = LazyLock::new(|| {
    let voices: [&[u8]; _] = [
        include_bytes!("recordings/en-us.u8"),
        include_bytes!("recordings/en-us+f2.u8"),
        include_bytes!("recordings/en-us+klatt4.u8"),
    ];
    voices.map(|words| words.split(|sample| *sample == 0).collect())
});

/// Which recording of a voice is which word. Before these stand the numbers from one to nineteen.
const TWENTY: u8 = 19;
const PLUS: u8 = 27;
const MINUS: u8 = 28;
const WHAT_IS: u8 = 29;

/// Speaks a task as a WAV file, 16-bit mono at 11,025 Hz, 3 to 6 seconds, at most 150 kB; another one
/// each time.
///
/// This is work for the processor: call it off the async threads.
pub fn sound(task: &Task) -> Vec<u8> {
    wav(&Hearing::random(task, &mut rand::rng()).mix())
}

/// One way to speak a task: what lies under the words, and each word with where it begins.
struct Hearing {
    noise: Vec<f32>,
    words: Vec<(usize, Vec<f32>)>,
}

impl Hearing {
    fn random(task: &Task, rng: &mut impl Rng) -> Self {
        let voice = rng.random_range(0..VOICES.len());
        let (pitch, pace) = (rng.random_range(0.9..1.12), rng.random_range(0.9..1.1));
        let mut words = Vec::new();
        // The ear needs a moment to tell the voice from the noise.
        let mut length = samples(rng, 0.5..0.8);
        for word in words_of(task) {
            let pitch = pitch * rng.random_range(0.96..1.04);
            let pace = pace * rng.random_range(0.93..1.07);
            let mut word = bend(&stretch(&recording(voice, word), pitch / pace), pitch, rng);
            set_loudness(&mut word, rng.random_range(0.8..1.0));
            let start = length;
            length += word.len() + samples(rng, 0.05..0.2);
            words.push((start, word));
        }
        length += samples(rng, 0.3..0.5);
        let mut noise = noise(length, voice, rng);
        let most = words.iter().map(|word| cover(&noise, word)).fold(0.0, f32::max);
        // Where it covers a word most, it is 8.5 to 11 dB under it.
        let level = rng.random_range(0.28..0.37) / most;
        noise.iter_mut().for_each(|sample| *sample *= level);
        Self { noise, words }
    }

    /// As loud as it can be.
    fn mix(mut self) -> Vec<f32> {
        for (start, word) in self.words {
            self.noise[start..].iter_mut().zip(word).for_each(|(sum, sample)| *sum += sample);
        }
        let peak = self.noise.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        self.noise.into_iter().map(|sample| sample / peak).collect()
    }
}

/// How loud noise is under a word, against the word.
fn cover(noise: &[f32], (start, word): &(usize, Vec<f32>)) -> f32 {
    loudness(&noise[*start..][..word.len()]) / loudness(word)
}

/// The recordings of a task's words, one after the other.
fn words_of(task: &Task) -> Vec<u8> {
    let sign = match task.sign {
        Sign::Plus => PLUS,
        Sign::Minus => MINUS,
    };
    [vec![WHAT_IS], number(task.left), vec![sign], number(task.right)].concat()
}

/// A number from 1 to 99.
fn number(number: u8) -> Vec<u8> {
    match (number / 10, number % 10) {
        (0 | 1, _) => vec![number - 1],
        (tens, 0) => vec![TWENTY + tens - 2],
        (tens, ones) => vec![TWENTY + tens - 2, ones - 1],
    }
}

fn recording(voice: usize, word: u8) -> Vec<f32> {
    VOICES[voice][usize::from(word)].iter().map(|sample| (f32::from(*sample) - 128.0) / 128.0).collect()
}

/// How many samples last that long.
fn samples(rng: &mut impl Rng, seconds: Range<f32>) -> usize {
    (rng.random_range(seconds) * RATE as f32) as usize
}

/// `times` as long, at the same pitch: grains of the sound, half over each other, each taken from
/// where it goes on best from the one before (WSOLA: Verhelst and Roelands, 1993).
fn stretch(sound: &[f32], times: f32) -> Vec<f32> {
    const HOP: usize = 160;
    const GRAIN: usize = 2 * HOP;
    // A period of the lowest voice.
    const SEARCH: usize = 120;
    let padded = [&[0.0; SEARCH], sound, &[0.0; GRAIN + SEARCH]].concat();
    let grain = |from: usize| &padded[from.min(padded.len() - GRAIN)..][..GRAIN];
    let length = (sound.len() as f32 * times) as usize;
    let mut stretched = vec![0.0; length + GRAIN];
    let mut next = SEARCH;
    for start in (0..length).step_by(HOP) {
        let from = (start as f32 / times) as usize + SEARCH / 2;
        let likeness = |from: usize| -> f32 { grain(from).iter().zip(grain(next)).map(|(a, b)| a * b).sum() };
        let places = (from..=from + SEARCH).step_by(4).map(|from| (likeness(from), from));
        let (_, from) = places.max_by(|(a, _), (b, _)| a.total_cmp(b)).unwrap_or_default();
        for (n, sample) in grain(from).iter().enumerate() {
            let window = 0.5 - 0.5 * (TAU * n as f32 / GRAIN as f32).cos();
            stretched[start + n] += window * sample;
        }
        next = from + HOP;
    }
    stretched
}

/// `pitch` times as high, and as much shorter, rising or falling a little on the way.
fn bend(sound: &[f32], pitch: f32, rng: &mut impl Rng) -> Vec<f32> {
    let glide = rng.random_range(-0.05..0.05);
    let (mut at, length) = (0.0, sound.len() as f32);
    let mut bent = Vec::new();
    while at + 1.0 < length {
        let (n, between) = (at as usize, at.fract());
        bent.push(sound[n] * (1.0 - between) + sound[n + 1] * between);
        at += pitch * (1.0 + glide * (2.0 * at / length - 1.0));
    }
    bent
}

/// Babble, a hum, clicks, and a hiss that comes and goes.
fn noise(length: usize, voice: usize, rng: &mut impl Rng) -> Vec<f32> {
    let mut noise = vec![0.0; length];
    for _ in 0..5 {
        let others = babble(length, voice, rng);
        noise.iter_mut().zip(others).for_each(|(sum, sample)| *sum += sample);
    }
    set_loudness(&mut noise, 1.0);
    let (hum, swell) = (rng.random_range(70.0..160.0), rng.random_range(0.5..2.0));
    for (n, sample) in noise.iter_mut().enumerate() {
        let turns = TAU * n as f32 / RATE as f32;
        *sample += 0.3 * (hum * turns).sin() + 0.2 * (3.0 * hum * turns).sin();
        *sample += 0.4 * rng.random_range(-1.0..1.0) * (swell * turns).sin();
    }
    for _ in 0..length / 4000 {
        let start = rng.random_range(0..length);
        for (n, sample) in noise[start..].iter_mut().take(40).enumerate() {
            *sample += rng.random_range(-4.0..4.0) * 0.9_f32.powi(n as i32);
        }
    }
    noise
}

/// Words of voices other than this one, backwards.
fn babble(length: usize, voice: usize, rng: &mut impl Rng) -> Vec<f32> {
    let mut babble = Vec::new();
    while babble.len() < length {
        let other = (voice + rng.random_range(1..VOICES.len())) % VOICES.len();
        let mut word = recording(other, rng.random_range(0..WHAT_IS));
        word.reverse();
        let pitch = rng.random_range(0.8..1.25);
        babble.extend(bend(&word, pitch, rng));
    }
    babble.truncate(length);
    babble
}

/// The root of the mean square.
fn loudness(sound: &[f32]) -> f32 {
    (sound.iter().map(|sample| sample * sample).sum::<f32>() / sound.len() as f32).sqrt()
}

fn set_loudness(sound: &mut [f32], wanted: f32) {
    let factor = wanted / loudness(sound);
    sound.iter_mut().for_each(|sample| *sample *= factor);
}

/// RIFF WAVE with 16-bit PCM (Multimedia Programming Interface and Data Specifications 1.0, 1991).
fn wav(samples: &[f32]) -> Vec<u8> {
    const BYTES: u32 = 2;
    let size = samples.len() as u32 * BYTES;
    let mut wav = Vec::with_capacity(44 + size as usize);
    wav.extend(b"RIFF");
    wav.extend((36 + size).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    // PCM, mono.
    wav.extend([1, 0, 1, 0]);
    wav.extend(RATE.to_le_bytes());
    wav.extend((RATE * BYTES).to_le_bytes());
    // Bytes a sample, bits a sample.
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend(size.to_le_bytes());
    wav.extend(samples.iter().flat_map(|sample| ((sample * 32_767.0) as i16).to_le_bytes()));
    wav
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    const RECIPE: &str = include_str!("recordings/make.sh");

    fn recorded() -> Vec<&'static str> {
        RECIPE.split('\'').nth(1).unwrap().split_whitespace().collect()
    }

    fn task(left: u8, sign: Sign, right: u8) -> Task {
        Task { left, sign, right, seed: 0 }
    }

    fn spoken(task: &Task) -> String {
        let recorded = recorded();
        words_of(task).into_iter().map(|word| recorded[usize::from(word)]).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_come_in_order() {
        for (task, words) in [
            (task(34, Sign::Plus, 7), "what_is thirty four plus seven"),
            (task(19, Sign::Minus, 1), "what_is nineteen minus one"),
            (task(9, Sign::Plus, 90), "what_is nine plus ninety"),
            (task(11, Sign::Minus, 10), "what_is eleven minus ten"),
            (task(20, Sign::Plus, 99), "what_is twenty plus ninety nine"),
        ] {
            assert_eq!(spoken(&task), words);
        }
    }

    #[test]
    fn every_voice_says_every_word() {
        for voice in 0..VOICES.len() {
            for (word, name) in (0..).zip(recorded()) {
                let seconds = recording(voice, word).len() as f32 / RATE as f32;
                assert!((0.2..1.0).contains(&seconds), "{name} by {voice}: {seconds} s");
            }
            // The last word, too, has its 0 byte.
            assert!(VOICES[voice].len() == recorded().len() + 1 && VOICES[voice].ends_with(&[b""]));
        }
    }

    #[test]
    fn each_word_stands_8_db_above_the_noise_and_nothing_is_clipped() {
        for seed in 0..20 {
            let hearing = Hearing::random(&task(77, Sign::Minus, 6), &mut StdRng::seed_from_u64(seed));
            assert_eq!(hearing.words.len(), 5);
            for word in &hearing.words {
                let decibels = -20.0 * cover(&hearing.noise, word).log10();
                assert!(decibels > 8.0, "{decibels} dB by seed {seed}");
            }
            assert!(hearing.mix().iter().all(|sample| sample.abs() <= 1.0));
        }
    }

    #[test]
    fn a_hearing_lasts_3_to_6_seconds() {
        for seed in 0..20 {
            for task in [task(1, Sign::Plus, 8), task(77, Sign::Minus, 6)] {
                let wav = wav(&Hearing::random(&task, &mut StdRng::seed_from_u64(seed)).mix());
                let seconds = (wav.len() - 44) as f32 / 2.0 / RATE as f32;
                assert!((2.5..6.5).contains(&seconds), "{seconds} s by seed {seed}");
            }
        }
    }

    #[test]
    fn a_stretched_sound_keeps_its_pitch_and_a_bent_one_does_not() {
        let tone: Vec<f32> = (0..RATE).map(|n| (TAU * 200.0 * n as f32 / RATE as f32).sin()).collect();
        let rises = |sound: &[f32]| sound.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        let stretched = stretch(&tone, 1.5);
        assert!((290..=310).contains(&rises(&stretched)), "{}", rises(&stretched));
        let bent = bend(&tone, 2.0, &mut StdRng::seed_from_u64(1));
        assert!((195..=200).contains(&rises(&bent)), "{}", rises(&bent));
        assert!((5300..5700).contains(&bent.len()), "{}", bent.len());
    }

    #[test]
    fn no_two_hearings_are_alike() {
        let task = task(34, Sign::Plus, 7);
        assert!(sound(&task) != sound(&task));
    }
}
