//! The language of the cases: files to operations, tokens to bytes, results to text. Knows nothing of the store.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

/// A case with its operations.
pub(crate) struct Case {
    pub(crate) file: String,
    pub(crate) name: String,
    /// A flag has an empty value.
    pub(crate) options: Vec<(String, String)>,
    pub(crate) ops: Vec<Op>,
}

/// One line.
pub(crate) struct Op {
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) name: String,
    object: Option<String>,
    arguments: Vec<String>,
    pub(crate) options: Vec<(String, String)>,
    expected: Vec<String>,
    overrides: Vec<(String, String)>,
}

/// Part of a result.
pub(crate) enum Item {
    Word(String),
    Bytes(Vec<u8>),
    Pair(Vec<u8>, Vec<u8>),
}

const LANGUAGES: [&str; 5] = ["rust", "c", "cpp", "python", "go"];

/// All cases of a directory, in the order of its files' names.
pub(crate) fn read_cases(dir: &Path) -> Vec<Case> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .expect("the directory of the cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "case"))
        .collect();
    files.sort();
    let mut cases: Vec<Case> = Vec::new();
    for path in files {
        let file = path.file_name().expect("a name").to_string_lossy().into_owned();
        for (i, line) in fs::read_to_string(&path).expect("a file of cases").lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let tokens: Vec<&str> = line.split(' ').collect();
            if tokens[0] == "case" {
                let options = tokens[2..].iter().map(|token| pair(token)).collect();
                assert!(cases.iter().all(|case| case.name != tokens[1]), "{file}:{}: a second {}", i + 1, tokens[1]);
                cases.push(Case { file: file.clone(), name: tokens[1].to_owned(), options, ops: Vec::new() });
            } else {
                let case = cases.last_mut().filter(|case| case.file == file).expect("a case line comes first");
                case.ops.push(Op::parse(i + 1, &tokens));
            }
        }
    }
    cases
}

fn pair(token: &str) -> (String, String) {
    let (name, value) = token.split_once('=').unwrap_or((token, ""));
    (name.to_owned(), value.to_owned())
}

impl Case {
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.options.iter().any(|(name, _)| name == flag)
    }
}

impl Op {
    fn parse(line: usize, tokens: &[&str]) -> Op {
        let arrow = tokens.iter().position(|token| *token == "->").unwrap_or(tokens.len());
        let (name, object) = match tokens[0].split_once('@') {
            Some((name, object)) => (name, Some(object.to_owned())),
            None => (tokens[0], None),
        };
        let (options, arguments) = tokens[1..arrow].iter().partition::<Vec<&str>, _>(|token| token.contains('='));
        let is_override = |token: &&&str| LANGUAGES.contains(&token.split('=').next().unwrap_or(""));
        let results = &tokens[(arrow + 1).min(tokens.len())..];
        Op {
            line,
            text: shorten(&tokens[..arrow].join(" ")),
            name: name.to_owned(),
            object,
            arguments: arguments.iter().map(|token| (*token).to_owned()).collect(),
            options: options.iter().map(|token| pair(token)).collect(),
            expected: results.iter().filter(|t| !is_override(t)).map(|t| (*t).to_owned()).collect(),
            overrides: results.iter().filter(is_override).map(|token| pair(token)).collect(),
        }
    }

    pub(crate) fn expected(&self, language: &str) -> &[String] {
        let own = self.overrides.iter().find(|(name, _)| name == language);
        own.map_or(&self.expected, |(_, result)| std::slice::from_ref(result))
    }

    pub(crate) fn object<'a>(&'a self, default: &'a str) -> &'a str {
        self.object.as_deref().unwrap_or(default)
    }

    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find_map(|(n, value)| (n == name).then_some(value.as_str()))
    }

    pub(crate) fn yes(&self, name: &str) -> Result<bool, String> {
        self.option(name).map_or(Ok(false), yes)
    }

    pub(crate) fn argument(&self, i: usize) -> Result<&str, String> {
        self.arguments.get(i).map(String::as_str).ok_or_else(|| format!("argument {} is missing", i + 1))
    }

    pub(crate) fn bytes(&self, i: usize) -> Result<Vec<u8>, String> {
        bytes(self.argument(i)?)
    }

    pub(crate) fn all_bytes(&self) -> Result<Vec<Vec<u8>>, String> {
        self.arguments.iter().map(|token| bytes(token)).collect()
    }

    pub(crate) fn number(&self, i: usize) -> Result<usize, String> {
        Ok(number(self.argument(i)?)? as usize)
    }
}

pub(crate) fn number(token: &str) -> Result<u64, String> {
    token.parse().map_err(|_| format!("{token} is no number"))
}

pub(crate) fn yes(token: &str) -> Result<bool, String> {
    match token {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(format!("{token} is neither yes nor no")),
    }
}

/// The bytes that a token stands for.
pub(crate) fn bytes(token: &str) -> Result<Vec<u8>, String> {
    if token == "-" {
        return Ok(Vec::new());
    }
    let mut out = Vec::new();
    for part in token.split('+') {
        let malformed = || format!("{} stands for no bytes", shorten(part));
        match part.split_once(':') {
            Some(("rep", rest)) => {
                let (byte, count) = rest.split_once('*').ok_or_else(malformed)?;
                let byte = u8::from_str_radix(byte, 16).map_err(|_| malformed())?;
                out.resize(out.len() + number(count)? as usize, byte);
            }
            Some(("gen", rest)) => {
                let (seed, count) = rest.split_once('*').ok_or_else(malformed)?;
                out.append(&mut generated(number(seed)?, number(count)? as usize));
            }
            None if part.len() % 2 == 0 && part.bytes().all(|b| b"0123456789abcdef".contains(&b)) => {
                let digit = |b: u8| if b <= b'9' { b - b'0' } else { b - b'a' + 10 };
                out.extend(part.as_bytes().chunks(2).map(|two| digit(two[0]) << 4 | digit(two[1])));
            }
            _ => return Err(malformed()),
        }
    }
    Ok(out)
}

const PERIOD: usize = 65_521;

/// `gen:SEED*LEN`.
pub(crate) fn generated(seed: u64, len: usize) -> Vec<u8> {
    let mut x = seed;
    let mut out: Vec<u8> = (0..len.min(PERIOD))
        .map(|_| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (x >> 56) as u8
        })
        .collect();
    while out.len() < len {
        let more = (len - out.len()).min(PERIOD);
        out.extend_from_within(..more);
    }
    out
}

pub(crate) fn word(text: &str) -> Item {
    Item::Word(text.to_owned())
}

/// Whether a result is the expected one. What kind of token each is follows from the result.
pub(crate) fn equal(got: &[Item], expected: &[String]) -> bool {
    let is = |token: &str, data: &[u8]| bytes(token).is_ok_and(|wanted| wanted == data);
    got.len() == expected.len()
        && got.iter().zip(expected).all(|(item, token)| match item {
            Item::Word(text) => text == token,
            Item::Bytes(data) => is(token, data),
            Item::Pair(key, value) => token.split_once('=').is_some_and(|(k, v)| is(k, key) && is(v, value)),
        })
}

/// A result for people.
pub(crate) fn show(items: &[Item]) -> String {
    let text: Vec<_> = items
        .iter()
        .map(|item| match item {
            Item::Word(text) => text.clone(),
            Item::Bytes(data) => hex(data),
            Item::Pair(key, value) => format!("{}={}", hex(key), hex(value)),
        })
        .collect();
    shorten(&text.join(" "))
}

pub(crate) fn hex(data: &[u8]) -> String {
    match data.len() {
        0 => "-".to_owned(),
        1..=32 => data.iter().map(|b| format!("{b:02x}")).collect(),
        len => format!("{}...({len} bytes)", hex(&data[..32])),
    }
}

pub(crate) fn shorten(text: &str) -> String {
    if text.len() <= 300 { text.to_owned() } else { format!("{}...", &text[..300]) }
}

pub(crate) fn flip_lowest_bit(path: &Path, at: u64, byte: u8) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    file.seek(SeekFrom::Start(at))?;
    file.write_all(&[byte ^ 1])
}

#[test]
fn generators_are_those_of_the_page() {
    assert_eq!(hex(&generated(1, 8)), "6c82a562cb808d10");
    let long = generated(3, 200_000);
    assert_eq!((long.len(), &long[65_521..65_530]), (200_000, &long[..9]));
    assert_eq!(bytes("rep:ff*3+00+gen:1*2").unwrap(), [0xff, 0xff, 0xff, 0, 0x6c, 0x82]);
    assert!(bytes("f").is_err() && bytes("xx").is_err() && bytes("OK").is_err());
}
