package wire

import (
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/logline"
)

// LogLines converts lines of output.
func LogLines(lines []logline.Line) []api.LogLine {
	converted := make([]api.LogLine, len(lines))
	for i, l := range lines {
		converted[i] = api.LogLine{Line: l.Number, Offset: l.Offset, Size: l.Size, Text: l.Text}
		if l.Cut {
			converted[i].Cut = &lines[i].Cut
		}
		if l.Gap {
			converted[i].Gap = &lines[i].Gap
		}
		if !l.At.IsZero() {
			at := Time(l.At)
			converted[i].At = &at
		}
	}
	return converted
}
