//! `*` and `?` matching, as in IAM policies.

/// IAM "wildcards in resource": `*` is any run of characters (`/` and `:`
/// included), `?` exactly one. Byte-wise: what AWS matches here is ASCII.
pub fn matches(pattern: &str, text: &str) -> bool {
    glob(pattern.as_bytes(), text.as_bytes(), |a, b| a == b)
}

/// The same without regard to ASCII case: IAM action names.
pub fn matches_ignore_case(pattern: &str, text: &str) -> bool {
    glob(pattern.as_bytes(), text.as_bytes(), |a, b| a.eq_ignore_ascii_case(&b))
}

fn glob(pattern: &[u8], text: &[u8], same: impl Fn(u8, u8) -> bool) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last star is, and how far it reaches.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || same(c, text[t]) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, reach)) => {
                    star = Some((at, reach + 1));
                    p = at + 1;
                    t = reach + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::{matches, matches_ignore_case};

    #[test]
    fn globs() {
        assert!(matches("*", ""));
        assert!(matches("a*c", "abbbc"));
        assert!(matches("a*b*c", "aXbYbZc"));
        assert!(matches("name-??????", "name-AbC123"));
        assert!(!matches("name-??????", "name-AbC12"));
        assert!(!matches("a*c", "abd"));
        assert!(!matches("airflow/", "airflow/x"));
        assert!(matches_ignore_case("SecretsManager:Get*", "secretsmanager:GetSecretValue"));
    }
}
