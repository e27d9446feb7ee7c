//! Tables: what is written, what is said.

use super::{normalise, sentences};

fn table(rows: &[(&str, &str)]) {
    let wrong: Vec<String> = rows
        .iter()
        .map(|(written, said)| (written, *said, normalise(written)))
        .filter(|(_, said, heard)| said != heard)
        .map(|(written, said, heard)| format!("{written:?}\n  wanted {said:?}\n  got    {heard:?}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn numbers() {
    table(&[
        ("Press 1.", "Press one."),
        ("0", "zero"),
        ("13", "thirteen"),
        ("You have 21 messages.", "You have twenty one messages."),
        ("100", "one hundred"),
        ("1234", "one thousand two hundred thirty four"),
        ("12,345", "twelve thousand three hundred forty five"),
        ("1,000,000", "one million"),
        ("-5", "minus five"),
        ("3.14", "three point one four"),
        (".5", "zero point five"),
        ("2.5 million", "two point five million"),
        ("1 2 3 4", "one two three four"),
        ("5 5 5", "five five five"),
        ("007", "zero zero seven"),
        ("02139", "zero two one, three nine"),
        ("12345678", "one two three, four five six, seven eight"),
        ("Your code is 4821953.", "Your code is four eight two, one nine five three."),
        ("#5", "number five"),
        ("order #88213", "order number eight eight two, one three"),
        (
            "99999999999999999999999",
            "nine nine nine, nine nine nine, nine nine nine, nine nine nine, nine nine nine, nine nine nine, nine nine nine, nine nine",
        ),
        ("5-10 items", "five to ten items"),
        ("1/2", "one half"),
        ("3/4 cup", "three quarters cup"),
        ("2/3", "two thirds"),
        ("24/7", "twenty four seven"),
        ("1½ hours", "one and one half hours"),
    ]);
}

#[test]
fn ordinals() {
    table(&[
        ("1st", "first"),
        ("2nd floor", "second floor"),
        ("3rd", "third"),
        ("5th", "fifth"),
        ("12th", "twelfth"),
        ("20th", "twentieth"),
        ("21st", "twenty first"),
        ("100th", "one hundredth"),
        ("1990s", "nineteen nineties"),
    ]);
}

#[test]
fn money() {
    table(&[
        ("$5", "five dollars"),
        ("$1", "one dollar"),
        ("$1.01", "one dollar and one cent"),
        ("$0.50", "fifty cents"),
        ("$.99", "ninety nine cents"),
        ("$1,250.75.", "one thousand two hundred fifty dollars and seventy five cents."),
        ("$3 million", "three million dollars"),
        ("$2.5M", "two point five million dollars"),
        ("€20", "twenty euros"),
        ("20€", "twenty euros"),
        ("£1.20", "one pound and twenty pence"),
        ("¥500", "five hundred yen"),
        ("12 USD", "twelve dollars"),
        ("EUR 7.50", "seven euros and fifty cents"),
        ("-$3", "minus three dollars"),
    ]);
}

#[test]
fn dates() {
    table(&[
        ("2026-03-04", "March fourth, twenty twenty six"),
        ("3/4/2026", "March fourth, twenty twenty six"),
        ("25/12/2026", "December twenty fifth, twenty twenty six"),
        ("04.03.2026", "March fourth, twenty twenty six"),
        ("March 3, 2026", "March third, twenty twenty six"),
        ("Mar. 3rd", "March third"),
        ("on Dec 31 at noon", "on December thirty first at noon"),
        ("3 March 2007.", "the third of March, two thousand seven."),
        ("the 4th of July", "the fourth of July"),
        ("due on 12/24.", "due on December twenty fourth."),
        ("by 24/12", "by December twenty fourth"),
        ("in 1984", "in nineteen eighty four"),
        ("in 1905", "in nineteen oh five"),
        ("July 2026", "July twenty twenty six"),
        ("2020-2025", "twenty twenty to twenty twenty five"),
        ("you may 3 times", "you may three times"),
    ]);
}

#[test]
fn times() {
    table(&[
        ("3:30", "three thirty"),
        ("9:05", "nine oh five"),
        ("12:00", "twelve o'clock"),
        ("15:45", "fifteen forty five"),
        ("14:00", "fourteen hundred"),
        ("3:30pm", "three thirty P M"),
        ("3 p.m.", "three P M."),
        ("at 8 AM sharp", "at eight A M sharp"),
        ("10:00 a.m. to 5:00 p.m. daily", "ten A M to five P M daily"),
        ("08:05:10", "eight oh five and ten seconds"),
    ]);
}

#[test]
fn telephones() {
    table(&[
        ("+1 650 555 1234", "plus one, six five zero, five five five, one two three four"),
        ("+16505551234", "plus one, six five zero, five five five, one two three four"),
        ("Call (650) 555-1234 now.", "Call six five zero, five five five, one two three four now."),
        ("1-800-555-0199", "one, eight zero zero, five five five, zero one nine nine"),
        ("650.555.0123", "six five zero, five five five, zero one two three"),
        ("650 555 0123", "six five zero, five five five, zero one two three"),
        ("555-0123", "five five five, zero one two three"),
        ("6505551234", "six five zero, five five five, one two three four"),
        ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
        ("ext. 42", "extension forty two"),
    ]);
}

#[test]
fn addresses() {
    table(&[
        ("joe@example.com", "joe at example dot com"),
        ("Mail info-desk@my.example.org.", "Mail info dash desk at my dot example dot org."),
        ("https://www.example.com/help?x=1", "W W W dot example dot com slash help"),
        ("Visit example.com.", "Visit example dot com."),
        ("user42@mail.test", "user four two at mail dot test"),
        ("192.168.0.1", "one nine two point one six eight point zero point one"),
        ("v1.12.3", "version one point twelve point three"),
    ]);
}

#[test]
fn abbreviations_and_units() {
    table(&[
        ("Mr. Smith", "mister Smith"),
        ("Dr. Jones lives on Oak Dr.", "doctor Jones lives on Oak drive."),
        ("St. Mary St.", "saint Mary street."),
        ("No. 5", "number five"),
        ("No. Thanks.", "No. Thanks."),
        ("apples, pears, etc.", "apples, pears, et cetera."),
        ("e.g. this", "for example this"),
        ("the U.S. Army", "the U S Army"),
        ("5%", "five percent"),
        ("5 km", "five kilometers"),
        ("1 kg", "one kilogram"),
        ("3.5GB", "three point five gigabytes"),
        ("20°C", "twenty degrees Celsius"),
        ("60mph", "sixty miles an hour"),
        ("The sun is up", "The sun is up"),
        ("Sun. morning", "Sunday morning"),
    ]);
}

#[test]
fn symbols_and_letters() {
    table(&[
        ("Press # or *", "Press pound or star"),
        ("press the * key.", "press the star key."),
        ("R&D", "R and D"),
        ("salt & pepper", "salt and pepper"),
        ("and/or", "and or or"),
        ("well-known", "well known"),
        ("Option A, or B.", "Option A, or B."),
        ("A caller", "a caller"),
        ("Room 12B", "Room twelve B"),
        ("H264", "H two six four"),
        ("flight BA2490", "flight B A two four nine zero"),
        ("covid-19", "covid nineteen"),
        ("The API and two URLs", "The A P I and two U R L's"),
        ("Zoë's café — naïve", "Zoe's cafe, naive"),
        ("“Quoted” ‘text’…", "Quoted text."),
        ("(in brackets) yes", "in brackets, yes"),
        ("PLEASE HOLD THE LINE", "please hold the line"),
        ("Hello!! Really?!", "Hello! Really?"),
        ("日本語", ""),
        ("ok 👍 then", "ok then"),
        ("", ""),
        ("...", ""),
    ]);
}

#[test]
fn the_output_has_no_other_character() {
    let odd = "a\u{0}b <x> {y} [z] ^ ~ | \\ ` @ # $ % & * _ + = ½ … 5th-grade 3x4 $x 1/0 12:61 25:00 \
               +1 () -- ' \" ''' 1,23,4 0.0.0 #* @home a@b +-+ 7/ /7 €€ 5°5 é\u{301} \u{202e}x";
    for text in [odd.to_owned(), odd.replace(' ', ""), odd.chars().rev().collect()] {
        let said = normalise(&text);
        let strange = said.chars().find(|c| !c.is_ascii_alphabetic() && !" '.,;:?!".contains(*c));
        assert_eq!(strange, None, "{said}");
        assert!(!said.contains("  "), "{said}");
    }
}

#[test]
fn any_mixture_of_pieces_gives_clean_text() {
    const PIECES: &[&str] = &[
        "$",
        "€",
        "1",
        "42",
        "007",
        "1,234",
        "3.5",
        ".",
        ",",
        "-",
        "+",
        "/",
        ":",
        "#",
        "*",
        "@",
        "%",
        "°C",
        "km",
        "am",
        "p.m.",
        "st",
        "th",
        "March",
        "Dr.",
        "A",
        "I",
        "URL",
        "word",
        "Zoë",
        "½",
        "'",
        "\"",
        "(",
        ")",
        "[",
        "](",
        "❓",
        "日本",
        "\u{301}",
        "&",
        "www.",
        ".com",
        "v",
        "x",
        " ",
        " ",
        " ",
        "  ",
        "—",
        "12:30",
        "2026-01-02",
        "+1650",
        "'s",
        "_",
        "=",
        "99999999999999999999",
    ];
    let mut state = 1u32;
    let mut below = |limit: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % limit
    };
    for _ in 0..5_000 {
        let length = 1 + below(9);
        let text: String = (0..length).map(|_| PIECES[below(PIECES.len())]).collect();
        let said = normalise(&text);
        let strange = said.chars().find(|c| !c.is_ascii_alphabetic() && !" '.,;:?!".contains(*c));
        assert_eq!(strange, None, "{text:?}: {said}");
        let pieces: usize = sentences(&said, 20).map(str::len).sum();
        assert!(pieces <= said.len() && (pieces > 0 || said.is_empty()), "{text:?}: {said}");
    }
}

#[test]
fn sentences_end_at_marks_and_long_ones_at_clauses() {
    let split = |text, longest| sentences(text, longest).collect::<Vec<_>>();
    assert_eq!(split("One. Two! Three?", 100), ["One.", "Two!", "Three?"]);
    assert_eq!(split("one two, three four", 12), ["one two,", "three four"]);
    assert_eq!(split("one two three four", 12), ["one two", "three four"]);
    assert_eq!(split("onetwothree", 4), ["onet", "woth", "ree"]);
    assert!(split("  ", 10).is_empty());
}
