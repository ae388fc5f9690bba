package lifecycle

import (
	"strings"
	"testing"
)

func TestTheLineOfAnErrorSaysWhyAProgramFailed(t *testing.T) {
	for _, one := range []struct{ name, output, want string }{
		{"nothing", " \n\n", ""},
		{"the exception of a traceback", "2026-11-30 ERROR loader: giving up\nTraceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\n" +
			"psycopg2.errors.UndefinedTable: relation \"x\" does not exist\nLINE 1: SELECT\n", `psycopg2.errors.UndefinedTable: relation "x" does not exist`},
		{"the last of two tracebacks", "Traceback (most recent call last):\n  a\nKeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\n" +
			"Traceback (most recent call last):\n  b\nValueError: b\n", "ValueError: b"},
		{"a traceback without its end", "error: before\nTraceback (most recent call last):\n  File", "error: before"},
		{"a panic after talk of errors", "retrying after error 5\npanic: runtime error: index out of range\n\ngoroutine 1 [running]:\nexit status 2\n", "panic: runtime error: index out of range"},
		{"Java", "INFO start\nException in thread \"main\" java.lang.IllegalStateException: no\n\tat a.b(C.java:1)\n", `Exception in thread "main" java.lang.IllegalStateException: no`},
		{"the first line with the word", "2026-11-30T08:11:09.123Z ERROR disk is full\n2026-11-30T08:11:10Z ERROR giving up\nbye\n", "ERROR disk is full"},
		{"a word that only holds it", "terror alert\nno such table: orders\n", "no such table: orders"},
		{"colours and progress", "\x1b[31mERROR\x1b[0m: red\r\n10 %\r20 %\r", "ERROR: red"},
		{"no such word", "cannot open file\n", "cannot open file"},
		{"a long line", "error " + strings.Repeat("ä", 300), "error " + strings.Repeat("ä", 147) + "…"},
	} {
		if got := ErrorLine(one.output); got != one.want {
			t.Errorf("%s: %q, want %q", one.name, got, one.want)
		}
	}
}

func TestTheMessageOfAFailedRunHasTheLineOfItsError(t *testing.T) {
	code := int32(3)
	for message, want := range map[string]string{
		"":                                   "app, exit code 3: no such table",
		"container job ended with exit code": "container job ended with exit code: no such table",
	} {
		outcome := Outcome{Category: App, ExitCode: &code, Message: message, Line: "no such table"}
		if got := DecideOutcome(CurrentState{Run: Running}, outcome).State.Message; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
