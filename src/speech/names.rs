//! Which installed voice stands in for the voice that the markup names.
//!
//! Knows the vendors' names (`man`, `woman`, `alice`, `Polly.*`, `Google.*`) only by language and
//! gender. A name or language that nobody knows still gets a voice.

/// A language tag cut to language and region: `en-US`, `yue-HK`, `cmn-Hans-CN`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Locale {
    language: String,
    region: String,
}

impl Locale {
    /// From `en-US`, `en_US`, `EN`; anything that is no tag is American English.
    pub fn parse(tag: &str) -> Self {
        let mut parts = tag.trim().split(['-', '_']);
        let language = parts.next().unwrap_or_default().to_ascii_lowercase();
        let is_language =
            matches!(language.len(), 2 | 3) && language.bytes().all(|b| b.is_ascii_lowercase());
        if !is_language {
            return Locale { language: "en".to_owned(), region: "US".to_owned() };
        }
        // A region is two letters or three digits; a script has four letters.
        let is_region = |part: &&str| {
            part.len() == 2 && part.bytes().all(|b| b.is_ascii_alphabetic())
                || part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit())
        };
        let region = parts.find(is_region).unwrap_or_default().to_ascii_uppercase();
        let language = match language.as_str() {
            "cmn" => "zh".to_owned(),
            "arb" => "ar".to_owned(),
            "nb" | "nn" => "no".to_owned(),
            _ => language,
        };
        Locale { language, region }
    }

    /// Lower-case letters.
    pub fn language(&self) -> &str {
        &self.language
    }

    /// Capitals or digits; may be empty.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Whether our own rules for English apply.
    pub fn is_english(&self) -> bool {
        self.language == "en"
    }
}

impl std::fmt::Display for Locale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.language)?;
        if self.region.is_empty() { Ok(()) } else { write!(f, "-{}", self.region) }
    }
}

/// How a voice sounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gender {
    /// A woman's voice.
    Female,
    /// A man's voice.
    Male,
    /// Not known, or as one likes.
    Unknown,
}

impl Gender {
    /// Of the well-known data sets that Piper voices are made from.
    pub(super) fn of_dataset(name: &str) -> Self {
        match name {
            "joe"
            | "ryan"
            | "john"
            | "bryce"
            | "norman"
            | "kusal"
            | "danny"
            | "sam"
            | "alan"
            | "northern_english_male"
            | "thorsten"
            | "tom"
            | "davefx"
            | "gilles"
            | "faber" => Gender::Male,
            "lessac"
            | "amy"
            | "kathleen"
            | "kristin"
            | "hfc_female"
            | "ljspeech"
            | "alba"
            | "jenny_dioco"
            | "cori"
            | "southern_english_female"
            | "siwis"
            | "kerstin"
            | "eva_k"
            | "paola" => Gender::Female,
            _ => Gender::Unknown,
        }
    }
}

/// What the markup asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) name: String,
    pub(super) locale: Locale,
    pub(super) gender: Gender,
}

impl Wish {
    /// The markup's language wins over the one in the voice's name.
    pub(super) fn new(name: &str, language: &str) -> Self {
        let (named, gender) = of_name(name.trim());
        let locale = match (language.trim(), named) {
            ("", Some(tag)) => Locale::parse(&tag),
            (tag, _) => Locale::parse(tag),
        };
        Wish { name: name.trim().to_owned(), locale, gender }
    }

    /// How well an installed voice serves; the greatest wins. `locale` is none for a voice that
    /// speaks every language.
    pub(super) fn rank(&self, name: &str, locale: Option<&Locale>, gender: Gender) -> u32 {
        if self.name == name {
            return 1_000;
        }
        let language = match locale {
            Some(own) if *own == self.locale => 120,
            Some(own) if own.language == self.locale.language => 110,
            // Understandable in the right language beats beautiful in the wrong one.
            None => 50,
            Some(_) => 10,
        };
        let gender = match (self.gender, gender) {
            (Gender::Unknown, _) => 3,
            (wanted, own) if wanted == own => 5,
            (_, Gender::Unknown) => 2,
            _ => 0,
        };
        language + gender
    }
}

/// The language and gender in a vendor's voice name.
fn of_name(name: &str) -> (Option<String>, Gender) {
    match name {
        "man" => return (None, Gender::Male),
        "woman" | "alice" => return (None, Gender::Female),
        _ => {}
    }
    if let Some(rest) = name.strip_prefix("Polly.") {
        let person = rest.trim_end_matches("-Neural").trim_end_matches("-Generative");
        let known = POLLY.iter().find_map(|(tag, women, men)| {
            let among = |people: &str| people.split(' ').any(|one| one == person);
            if among(women) {
                Some((Some((*tag).to_owned()), Gender::Female))
            } else if among(men) {
                Some((Some((*tag).to_owned()), Gender::Male))
            } else {
                None
            }
        });
        return known.unwrap_or((None, Gender::Unknown));
    }
    if let Some(rest) = name.strip_prefix("Google.") {
        let mut parts = rest.split('-');
        let tag = [parts.next(), parts.next()].map(Option::unwrap_or_default).join("-");
        let person = rest.rsplit('-').next().unwrap_or_default();
        let gender = if GOOGLE_WOMEN.split(' ').any(|one| one == person) {
            Gender::Female
        } else if GOOGLE_MEN.split(' ').any(|one| one == person) {
            Gender::Male
        } else {
            // Letters: their gender differs from language to language.
            Gender::Unknown
        };
        return (Some(tag), gender);
    }
    (None, Gender::Unknown)
}

/// Amazon Polly's voices: language, women, men.
#[rustfmt::skip]
const POLLY: &[(&str, &str, &str)] = &[
    ("ar-AE", "Hala", "Zayd"), ("arb", "Zeina", ""), ("ca-ES", "Arlet", ""), ("cmn-CN", "Zhiyu", ""),
    ("cs-CZ", "Jitka", ""), ("cy-GB", "Gwyneth", ""), ("da-DK", "Naja Sofie", "Mads"),
    ("de-AT", "Hannah", ""), ("de-CH", "Sabrina", ""), ("de-DE", "Marlene Vicki", "Hans Daniel"),
    ("en-AU", "Nicole Olivia", "Russell"), ("en-GB", "Amy Emma", "Brian Arthur"),
    ("en-GB-WLS", "", "Geraint"), ("en-IE", "Niamh", ""), ("en-IN", "Aditi Raveena Kajal", ""),
    ("en-NZ", "Aria", ""), ("en-SG", "Jasmine", ""), ("en-ZA", "Ayanda", ""),
    ("en-US", "Ivy Joanna Kendra Kimberly Salli Danielle Ruth Tiffany", "Joey Justin Kevin Matthew Gregory Stephen Patrick"),
    ("es-ES", "Conchita Lucia", "Enrique Sergio Raul"), ("es-MX", "Mia", "Andres"),
    ("es-US", "Lupe Penelope Penélope", "Miguel Pedro"), ("fi-FI", "Suvi", ""),
    ("fr-BE", "Isabelle", ""), ("fr-CA", "Chantal Gabrielle", "Liam"),
    ("fr-FR", "Celine Céline Lea Léa", "Mathieu Remi Rémi"), ("is-IS", "Dora Dóra", "Karl"),
    ("it-IT", "Carla Bianca Beatrice", "Giorgio Adriano Lorenzo"), ("ja-JP", "Mizuki Kazuha Tomoko", "Takumi"),
    ("ko-KR", "Seoyeon Jihye", ""), ("nb-NO", "Liv Ida", ""), ("nl-BE", "Lisa", ""),
    ("nl-NL", "Lotte Laura", "Ruben"), ("pl-PL", "Ewa Maja Ola", "Jacek Jan"),
    ("pt-BR", "Camila Vitoria Vitória", "Ricardo Thiago"), ("pt-PT", "Ines Inês", "Cristiano"),
    ("ro-RO", "Carmen", ""), ("ru-RU", "Tatyana", "Maxim"), ("sv-SE", "Astrid Elin", ""),
    ("tr-TR", "Filiz Burcu", ""), ("yue-CN", "Hiujin", ""),
];

/// The people of Google's Chirp3-HD voices.
const GOOGLE_WOMEN: &str = "Achernar Aoede Autonoe Callirrhoe Despina Erinome Gacrux Kore Laomedeia \
    Leda Pulcherrima Sulafat Vindemiatrix Zephyr";
const GOOGLE_MEN: &str = "Achird Algenib Algieba Alnilam Charon Enceladus Fenrir Iapetus Orus Puck \
    Rasalgethi Sadachbia Sadaltager Schedar Umbriel Zubenelgenubi";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendor_names_tell_language_and_gender() {
        for (name, language, locale, gender) in [
            ("", "", "en-US", Gender::Unknown),
            ("man", "", "en-US", Gender::Male),
            ("woman", "fr-CA", "fr-CA", Gender::Female),
            ("alice", "", "en-US", Gender::Female),
            ("Polly.Joanna", "", "en-US", Gender::Female),
            ("Polly.Matthew-Neural", "", "en-US", Gender::Male),
            ("Polly.Lea-Generative", "", "fr-FR", Gender::Female),
            ("Polly.Zeina", "", "ar", Gender::Female),
            ("Polly.Geraint", "", "en-GB", Gender::Male),
            ("Polly.Somebody", "de-DE", "de-DE", Gender::Unknown),
            ("Google.en-GB-Neural2-A", "", "en-GB", Gender::Unknown),
            ("Google.cmn-CN-Chirp3-HD-Kore", "", "zh-CN", Gender::Female),
            ("Google.pt-BR-Chirp3-HD-Puck", "en-US", "en-US", Gender::Male),
            ("Google.", "", "en-US", Gender::Unknown),
            ("robot", "nonsense; rm", "en-US", Gender::Unknown),
        ] {
            let wish = Wish::new(name, language);
            assert_eq!((wish.locale.to_string().as_str(), wish.gender), (locale, gender), "{name}");
        }
    }

    #[test]
    fn the_closest_voice_wins() {
        let joe = ("en_US-joe-medium", Some(Locale::parse("en_US")), Gender::Male);
        let alba = ("en_GB-alba", Some(Locale::parse("en_GB")), Gender::Female);
        let siwis = ("fr_FR-siwis", Some(Locale::parse("fr_FR")), Gender::Female);
        let espeak = ("espeak-ng", None, Gender::Unknown);
        let all = [&joe, &alba, &siwis, &espeak];
        let choose = |name: &str, language: &str| {
            let wish = Wish::new(name, language);
            all.iter().max_by_key(|v| wish.rank(v.0, v.1.as_ref(), v.2)).expect("voices").0
        };
        assert_eq!(choose("", ""), "en_US-joe-medium");
        assert_eq!(choose("woman", "en-US"), "en_US-joe-medium");
        assert_eq!(choose("Polly.Amy", ""), "en_GB-alba");
        assert_eq!(choose("Polly.Chantal", ""), "fr_FR-siwis");
        assert_eq!(choose("Polly.Hans", ""), "espeak-ng");
        assert_eq!(choose("espeak-ng", "en-US"), "espeak-ng");
        assert_eq!(choose("en_US-joe-medium", "de-DE"), "en_US-joe-medium");
    }
}
