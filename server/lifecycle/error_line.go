package lifecycle

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// errorLineMax bounds a line of the output in the message of a state, in bytes.
const errorLineMax = 300

var (
	// escapes are what terminals do not show: CSI and OSC sequences, and others of two characters.
	escapes = regexp.MustCompile(`\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])`)
	// stamps begin the lines of loggers; without them, equal failures have equal lines.
	stamps = regexp.MustCompile(`^\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z| ?[+-]\d\d:?\d\d)?\]?[ :-]*`)
	// faults are what the line of an error says: first what names an exception or the end of a program, then less certain words.
	faults = []*regexp.Regexp{
		regexp.MustCompile(`(?i)^(?:panic|fatal(?: error)?|uncaught [\w.]+|exception in thread ".*?"|error)\b *[:\[(]?`),
		regexp.MustCompile(`(?i)\b(?:error|exception|panic|fatal|critical)\b|(?-i:\w(?:Error|Exception)\b)`),
	}
)

// ErrorLine returns the line of an output, of which the end is given, that says why the program failed: the exception under the
// last traceback, else the first line that speaks of an error, else the last one. It is empty where there is no output.
func ErrorLine(output string) string {
	var lines []string
	for _, line := range strings.Split(strings.ToValidUTF8(escapes.ReplaceAllString(output, ""), "\uFFFD"), "\n") {
		line = strings.TrimRight(line, "\r")
		line = line[strings.LastIndexByte(line, '\r')+1:] // what a terminal shows of a progress bar
		if strings.TrimSpace(line) != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return ""
	}
	for i := len(lines) - 1; i >= 0; i-- {
		if !strings.HasPrefix(strings.TrimSpace(lines[i]), "Traceback (most recent call last)") {
			continue
		}
		indented := len(lines[i]) - len(strings.TrimLeft(lines[i], " \t"))
		for _, line := range lines[i+1:] {
			if len(line)-len(strings.TrimLeft(line, " \t")) <= indented {
				return shownLine(line)
			}
		}
	}
	for _, fault := range faults {
		for _, line := range lines {
			if fault.MatchString(shownLine(line)) {
				return shownLine(line)
			}
		}
	}
	return shownLine(lines[len(lines)-1])
}

// shownLine is a line without its time, cut to what a message has room for.
func shownLine(line string) string {
	line = strings.TrimSpace(stamps.ReplaceAllString(strings.TrimSpace(line), ""))
	if len(line) <= errorLineMax {
		return line
	}
	end := errorLineMax
	for !utf8.RuneStart(line[end]) {
		end--
	}
	return line[:end] + "…"
}
