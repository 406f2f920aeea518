//! Colours: the number is ARGB as an unsigned 32-bit value, the text is how charts read it.

use super::numeric;
use crate::expression::Environment;
use crate::value::Value;

fn channel(value: &Value, environment: &Environment<'_>) -> Option<u32> {
    numeric(value, environment).map(|number| number.clamp(0.0, 255.0) as u32)
}

fn value_of(alpha: u32, red: u32, green: u32, blue: u32) -> Value {
    let number = f64::from(alpha << 24 | red << 16 | green << 8 | blue);
    let text = match alpha {
        255 => format!("RGB({red},{green},{blue})"),
        _ => format!("ARGB({alpha},{red},{green},{blue})"),
    };
    Value::dual(number, &text)
}

pub(super) fn rgb(args: &[Value], environment: &Environment<'_>) -> Value {
    match [0, 1, 2].map(|at| channel(&args[at], environment)) {
        [Some(red), Some(green), Some(blue)] => value_of(255, red, green, blue),
        _ => Value::Null,
    }
}

pub(super) fn argb(args: &[Value], environment: &Environment<'_>) -> Value {
    match [0, 1, 2, 3].map(|at| channel(&args[at], environment)) {
        [Some(alpha), Some(red), Some(green), Some(blue)] => value_of(alpha, red, green, blue),
        _ => Value::Null,
    }
}

/// Hue, saturation and lightness from 0 to 1.
pub(super) fn hsl(args: &[Value], environment: &Environment<'_>) -> Value {
    let [Some(hue), Some(saturation), Some(lightness)] =
        [0, 1, 2].map(|at| numeric(&args[at], environment))
    else {
        return Value::Null;
    };
    let (saturation, lightness) = (saturation.clamp(0.0, 1.0), lightness.clamp(0.0, 1.0));
    let chroma = saturation * lightness.min(1.0 - lightness);
    let part = |shift: f64| {
        let k = (shift + hue.rem_euclid(1.0) * 12.0).rem_euclid(12.0);
        let level = lightness - chroma * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0);
        (level * 255.0).round() as u32
    };
    value_of(255, part(0.0), part(8.0), part(4.0))
}

const PALETTE: [(u32, u32, u32); 18] = [
    (51, 34, 136),
    (136, 204, 238),
    (68, 170, 153),
    (17, 119, 51),
    (153, 153, 51),
    (221, 204, 119),
    (204, 102, 119),
    (136, 34, 85),
    (170, 68, 153),
    (102, 37, 6),
    (153, 52, 4),
    (204, 76, 2),
    (236, 112, 20),
    (251, 154, 41),
    (254, 196, 79),
    (70, 70, 70),
    (120, 120, 120),
    (170, 170, 170),
];

/// The nth colour of a fixed palette, counted from 1 and around.
pub(super) fn color(args: &[Value], environment: &Environment<'_>) -> Value {
    match super::whole(&args[0], environment) {
        Some(at) => {
            let (red, green, blue) =
                PALETTE[at.saturating_sub(1).rem_euclid(PALETTE.len() as i64) as usize];
            value_of(255, red, green, blue)
        }
        None => Value::Null,
    }
}

/// `ColorMix1(share, zero, one)`: the colour that lies at this share of the way.
pub(super) fn mix1(args: &[Value], environment: &Environment<'_>) -> Value {
    match [0, 1, 2].map(|at| numeric(&args[at], environment)) {
        [Some(share), Some(from), Some(to)] => mixed(share, from, to),
        _ => Value::Null,
    }
}

/// `ColorMix2(share, minus one, plus one [, zero])`.
pub(super) fn mix2(args: &[Value], environment: &Environment<'_>) -> Value {
    let [Some(share), Some(low), Some(high)] = [0, 1, 2].map(|at| numeric(&args[at], environment))
    else {
        return Value::Null;
    };
    match args.get(3).and_then(|middle| numeric(middle, environment)) {
        Some(middle) if share < 0.0 => mixed(-share, middle, low),
        Some(middle) => mixed(share, middle, high),
        None => mixed((share + 1.0) / 2.0, low, high),
    }
}

fn mixed(share: f64, from: f64, to: f64) -> Value {
    let share = share.clamp(0.0, 1.0);
    let (from, to) =
        (from.clamp(0.0, f64::from(u32::MAX)) as u32, to.clamp(0.0, f64::from(u32::MAX)) as u32);
    let part = |shift: u32| {
        let (from, to) = (f64::from(from >> shift & 255), f64::from(to >> shift & 255));
        (from + (to - from) * share).round() as u32
    };
    value_of(part(24), part(16), part(8), part(0))
}

macro_rules! named_colors {
    ($($name:ident $red:literal $green:literal $blue:literal;)*) => {
        $(pub(super) fn $name(args: &[Value], environment: &Environment<'_>) -> Value {
            let alpha = args.first().and_then(|alpha| channel(alpha, environment)).unwrap_or(255);
            value_of(alpha, $red, $green, $blue)
        })*
    };
}

named_colors! {
    black 0 0 0;
    blue 0 0 128;
    brown 128 128 0;
    cyan 0 128 128;
    dark_gray 128 128 128;
    green 0 128 0;
    light_blue 0 0 255;
    light_cyan 0 255 255;
    light_gray 192 192 192;
    light_green 0 255 0;
    light_magenta 255 0 255;
    light_red 255 0 0;
    magenta 128 0 128;
    red 128 0 0;
    white 255 255 255;
    yellow 255 255 0;
}
