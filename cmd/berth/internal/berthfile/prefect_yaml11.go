package berthfile

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/templating/yamldoc"
)

// Prefect reads YAML 1.1, in which more words are booleans and numbers than in the YAML that Berth reads.

// olderBoolean reads the booleans of YAML 1.1.
func olderBoolean(text string) (is, ok bool) {
	switch strings.ToLower(text) {
	case "yes", "true", "on":
		return true, true
	case "no", "false", "off":
		return false, true
	}
	return false, false
}

// base60 matches the numbers in base 60 that YAML 1.1 has.
var base60 = regexp.MustCompile(`^[-+]?([1-9][0-9_]*(:[0-5]?[0-9])+|[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*)$`)

// refuseOlder refuses a value without quotes that Prefect reads as another one.
func (p *prefect) refuseOlder(v *yamldoc.Value, where string) {
	if v.Kind != yamldoc.String || !v.IsPlain() {
		return
	}
	if meaning := olderMeaning(v.Written()); meaning != "" {
		p.fail(v.Place, "%s is %s, which Prefect reads as %s: write that, or quote it to keep the text: %q", where,
			v.Written(), meaning, v.Written())
	}
}

// refuseOlderNames does the same for the names of an object.
func (p *prefect) refuseOlderNames(names []yamldoc.Member, where string) {
	for _, m := range names {
		if meaning := olderName(m.Name); m.IsPlain() && meaning != "" {
			p.fail(m.Place, "%s has the name %s, which Prefect reads as %s: quote it to keep the text: %q", where, m.Name,
				meaning, m.Name)
		}
	}
}

// olderMeaning is what a plain text is in YAML 1.1; empty where it is the same text.
func olderMeaning(text string) string {
	if is, ok := olderBoolean(text); ok && !strings.EqualFold(text, strconv.FormatBool(is)) {
		return strconv.FormatBool(is)
	}
	if base60.MatchString(text) {
		return sixties(text)
	}
	if iso := isoTime(text); iso != text {
		return iso
	}
	return ""
}

var olderOctal = regexp.MustCompile(`^[-+]?0[0-7_]+$`)

// olderName is olderMeaning of a name, which numbers are not made of here.
func olderName(text string) string {
	if is, ok := olderBoolean(text); ok {
		return strconv.FormatBool(is)
	}
	if n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 8, 64); err == nil && olderOctal.MatchString(text) {
		return strconv.FormatInt(n, 10)
	}
	return olderMeaning(text)
}

// olderTime matches the times that YAML 1.1 has: year, month, day, hour, minute, second, fraction, zone.
var olderTime = regexp.MustCompile(`^(\d{4})-(\d\d?)-(\d\d?)(?:[Tt]|[ \t]+)(\d\d?):(\d\d):(\d\d)(?:\.(\d*))?` +
	`(?:[ \t]*(?:(Z)|([-+])(\d\d?)(?::(\d\d))?))?$`)

// isoTime is how a time of YAML 1.1 reads once Prefect has sent it; any other text stays as it is.
func isoTime(text string) string {
	m := olderTime.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	iso := m[1] + "-" + twoDigits(m[2]) + "-" + twoDigits(m[3]) + "T" + twoDigits(m[4]) + ":" + m[5] + ":" + m[6]
	if fraction := (m[7] + "000000")[:6]; fraction != "000000" {
		iso += "." + fraction
	}
	switch {
	case m[9] != "" && (strings.Trim(m[10], "0") != "" || strings.Trim(m[11], "0") != ""):
		iso += m[9] + twoDigits(m[10]) + ":" + twoDigits(m[11])
	case m[8] != "" || m[9] != "":
		iso += "Z"
	}
	return iso
}

func twoDigits(text string) string { return ("00" + text)[len(text):] }

// sixties is what a number in base 60 comes to.
func sixties(text string) string {
	sign := 1.0
	if strings.HasPrefix(text, "-") {
		sign = -1
	}
	total := 0.0
	for _, part := range strings.Split(strings.Trim(strings.ReplaceAll(text, "_", ""), "+-"), ":") {
		n, err := strconv.ParseFloat(part, 64)
		if err != nil {
			return text
		}
		total = total*60 + n
	}
	return strconv.FormatFloat(sign*total, 'f', -1, 64)
}

// isTrue reads a boolean as Prefect does: also yes, on, 1 and text, which may come from the environment.
func (p *prefect) isTrue(v *yamldoc.Value, where string) bool {
	switch v.Kind {
	case yamldoc.Bool:
		return v.Literal() == "true"
	case yamldoc.Null:
		return false
	case yamldoc.String, yamldoc.Number:
		text := strings.ToLower(strings.TrimSpace(p.plain(v, where).Text()))
		if is, ok := olderBoolean(text); ok {
			return is
		}
		switch text {
		case "1", "t", "y":
			return true
		case "0", "f", "n":
			return false
		}
		p.fail(v.Place, "%s must be true or false, not %q", where, text)
	default:
		p.fail(v.Place, "%s must be true or false, this is %s %s", where, article(v.Kind), v.Kind)
	}
	return false
}
