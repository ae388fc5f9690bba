package schedule

import (
	"strconv"
	"strings"
)

// cronBounds are the least and greatest value of each field.
var cronBounds = [5][2]int{{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}}

// PlainCron writes the parts of a cron whose step is beyond their range as the one value that they are: 0 */24 is
// 0 0. What is no cron comes back as it is.
func PlainCron(text string) string {
	fields := strings.Fields(text)
	if len(fields) != 5 {
		return text
	}
	changed := false
	for i, field := range fields {
		if plain := plainField(i, field); plain != field {
			fields[i], changed = plain, true
		}
	}
	if !changed {
		return text
	}
	return strings.Join(fields, " ")
}

func plainField(i int, field string) string {
	parts := strings.Split(field, ",")
	for j, part := range parts {
		parts[j] = plainPart(cronBounds[i][0], cronBounds[i][1], part)
	}
	return strings.Join(parts, ",")
}

func plainPart(least, most int, part string) string {
	span, step, ok := strings.Cut(part, "/")
	n, err := strconv.Atoi(step)
	if !ok || err != nil {
		return part
	}
	low, high := least, most
	if from, to, isRange := strings.Cut(span, "-"); isRange {
		first, errFirst := strconv.Atoi(from)
		last, errLast := strconv.Atoi(to)
		if errFirst != nil || errLast != nil || first < least || last > most || last < first {
			return part
		}
		low, high = first, last
	} else if span != "*" {
		return part
	}
	if n <= high-low {
		return part
	}
	return strconv.Itoa(low)
}
