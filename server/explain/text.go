package explain

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// plural returns "1 run", "2 runs".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// until returns "in 5m", or "now" if the time has passed.
func until(now, at time.Time) string {
	if left := at.Sub(now); left > 0 {
		return "in " + span(left)
	}
	return "now"
}

// span formats a duration with at most two units.
func span(d time.Duration) string {
	d = max(d, 0)
	units := []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}

	for i, u := range units {
		if d < u.size {
			continue
		}
		text := fmt.Sprintf("%d%s", d/u.size, u.name)
		// From ten of a unit on, the smaller unit is noise.
		if i+1 < len(units) && d/u.size < 10 {
			if rest := d % u.size / units[i+1].size; rest > 0 {
				text += fmt.Sprintf("%d%s", rest, units[i+1].name)
			}
		}
		return text
	}
	return "less than 1s"
}

// shellQuote returns a name as an argument for a POSIX shell, quoted only if it has to be.
func shellQuote(name string) string {
	special := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._:@+-", r)
	}
	if name != "" && strings.IndexFunc(name, special) < 0 {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}
