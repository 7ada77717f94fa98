//! What a plain scalar of YAML means in the core schema of YAML 1.2, section 10.3.2.

use super::node::Kind;

/// The value of a scalar that stands without quotes. `yes`, `on` and `12:30` are text; `None` if a whole number is too
/// large to be kept exactly.
pub(super) fn resolve(scalar: &str) -> Option<Kind> {
    Some(match scalar {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Kind::Float(f64::NAN),
        _ if is_whole(scalar) => return whole(scalar, 10),
        _ => match scalar.split_at_checked(2) {
            Some(("0x", digits)) if is_all(digits, |digit| digit.is_ascii_hexdigit()) => {
                return whole(digits, 16);
            }
            Some(("0o", digits)) if is_all(digits, |digit| matches!(digit, '0'..='7')) => {
                return whole(digits, 8);
            }
            _ => float(scalar).map_or_else(|| Kind::Text(scalar.to_owned()), Kind::Float),
        },
    })
}

fn is_all(text: &str, fits: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(fits)
}

fn unsigned(scalar: &str) -> &str {
    scalar.strip_prefix(['-', '+']).unwrap_or(scalar)
}

fn is_whole(scalar: &str) -> bool {
    is_all(unsigned(scalar), |digit| digit.is_ascii_digit())
}

fn whole(digits: &str, radix: u32) -> Option<Kind> {
    let value = u64::from_str_radix(digits, radix).map(Kind::Unsigned).ok();
    value.or_else(|| match i64::from_str_radix(digits, radix).ok()? {
        // "-0" is refused as a u64.
        0 => Some(Kind::Unsigned(0)),
        value => Some(Kind::Negative(value)),
    })
}

/// Rust's own syntax of numbers is the core schema's once its words for infinity are off.
fn float(scalar: &str) -> Option<f64> {
    match unsigned(scalar) {
        ".inf" | ".Inf" | ".INF" if scalar.starts_with('-') => Some(f64::NEG_INFINITY),
        ".inf" | ".Inf" | ".INF" => Some(f64::INFINITY),
        number if number.starts_with(|first: char| first == '.' || first.is_ascii_digit()) => {
            scalar.parse().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_mean_what_the_core_schema_says() {
        for text in [
            "yes", "no", "on", "off", "y", "12:30", "1_000", "0b1", "0o8", "0x", "-", ".", "e5", "inf",
            "nan", "-0x1",
        ] {
            assert_eq!(resolve(text), Some(Kind::Text(text.into())), "{text}");
        }
        for null in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(resolve(null), Some(Kind::Null), "{null}");
        }
        for (text, value) in [("0", 0), ("-0", 0), ("+7", 7), ("010", 10), ("0x1F", 31), ("0o17", 15)] {
            assert_eq!(resolve(text), Some(Kind::Unsigned(value)), "{text}");
        }
        for (text, value) in
            [("1.", 1.0), (".5", 0.5), ("+1.5", 1.5), ("-2e3", -2000.0), ("-.inf", f64::NEG_INFINITY)]
        {
            assert_eq!(resolve(text), Some(Kind::Float(value)), "{text}");
        }
        assert_eq!(resolve("TRUE"), Some(Kind::Bool(true)));
        assert_eq!(resolve("-3"), Some(Kind::Negative(-3)));
        assert_eq!(resolve("18446744073709551615"), Some(Kind::Unsigned(u64::MAX)));
        assert_eq!(resolve("18446744073709551616"), None);
    }
}
