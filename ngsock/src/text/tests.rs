//! Where the kernel's reader is odd, checked against what `sys/netgraph/ng_parse.c` of 15.1 does with the same text.

use super::*;

const INNER: &Type = &Type::Struct(&[
    Member { name: "a", kind: Type::UINT8 },
    Member { name: "b", kind: Type::UINT64 },
    Member { name: "name", kind: &Type::FixedString(8) },
]);
const ARRAY: &Type = &Type::FixedArray(Type::UINT8, 4);
const BYTES: &Type = &Type::Struct(&[
    Member { name: "len", kind: Type::UINT32 },
    Member { name: "data", kind: &Type::Bytes(Count::U32_JUST_BEFORE) },
]);
const OPTION: &Type = &Type::Struct(&[
    Member { name: "level", kind: Type::INT32 },
    Member { name: "name", kind: Type::INT32 },
    Member { name: "value", kind: &Type::Bytes(Count::RestOfMessage { less: 30 }) },
]);

fn refusal(kind: &Type, text: &str) -> i32 {
    kind.read(text).map_err(|error| error.errno().raw()).expect_err(text)
}

#[test]
fn escapes_that_are_counted_short_end_a_structure() {
    for text in [r#"{ name="\x41" }"#, r#"{ name="a\\b" a=1 }"#, r#"{ name="\8" }"#] {
        assert_eq!(refusal(INNER, text), 22, "{text}");
    }
    assert_eq!(INNER.read(r#"{ name="\101\"\t" }"#).unwrap()[16..], *b"A\"\t\0\0\0\0\0");
    assert_eq!(Type::String.read(r#""a\\b\x41""#).unwrap(), b"a\\bA\0");
    assert_eq!(INNER.print(&INNER.read(r#"{ name="\377" }"#).unwrap()).unwrap(), r#"{ name="\xff" }"#);
}

#[test]
fn large_numbers_of_eight_bytes_are_cut() {
    let read = INNER.read("{ b=18446744073709551615 }").unwrap();
    assert_eq!(INNER.print(&read).unwrap(), "{ b=9223372036854775807 }");
    let printed = INNER.print(&[&[0; 8][..], &[0xff; 8], &[0; 8]].concat()).unwrap();
    assert_eq!(printed, "{ b=18446744073709551615 }");
}

#[test]
fn no_space_before_the_equals_of_an_index() {
    assert_eq!(ARRAY.read("[ 1=7 ]").unwrap(), [0, 7, 0, 0]);
    assert_eq!(ARRAY.read("[ 1= 7 8 ]").unwrap(), [0, 7, 8, 0]);
    assert_eq!(refusal(ARRAY, "[ 1 =7 ]"), 22);
    assert_eq!(refusal(ARRAY, "[ 3 = 7 ]"), 7, "what follows is taken for the next element");
    assert_eq!(INNER.read("{ a = 7 }").unwrap()[0], 7, "in a structure there may be");
}

#[test]
fn an_index_is_cut_to_32_bits() {
    assert_eq!(ARRAY.read("[ 4294967298=7 ]").unwrap(), [0, 0, 7, 0]);
    assert_eq!(refusal(ARRAY, "[ 4294967295=7 ]"), 7);
    assert_eq!(refusal(ARRAY, "[ 18446744073709551615=7 ]"), 22);
    assert_eq!(refusal(ARRAY, "[ 1x=7 ]"), 22);
    assert_eq!(refusal(ARRAY, "[ 1=7 1=8 ]"), 37);
    assert_eq!(refusal(ARRAY, "[ 1 2 3 4 5 ]"), 7);
}

#[test]
fn a_text_as_bytes_must_fit_the_length() {
    assert_eq!(BYTES.read(r#"{ len=4 data="ab" }"#).unwrap(), *b"\x04\0\0\0ab\0\0");
    assert_eq!(refusal(BYTES, r#"{ len=1 data="ab" }"#), 7);
    assert_eq!(refusal(BYTES, r#"{ len=-1 data="" }"#), 7, "a length below zero");
    assert_eq!(refusal(BYTES, "{ len=-1 data=[ ] }"), 22);
    assert_eq!(refusal(BYTES, r#"{ len=20480 data="" }"#), 34);
    assert_eq!(refusal(BYTES, "{ len=1 data=5 }"), 22);
    assert_eq!(refusal(BYTES, r#"{ len=1 data="a }"#), 22);
}

#[test]
fn the_rest_of_the_message_is_what_the_text_is_long() {
    // 33 bytes with its NUL, and padded as an int is.
    assert_eq!(OPTION.read(r#"{ level=1 name=2 value="ab" }   "#).unwrap().len(), 8 + 4);
    assert_eq!(refusal(OPTION, "{ value=[ ] }"), 22, "less than nothing");
    assert_eq!(refusal(OPTION, r#"{ value="" }"#), 7);
    assert_eq!(refusal(OPTION, "{ }"), 22);
    assert_eq!(OPTION.print(&[0; 8]).unwrap(), "{ value=[] }", "which has no default then");
}

#[test]
fn an_open_text_is_passed_over_before_it_is_refused() {
    assert_eq!(refusal(INNER, r#"{ a="x b=1 }"#), 22);
    assert_eq!(refusal(INNER, r#"{ a={ "x } c=1 }"#), 2, "first the member that is not there");
}

#[test]
fn a_field_without_nul_is_printed_on() {
    let fields = Type::FixedArray(&Type::FixedString(4), 2);
    assert_eq!(fields.print(b"abcdef\0\0").unwrap(), r#"[ "abcdef" "ef" ]"#);
    assert_eq!(fields.print(b"abcdefgh").unwrap(), r#"[ "abcdefgh" "efgh" ]"#);
}

#[test]
fn what_follows_the_value_does_not_matter() {
    assert_eq!(INNER.read("{ a=1 } and more \"").unwrap()[0], 1);
    assert_eq!(Type::UINT8.read("7x").unwrap(), [7]);
}

#[test]
fn text_config_and_status_answer_with_a_text_and_take_none() {
    for name in ["textconfig", "textstatus"] {
        let command = command_named("any", name).unwrap();
        assert_eq!(command.read_argument("\"words\"").unwrap(), [], "{name}: the argument is not converted");
        assert_eq!(command.print_argument(b"words\0").unwrap(), "");
        assert_eq!(command.print_reply(b"a\tb\0").unwrap(), r#""a\tb""#);
    }
}
