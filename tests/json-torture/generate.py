#!/usr/bin/env python3
"""Writes the JSON torture list into a folder, one case a file.

    generate.py FOLDER STAMP

The name says what a parser must do: y_ accept, n_ refuse, i_ is ours to choose (torture.c lists the choices).
The cases are constructed here from RFC 8259's grammar, a table per production.
"""
import pathlib
import shutil
import sys

CASES = {}


def add(prefix, group, *texts):
    for text in texts:
        number = sum(name.startswith(f"{prefix}_{group}_") for name in CASES) + 1
        CASES[f"{prefix}_{group}_{number:02}"] = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def numbers():
    add("y", "number", "0", "-0", "1", "-1", "10", "123", "0.1", "-0.1", "1.50", "1e1", "1E1", "1e+1", "1e-1", "1.5e300",
        "0e0", "0e+1", "0.0e-10", "-1.0E-5", "9223372036854775807", "-9223372036854775808", "999999999999999999",
        "-999999999999999999", "9007199254740993", "4.9e-324", "1.7976931348623157e308")
    add("i", "number", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "1e400", "-1e400", "1e-400",
        "1" * 100, "0." + "1" * 400, "1e99999999999999999999", "123456789012345678901234567890.5e-7")
    add("n", "number", "00", "01", "-01", "-", "+1", "+", "1.", ".1", "-.1", "1.e1", "1e", "1e+", "1e-", "1E", "0x1", "0b1",
        "1_000", "1,000", "1 2", "- 1", "--1", "1-", "1e1.5", "1e1e1", "1.1.1", "Infinity", "-Infinity", "NaN", "-NaN", "inf",
        "1f", "1L", "0x", "٣", "1\x00", "1e１", "0e", "0.", "-0.", "-e1", "½")


def strings():
    add("y", "string", '""', '"a"', '" "', r'"\""', r'"\\"', r'"\/"', '"/"', r'"\b\f\n\r\t"', r'"\u0000"', r'"\u001f"',
        r'"\u00e9"', r'"\u00E9"', r'"\ud83d\ude00"', r'"\uDBFF\uDFFF"', r'"\u2028\u2029"', '"\u2028\u2029"', '"\x7f"', '"é"',
        '"\U0001f600"', '"\U0010ffff"', '"\ufffe\uffff"', '"\ufeff"', r'"\uFFFF"', r'"\\u0041"', r'"\\\\\""', r'"a\u0000b"',
        '"' + "x" * 5000 + '"', '"' + r"\n" * 2000 + '"', '"<>&\'"', '"\u0080"', '"\ud7ff\ue000"', r'"\u003c"')
    add("i", "string", r'"\ud800"', r'"\udc00"', r'"\ud800\ud800"', r'"\udc00\ud800"', r'"\ud800x"', r'"\ud800\u0041"',
        r'"\ud800\n"', r'"\ud83d\ud83d\ude00"')
    add("n", "string", '"', '"a', "a", "'a'", '"a" "b"', '"a""', '"\n"', '"\t"', '"\x00"', '"\x1f"', '"\r"', r'"\x41"', r'"\a"',
        r'"\v"', r'"\0"', r'"\'"', r'"\u"', r'"\u1"', r'"\u12"', r'"\u123"', r'"\u123g"', r'"\U00000041"', '"\\', '"\\"', r'"\ "',
        '"\\\n"', r'"\u 041"', r'"\u+041"', r'"\u-041"', r'"\ud83d\u"', r'"\ud83d\u12"', r'"\u{41}"', '“a”', r"\u0041", '"\\é"')
    add("n", "utf8", b'"\xff"', b'"\x80"', b'"\xc0\x80"', b'"\xc1\xbf"', b'"\xc3"', b'"\xc3("', b'"\xe0\x80\x80"',
        b'"\xe0\x9f\xbf"', b'"\xe2\x82"', b'"\xed\xa0\x80"', b'"\xed\xbf\xbf"', b'"\xf0\x80\x80\x80"', b'"\xf0\x8f\xbf\xbf"',
        b'"\xf0\x9f\x98"', b'"\xf4\x90\x80\x80"', b'"\xf5\x80\x80\x80"', b'"\xf8\x88\x80\x80\x80"', b'"\xfe"', b"\xef\xbb\xbf1",
        b"\xff\xfe1\x00", b"\xfe\xff\x001", b'{"\xff":1}', b"\xc3\xa9", b"1\xff", b"[\xc2\xa01]")


def structure():
    add("y", "array", "[]", "[ ]", "[1]", "[1,2]", " [ 1 , 2 ] ", "[[],[[]],{}]", "[null,true,false]", "[\n]", '["",0]',
        "[" * 512 + "]" * 512, "[" + ",".join(["1"] * 1000) + "]")
    add("y", "object", "{}", "{ }", '{"a":1}', '{"a":{"a":{}}}', '{"":0}', r'{"\u0000":1}', '{"a":1,"b":2}',
        ' { "a" : 1 , "b" : [ ] } ', '{"a":1,"a":2}', r'{"a":1,"\u0061":2}', '{"é":1}', '{"a":[{"b":[{}]}]}',
        "{" + ",".join(f'"k{i}":{i}' for i in range(300)) + "}", '{"a":' * 512 + "1" + "}" * 512)
    add("y", "top", "null", "true", "false", " 1 ", "\t\r\n 1\n", '"x"', "\n\n[]\n\n")
    add("n", "array", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[1;2]", "[1:2]", "[1}", "[1]]", "[[1]",
        "[1],", "[\x00]", "[a]", "[...]", "[1,\n", '["a', '[""', "[\x0b1]", "[\x0c]", "[1]1", "[][]", "(1)", "[1,2,]", "[nul]",
        "[" * 513 + "]" * 513, "[" * 100000)
    add("n", "object", "{", "}", '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', '{,}', '{,"a":1}', '{"a" 1}', '{"a",1}',
        '{"a"::1}', "{a:1}", "{'a':1}", "{1:1}", "{null:1}", '{"a":1 "b":2}', '{"a":1;"b":2}', '{"a":1]', '{"a":1}}', '{{}}',
        '{[]:1}', '{"a":}', '{"a":,"b":1}', '{"a"=1}', '{"a":1}{"b":2}', '{"a":1}x', '{:1}', '{"a":1,,"b":2}', '{"a":1/**/}',
        '{"a":1}//', '{"a":1}#', '{"a": 1,\n"b"}', "{" * 600, '{"a":' * 513 + "1" + "}" * 513, '{"a":' * 50000, '{"\n":1}')
    add("n", "word", "nul", "nulll", "Null", "NULL", "tru", "True", "TRUE", "truefalse", "fals", "False", "undefined", "nil", "none",
        "yes", "t", "n", "null null", "true,", "nu ll", "nan")
    add("n", "top", "", " ", "\n", "\x00", ",", ":", "\\", "//", "/* */ 1", "# c\n1", "1 # c", "\u20601", "\u00a01", "\x0b1", "\x0c1", "1\x0b",
        "1,", "1:", "<null>", "\u20281", "*", "\x7f", "\x1a", "1\x00\x00", '"a":1')


def main():
    folder, stamp = map(pathlib.Path, sys.argv[1:])
    for table in (numbers, strings, structure):
        table()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in CASES.items():
        (folder / name).write_bytes(text)
    stamp.write_text(f"{len(CASES)} cases\n")


main()
