//! What a failed expectation tells people and machines.

use super::super::report::{Suite, junit};
use super::stage::{fails, passes, run_with};

const STEPS: &str = " call from +15550001111 to +12223331234\n expect say \"Welcome\"\n   \
    expect say \"Press <1>\" # the menu\n";
const BODY: &str = "  <Say>Welcome</Say>\n  <Say>Press two</Say>\n  <Hangup/>";

#[test]
fn a_failure_shows_the_step_what_came_and_the_document() {
    let told = fails(BODY, &[], STEPS).text("flows/x.flow");
    let wanted = "\
flows/x.flow:4:4: error flow: expect say \"Press <1>\": it did not come before the call ended at 1.0 s
  what came instead:
       0.5 s  say \"Press two\"   (bins/main:3)
       1.0 s  hangup   (bins/main:4)
       1.0 s  status completed
       1.0 s  callback https://app.example/status CallStatus=completed SequenceNumber=0
  the document, bins/main:
      1 | <Response>
      2 |   <Say>Welcome</Say>
  >   3 |   <Say>Press two</Say>
      4 |   <Hangup/>
      5 | </Response>
";
    assert_eq!(told, wanted);
}

#[test]
fn notes_of_the_call_say_why() {
    let steps = " call from sip:home@office.localhost to sip:1@office.localhost\n \
        expect dial +15551234567\n";
    let told = fails("<Dial callerId='+19998887777'>+15551234567</Dial>", &[], steps).text("x");
    assert!(told.contains("note 13214: callerId +19998887777 is not a number of ours"), "{told}");
}

#[test]
fn nothing_at_all_is_said_too() {
    let told = fails("<Say>x</Say>", &[], " wait 1s\n expect say x\n call from 1 to 2\n").text("x");
    assert!(told.contains("nothing came instead"), "{told}");
}

#[test]
fn machines_get_junit_xml() {
    let good = passes(BODY, &[], &STEPS.replace("Press <1>", "Press two"));
    let bad = run_with(BODY, &[], STEPS);
    let flows = vec![("good & \"quick\"".to_owned(), good), ("bad".to_owned(), bad)];
    let xml = junit(&[Suite { file: "flows/x.flow".to_owned(), flows }]);
    assert!(xml.contains("<testsuites tests=\"2\" failures=\"1\">"), "{xml}");
    assert!(xml.contains("name=\"good &amp; &quot;quick&quot;\" time=\"0.5"), "{xml}");
    assert!(xml.contains("&lt;1"), "{xml}");
    // It reads back, with each test case where it belongs.
    let tree = crate::markup::parse(xml.as_bytes()).expect("well-formed");
    let suite = tree.root.elements().next().expect("a suite");
    let failed: Vec<bool> = suite.elements().map(|case| case.elements().count() == 1).collect();
    assert_eq!(failed, [false, true]);
}
