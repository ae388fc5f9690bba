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
var base60 = regexp.MustCompile(`^[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$`)

// refuseOlder refuses a value without quotes that Prefect reads as another one.
func (p *prefect) refuseOlder(v *yamldoc.Value, where string) {
	if v.Kind != yamldoc.String || !v.IsPlain() {
		return
	}
	text := v.Written()
	meaning := ""
	if is, ok := olderBoolean(text); ok && !strings.EqualFold(text, strconv.FormatBool(is)) {
		meaning = strconv.FormatBool(is)
	} else if base60.MatchString(text) {
		meaning = sixties(text)
	}
	if meaning != "" {
		p.fail(v.Place, "%s is %s, which Prefect reads as %s: write that, or quote it to keep the text: %q", where, text,
			meaning, text)
	}
}

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
